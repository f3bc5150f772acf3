"""Write the results of rows down: to the rejects file, and to the journal if there is one.

With a journal the order of writes makes a killed import resumable: a batch is written as sent
before its request is sent, and rejects are on the disk before their rows count as done.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import anyio
import anyio.to_thread
import attrs

from cleverreach_async.bulk.journal.journal import Journal
from cleverreach_async.bulk.journal.state import JournalState
from cleverreach_async.bulk.outcomes.batch_result import BatchResult
from cleverreach_async.bulk.outcomes.rejects import RejectsFile
from cleverreach_async.bulk.rows import EncodedRow, RowResult, sent_address
from cleverreach_async.errors import JournalError
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.shield import uninterrupted

__all__ = ["Checkpoint", "OnAccepted", "noop", "run_in_thread"]

OnAccepted = Callable[[Sequence[str]], object]

_MOST_BUFFERED: Final = 1000

run_in_thread: Final = anyio.to_thread.run_sync
"""Where files are written. Tests in virtual time write in the event loop instead."""


def noop(addresses: Sequence[str]) -> None:
    """Do nothing."""
    del addresses


@attrs.define(eq=False)
class Checkpoint:
    """The rejects file, and the journal that makes an import resumable.

    With a journal, everything written at once is one transaction in a worker thread; the rejects of
    that transaction are on the disk before it. After a failure nothing more is written, so that the
    journal never contains a row whose reject was lost.

    Attributes:
        rejects: The file, opened.
        journal: The journal, opened; ``None`` for none.
        known_body_size: Returns the largest body that the server accepts, if that is known.
        clock: Source of time.
        on_accepted: Called with the addresses of accepted rows before they count as done.
    """

    rejects: RejectsFile
    journal: Journal | None
    known_body_size: Callable[[], int | None]
    clock: Clock
    on_accepted: OnAccepted = noop
    _state: JournalState = attrs.field(init=False)
    _positions: deque[tuple[int, Any]] = attrs.field(factory=deque[tuple[int, Any]], init=False)
    _windows: deque[int] = attrs.field(factory=deque[int], init=False)
    _buffered: list[RowResult] = attrs.field(factory=list[RowResult], init=False)
    _turn: anyio.Lock = attrs.field(factory=anyio.Lock, init=False)
    # A task that asyncio itself cancels does not stop its thread.
    _writing: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _broken: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        """Start from the state in the journal."""
        self._state = JournalState() if self.journal is None else self.journal.state.snapshot()

    @property
    def is_resumable(self) -> bool:
        """Whether a later run can continue where this one stops."""
        return self.journal is not None

    @property
    def unwritten(self) -> int:
        """Rows that the rejects file lacks, and that no later run will write to it."""
        return 0 if self.is_resumable else self.rejects.unwritten

    def position(self, row: int, position: Any) -> None:
        """Record the position at which the source continues with a row."""
        if self.journal is not None:
            self._positions.append((row, position))

    def window_starts(self, row: int) -> None:
        """Record that a batch is gathered from a row on, and that none before is incomplete."""
        if self.journal is not None:
            self._windows.append(row)

    async def record_unsent(self, results: Sequence[RowResult]) -> None:
        """Write rows down that have a result without being sent.

        With a journal a few are buffered until the next batch is written.
        """
        if self.journal is None:
            self.rejects.write(results)
            return
        self._buffered += results
        if len(self._buffered) >= _MOST_BUFFERED:
            await self._write(self.journal, _no_change)

    async def record_sending(self, batch: Sequence[EncodedRow]) -> None:
        """Write down that a batch is about to be sent."""
        if self.journal is None:
            return
        rows = [row.number for row in batch]

        def change(state: JournalState) -> Sequence[RowResult]:
            state.sent.update(rows)
            return ()

        await self._write(self.journal, change)

    async def record(self, batch: Sequence[EncodedRow], result: BatchResult) -> None:
        """Write the results of a batch down."""
        if result.accepted and self.on_accepted is not noop:
            self.on_accepted(list(map(sent_address, result.accepted)))
        if self.journal is None:
            self.rejects.write(result.results)
            return
        over = [row.number for row in batch]
        if open_rows := {row.number for row in result.without_result(batch)}:
            # Of rows that were sent again it is unknown which request will have stored them.
            perhaps_stored = open_rows & (result.in_doubt | result.resent)
            over = [number for number in over if number not in perhaps_stored]

        def change(state: JournalState) -> Sequence[RowResult]:
            state.sent.difference_update(over)
            state.done.update([row.number for row in result.accepted])
            state.accepted += len(result.accepted)
            return result.results

        await self._write(self.journal, change)

    async def finish(self, *, complete: bool) -> None:
        """Write the rest down.

        Args:
            complete: Whether every row has a result.
        """
        if self.journal is None:
            if self.rejects.size:
                await uninterrupted(partial(run_in_thread, self.rejects.finish))
            return

        def change(state: JournalState) -> Sequence[RowResult]:
            state.finished = complete
            return ()

        if not self._broken:
            await self._write(self.journal, change)

    async def _write(
        self, journal: Journal, change: Callable[[JournalState], Sequence[RowResult]]
    ) -> None:
        """Apply a change and make it durable, with what was buffered before it."""
        # A cancellation between the two steps would lose the rejects of the change.
        await uninterrupted(partial(self._write_in_turn, journal, change))

    async def _write_in_turn(
        self, journal: Journal, change: Callable[[JournalState], Sequence[RowResult]]
    ) -> None:
        async with self._turn:
            if self._broken:
                raise JournalError(f"{journal.path}: not written after an earlier failure")
            try:
                results = self._apply(change)
                await run_in_thread(self._commit, journal, results, self._state.snapshot())
            except BaseException:
                self._broken = True  # the state may have changed in part
                raise

    def _apply(self, change: Callable[[JournalState], Sequence[RowResult]]) -> Sequence[RowResult]:
        """Change the state; returns all results that belong to it."""
        state = self._state
        buffered, self._buffered = self._buffered, []
        results = [*buffered, *change(state)]
        for result in results:
            state.done.add(result.row)
            name = result.outcome.value
            setattr(state, name, getattr(state, name) + 1)
        self._advance(state)
        state.ceiling = self.known_body_size()
        return results

    def _advance(self, state: JournalState) -> None:
        """Move the place at which to resume up to the first row without a result."""
        state.next_row = state.done.first_gap(state.next_row)
        state.done.trim(state.next_row)
        state.sent.trim(state.next_row)
        while self._windows and self._windows[0] <= state.next_row:
            state.window_row = self._windows.popleft()
        while self._positions and self._positions[0][0] <= state.window_row:
            state.position_row, state.position = self._positions.popleft()

    def _commit(self, journal: Journal, results: Sequence[RowResult], state: JournalState) -> None:
        with self._writing:
            self.rejects.write(results, sync=True)
            state.rejects_bytes = self.rejects.size
            journal.save(state, now=self.clock.now())


def _no_change(state: JournalState) -> Sequence[RowResult]:
    del state
    return ()
