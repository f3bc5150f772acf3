"""Results of partitions: counters that add up, and the rejected rows as a table."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import attrs

from cleverreach_async.bulk.journal.record import decode_report, encode_report
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.rows import RowResult
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.integrations.tables import add_tables
from cleverreach_async.sources.arrow_rows import import_arrow

__all__ = ["PartitionResult", "ResultFolder", "add_reports"]

_REACHED_WHEN_OPENED: Final = ("s3", "hdfs", "viewfs")
"""Their servers may be out of reach where a job is only described."""
_ADDED: Final = (
    *("read", "accepted", "rejected", "unknown", "superseded", "excluded"),
    *("batches", "requests", "retries", "replayed"),
)


@attrs.frozen(kw_only=True)
class PartitionResult:
    """The result of one partition, which travels from a worker to the driver.

    Attributes:
        partition: Identifies it in its job.
        report: The counters over all attempts.
        rejects: The rows that were not accepted, as a table of pyarrow: ``reject_outcome``,
            ``reject_code``, ``reject_message``, and the columns of the partition; ``None`` if
            there are none.
    """

    partition: str
    report: ImportReport
    rejects: Any = attrs.field(default=None, repr=False)

    @classmethod
    def empty(cls, partition: int | str) -> Self:
        """Return the result of a partition without rows."""
        return cls(partition=str(partition), report=ImportReport())

    @classmethod
    def of(
        cls,
        partition: int | str,
        report: ImportReport,
        table: Any,
        rejects: Sequence[RowResult],
    ) -> Self:
        """Return the result of a partition.

        Args:
            partition: Identifies it in its job.
            report: The counters.
            table: The rows, in the order in which they were sent.
            rejects: Those that were not accepted; ``row`` is the number of a row, from 1.
        """
        if not rejects:
            return cls(partition=str(partition), report=report)
        pa = import_arrow("pyarrow")
        found = table.take([it.row - 1 for it in rejects])
        reasons: dict[str, list[str]] = {
            "reject_outcome": [it.outcome.value for it in rejects],
            "reject_code": [it.code for it in rejects],
            "reject_message": [it.message for it in rejects],
        }
        # Those of an earlier job, whose rejected rows are loaded again, are replaced.
        found = found.drop_columns([name for name in found.column_names if name in reasons])
        for place, (name, values) in enumerate(reasons.items()):
            found = found.add_column(place, name, pa.array(values, pa.string()))
        return cls(partition=str(partition), report=report, rejects=found)


def add_reports(reports: Iterable[ImportReport]) -> ImportReport:
    """Return the sum of the reports of all partitions, balanced."""
    total, reasons = ImportReport(), Counter[str]()
    for report in reports:
        for name in _ADDED:
            setattr(total, name, getattr(total, name) + getattr(report, name))
        total.elapsed = max(total.elapsed, report.elapsed)
        reasons.update(report.reasons)
    total.reasons = dict(reasons)
    total.assert_balanced()
    return total


class ResultFolder:
    """A folder for the results of a job: for each partition its counters and its rejects.

    Args:
        folder: A path, or an address that pyarrow opens, such as ``s3://bucket/rejects``; all
            workers reach it. The rejects contain personal data.
        job: Names the job, which gets a folder of its own in it.

    Raises:
        ConfigurationError: ``folder`` is empty, or an address that pyarrow does not open.
    """

    def __init__(self, folder: str | Path, job: str) -> None:
        if not str(folder):
            raise ConfigurationError(
                f"results is {folder!r}; pass a folder that all workers reach, such as"
                " s3://bucket/rejects: rejected rows are written there"
            )
        self.folder: str = f"{folder}" if "://" in f"{folder}" else f"{Path(folder).absolute()}"
        self.job: str = job
        if self.folder.partition("://")[0] not in _REACHED_WHEN_OPENED:
            self._open()

    def prepare(self) -> tuple[Any, str]:
        """Open and create the folder of the job, so that its results can be written later.

        Raises:
            ConfigurationError: The folder cannot be opened.
            OSError: The folder cannot be written.
        """
        system, folder = self._open()
        system.create_dir(folder, recursive=True)
        return system, folder

    def write(self, result: PartitionResult) -> None:
        """Write the result of a partition; that of an earlier attempt is replaced.

        Raises:
            ConfigurationError: The folder cannot be opened.
            OSError: The folder cannot be written.
        """
        system, folder = self.prepare()
        name = f"{folder}/{_file_name(result.partition)}"
        if result.rejects is None:
            with suppress(FileNotFoundError):  # of an attempt whose rows were rejected
                system.delete_file(f"{name}.parquet")
        else:
            import_arrow("pyarrow.parquet").write_table(
                result.rejects, f"{name}.parquet", filesystem=system
            )
        with system.open_output_stream(f"{name}.json") as file:
            file.write(encode_report(result.report).encode())

    def report(self) -> ImportReport:
        """Return the sum of the counters of all partitions that have ended.

        Raises:
            ConfigurationError: None has, or a file of the folder is damaged.
        """
        system, folder = self._open()
        return add_reports(
            _read_report(system, path) for path in self._names(system, folder, ".json")
        )

    def rejects(self) -> Any:
        """Return the rejected rows of all partitions that have ended; ``None`` if there are none.

        Raises:
            ConfigurationError: None has, or a file of the folder is damaged.
            SourceError: Their columns do not fit together.
        """
        system, folder = self._open()
        names = self._names(system, folder, ".parquet")
        return add_tables((_read_rejects(system, path) for path in names), "rejected rows")

    def _open(self) -> tuple[Any, str]:
        fs = import_arrow("pyarrow.fs")
        try:
            system, folder = fs.FileSystem.from_uri(self.folder)
        except import_arrow("pyarrow").ArrowException as error:
            raise ConfigurationError(
                f"results={self.folder!r} cannot be opened: {error}; pass a path, or an address"
                " such as s3://bucket/rejects"
            ) from None
        return system, f"{folder}/{_file_name(self.job)}"

    def _names(self, system: Any, folder: str, end: str) -> list[str]:
        fs = import_arrow("pyarrow.fs")
        try:
            found = system.get_file_info(fs.FileSelector(folder))
        except FileNotFoundError:
            raise ConfigurationError(f"{folder} has no results of {self.job}") from None
        return sorted(info.path for info in found if info.path.endswith(end))


def _file_name(text: str) -> str:
    """Return a name for a file or a folder, of which nothing leads out of its folder."""
    name = quote(text, safe="")
    return name if name.strip(".") else name.replace(".", "%2E")


def _read_report(system: Any, path: str) -> ImportReport:
    try:
        return decode_report(system.open_input_stream(path).read().decode())
    except ValueError as error:
        raise _damaged(path, error) from None


def _read_rejects(system: Any, path: str) -> Any:
    try:
        return import_arrow("pyarrow.parquet").read_table(path, filesystem=system)
    except import_arrow("pyarrow").ArrowException as error:
        raise _damaged(path, error) from None


def _damaged(path: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"{path} is damaged ({error}); repeat its partition to write it anew")
