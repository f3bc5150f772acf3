"""What a store of journals can do that several machines reach."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import attrs

__all__ = ["JournalEntry", "JournalStore"]


@attrs.frozen
class JournalEntry:
    """What a store keeps of an import.

    Attributes:
        version: Different for each entry; shows which attempt has written it.
        text: The state, a few kilobytes of JSON without addresses, names or tokens.
    """

    version: str
    text: str


@runtime_checkable
class JournalStore(Protocol):
    """A place for the journal of one import that several machines can reach.

    The library adds everything else: which attempt may write, and how long others wait for it. So
    ``swap`` is all that has to be exact. An error of the store counts as an outage: the call is
    repeated, also when it is unknown whether it was executed. A :class:`JournalError` is not: it
    stops the import at once.

    Attributes:
        name: Names the place in messages, as in ``Redis key nightly-28/3``.
        lease: Seconds without a sign of life after which another attempt takes over.
    """

    @property
    def name(self) -> str:
        """See above."""
        ...

    @property
    def lease(self) -> float:
        """See above."""
        ...

    async def load(self) -> JournalEntry | None:
        """Return the entry written last, ``None`` if there is none."""
        ...

    async def swap(self, expected: str | None, entry: JournalEntry, rejects: str) -> bool:
        """Replace the entry and add rejects, in one step that is durable on return.

        Args:
            expected: The version to replace; ``None`` if there must not be an entry yet.
            entry: The new entry.
            rejects: What to add to the list of rejects, unless it is empty.

        Returns:
            Whether it was done; ``False`` if the entry has another version.
        """
        ...

    async def load_rejects(self) -> Sequence[str]:
        """Return every text that was added to the list of rejects, in any order."""
        ...

    async def delete(self) -> None:
        """Delete the entry and the rejects."""
        ...
