"""The report of an import: counters, samples, progress."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import attrs

from cleverreach_async.bulk.rows import Outcome, RowResult
from cleverreach_async.errors import ImportFailedError, TooManyRejectsError
from cleverreach_async.sources.rows import Item, Remark, SourceRow

__all__ = [
    "ImportProgress",
    "ImportReport",
    "OnProgress",
    "RemarkCount",
    "as_import_failure",
    "counted",
    "message_of",
    "stopped_because",
    "too_many_rejects",
]

_COUNTS: Final = ("accepted", "rejected", "unknown", "pending", "superseded", "excluded")
_SAMPLES: Final = 100
_SAMPLES_PER_REASON: Final = 5
_LINES_PER_REMARK: Final = 5


@attrs.frozen(kw_only=True)
class ImportProgress:
    """The progress of an import.

    Attributes:
        read: Rows read from the source.
        accepted: Rows that the server shows as stored.
        rejected: Rows refused.
        unknown: Rows of unknown outcome.
        superseded: Rows replaced by a later one of the same address.
        excluded: Rows left out because they say that the person is not subscribed.
        requests: Requests sent.
        retries: Requests that repeated an earlier one.
        elapsed: Seconds since the import began.
        skipped: Rows skipped because an earlier run had done them.
        in_flight: Requests in flight now.
        limit: Most requests that may be in flight now.
        paused: Whether the account's gate is closed, so that all calls wait.
        pauses: How often it was closed.
        finished: Whether this is the last event.
    """

    read: int
    accepted: int
    rejected: int
    unknown: int
    superseded: int
    requests: int
    retries: int
    elapsed: float
    skipped: int = 0
    excluded: int = 0
    in_flight: int = 0
    limit: int = 0
    paused: bool = False
    pauses: int = 0
    finished: bool = False

    @property
    def done(self) -> int:
        """Rows that have a result."""
        return self.accepted + self.rejected + self.unknown + self.superseded + self.excluded

    @property
    def rows_per_second(self) -> float:
        """Rows that got a result per second so far."""
        return self.done / self.elapsed if self.elapsed > 0 else 0.0


OnProgress = Callable[[ImportProgress], None]


@attrs.define
class RemarkCount:
    """How often a value of a column was dropped or changed in the same way.

    Attributes:
        kind: ``dropped`` or ``changed``.
        count: Number of values.
        rows: The first rows: their lines in the file, or else their numbers.
    """

    kind: Literal["dropped", "changed"]
    count: int = 0
    rows: list[int] = attrs.field(factory=list[int])


@attrs.define(kw_only=True)
class ImportReport:
    """The result of an import. Every row read is in exactly one class.

    Attributes:
        read: Rows read from the source, including those before the place of resumption.
        accepted: Rows that the server shows as stored.
        rejected: Rows refused, here or by the server; each is in the rejects file, but for those of
            ``unwritten``.
        unknown: Rows that may or may not be stored; as for ``rejected``.
        pending: Rows read but not sent, because the import stopped.
        superseded: Rows replaced, before they were sent, by a later one of the same address.
        skipped: Rows skipped because an earlier run had done them.
        excluded: Rows not sent because they say that the person is not subscribed.
        earlier: Rows of earlier runs with the same journal, by outcome.
        batches: Batches delivered.
        requests: Requests sent, without those for attributes.
        retries: Requests that repeated an earlier one.
        replayed: Rows sent again after a response was lost; the server may have counted them twice.
        unwritten: Rows rejected or unknown that are not in the rejects file, since it could not be
            written, and that no resumed import will write.
        unexpected: Items of responses that match no row sent.
        pauses: How often the account's calls had to wait, because the server throttled them or
            could not be reached.
        elapsed: Seconds from start to end.
        stopped: Why the import ended before its source did; empty if it did not.
        reasons: Number of rows rejected or unknown, by code.
        exclusions: Number of rows excluded, by code.
        samples: The first rows of each code, without their data.
        remarks: Values that were not sent as they stand in the source, by what was done to them.
    """

    read: int = 0
    accepted: int = 0
    rejected: int = 0
    unknown: int = 0
    pending: int = 0
    superseded: int = 0
    skipped: int = 0
    excluded: int = 0
    earlier: Mapping[str, int] = attrs.field(factory=dict[str, int])
    batches: int = 0
    requests: int = 0
    retries: int = 0
    replayed: int = 0
    unwritten: int = 0
    unexpected: int = 0
    pauses: int = 0
    elapsed: float = 0.0
    stopped: str = ""
    reasons: dict[str, int] = attrs.field(factory=dict[str, int])
    exclusions: dict[str, int] = attrs.field(factory=dict[str, int])
    samples: list[RowResult] = attrs.field(factory=list[RowResult])
    remarks: dict[str, RemarkCount] = attrs.field(factory=dict[str, RemarkCount])

    def count(self, results: Iterable[RowResult]) -> None:
        """Count rows that were not accepted, keeping the first of each code as samples."""
        for result in results:
            name = result.outcome.value
            setattr(self, name, getattr(self, name) + 1)
            if result.outcome is Outcome.SUPERSEDED:
                continue
            is_excluded = result.outcome is Outcome.EXCLUDED
            counts = self.exclusions if is_excluded else self.reasons
            number = counts[result.code] = counts.get(result.code, 0) + 1
            is_wanted = number <= _SAMPLES_PER_REASON and len(self.samples) < _SAMPLES
            if number == 1 or is_wanted:
                self.samples.append(attrs.evolve(result, receiver=b"", record=b""))

    def remark(self, remarks: Iterable[Remark], row: int) -> None:
        """Count values of a row that were dropped or changed.

        Args:
            remarks: What was done to them.
            row: The row's line in the file, or else its number.
        """
        for remark in remarks:
            counted = self.remarks.setdefault(remark.text, RemarkCount(remark.kind))
            counted.count += 1
            if len(counted.rows) < _LINES_PER_REMARK:
                counted.rows.append(row)

    def remark_rows(
        self,
        items: Sequence[Item],
        numbers: Iterable[int],
        but_not: Callable[[int], bool] | None = None,
    ) -> None:
        """Count the values of rows that were dropped or changed.

        Args:
            items: The rows as the source yielded them.
            numbers: One-based number of each.
            but_not: Whether a row with a number was counted before.
        """
        if SourceRow not in {*map(type, items)}:
            return
        found = [
            (number, item)
            for number, item in zip(numbers, items, strict=True)
            if isinstance(item, SourceRow) and item.remarks
        ]
        for number, item in found:
            if but_not is None or not but_not(number):
                self.remark(item.remarks, item.line or number)

    @property
    def dropped_values(self) -> int:
        """Number of values that were not sent, or that the server did not store."""
        return sum(it.count for it in self.remarks.values() if it.kind == "dropped")

    @property
    def changed_values(self) -> int:
        """Number of values that were sent in another form than in the source."""
        return sum(it.count for it in self.remarks.values() if it.kind == "changed")

    def total(self, name: str) -> int:
        """Return a counter over all runs with the same journal.

        Args:
            name: ``read``, or the name of an outcome.
        """
        if name == "read":
            return self.read - self.skipped + sum(self.earlier.values())
        return int(getattr(self, name)) + self.earlier.get(name, 0)

    def __str__(self) -> str:
        """Return the result over all runs in one line."""
        line = counted(self.total("read"), {name: self.total(name) for name in _COUNTS})
        reasons = ", ".join(f"{count:,} {code}" for code, count in self.reasons.items())
        return line + (f"; reasons: {reasons}" if reasons else "") + stopped_because(self.stopped)

    @property
    def settled(self) -> int:
        """Rows that have been counted in one of the classes."""
        known = self.accepted + self.rejected + self.unknown
        return known + self.pending + self.superseded + self.skipped + self.excluded

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
        """Raise unless every row was accepted, superseded, skipped or excluded.

        Raises:
            ImportFailedError: Rows were rejected, are unknown, or are pending.
        """
        if self.rejected or self.unknown or self.pending:
            raise ImportFailedError(
                f"{self.rejected} rows rejected, {self.unknown} unknown, {self.pending} pending "
                f"of {self.read}",
                self,
            )

    def progress(self, elapsed: float, **state: Any) -> ImportProgress:
        """Return the counters as a progress event.

        Args:
            elapsed: Seconds since the import began.
            **state: The event's other fields.
        """
        return ImportProgress(
            read=self.read,
            accepted=self.accepted,
            rejected=self.rejected,
            unknown=self.unknown,
            superseded=self.superseded,
            skipped=self.skipped,
            excluded=self.excluded,
            requests=self.requests,
            retries=self.retries,
            pauses=self.pauses,
            elapsed=elapsed,
            **state,
        )


def counted(rows: int, counts: Mapping[str, int]) -> str:
    """Return rows and what has become of them in words, such as ``2 rows: 2 accepted``."""
    shown = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    return f"{rows:,} {'row' if rows == 1 else 'rows'}: {shown or 'none'}"


def stopped_because(reason: str) -> str:
    """Return the end of a line about an import that may have stopped early."""
    return f"; stopped: {reason}" if reason else ""


def message_of(error: BaseException) -> str:
    """Return an error's message, or its type if it has none."""
    return f"{error}" or type(error).__name__


def as_import_failure(error: Exception, report: ImportReport) -> ImportFailedError:
    """Return an :class:`ImportFailedError` for an error that ended an import."""
    if isinstance(error, ImportFailedError):
        return error
    failure = ImportFailedError(
        f"the import stopped after {report.accepted} rows: {message_of(error)}", report
    )
    failure.__cause__ = error
    return failure


def too_many_rejects(why: str, report: ImportReport) -> TooManyRejectsError:
    """Return the error that ends an import because of its rejects, with the main reasons."""
    reasons = sorted(report.reasons.items(), key=lambda item: -item[1])[:3]
    shown = [
        f"{code} (rows {_rows_of(report, code)}: {_message_for(report, code)})"
        for code, _ in reasons
    ]
    return TooManyRejectsError(f"too many rows are rejected: {why}. {'; '.join(shown)}", report)


def _rows_of(report: ImportReport, code: str) -> str:
    return ", ".join(str(sample.row) for sample in report.samples if sample.code == code)


def _message_for(report: ImportReport, code: str) -> str:
    return next((sample.message for sample in report.samples if sample.code == code), "")
