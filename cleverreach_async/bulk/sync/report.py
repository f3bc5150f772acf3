"""The report of a synchronisation."""

from typing import Final

import attrs

from cleverreach_async.bulk.report import ImportReport, counted, stopped_because
from cleverreach_async.errors import SyncFailedError

__all__ = ["COUNTS", "SyncReport"]

COUNTS: Final = (
    *("unchanged", "added", "changed", "gone", "rejected", "unknown", "superseded", "excluded"),
    "pending",
)
"""The classes of rows, by their names in the report."""


@attrs.define(kw_only=True)
class SyncReport:
    """The result of a synchronisation. Every row read is in exactly one class.

    Attributes:
        read: Rows read from the source.
        unchanged: Rows not sent, because the server accepted the same row before.
        added: Rows accepted as new receivers.
        changed: Rows accepted as changes of receivers of the group.
        gone: Changed rows whose receivers are no longer in the group; they are not added again.
        rejected: Rows refused, here or by the server.
        unknown: Rows that may or may not be stored; the next run sends them again.
        superseded: Rows replaced, before they were sent, by a later one of the same address.
        excluded: Rows not sent because they say that the person is not subscribed.
        pending: Rows not sent, because the run stopped.
        missing: Receivers of earlier runs that the source no longer has.
        removed: Those of them that were deactivated or deleted.
        stopped: Why the run ended early; empty if it did not.
        additions: The import of the rows that are new.
        changes: The import of the rows that are changed.
    """

    read: int = 0
    unchanged: int = 0
    added: int = 0
    changed: int = 0
    gone: int = 0
    rejected: int = 0
    unknown: int = 0
    superseded: int = 0
    excluded: int = 0
    pending: int = 0
    missing: int = 0
    removed: int = 0
    stopped: str = ""
    additions: ImportReport = attrs.field(factory=ImportReport)
    changes: ImportReport = attrs.field(factory=ImportReport)

    @property
    def requests(self) -> int:
        """Requests that sent rows."""
        return self.additions.requests + self.changes.requests

    def __str__(self) -> str:
        """Return the result in one line."""
        line = counted(self.read, {name: getattr(self, name) for name in COUNTS})
        missing = f"; {self.missing:,} missing, {self.removed:,} removed" if self.missing else ""
        return line + missing + stopped_because(self.stopped)

    @property
    def settled(self) -> int:
        """Rows that have been counted in one of the classes."""
        sent = self.added + self.changed + self.gone + self.rejected + self.unknown
        return self.unchanged + sent + self.superseded + self.excluded + self.pending

    def assert_balanced(self) -> None:
        """Check that no row was lost and none invented.

        Raises:
            AssertionError: The counters do not add up, which is a bug of this library.
        """
        if self.settled != self.read:
            raise AssertionError(
                f"{self.read} rows were read, but {self.settled} are accounted for; please report"
                " this"
            )

    def raise_for_failures(self) -> None:
        """Raise if a row was rejected, is unknown, or is pending.

        Raises:
            SyncFailedError: One was.
        """
        if self.rejected or self.unknown or self.pending:
            raise SyncFailedError(
                f"{self.rejected} rows rejected, {self.unknown} unknown, {self.pending} pending"
                f" of {self.read}",
                self,
            )
