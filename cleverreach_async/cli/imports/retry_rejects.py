"""``cleverreach retry-rejects``: the rows of a rejects file, once more."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import attrs

from cleverreach_async.sources import RowFile
from cleverreach_async.sources.rejects_lines import Only, RejectsSource, read_rejects

__all__ = ["RetryOptions", "default_rejects"]


@attrs.frozen(kw_only=True)
class RetryOptions:
    """How a rejects file is read.

    Attributes:
        only: The outcome of the rows that are sent.
        timezone: Where the clocks stood that repaired dates were read from.
    """

    only: Only | None
    timezone: str

    def read(self, file: Path, date_attributes: Collection[str] = frozenset()) -> RowFile:
        """See :meth:`Reader.read`."""
        del date_attributes
        return read_rejects(file, only=self.only, timezone=self.timezone)

    def remarks(self, source: RowFile) -> Iterator[str]:
        """See :meth:`Reader.remarks`."""
        if not isinstance(source, RejectsSource):
            return
        found = sum(1 for _ in source)
        passed = source.passed
        records = passed.records
        yield f"  {_rows(found - records.total())} to send again"
        if records:
            codes = ", ".join(f"{count:,} {code}" for code, count in records.most_common())
            yield (
                f"  {_rows(records.total())} without a receiver ({codes}): not sent, and passed on"
                " to the new rejects file; repair them in the file that was imported, or give the"
                " line a receiver"
            )
        if passed.left_out:
            yield f"  {_rows(passed.left_out)} left out by --only {self.only}"
        if passed.with_orders:
            yield (
                f"  {_rows(passed.with_orders)} of unknown outcome left out: they have orders,"
                " which would be stored twice if they are stored already; look whether they are,"
                " and send those that are not by --only unknown"
            )

    def settings(self) -> Mapping[str, object]:
        """See :meth:`Reader.settings`."""
        return {"rows": self.only or "rejected and unknown"}


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def default_rejects(file: Path) -> Path:
    """Return where the rows of a rejects file go that are refused again."""
    return file.with_name(f"{file.stem}.retry.jsonl")
