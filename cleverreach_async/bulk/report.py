"""What is told of an import: counters, samples, the rejects file, progress."""

from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import attrs
import msgspec

from cleverreach_async.bulk.rows import Outcome, RowResult
from cleverreach_async.errors import ConfigurationError, ImportFailedError
from cleverreach_async.transport.wire import encode_json

__all__ = ["ImportProgress", "ImportReport", "OnProgress", "RejectsFile"]

_SAMPLES: Final = 20


@attrs.frozen(kw_only=True)
class ImportProgress:
    """How far an import is.

    Attributes:
        read: Rows read from the source.
        accepted: Rows that the server shows as stored.
        rejected: Rows refused.
        unknown: Rows of unknown outcome.
        superseded: Rows replaced by a later one of the same address.
        requests: Requests sent.
        retries: Requests that repeated an earlier one.
        elapsed: Seconds since the import began.
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
    finished: bool = False

    @property
    def done(self) -> int:
        """Rows that have arrived at their outcome."""
        return self.accepted + self.rejected + self.unknown + self.superseded

    @property
    def rows_per_second(self) -> float:
        """Rows that arrived at their outcome per second so far."""
        return self.done / self.elapsed if self.elapsed > 0 else 0.0


OnProgress = Callable[[ImportProgress], None]


@attrs.define(kw_only=True)
class ImportReport:
    """The result of an import. Every row read is in exactly one class.

    Attributes:
        read: Rows read from the source.
        accepted: Rows that the server shows as stored.
        rejected: Rows refused, here or by the server; each is in the rejects file.
        unknown: Rows that may or may not be stored; each is in the rejects file.
        pending: Rows read but not sent, because the import stopped.
        superseded: Rows replaced, before they were sent, by a later one of the same address.
        skipped: Rows passed over because an earlier run had done them.
        batches: Batches delivered.
        requests: Requests sent.
        retries: Requests that repeated an earlier one.
        elapsed: Seconds from start to end.
        samples: The first rows that were not accepted, without their data.
    """

    read: int = 0
    accepted: int = 0
    rejected: int = 0
    unknown: int = 0
    pending: int = 0
    superseded: int = 0
    skipped: int = 0
    batches: int = 0
    requests: int = 0
    retries: int = 0
    elapsed: float = 0.0
    samples: list[RowResult] = attrs.field(factory=list[RowResult])

    def count(self, results: Iterable[RowResult]) -> None:
        """Count rows that were not simply accepted, keeping the first as samples."""
        for result in results:
            name = result.outcome.value
            setattr(self, name, getattr(self, name) + 1)
            if len(self.samples) < _SAMPLES and result.outcome is not Outcome.SUPERSEDED:
                self.samples.append(attrs.evolve(result, receiver=b"", record=b""))

    def assert_balanced(self) -> None:
        """Check the conservation law: no row lost, none invented.

        Raises:
            AssertionError: The counters do not add up; that is a defect of this library.
        """
        known = self.accepted + self.rejected + self.unknown
        known += self.pending + self.superseded + self.skipped
        if known != self.read:
            raise AssertionError(
                f"{self.read} rows were read, but {known} are accounted for; please report this"
            )

    def raise_for_failures(self) -> None:
        """Raise unless every row was accepted, superseded or skipped.

        Raises:
            ImportFailedError: Rows were rejected, are unknown, or are pending.
        """
        if self.rejected or self.unknown or self.pending:
            raise ImportFailedError(
                f"{self.rejected} rows rejected, {self.unknown} unknown, {self.pending} pending "
                f"of {self.read}",
                self,
            )

    def progress(self, elapsed: float, *, finished: bool = False) -> ImportProgress:
        """Return the counters as a progress event.

        Args:
            elapsed: Seconds since the import began.
            finished: Whether this is the last event.
        """
        return ImportProgress(
            read=self.read,
            accepted=self.accepted,
            rejected=self.rejected,
            unknown=self.unknown,
            superseded=self.superseded,
            requests=self.requests,
            retries=self.retries,
            elapsed=elapsed,
            finished=finished,
        )


class RejectsFile:
    """JSON Lines of the rows that were not accepted, with line, reason and the row itself.

    A repaired file can be imported again: each line holds the receiver as it would be sent.

    Args:
        path: Where to write; an older file there is replaced. ``None`` writes nothing.
    """

    def __init__(self, path: str | Path | None) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            try:
                self._file = Path(self._path).open("wb")
            except OSError as error:
                raise ConfigurationError(
                    f"{self._path}: cannot write the rejects file: {error.strerror}"
                ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, results: Iterable[RowResult]) -> None:
        """Append results, and hand them to the operating system before returning."""
        if self._file is None:
            return
        for result in results:
            if result.outcome is not Outcome.SUPERSEDED:
                self._file.write(_as_line(result))
        self._file.flush()


def _as_line(result: RowResult) -> bytes:
    fields: dict[str, object] = {"row": result.row, "line": result.line}
    fields |= {"outcome": result.outcome.value, "code": result.code, "message": result.message}
    if result.receiver:
        fields["receiver"] = msgspec.Raw(result.receiver)
    if result.record:
        fields["record"] = msgspec.Raw(result.record)
    return encode_json(fields) + b"\n"
