"""Outcomes row by row, for a caller who wants to see each."""

import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Self

import anyio

from cleverreach_async.bulk.rows import EncodedRow, Outcome, RowResult, receiver_json
from cleverreach_async.errors import ConfigurationError

__all__ = ["Outbox", "Results"]

_MOST_UNCLAIMED: Final = 2000


class Outbox:
    """Outcomes on their way to whoever iterates over them.

    Until somebody does, the first are kept in case somebody will; more would be a growing heap.
    """

    def __init__(self) -> None:
        self._results: deque[RowResult] = deque()
        self._reader: weakref.ref[Results] | None = None
        self._lost = ""
        self.changed = anyio.Event()
        """Set, and replaced, when outcomes come in or go out."""
        self.is_over = False
        """Whether no more rows come in."""

    @property
    def is_full(self) -> bool:
        """Whether a reader has so much to read that no more rows should be taken in."""
        return self._reader is not None and len(self._results) >= _MOST_UNCLAIMED

    async def room(self) -> None:
        """Wait until the reader has caught up, or has gone away."""
        while self.is_full:
            await self.changed.wait()

    def put(self, accepted: Sequence[EncodedRow], results: Sequence[RowResult]) -> None:
        """Add the outcomes of rows."""
        if self._lost:
            return
        if self._reader is None and len(self._results) + len(accepted) > _MOST_UNCLAIMED:
            self._lost = (
                f"the outcomes of the first {_MOST_UNCLAIMED} rows were not asked for and are gone;"
                " call results() before putting more rows than that"
            )
            self._results.clear()
            return
        self._results += results
        self._results += [
            RowResult(row.number, row.line, Outcome.ACCEPTED, receiver=receiver_json(row))
            for row in accepted
        ]
        self.tell()

    def end(self) -> None:
        """No more rows come in."""
        self.is_over = True
        self.tell()

    def attach(self, reader: "Results") -> None:
        """Give the outcomes to a reader.

        Raises:
            ConfigurationError: There is one already, or outcomes have been thrown away.
        """
        if self._lost:
            raise ConfigurationError(self._lost)
        if self._reader is not None:
            raise ConfigurationError("results() is being read already; it can be read once")
        self._reader = weakref.ref(reader, self._detach)

    def _detach(self, _reader: object) -> None:
        """The reader was left early: what is left is thrown away, and nobody waits for it."""
        self._lost = "results() was read before, and left; keep its iterator to read on"
        self._results.clear()
        self._reader = None
        self.tell()

    def take(self) -> RowResult | None:
        """Return the next outcome, if there is one."""
        if not self._results:
            return None
        result = self._results.popleft()
        if len(self._results) == _MOST_UNCLAIMED - 1:
            self.tell()
        return result

    @property
    def holds_any(self) -> bool:
        """Whether there is an outcome to take."""
        return bool(self._results)

    def tell(self) -> None:
        """Wake those who wait for a change."""
        changed, self.changed = self.changed, anyio.Event()
        changed.set()


class Results:
    """An iterator over the outcomes of an import's rows, in the order in which they arrive.

    It is a class, not a generator, so that it can be left at any point and by anybody.

    Args:
        outbox: Where they come from.
        hurry: Sends what waits for more rows, and tells whether any row is still without outcome;
            ``None`` to read until no more rows come in.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        hurry: Callable[[], Awaitable[bool]] | None,
    ) -> None:
        self._outbox = outbox
        self._hurry = hurry
        outbox.attach(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RowResult:
        outbox = self._outbox
        while True:
            result = outbox.take()
            if result is not None:
                return result
            changed = outbox.changed
            is_over = outbox.is_over if self._hurry is None else not await self._hurry()
            if is_over and not outbox.holds_any:
                raise StopAsyncIteration
            if not outbox.holds_any:
                await changed.wait()
