"""A process whose children import a file and are killed: ``python -m support.kill_worker``.

Each line of its input is a command as JSON: ``["start", SPEC]`` forks a child and prints its id,
``["reap", ID]`` waits until that child has ended. Each line of its output is the id of the process,
a name and a value. Forking is faster than starting Python for each child.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import attrs
from redis import Redis
from sqlalchemy import create_engine

from cleverreach_async import (
    CleverReach,
    CleverReachError,
    FileTokenStore,
    ImportReport,
    JournalStore,
    OAuthApp,
    OrderInput,
    ReceiverInput,
    RedisJournal,
    SqlJournal,
    read_csv,
)
from cleverreach_async.bulk.run import ImportRun
from support.kill_points import install

__all__ = ["main"]


def write_message(name: str, value: object) -> None:
    """Write a line with the id of this process to standard output, in one system call."""
    os.write(1, f"{json.dumps([os.getpid(), name, value])}\n".encode())


async def import_file(spec: dict[str, Any]) -> None:
    """Import a file as specified, and write its report."""
    source: Any = customers(spec)
    journal: Any = shared_journal(spec) if spec["shared"] else spec["journal"]

    def report_rows_in_doubt(run: ImportRun) -> None:
        doubtful = run._workers.delivery.doubtful  # pyright: ignore[reportPrivateUsage]
        write_message("in_doubt", doubtful.ranges)
        if spec["shared"]:
            journal.lease = 30.0  # on a busy machine a short one would be over too early

    async with CleverReach(credentials(spec), base_url=spec["url"]) as cr:
        report = await getattr(cr.bulk, spec["strategy"])(
            source,
            group_id=spec["group"],
            journal=journal,
            rejects=spec["rejects"],
            on_start=report_rows_in_doubt,
            settle=0.0,
            **spec["options"],
        )
    write_message("report", counts(report))


def shared_journal(spec: dict[str, Any]) -> JournalStore:
    """Return the journal in a store; its lease is short, so that the wait for it is."""
    key, address = f"group {spec['group']}", str(spec["shared"])
    if address.startswith("redis:"):
        url = urlsplit(address)
        return RedisJournal(Redis(url.hostname or "", url.port or 0), key, lease=0.3)
    return SqlJournal(create_engine(address), key, lease=0.3)


def customers(spec: dict[str, Any]) -> Any:
    """Return the rows; those with orders are created here, because CSV files contain no orders."""
    path = Path(spec["file"])
    if spec["orders"] is None:
        return read_csv(path, mapping={"number": "number"})
    return [
        ReceiverInput(
            email=f"person{number % 997}@shop.example",
            global_attributes={"number": str(number)},
            orders=[OrderInput(order_id=f"A-{number}", product="Lamp", price=49.9)],
        )
        for number in range(1, spec["orders"] + 1)
    ]


def credentials(spec: dict[str, Any]) -> Any:
    """Return the token, or the app and its store."""
    if not spec["store"]:
        return "token"
    app = OAuthApp("app", "secret", base_url=spec["url"])
    store = FileTokenStore(spec["store"])
    return app.user(store=store) if spec["is_user"] else app.client_credentials(store=store)


def counts(report: ImportReport) -> dict[str, Any]:
    """Return the values of a report, except samples and elapsed time."""
    values = attrs.asdict(report, recurse=False)
    return {name: values[name] for name in sorted(values) if name not in {"samples", "elapsed"}}


def start(spec: dict[str, Any]) -> int:
    """Fork a child for an import; it exits without cleanup."""
    if child := os.fork():
        return child
    try:
        if spec["point"]:
            install(*spec["point"])
        anyio.run(import_file, spec, backend=spec["backend"])
    except (CleverReachError, OSError) as error:
        write_message("error", f"{type(error).__name__}: {error}")
    except BaseException as error:  # noqa: BLE001 - the test fails with it
        write_message("fault", repr(error))
    finally:
        os._exit(0)


def main() -> None:
    """Execute commands until the input ends."""
    children = set[int]()
    for line in sys.stdin:
        match json.loads(line):
            case ["start", spec]:
                child = start(spec)
                children.add(child)
                write_message("started", child)
            case ["reap", child]:
                os.waitpid(child, 0)
                children.discard(child)
                write_message("gone", child)
            case ["reap_next"]:
                child, _ = os.wait()
                children.discard(child)
                write_message("gone", child)
            case command:
                write_message("fault", f"unknown: {command}")
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
