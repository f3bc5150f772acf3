"""Results of partitions: counters that add up, and the rejected rows as a table."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import attrs

from cleverreach_async.bulk.journal.record import decode_report, encode_report
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.rows import RowResult
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.sources.arrow_rows import import_arrow

__all__ = ["PartitionResult", "ResultFolder", "add_reports", "add_tables", "as_table"]

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
        reasons = {
            "reject_outcome": [it.outcome.value for it in rejects],
            "reject_code": [it.code for it in rejects],
            "reject_message": [it.message for it in rejects],
        }
        for place, (name, values) in enumerate(reasons.items()):
            found = found.add_column(place, name, pa.array(values, pa.string()))
        return cls(partition=str(partition), report=report, rejects=found)


def as_table(data: Any) -> Any:
    """Return a table of pyarrow for tables and batches; ``None`` if there are none."""
    pa = import_arrow("pyarrow")
    parts = [data] if isinstance(data, pa.Table | pa.RecordBatch) else [*data]
    tables = [
        pa.Table.from_batches([part]) if isinstance(part, pa.RecordBatch) else part
        for part in parts
    ]
    return add_tables(tables)


def add_tables(tables: Iterable[Any]) -> Any:
    """Return the rows of several tables in one; ``None`` if there are none."""
    pa = import_arrow("pyarrow")
    found = [table for table in tables if table is not None]
    return pa.concat_tables(found, promote_options="permissive") if found else None


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
        ConfigurationError: ``folder`` is empty.
    """

    def __init__(self, folder: str | Path, job: str) -> None:
        if not str(folder):
            raise ConfigurationError(
                f"results is {folder!r}; pass a folder that all workers reach, such as"
                " s3://bucket/rejects: rejected rows are written there"
            )
        self.folder: str = f"{folder}" if "://" in f"{folder}" else f"{Path(folder).absolute()}"
        self.job: str = job

    def write(self, result: PartitionResult) -> None:
        """Write the result of a partition; that of an earlier attempt is replaced."""
        system, folder = self._open()
        system.create_dir(folder, recursive=True)
        name = f"{folder}/{quote(result.partition, safe='')}"
        if result.rejects is not None:
            import_arrow("pyarrow.parquet").write_table(
                result.rejects, f"{name}.parquet", filesystem=system
            )
        with system.open_output_stream(f"{name}.json") as file:
            file.write(encode_report(result.report).encode())

    def report(self) -> ImportReport:
        """Return the sum of the counters of all partitions that have ended.

        Raises:
            ConfigurationError: None has.
        """
        system, folder = self._open()
        return add_reports(
            decode_report(system.open_input_stream(path).read().decode())
            for path in self._names(system, folder, ".json")
        )

    def rejects(self) -> Any:
        """Return the rejected rows of all partitions that have ended; ``None`` if there are none.

        Raises:
            ConfigurationError: None has.
        """
        system, folder = self._open()
        read = import_arrow("pyarrow.parquet").read_table
        return add_tables(
            read(path, filesystem=system) for path in self._names(system, folder, ".parquet")
        )

    def _open(self) -> tuple[Any, str]:
        fs = import_arrow("pyarrow.fs")
        system, folder = fs.FileSystem.from_uri(self.folder)
        return system, f"{folder}/{quote(self.job, safe='')}"

    def _names(self, system: Any, folder: str, end: str) -> list[str]:
        fs = import_arrow("pyarrow.fs")
        try:
            found = system.get_file_info(fs.FileSelector(folder))
        except FileNotFoundError:
            raise ConfigurationError(f"{folder} has no results of {self.job}") from None
        return sorted(info.path for info in found if info.path.endswith(end))
