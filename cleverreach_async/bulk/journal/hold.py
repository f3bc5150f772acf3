"""Whether a run of an import may still send, or another one has taken the import over."""

from typing import Final, Protocol

__all__ = ["ALWAYS", "Hold"]


class Hold(Protocol):
    """What a run asks before it sends a batch."""

    async def confirm(self, *, strictly: bool) -> None:
        """Make sure that no other run has the import.

        Args:
            strictly: Whether to ask even if no other run can have it by the clock.

        Raises:
            JournalError: One has, or it cannot be found out.
        """
        ...

    def check(self) -> None:
        """Check without waiting that no other run can have the import.

        Raises:
            StopRequestedError: One might have, so the import stops.
        """
        ...


class _Always:
    """Nobody else can have the import."""

    async def confirm(self, *, strictly: bool) -> None:
        """Do nothing."""

    def check(self) -> None:
        """Do nothing."""


ALWAYS: Final[Hold] = _Always()
