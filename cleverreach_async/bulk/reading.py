"""Reading a source a slice at a time, and closing it however the reading ends."""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

import anyio

from cleverreach_async.bulk.encoding import Item

__all__ = ["SLICE_ROWS", "Source", "read_source"]

SLICE_ROWS: Final = 64

Source = Iterable[Item] | AsyncIterable[Item]


async def read_source(
    source: Source, rows: list[Item], take: Callable[[], Awaitable[None]]
) -> None:
    """Read a source to its end.

    Args:
        source: The rows.
        rows: Where they are put; what came before an error of the source stays there.
        take: Called for every slice; it empties ``rows``.
    """
    if isinstance(source, AsyncIterable):
        await _read_async(source, rows, take)
        return
    reader = iter(source)
    try:
        is_last = False
        while not is_last:
            is_last = _pull(reader, rows)
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


def _pull(reader: Iterator[Item], rows: list[Item]) -> bool:
    """Read one slice; whether it is the last."""
    before = len(rows)
    rows.extend(islice(reader, SLICE_ROWS))
    return len(rows) - before < SLICE_ROWS
