"""Read a source slice by slice."""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

import anyio

from cleverreach_async.bulk.intake.slices import SliceLimit
from cleverreach_async.sources.reused_rows import ReuseCheck
from cleverreach_async.sources.rows import Item

__all__ = ["Source", "read_source"]

Source = Iterable[Item] | AsyncIterable[Item]


async def read_source(
    source: Source, rows: list[Item], take: Callable[[], Awaitable[None]], limit: SliceLimit
) -> None:
    """Read a source to its end.

    Args:
        source: The rows.
        rows: Filled with the rows; those read before an error of the source stay there.
        take: Called for every slice; empties ``rows``.
        limit: How many rows a slice has.
    """
    if isinstance(source, AsyncIterable):
        await _read_async(source, rows, take, limit)
        return
    reader = iter(source)
    checked = chain(_first_two(reader), reader)
    try:
        is_last = False
        while not is_last:
            limit.start()
            is_last = _read_slice(checked, rows, limit.rows)
            await take()
    finally:
        close: Callable[[], None] | None = getattr(reader, "close", None)
        if close is not None:
            close()


async def _read_async(
    source: AsyncIterable[Item],
    rows: list[Item],
    take: Callable[[], Awaitable[None]],
    limit: SliceLimit,
) -> None:
    reader = aiter(source)
    reuse = ReuseCheck()
    try:
        async for row in reader:
            if not reuse.is_done:
                reuse.see(row)
            rows.append(row)
            if len(rows) >= limit.rows:
                await take()
        await take()
    finally:
        close: Callable[[], Awaitable[Any]] | None = getattr(reader, "aclose", None)
        if close is not None:
            with anyio.CancelScope(shield=True):
                await close()


def _first_two(reader: Iterator[Item]) -> Iterator[Item]:
    """Yield the first two rows, checked; the others need no check."""
    reuse = ReuseCheck()
    for row in islice(reader, 2):
        reuse.see(row)
        yield row


def _read_slice(reader: Iterator[Item], rows: list[Item], most: int) -> bool:
    """Read one slice; returns whether it is the last."""
    before = len(rows)
    rows.extend(islice(reader, most))
    return len(rows) - before < most
