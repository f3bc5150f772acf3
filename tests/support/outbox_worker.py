"""A process whose children use an outbox and are killed: ``python -m support.outbox_worker SPEC``.

One child is the shop, which puts orders; the others send them. At random moments one of them is
killed and started again, until enough were killed and nothing is left to send. The report is
written to standard output, as JSON. Forking is faster than starting Python for each child.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio

from cleverreach_async import (
    CleverReach,
    OAuthApp,
    OrderInput,
    Outbox,
    PostgresOutbox,
    ReceiverInput,
)

__all__ = ["address_of", "main", "order_of"]

Work = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]


def order_of(number: int) -> OrderInput:
    """Return the order of a number."""
    return OrderInput(f"A-{number}", "Lamp", price=49.9, currency="EUR", stamp=1_767_225_600)


def address_of(number: int) -> str:
    """Return the address of the customer of an order; a few of them order several times."""
    return f"person{number % 97 if number % 3 == 0 else number}@shop.example"


def outbox_of(spec: dict[str, Any]) -> Outbox | PostgresOutbox:
    """Return the outbox."""
    url: str = spec["outbox"]
    return PostgresOutbox(url) if "://" in url else Outbox(url)


def write(path: str, text: str, mode: str = "w") -> None:
    """Write a text to a file."""
    with Path(path).open(mode) as file:
        file.write(text)


def last_order(spec: dict[str, Any]) -> int:
    """Return the number of the order that a killed shop was putting; 1 if that is not known."""
    progress = Path(spec["progress"])
    return int(progress.read_text() or 1) if progress.exists() else 1


async def shop(spec: dict[str, Any]) -> None:
    """Put orders; after a kill, go on with the one that was perhaps put."""
    outbox = outbox_of(spec)
    for number in range(last_order(spec), spec["orders"] + 1):
        write(spec["progress"], str(number))
        receiver = ReceiverInput(address_of(number), orders=[order_of(number)])
        before = time.perf_counter()
        await outbox.put(receiver, group_id=spec["group"])
        write(spec["times"], f"{time.perf_counter() - before}\n", mode="a")
        await anyio.sleep(spec["pause"])
    write(spec["ended"], "")


async def send(spec: dict[str, Any]) -> None:
    """Send orders until the process is killed."""
    app = OAuthApp("sandbox", "sandbox-secret", base_url=spec["url"])
    async with (
        CleverReach(app.client_credentials(), allow_http=True) as cr,
        outbox_of(spec).sending(lambda account: cr, **spec["options"]),
    ):
        await anyio.sleep_forever()


def start(work: Work, spec: dict[str, Any]) -> int:
    """Fork a child; it exits without cleanup."""
    if child := os.fork():
        return child
    try:
        anyio.run(work, spec, backend=spec["backend"])
    except BaseException as error:  # noqa: BLE001 - the test fails with it
        os.write(2, f"{error!r}\n".encode())
        os._exit(1)
    os._exit(0)


def left(spec: dict[str, Any]) -> int:
    """Return how many entries are not sent yet."""
    outbox = outbox_of(spec)
    counts = anyio.run(outbox.counts)
    outbox.close()  # it must not be inherited by a child
    return counts["waiting"] + counts["sent"]


def main() -> None:
    """Start, kill and restart the children, and report how often."""
    spec = json.loads(sys.argv[1])
    rng = random.Random(spec["seed"])
    works: list[Work] = [shop, *[send] * spec["workers"]]
    children = {start(work, spec): work for work in works}
    kills, until = 0, time.monotonic() + spec["seconds"]
    ended = Path(spec["ended"])
    while time.monotonic() < until:
        time.sleep(rng.uniform(*spec["between"]))
        if kills < spec["kills"]:
            child = rng.choice([*children])
            os.kill(child, signal.SIGKILL)
            kills += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
            work = children.pop(child)
            if not (work is shop and ended.exists()):
                children[start(work, spec)] = work
        elif ended.exists() and not left(spec):
            break
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    sys.stdout.write(json.dumps({"kills": kills, "left": left(spec)}))


if __name__ == "__main__":
    main()
