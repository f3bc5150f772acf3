"""Iterables that block are read in a worker thread: in order, bounded, cancellable at any time."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from support.model_server import ModelServer, receivers, upsert

from cleverreach_async import ConfigurationError, in_thread
from cleverreach_async.sources import threads

pytestmark = pytest.mark.anyio

SOON = 20.0
"""Seconds after which a test that hangs fails."""


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """An event that a blocking source waits for; it is set at the end."""
    event = threading.Event()
    yield event
    event.set()


async def happens(event: threading.Event) -> None:
    """Wait for an event that a thread sets."""
    assert await anyio.to_thread.run_sync(event.wait, SOON)


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 23])
@pytest.mark.parametrize("chunk_size", [1, 5])
async def test_every_row_comes_in_order(count: int, chunk_size: int) -> None:
    """With any chunk size; after the end there are no more rows."""
    rows = in_thread(iter(range(count)), chunk_size=chunk_size)
    assert list(range(count)) == [row async for row in rows]
    assert [] == [row async for row in rows]


async def test_it_is_read_in_another_thread() -> None:
    """The event loop is not blocked."""

    def source() -> Iterator[int]:
        yield threading.get_ident()

    [thread] = [row async for row in in_thread(source())]
    assert threading.get_ident() != thread


async def test_no_more_than_a_chunk_is_read_ahead() -> None:
    """A source larger than memory is not read ahead."""
    taken: list[int] = []

    def source() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    rows = in_thread(source(), chunk_size=10)
    assert 0 == await anext(rows)
    await anyio.lowlevel.checkpoint()
    assert 10 == len(taken)
    await rows.aclose()
    assert 10 == len(taken)


async def test_an_error_comes_after_the_rows_before_it() -> None:
    """It is the error of the source, and it is raised once."""

    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise LookupError("the disk is gone")

    rows = in_thread(source())
    assert [1, 2] == [await anext(rows), await anext(rows)]
    with pytest.raises(LookupError, match="the disk is gone"):
        await anext(rows)
    with pytest.raises(StopAsyncIteration):
        await anext(rows)


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
async def test_an_end_inside_a_generator_is_an_error(kind: type[Exception]) -> None:
    """A forgotten ``next()`` must not end an import as if it were complete."""

    def source() -> Iterator[int]:
        yield 1
        raise kind

    rows = in_thread(source())
    assert 1 == await anext(rows)
    with pytest.raises(RuntimeError, match=rf"raised {kind.__name__}"):
        await anext(rows)


def test_an_object_that_is_not_iterable_is_an_error() -> None:
    """It is raised at once, not only when rows are requested."""
    with pytest.raises(ConfigurationError, match="rows is of type int; pass a list"):
        in_thread(7)  # type: ignore[arg-type]


async def test_closing_early_closes_the_generator() -> None:
    """In a thread, since it may block; then there are no more rows."""
    closed: list[int] = []

    def source() -> Iterator[int]:
        try:
            yield from range(9)
        finally:
            closed.append(threading.get_ident())

    rows = in_thread(source(), chunk_size=2)
    await anext(rows)
    await rows.aclose()
    await rows.aclose()

    assert 1 == len(closed)
    assert threading.get_ident() not in closed
    assert [] == [row async for row in rows]


async def test_closing_raises_what_the_generator_raises() -> None:
    """A failed clean-up is reported."""

    def source() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            raise LookupError("rollback failed")

    rows = in_thread(source(), chunk_size=1)
    await anext(rows)
    with pytest.raises(LookupError, match="rollback failed"):
        await rows.aclose()


async def test_a_file_of_the_callers_stays_open(tmp_path: Path) -> None:
    """Only generators are closed: any other object may be used again."""
    path = tmp_path / "addresses.txt"
    path.write_text("ann@example.org\nben@example.org\n", "utf-8")
    with path.open(encoding="utf-8") as file:
        rows = in_thread(file, chunk_size=1)
        assert "ann@example.org\n" == await anext(rows)
        await rows.aclose()
        assert not file.closed


async def test_a_source_that_hangs_can_be_cancelled(gate: threading.Event) -> None:
    """Neither the wait nor closing hangs; the thread closes the source later."""
    entered, closed = threading.Event(), threading.Event()

    def source() -> Iterator[int]:
        try:
            yield 1
            entered.set()
            gate.wait()
            yield 2
            yield 3
        finally:
            closed.set()

    rows = in_thread(source(), chunk_size=1)
    assert 1 == await anext(rows)
    with anyio.fail_after(SOON):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anext, rows)
            await happens(entered)
            tasks.cancel_scope.cancel()
        await rows.aclose()
    assert not closed.is_set()

    gate.set()
    await happens(closed)


async def test_closing_a_generator_that_hangs_has_a_timeout(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing ends at its timeout."""
    monkeypatch.setattr(threads, "CLOSE_TIMEOUT", 0.01)

    def source() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            gate.wait()

    rows = in_thread(source(), chunk_size=1)
    await anext(rows)
    with anyio.fail_after(SOON):
        await rows.aclose()


async def test_a_cancelled_wait_loses_no_row(gate: threading.Event) -> None:
    """Rows that the thread reads later are returned by the next wait."""
    entered = threading.Event()

    def source() -> Iterator[int]:
        entered.set()
        gate.wait()
        yield from range(5)

    rows = in_thread(source(), chunk_size=2)
    for _ in range(3):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anext, rows)
            await happens(entered)
            tasks.cancel_scope.cancel()
    gate.set()
    assert [0, 1, 2, 3, 4] == [row async for row in rows]


async def test_sources_that_hang_do_not_use_up_the_loops_threads(gate: threading.Event) -> None:
    """Other work in threads continues, even if many sources hang."""
    waiting = threading.Barrier(5)

    def source() -> Iterator[int]:
        waiting.wait(SOON)
        gate.wait()
        yield 1

    limit = anyio.to_thread.current_default_thread_limiter()
    before, limit.total_tokens = limit.total_tokens, 2
    with anyio.fail_after(SOON):
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(anext, in_thread(source()))
            await anyio.to_thread.run_sync(waiting.wait, SOON)
            assert 7 == await anyio.to_thread.run_sync(lambda: 7)
            tasks.cancel_scope.cancel()
    limit.total_tokens = before


async def test_steps_never_overlap(gate: threading.Event) -> None:
    """A running generator cannot be called: the next wait queues after the cancelled one."""
    running, most = 0, 0
    entered = threading.Event()

    class Source:
        def __iter__(self) -> Iterator[int]:
            return self

        def __next__(self) -> int:
            nonlocal running, most
            running += 1
            most = max(most, running)
            entered.set()
            gate.wait()
            running -= 1
            raise StopIteration

    rows = in_thread(Source())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anext, rows)
        await happens(entered)
        tasks.cancel_scope.cancel()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_drain, rows)
        await anyio.lowlevel.checkpoint()
        gate.set()
    assert 1 == most


async def _drain(rows: AsyncIterator[object]) -> None:
    with suppress(StopAsyncIteration):
        while True:
            await anext(rows)


async def test_a_chunk_has_at_least_one_row() -> None:
    """The error is raised immediately, not at the first row."""
    with pytest.raises(ConfigurationError, match="chunk_size is 0"):
        in_thread([1], chunk_size=0)


async def test_the_importer_takes_it() -> None:
    """Every row is imported."""
    report = await upsert(ModelServer(), in_thread(receivers(1203), chunk_size=100))
    assert 1203 == report.accepted
