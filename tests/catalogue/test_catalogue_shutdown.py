"""Catalogue, T5 and T6: forks, and event loops that end too early."""

import asyncio
import gc
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from support.model_server import ModelServer, Reply, always, counts, receivers, transport_to

from cleverreach_async import ImportFailedError, ImportReport, ImportRun, ReceiverInput
from cleverreach_async.bulk.importer import Bulk

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])

FORK = """
import os, sys
import anyio
from cleverreach_async import CleverReach, ClientClosedError
from cleverreach_async.sandbox import Sandbox
from cleverreach_async.transport.http.choice import asgi_client

sandbox = Sandbox()
cr = CleverReach("token", base_url="https://sandbox.invalid", http_client=asgi_client(sandbox.app))

async def use():
    try:
        await cr.debug.ping()
    except ClientClosedError as error:
        return f"refused: {error}"
    return "used"

print(anyio.run(use, backend=sys.argv[1]), flush=True)
if child := os.fork():
    os.waitpid(child, 0)
else:
    print(anyio.run(use, backend=sys.argv[1]), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@BACKENDS
def test_t5_a_forked_process_cannot_use_the_client(backend: str) -> None:
    """Two processes never share connections, as when a server loads an application and forks."""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "ignore", "-c", FORK, backend],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    first, child = done.stdout.splitlines()

    assert "used" == first
    assert child.startswith("refused: the client belongs to another event loop; make one inside")


@BACKENDS
def test_t6_reading_results_may_be_abandoned(backend: str) -> None:
    """Leaving the loop and collecting the iterator as garbage does not affect the import."""

    async def main() -> ImportReport:
        async with Bulk(transport_to(ModelServer())).open(group_id=7, batch_size=10) as run:
            for receiver in receivers(300):
                await run.put(receiver)
            async for _ in run.results():
                break
            gc.collect()
            for receiver in receivers(30):
                await run.put(receiver)
        return run.report

    assert {"read": 330, "accepted": 330} == counts(anyio.run(main, backend=backend))


@BACKENDS
def test_t6_a_source_is_closed_by_the_task_that_reads_it(backend: str) -> None:
    """A generator that is left early is not finished later by the event loop."""
    closed_by: list[int] = []

    async def source() -> AsyncIterator[ReceiverInput]:
        try:
            for receiver in receivers(10**9):
                yield receiver
                await anyio.lowlevel.checkpoint()
        finally:
            closed_by.append(anyio.get_current_task().id)

    async def main() -> int:
        server = ModelServer(always(Reply(403, executed=False, content=b"{}")))
        with pytest.raises(ImportFailedError):
            await Bulk(transport_to(server)).upsert(source(), group_id=7)
        return anyio.get_current_task().id

    me = anyio.run(main, backend=backend)

    assert [me] == closed_by


def test_t6_an_event_loop_that_ends_first_stops_the_import_cleanly() -> None:
    """An import that asyncio cancels at its end accounts for its rows without a warning."""
    runs: list[ImportRun] = []

    async def main() -> asyncio.Task[Any]:
        server = ModelServer(steps=50)
        work = asyncio.ensure_future(
            Bulk(transport_to(server)).upsert(
                receivers(10**9), group_id=7, batch_size=10, on_start=runs.append
            )
        )
        while not runs or runs[0].report.accepted < 200:
            await anyio.lowlevel.checkpoint()
        return work

    work = asyncio.run(main())
    gc.collect()

    assert work.cancelled()
    runs[0].report.assert_balanced()
    assert runs[0].report.accepted >= 200
