"""Rows of any iterable, counted so that reading can continue where an import ended."""

import weakref
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async import BadRow, ReceiverInput, SourceError, SourceRow, read_csv
from cleverreach_async.sources.counted_rows import as_resumable
from cleverreach_async.sources.resumable import Resumable

asynchronous = pytest.mark.anyio

ADDRESSES = [f"p{n}@example.org" for n in range(10)]


class Cursor:
    """An asynchronous source that records when it is closed."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = iter(rows)
        self.closed = False

    def __aiter__(self) -> "Cursor":
        return self

    async def __anext__(self) -> Any:
        for row in self._rows:
            return row
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Record that it was called."""
        self.closed = True


async def stream(rows: list[Any]) -> AsyncIterator[Any]:
    """Yield rows as they come in."""
    for row in rows:
        yield row


async def all_of(source: Any, most: int = 1000) -> list[Any]:
    """Read rows of a source of either kind, some of them or all."""
    if not hasattr(source, "__aiter__"):
        return list(islice(source, most))
    rows: list[Any] = []
    async with aclosing(source):
        async for row in source:
            rows.append(row)
            if len(rows) == most:
                break
    return rows


def generator(rows: list[Any]) -> Iterator[Any]:
    """Yield rows."""
    yield from rows


KINDS: list[Callable[[list[Any]], Any]] = [list, generator, stream, Cursor]
kinds = pytest.mark.parametrize("kind", KINDS, ids=["list", "generator", "async gen", "cursor"])


@asynchronous
@kinds
async def test_rows_pass_unchanged(kind: Callable[[list[Any]], Any]) -> None:
    """Counting changes neither rows nor their order."""
    source = as_resumable(kind(ADDRESSES))

    assert isinstance(source, Resumable)
    assert ADDRESSES == await all_of(source)
    assert {"kind": "rows"} == source.identity()


@asynchronous
@kinds
@pytest.mark.parametrize("done", [0, 1, 9, 10])
async def test_rows_before_the_position_are_skipped(
    kind: Callable[[list[Any]], Any], done: int
) -> None:
    """The next run reads them again, compares them, and continues after them."""
    first = as_resumable(kind(ADDRESSES))
    await all_of(first, most=done) if done else None
    second = as_resumable(kind(ADDRESSES))
    second.seek(first.tell())

    assert ADDRESSES[done:] == await all_of(second)


@pytest.mark.parametrize("cuts", [{3}, {1, 4}, {2, 3, 5, 7}])
def test_a_later_run_may_ask_at_other_places(cuts: set[int]) -> None:
    """The checksum at a row depends on the rows before it, not on where they were counted."""
    first = as_resumable([ReceiverInput(it) for it in ADDRESSES[:8]])
    list(first)
    second = as_resumable([{"email": it} for it in ADDRESSES[:8]])
    for read, _ in enumerate(second, 1):
        if read in cuts:
            second.tell()

    assert first.tell() == second.tell()


def test_rows_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checksum for each row would take longer than the rest of reading."""
    sums: list[int] = []

    def crc32(data: bytes, before: int) -> int:
        sums.append(len(data))
        return before

    monkeypatch.setattr(zlib, "crc32", crc32)
    source = as_resumable(["a@example.org"] * 2500)
    for read, _ in enumerate(source, 1):
        if read % 500 == 0:
            source.tell()

    assert [500 * len("a@example.org")] * 5 == sums


def test_few_rows_are_kept_until_they_are_counted() -> None:
    """Also if nobody asks for the position."""
    made: list[weakref.ref[ReceiverInput]] = []

    def rows() -> Iterator[ReceiverInput]:
        for number in range(4000):
            row = ReceiverInput(f"p{number}@example.org")
            made.append(weakref.ref(row))
            yield row

    for _ in islice(as_resumable(rows()), 3500):
        pass

    assert sum(row() is not None for row in made) <= 1002


CHANGED = {
    "another row": [*ADDRESSES[:3], "x@example.org", *ADDRESSES[4:]],
    "a row less": ADDRESSES[1:],
    "a row more": ["x@example.org", *ADDRESSES],
    "another order": [ADDRESSES[1], ADDRESSES[0], *ADDRESSES[2:]],
    "too few rows": ADDRESSES[:3],
    "no rows": [],
}


@asynchronous
@kinds
@pytest.mark.parametrize("rows", CHANGED.values(), ids=CHANGED)
async def test_other_rows_are_refused(kind: Callable[[list[Any]], Any], rows: list[Any]) -> None:
    """Rows after the position would not be those that are still to be sent."""
    first = as_resumable(kind(ADDRESSES))
    await all_of(first, most=5)
    second = as_resumable(kind(rows))
    second.seek(first.tell())

    with pytest.raises(SourceError, match="the first 5 rows are not those") as caught:
        await all_of(second)
    assert "@" not in str(caught.value)


@asynchronous
@kinds
async def test_rows_after_the_position_may_be_others(kind: Callable[[list[Any]], Any]) -> None:
    """A source that has grown meanwhile can be resumed."""
    first = as_resumable(kind(ADDRESSES))
    await all_of(first, most=5)
    second = as_resumable(kind([*ADDRESSES[:5], "new@example.org"]))
    second.seek(first.tell())

    assert ["new@example.org"] == await all_of(second)


@asynchronous
async def test_an_asynchronous_source_is_closed() -> None:
    """Leaving early closes the source behind the counter too."""
    cursor = Cursor(ADDRESSES)
    await all_of(as_resumable(cursor), most=2)

    assert cursor.closed


def test_a_generator_is_closed() -> None:
    """Also one that the caller has a reference to."""
    closed = False

    def rows() -> Iterator[str]:
        nonlocal closed
        try:
            yield from ADDRESSES
        finally:
            closed = True

    held = rows()
    reader = iter(as_resumable(held))
    assert ADDRESSES[0] == next(reader)
    reader.close()

    assert closed


def test_a_resumable_source_is_not_wrapped(tmp_path: Any) -> None:
    """A file is not read twice only to be counted."""
    path = tmp_path / "customers.csv"
    path.write_text("email\na@example.org\n")
    source = read_csv(path)

    assert source is as_resumable(source)


ROWS = st.sampled_from(
    [
        "a@example.org",
        ReceiverInput("a@example.org"),
        SourceRow(ReceiverInput("a@example.org"), line=2),
        {"email": "a@example.org"},
        {"mail": "a@example.org"},
        BadRow(line=3, code="invalid_date", message="no", record={}),
        None,
        17,
        ReceiverInput("b\udc80@example.org"),
    ]
)


@asynchronous
@given(rows=st.lists(ROWS, max_size=12), data=st.data())
async def test_any_rows_can_be_counted(rows: list[Any], data: st.DataObject) -> None:
    """The importer rejects rows that are not receivers; counting accepts any row."""
    done = data.draw(st.integers(0, len(rows)))
    first = as_resumable(rows)
    if done:
        await all_of(first, most=done)
    second = as_resumable(list(rows))
    second.seek(first.tell())

    assert rows[done:] == await all_of(second)
