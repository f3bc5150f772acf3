"""The journal of an import that is running, whatever stores it; and the one in a file."""

import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final, Protocol

import anyio.to_thread

from cleverreach_async.bulk.journal.hold import Hold
from cleverreach_async.bulk.journal.journal import Journal
from cleverreach_async.bulk.journal.state import JournalState
from cleverreach_async.bulk.rows import RowResult

__all__ = ["FileJournal", "OpenJournal", "run_in_thread"]

run_in_thread: Final = anyio.to_thread.run_sync
"""Where files are written. Tests in virtual time write in the event loop instead."""


class OpenJournal(Hold, Protocol):
    """The journal of a running import, which no other run has.

    Attributes:
        name: Names it in messages.
        is_new: Whether this run has created it.
        answer: The report of a complete import, as text; empty if there is none.
        rejects: Rows without their data that earlier runs have rejected; ``None`` if only the
            rejects file has them.
    """

    name: str
    is_new: bool
    answer: str
    rejects: Sequence[RowResult] | None

    @property
    def state(self) -> JournalState:
        """The state that was saved last."""
        ...

    async def save(
        self, state: JournalState, results: Sequence[RowResult], *, now: float, report: str = ""
    ) -> None:
        """Replace the saved state; it is durable on return.

        Args:
            state: The new state. It must not be changed afterwards.
            results: Results that this state is the first to contain.
            now: Unix time in seconds.
            report: The report as text, if the import is complete.

        Raises:
            JournalError: It could not be written, or another attempt has taken the journal over.
        """
        ...

    def holding(self, on_lost: Callable[[Exception], None]) -> AbstractAsyncContextManager[None]:
        """Show other attempts that this one is alive, in the background of the block.

        Args:
            on_lost: Called with the error if another attempt takes the journal over all the same.
        """
        ...

    async def close(self) -> None:
        """Let others have the journal. Does not raise."""
        ...

    async def discard(self) -> None:
        """Delete the journal of an import that has not begun."""
        ...


class FileJournal:
    """A journal in a file of this machine, whose lock lasts as long as the process.

    Args:
        journal: The file, opened.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.name: str = str(journal.path)
        self.is_new: bool = journal.is_new
        self.answer: str = journal.meta.get("report", "")
        self.rejects: Sequence[RowResult] | None = None
        # A task that asyncio itself cancels does not stop its thread.
        self._writing = threading.Lock()

    @property
    def state(self) -> JournalState:
        """See :class:`OpenJournal`."""
        return self._journal.state

    async def save(
        self, state: JournalState, results: Sequence[RowResult], *, now: float, report: str = ""
    ) -> None:
        """See :class:`OpenJournal`."""
        del results
        await run_in_thread(partial(self._save, state, now, report))

    def _save(self, state: JournalState, now: float, report: str) -> None:
        with self._writing:
            if report:
                self._journal.add_report(report)
            self._journal.save(state, now=now)

    async def confirm(self, *, strictly: bool) -> None:
        """Do nothing: the lock lasts."""

    def check(self) -> None:
        """Do nothing: the lock lasts."""

    @asynccontextmanager
    async def holding(self, on_lost: Callable[[Exception], None]) -> AsyncGenerator[None, None]:
        """Do nothing: the lock lasts."""
        del on_lost
        yield

    async def close(self) -> None:
        """Unlock the file."""
        self._journal.close()

    async def discard(self) -> None:
        """Delete the file."""
        self._journal.discard()
