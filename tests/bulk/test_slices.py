"""Slices of rows, bounded by the time that encoding them takes."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clocks import FakeClock
from support.model_server import ModelServer, transport_to

from cleverreach_async import ReceiverInput
from cleverreach_async.bulk.delivery.response_items import read_in_steps, read_items
from cleverreach_async.bulk.delivery.response_parts import parts_of
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.intake.reading import read_source
from cleverreach_async.bulk.intake.slices import MAX_SLICE_ROWS, SMALL_SLICE_ROWS, SliceLimit
from cleverreach_async.bulk.turns import Turns
from cleverreach_async.sources.rows import Item
from cleverreach_async.transport.wire import Response

asynchronous = pytest.mark.anyio


def measured(limit: SliceLimit, clock: FakeClock, *, rows: int, seconds: float) -> int:
    """Measure one slice; returns the rows of the next."""
    limit.start()
    clock.elapsed += seconds
    limit.stop(rows)
    return limit.rows


def test_a_slice_is_as_large_as_half_a_millisecond_allows() -> None:
    """Large rows are fewer, and small ones as many as are useful."""
    clock = FakeClock()
    limit = SliceLimit(clock)

    assert SMALL_SLICE_ROWS == limit.rows
    assert measured(limit, clock, rows=64, seconds=0.002) in {15, 16}
    assert 80 == measured(limit, clock, rows=16, seconds=0.0001)
    assert MAX_SLICE_ROWS == measured(limit, clock, rows=64, seconds=0.0001)
    assert 1 == measured(limit, clock, rows=64, seconds=60.0)
    assert MAX_SLICE_ROWS == measured(limit, clock, rows=1, seconds=0.0)


def test_little_is_read_ahead_of_small_batches() -> None:
    """A slice is hardly larger than a batch."""
    assert [64, 64, 100, 200] == [
        SliceLimit.for_batches(rows, FakeClock()).most for rows in (1, 64, 100, 1000)
    ]


def test_small_slices_follow_one_another() -> None:
    """Other tasks run when another slice like the last one would make it half a millisecond."""
    clock = FakeClock()
    limit = SliceLimit(clock)
    waits: list[bool] = []
    for _ in range(4):
        measured(limit, clock, rows=64, seconds=0.00015)
        waits.append(limit.must_yield)
    limit.yielded()

    assert [False, False, True, True] == waits
    assert not limit.must_yield


def test_a_coarse_clock_does_not_stop_other_tasks() -> None:
    """Slices that it cannot measure do not follow one another."""
    clock = FakeClock()
    limit = SliceLimit(clock)
    measured(limit, clock, rows=64, seconds=0.0)

    assert limit.must_yield


def test_time_between_slices_is_not_measured() -> None:
    """A producer may wait as long as it likes between two rows."""
    clock = FakeClock()
    limit = SliceLimit(clock)
    measured(limit, clock, rows=64, seconds=0.0001)
    clock.elapsed += 60.0

    assert MAX_SLICE_ROWS == measured(limit, clock, rows=64, seconds=0.0001)
    assert not limit.must_yield


class RowClock(FakeClock):
    """A clock on which each row of :meth:`rows` takes a millisecond."""

    def rows(self, count: int, passes: list[int]) -> Iterator[ReceiverInput]:
        """Yield rows, and record for each how often other tasks have run before it."""
        for number in range(count):
            self.elapsed += 0.001
            self.seen.append(len(passes))
            yield ReceiverInput(f"p{number}@example.org")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []


@asynchronous
async def test_other_tasks_run_between_large_rows() -> None:
    """From the second slice on, a row that takes long is a slice of its own."""
    clock = RowClock()
    passes: list[int] = []

    async def count() -> None:
        while True:
            passes.append(1)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        report = await Bulk(transport_to(ModelServer(), clock=clock)).upsert(
            clock.rows(200, passes), group_id=7
        )
        assert 200 == report.accepted
        tasks.cancel_scope.cancel()

    # In one of its rounds trio runs a task before another one, in the next round after it.
    assert len({*clock.seen[64:]}) > (200 - 64) // 3


@asynchronous
async def test_waiting_for_a_row_does_not_make_slices_small() -> None:
    """An asynchronous source waits without holding the event loop."""
    clock = FakeClock()
    slices: list[int] = []

    async def rows() -> AsyncIterator[ReceiverInput]:
        for number in range(200):
            clock.elapsed += 1.0
            yield ReceiverInput(f"p{number}@example.org")

    limit, found = SliceLimit(clock), list[Item]()

    async def take() -> None:
        slices.append(len(found))
        limit.start()
        limit.stop(len(found))
        found.clear()

    await read_source(rows(), found, take, limit)

    assert [64, 136] == slices


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "id": st.integers(0, 9),
    "note": st.sampled_from(['},{"email":', '"},{"email":"', "\\", '\\"']),
    "orders": st.just([{"email": "inner"}, {"email": "inner"}]),
}
EMAIL: dict[str, st.SearchStrategy[Any]] = {"email": st.text(max_size=8)}
OBJECTS: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.fixed_dictionaries(EMAIL, optional=FIELDS), max_size=30
)


@given(
    objects=OBJECTS, size=st.integers(1, 200), between=st.sampled_from([(",", ":"), (", ", ": ")])
)
def test_parts_have_the_same_objects(
    objects: list[Any], size: int, between: tuple[str, str]
) -> None:
    """Each part that is valid JSON is a list of whole objects; the others are seen to be none."""
    content = json.dumps(objects, separators=between).encode()
    try:
        found = [it for part in parts_of(content, size) for it in json.loads(part)]
    except ValueError:
        assert any("orders" in it for it in objects)
        return

    assert objects == found


PROFILES: list[dict[str, Any]] = [
    {"id": str(number), "email": f"p{number}@example.org", "events": [], "note": "x" * 700}
    for number in range(1000)
]


@asynchronous
@pytest.mark.parametrize(
    "content",
    [
        json.dumps(PROFILES, separators=(",", ":")).encode(),
        json.dumps(PROFILES, indent=1).encode(),
        json.dumps([{**it, "events": [{"id": 1}, {"id": 2}]} for it in PROFILES]).encode(),
        json.dumps(PROFILES, separators=(",", ":")).encode()[:-9],
        b"[]",
        b"true",
        b"<html>",
        b"",
    ],
    ids=["compact", "indented", "nested", "cut", "empty", "true", "web page", "nothing"],
)
async def test_a_response_is_read_in_steps_as_at_once(content: bytes) -> None:
    """Whatever it is."""
    response = Response(200, {}, content)

    assert read_items(response) == await read_in_steps(response, Turns())


@asynchronous
async def test_other_tasks_run_while_a_long_response_is_read() -> None:
    """A response of 700 kB is decoded in several steps."""
    passes: list[int] = []

    async def count() -> None:
        while True:
            await anyio.lowlevel.checkpoint()
            passes.append(1)

    content = json.dumps(PROFILES, separators=(",", ":")).encode()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        await read_in_steps(Response(200, {}, content), Turns())
        tasks.cancel_scope.cancel()

    assert len(passes) >= 3
