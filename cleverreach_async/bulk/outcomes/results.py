"""Results row by row, for a caller who iterates over them."""

import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Self

import anyio

from cleverreach_async.bulk.rows import EncodedRow, Outcome, RowResult, receiver_json
from cleverreach_async.errors import ConfigurationError

__all__ = ["ResultBuffer", "ResultStream", "Results"]

_MOST_BUFFERED: Final = 2000


class ResultBuffer:
    """Results that wait for a reader.

    Until there is a reader, the first results are kept in case one comes; keeping all of them would
    use more and more memory.
    """

    def __init__(self) -> None:
        # Accepted rows become results when they are read: most imports have no reader.
        self._results: deque[RowResult | EncodedRow] = deque()
        self._reader: weakref.ref[ResultStream] | None = None
        self._discarded = ""
        self.changed: anyio.Event = anyio.Event()
        """Set, and replaced, when results are added or taken."""
        self.ended: bool = False
        """Whether no more rows are added."""

    @property
    def is_full(self) -> bool:
        """Whether a reader has so many results to read that no more rows should be taken."""
        return self._reader is not None and len(self._results) >= _MOST_BUFFERED

    async def wait_for_room(self) -> None:
        """Wait until the reader has caught up, or is gone."""
        while self.is_full:
            await self.changed.wait()

    def add(self, accepted: Sequence[EncodedRow], results: Sequence[RowResult]) -> None:
        """Add the results of rows."""
        if self._discarded:
            return
        if self._reader is None and len(self._results) + len(accepted) > _MOST_BUFFERED:
            self._discarded = (
                f"results() was not called for the first {_MOST_BUFFERED} rows, so their results"
                " were discarded; call it before putting more rows than that"
            )
            self._results.clear()
            return
        self._results += results
        self._results += accepted
        self._notify()

    def end(self) -> None:
        """Record that no more rows are added."""
        self.ended = True
        self._notify()

    def attach(self, reader: "ResultStream") -> None:
        """Give the results to a reader.

        Raises:
            ConfigurationError: There is a reader already, or results were discarded.
        """
        if self._discarded:
            raise ConfigurationError(self._discarded)
        if self._reader is not None:
            raise ConfigurationError("results() is being read already; it can be read once")
        self._reader = weakref.ref(reader, self._detach)

    def _detach(self, _reader: object) -> None:
        """Discard the remaining results after the reader was dropped, so that nothing waits."""
        self._discarded = (
            "results() was read before, and its iterator was dropped; keep the iterator to read on"
        )
        self._results.clear()
        self._reader = None
        self._notify()

    def take(self) -> RowResult | None:
        """Return the next result, if there is one."""
        if not self._results:
            return None
        result = self._results.popleft()
        if len(self._results) == _MOST_BUFFERED - 1:
            self._notify()
        return _accepted(result) if isinstance(result, EncodedRow) else result

    @property
    def is_empty(self) -> bool:
        """Whether there is no result to take."""
        return not self._results

    def _notify(self) -> None:
        """Wake those who wait for a change."""
        changed, self.changed = self.changed, anyio.Event()
        changed.set()


def _accepted(row: EncodedRow) -> RowResult:
    return RowResult(row.number, row.line, Outcome.ACCEPTED, receiver=receiver_json(row))


class ResultStream:
    """An iterator over the results of an import's rows, in the order in which they arrive.

    It is a class, not a generator, so that any task can stop reading it at any point.

    Args:
        buffer: The results.
        flush: Sends rows that wait for a full batch, and returns whether any row is still without
            a result; ``None`` to read until no more rows are added.
    """

    def __init__(
        self, buffer: ResultBuffer, *, flush: Callable[[], Awaitable[bool]] | None
    ) -> None:
        self._buffer = buffer
        self._flush = flush
        buffer.attach(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RowResult:
        buffer = self._buffer
        while True:
            result = buffer.take()
            if result is not None:
                return result
            changed = buffer.changed
            is_over = buffer.ended if self._flush is None else not await self._flush()
            if is_over and buffer.is_empty:
                raise StopAsyncIteration
            if buffer.is_empty:
                await changed.wait()


Results = ResultStream
"""The earlier name, kept until 1.0."""
