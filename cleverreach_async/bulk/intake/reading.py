"""Read a source slice by slice."""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

import anyio

from cleverreach_async.sources.rows import Item

__all__ = ["SLICE_ROWS", "Source", "read_source"]

SLICE_ROWS: Final = 64
"""Rows that are encoded at once: enough to be fast, few enough not to block the event loop."""

Source = Iterable[Item] | AsyncIterable[Item]


async def read_source(
    source: Source, rows: list[Item], take: Callable[[], Awaitable[None]]
) -> None:
    """Read a source to its end.

    Args:
        source: The rows.
        rows: Filled with the rows; those read before an error of the source stay there.
        take: Called for every slice; empties ``rows``.
    """
    if isinstance(source, AsyncIterable):
        await _read_async(source, rows, take)
        return
    reader = iter(source)
    try:
        is_last = False
        while not is_last:
            is_last = _read_slice(reader, rows)
            await take()
    finally:
        close: Callable[[], None] | None = getattr(reader, "close", None)
        if close is not None:
            close()


async def _read_async(
    source: AsyncIterable[Item], rows: list[Item], take: Callable[[], Awaitable[None]]
) -> None:
    reader = aiter(source)
    try:
        async for row in reader:
            rows.append(row)
            if len(rows) >= SLICE_ROWS:
                await take()
        await take()
    finally:
        close: Callable[[], Awaitable[Any]] | None = getattr(reader, "aclose", None)
        if close is not None:
            with anyio.CancelScope(shield=True):
                await close()


def _read_slice(reader: Iterator[Item], rows: list[Item]) -> bool:
    """Read one slice; returns whether it is the last."""
    before = len(rows)
    rows.extend(islice(reader, SLICE_ROWS))
    return len(rows) - before < SLICE_ROWS
