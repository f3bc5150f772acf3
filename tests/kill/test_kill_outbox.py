"""Outboxes of processes that are killed, while the server fails and answers get lost.

The usual run is short. ``nox -s outbox`` plays the long one and prints its figures.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import anyio
import pytest
from support.outbox_worker import address_of
from support.postgres import run_postgres

from cleverreach_async import CleverReach, OAuthApp
from cleverreach_async.sandbox import Fault, Faults, Sandbox
from cleverreach_async.sandbox.server import running

pytestmark = pytest.mark.socket

IS_LONG = bool(os.environ.get("LONG_OUTBOX"))
ORDERS, KILLS, OUTAGE = (1000, 24, 5.0) if IS_LONG else (90, 5, 0.6)
OPTIONS = {"timeout": 1.0, "lease": 1.6, "settle": 1.0, "poll": 0.1}
LOST = Fault("reset", rate=0.1, committed=True, path_suffix="/upsertplus")
SLOW = Fault("latency", seconds=0.02)


@pytest.fixture(params=["sqlite", "postgresql"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A file, or the URL of a database."""
    if request.param == "sqlite":
        yield str(tmp_path / "orders.db")
        return
    with run_postgres() as address:
        yield f"postgresql://postgres@{address}/postgres"


async def new_group(url: str) -> int:
    """Create a group."""
    app = OAuthApp("sandbox", "sandbox-secret", base_url=url)
    async with CleverReach(app.client_credentials()) as cr:
        return (await cr.groups.create(name="Customers")).id


def fail_for_a_while(sandbox: Sandbox) -> None:
    """Let every request fail for some time: half of it with 503, half without a response."""
    time.sleep(OUTAGE)
    for fault in (Fault("status", code=503), Fault("reset")):
        sandbox.faults = Faults([fault], seed=1)
        time.sleep(OUTAGE / 2)
    sandbox.faults = Faults([LOST, SLOW], seed=2)


def test_killed_processes_lose_no_order_and_double_none(outbox: str, tmp_path: Path) -> None:
    """Every order is stored once, whatever is killed, and whatever the server does."""
    spec: dict[str, Any] = {
        **{name: str(tmp_path / name) for name in ("progress", "times", "ended")},
        "outbox": outbox,
        "orders": ORDERS,
        "kills": KILLS,
        "between": [0.2, 0.5],
        "seconds": 300,
        "workers": 3,
        "pause": 0.005,
        "backend": "asyncio",
        "options": OPTIONS,
        "seed": 7,
    }
    with Sandbox(faults=Faults([LOST, SLOW], seed=1)) as sandbox, running(sandbox) as url:
        spec |= {"url": url, "group": anyio.run(new_group, url)}
        outage = Thread(target=fail_for_a_while, args=[sandbox])
        outage.start()
        started = time.monotonic()
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "support.outbox_worker", json.dumps(spec)],
            stdout=subprocess.PIPE,
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        elapsed = time.monotonic() - started
        outage.join()
        people = {address_of(number) for number in range(1, ORDERS + 1)}
        stored = [line["order_id"] for it in people for line in sandbox.store.orders(it)]
        lost = sum(request.status_code is None for request in sandbox.requests)
    report = json.loads(done.stdout)
    times = sorted(map(float, Path(spec["times"]).read_text().split()))
    middle, p99 = (1000 * times[int(len(times) * share)] for share in (0.5, 0.99))
    sys.stdout.write(
        f"{report}, {lost} answers lost, {elapsed:.0f} s;"
        f" put: median {middle:.1f} ms, p99 {p99:.1f} ms\n"
    )

    assert {"kills": KILLS, "left": 0} == report
    assert sorted(f"A-{number}" for number in range(1, ORDERS + 1)) == sorted(stored)
