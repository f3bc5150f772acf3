"""Write the results of rows down: to the rejects file, and to the journal if there is one.

With a journal the order of writes makes a killed import resumable: a batch is written as sent
before its request is sent, and rejects are on the disk before their rows count as done.
"""

import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import anyio
import attrs

from cleverreach_async.bulk.journal.opened import OpenJournal, run_in_thread
from cleverreach_async.bulk.journal.state import JournalState
from cleverreach_async.bulk.outcomes.batch_result import BatchResult
from cleverreach_async.bulk.outcomes.rejects import RejectsFile
from cleverreach_async.bulk.rows import EncodedRow, RowResult, sent_address
from cleverreach_async.errors import JournalError
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.shield import uninterrupted

__all__ = ["Checkpoint", "OnAccepted", "noop", "run_in_thread"]

OnAccepted = Callable[[Sequence[str]], object]
WithRead = Callable[[Any, Any], Any]

_MOST_BUFFERED: Final = 1000


def noop(addresses: Sequence[str]) -> None:
    """Do nothing."""
    del addresses


@attrs.define(eq=False)
class Checkpoint:
    """The rejects file, and the journal that makes an import resumable.

    With a journal, everything written at once is one transaction; the rejects of that transaction
    are on the disk before it. After a failure nothing more is written, so that the journal never
    contains a row whose reject was lost. The journal of a complete import does not change.

    Attributes:
        rejects: The file, opened.
        journal: The journal, opened; ``None`` for none.
        known_body_size: Returns the largest body that the server accepts, if that is known.
        clock: Source of time.
        on_accepted: Called with the addresses of accepted rows before they count as done.
    """

    rejects: RejectsFile
    journal: OpenJournal | None
    known_body_size: Callable[[], int | None]
    clock: Clock
    on_accepted: OnAccepted = noop
    _state: JournalState = attrs.field(init=False)
    _positions: deque[tuple[int, Any]] = attrs.field(factory=deque[tuple[int, Any]], init=False)
    _with_read: WithRead | None = attrs.field(default=None, init=False)
    _last_read: Any = attrs.field(default=None, init=False)
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

    def position(self, row: int, position: Any, *, with_read: WithRead | None = None) -> None:
        """Record the position at which the source continues with a row.

        Args:
            row: The row.
            position: The position.
            with_read: Adds to the position to resume at the one after the last row that was read,
                so that a later run can tell whether it gets the same rows.
        """
        if self.journal is not None:
            self._positions.append((row, position))
            self._with_read = with_read
            self._last_read = position

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

    @asynccontextmanager
    async def holding(
        self, on_lost: Callable[[Exception], None], *, settle: float
    ) -> AsyncGenerator[None, None]:
        """Keep other runs away from the journal during the block, which begins when it is safe.

        Args:
            on_lost: Called with the error if another run has the journal all the same.
            settle: Seconds after which a request of an earlier run has surely ended on the server.

        Raises:
            JournalError: The journal cannot be written.
        """
        journal = self.journal
        if journal is None:
            yield
            return
        async with journal.holding(on_lost):
            if journal.state.sent:
                # Requests of the killed run may still be executing.
                await self.clock.sleep(settle)
            if journal.rejects is not None and journal.state.rejects_bytes != self.rejects.size:
                await self._write(journal, _no_change)  # the rejects file is a new one
            yield

    async def finish(self, *, report: str) -> None:
        """Write the rest down.

        Args:
            report: The report as text, if every row has a result; else empty.
        """
        if self.journal is None:
            if self.rejects.size:
                await uninterrupted(partial(run_in_thread, self.rejects.finish))
            return

        def change(state: JournalState) -> Sequence[RowResult]:
            state.finished = bool(report)
            return ()

        if not self._broken:
            await self._write(self.journal, change, report)

    async def _write(
        self,
        journal: OpenJournal,
        change: Callable[[JournalState], Sequence[RowResult]],
        report: str = "",
    ) -> None:
        """Apply a change and make it durable, with what was buffered before it."""
        if journal.state.finished:
            return
        # A cancellation between the two steps would lose the rejects of the change.
        await uninterrupted(partial(self._write_in_turn, journal, change, report))

    async def _write_in_turn(
        self,
        journal: OpenJournal,
        change: Callable[[JournalState], Sequence[RowResult]],
        report: str,
    ) -> None:
        async with self._turn:
            if self._broken:
                raise JournalError(f"{journal.name}: not written after an earlier failure")
            try:
                results = self._apply(change)
                state = self._state.snapshot()
                if results:
                    await run_in_thread(self._write_rejects, results)
                state.rejects_bytes = self.rejects.size
                await journal.save(state, results, now=self.clock.now(), report=report)
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
        if self._with_read is not None:
            state.position = self._with_read(state.position, self._last_read)

    def _write_rejects(self, results: Sequence[RowResult]) -> None:
        with self._writing:
            self.rejects.write(results, sync=True)


def _no_change(state: JournalState) -> Sequence[RowResult]:
    del state
    return ()
