"""Writing down what became of rows: the rejects file, and the journal where there is one.

With a journal the order of writing is what makes a killed import resumable: a batch is noted as
sent before its request leaves, and rejects are on the disk before their rows count as done.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

import anyio
import anyio.to_thread

from cleverreach_async.bulk.delivery.batch_result import Tally
from cleverreach_async.bulk.journal.journal import Journal
from cleverreach_async.bulk.journal.state import JournalState
from cleverreach_async.bulk.outcomes.rejects import RejectsFile
from cleverreach_async.bulk.rows import EncodedRow, RowResult
from cleverreach_async.errors import JournalError
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.shield import uninterrupted

__all__ = ["JournalLedger", "Ledger", "OnAccepted", "RejectsLedger", "nobody_asks", "run_in_thread"]

OnAccepted = Callable[[Sequence[str]], object]

_MOST_NOTES: Final = 1000

run_in_thread = anyio.to_thread.run_sync
"""Where files are written. Tests in virtual time write in the loop instead."""


class Ledger(Protocol):
    """Where outcomes are written down."""

    @property
    def is_resumable(self) -> bool:
        """Whether a later run can go on where this one stops."""
        ...

    def reached(self, row: int, position: Any) -> None:
        """Take note of where the source would go on to yield a row."""
        ...

    def gathers_from(self, row: int) -> None:
        """Take note that a batch is gathered from a row on, and none before is still open."""
        ...

    async def note(self, results: Sequence[RowResult]) -> None:
        """Write down rows that got their outcome without being sent."""
        ...

    async def sent(self, batch: Sequence[EncodedRow]) -> None:
        """Write down that a batch is about to be sent."""
        ...

    async def settled(self, batch: Sequence[EncodedRow], tally: Tally) -> None:
        """Write down what became of a batch."""
        ...

    async def finish(self, *, complete: bool) -> None:
        """Write down what is left; ``complete`` when every row has its outcome."""
        ...


def nobody_asks(addresses: Sequence[str]) -> None:
    """Take no note of accepted rows."""
    del addresses


class RejectsLedger:
    """Keeps the rejects file only.

    Args:
        rejects: The file, opened.
        on_accepted: Told the addresses of accepted rows.
    """

    is_resumable = False

    def __init__(self, rejects: RejectsFile, on_accepted: OnAccepted = nobody_asks) -> None:
        self._rejects = rejects
        self._on_accepted = on_accepted

    def reached(self, row: int, position: Any) -> None:
        """See :class:`Ledger`."""

    def gathers_from(self, row: int) -> None:
        """See :class:`Ledger`."""

    async def note(self, results: Sequence[RowResult]) -> None:
        """See :class:`Ledger`."""
        self._rejects.write(results)

    async def sent(self, batch: Sequence[EncodedRow]) -> None:
        """See :class:`Ledger`."""

    async def settled(self, batch: Sequence[EncodedRow], tally: Tally) -> None:
        """See :class:`Ledger`."""
        del batch
        _announce(tally, self._on_accepted)
        self._rejects.write(tally.results)

    async def finish(self, *, complete: bool) -> None:
        """See :class:`Ledger`."""


class JournalLedger:
    """Keeps the rejects file and the journal in step.

    Everything that is written at once is one transaction, made in a worker thread; the rejects of
    that transaction are on the disk before it. After a failure nothing more is written, so that
    the journal never tells of a row whose reject was lost.

    Args:
        rejects: The file, opened.
        journal: The journal, opened.
        learned_ceiling: Tells the largest body that the server takes, where that was learned.
        clock: Source of wall time.
        on_accepted: Told the addresses of accepted rows before they count as done.
    """

    is_resumable = True

    def __init__(
        self,
        rejects: RejectsFile,
        journal: Journal,
        learned_ceiling: Callable[[], int | None],
        clock: Clock,
        on_accepted: OnAccepted = nobody_asks,
    ) -> None:
        self._rejects = rejects
        self._journal = journal
        self._learned_ceiling = learned_ceiling
        self._clock = clock
        self._on_accepted = on_accepted
        self._state = journal.state.snapshot()
        self._positions: deque[tuple[int, Any]] = deque()
        self._windows: deque[int] = deque()
        self._notes: list[RowResult] = []
        self._turn = anyio.Lock()
        # A task that asyncio itself cancels leaves its thread behind.
        self._writing = threading.Lock()
        self._broken = False

    def reached(self, row: int, position: Any) -> None:
        """See :class:`Ledger`."""
        self._positions.append((row, position))

    def gathers_from(self, row: int) -> None:
        """See :class:`Ledger`."""
        self._windows.append(row)

    async def note(self, results: Sequence[RowResult]) -> None:
        """See :class:`Ledger`; a few are kept until the next batch is written down."""
        self._notes += results
        if len(self._notes) >= _MOST_NOTES:
            await self._write(_nothing)

    async def sent(self, batch: Sequence[EncodedRow]) -> None:
        """See :class:`Ledger`."""
        rows = [row.number for row in batch]

        def change(state: JournalState) -> Sequence[RowResult]:
            state.sent.update(rows)
            return ()

        await self._write(change)

    async def settled(self, batch: Sequence[EncodedRow], tally: Tally) -> None:
        """See :class:`Ledger`."""
        _announce(tally, self._on_accepted)
        left = {row.number for row in tally.left_of(batch)}
        # Of rows sent again nobody knows which attempt will have stored them.
        perhaps = left & (tally.in_doubt | tally.replayed)
        over = [row.number for row in batch if row.number not in perhaps]

        def change(state: JournalState) -> Sequence[RowResult]:
            state.sent.difference_update(over)
            state.done.update(row.number for row in tally.accepted)
            state.accepted += len(tally.accepted)
            return tally.results

        await self._write(change)

    async def finish(self, *, complete: bool) -> None:
        """See :class:`Ledger`."""

        def change(state: JournalState) -> Sequence[RowResult]:
            state.finished = complete
            return ()

        if not self._broken:
            await self._write(change)

    async def _write(self, change: Callable[[JournalState], Sequence[RowResult]]) -> None:
        """Apply a change and make it durable, with what was noted before it."""
        # Broken off between the two it would lose the rejects of that change.
        await uninterrupted(partial(self._write_in_turn, change))

    async def _write_in_turn(self, change: Callable[[JournalState], Sequence[RowResult]]) -> None:
        async with self._turn:
            notes, self._notes = self._notes, []
            state = self._state
            results = [*notes, *change(state)]
            for result in results:
                state.done.add(result.row)
                name = result.outcome.value
                setattr(state, name, getattr(state, name) + 1)
            self._advance(state)
            state.ceiling = self._learned_ceiling()
            await run_in_thread(self._commit, results, state.snapshot())

    def _advance(self, state: JournalState) -> None:
        """Move the place to go on from up to the first row without outcome."""
        state.next_row = state.done.first_gap(state.next_row)
        state.done.trim(state.next_row)
        state.sent.trim(state.next_row)
        while self._windows and self._windows[0] <= state.next_row:
            state.window_row = self._windows.popleft()
        while self._positions and self._positions[0][0] <= state.window_row:
            state.position_row, state.position = self._positions.popleft()

    def _commit(self, results: Sequence[RowResult], state: JournalState) -> None:
        with self._writing:
            if self._broken:
                raise JournalError(f"{self._journal.path}: not written after an earlier failure")
            try:
                self._rejects.write(results, sync=True)
                state.rejects_bytes = self._rejects.size
                self._journal.save(state, now=self._clock.now())
            except BaseException:
                self._broken = True
                raise


def _nothing(state: JournalState) -> Sequence[RowResult]:
    del state
    return ()


def _announce(tally: Tally, on_accepted: OnAccepted) -> None:
    if tally.accepted:
        on_accepted([row.key for row in tally.accepted])
