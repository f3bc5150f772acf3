"""The journal of a partition that has none: it lasts for one attempt, and collects its rejects."""

from collections.abc import Sequence

from cleverreach_async.bulk.journal.store import JournalEntry

__all__ = ["AttemptJournal"]


class AttemptJournal:
    """A :class:`JournalStore` in memory."""

    def __init__(self) -> None:
        self.name: str = "journal of one attempt"
        self.lease: float = 30.0
        self._entry: JournalEntry | None = None
        self._rejects: list[str] = []

    async def load(self) -> JournalEntry | None:
        """See :class:`JournalStore`."""
        return self._entry

    async def swap(self, expected: str | None, entry: JournalEntry, rejects: str) -> bool:
        """See :class:`JournalStore`. Nobody else has it, so every entry is expected."""
        del expected
        self._entry = entry
        self._rejects += [rejects]
        return True

    async def load_rejects(self) -> Sequence[str]:
        """See :class:`JournalStore`."""
        return self._rejects

    async def delete(self) -> None:
        """See :class:`JournalStore`."""
        self._entry, self._rejects = None, []
