"""Spark writes a data frame to a group: ``df.write.format("cleverreach").options(…).save()``."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.integrations.engines import import_engine
from cleverreach_async.integrations.partition import PartitionJob
from cleverreach_async.integrations.results import PartitionResult, ResultFolder, add_reports

__all__ = ["CleverReachDataSource", "CleverReachWriter"]

_REMEDY: Final = (
    'Let rows of one address come in one order: df.repartition(8, "email")'
    '.sortWithinPartitions("email", "updated_at"), from data that do not change'
)
_NEEDED: Final = ("connect", "group_id", "job", "results")

if TYPE_CHECKING:  # the engines are not installed where types are checked
    _Message = object
    _ArrowWriter = object

    class _Source:
        options: Mapping[str, str]

else:
    _sources = import_engine("pyspark.sql.datasource", "spark")
    _Message = _sources.WriterCommitMessage
    _ArrowWriter = _sources.DataSourceArrowWriter
    _Source = _sources.DataSource


class CleverReachDataSource(_Source):
    """The format ``cleverreach``: ``spark.dataSource.register(CleverReachDataSource)``.

    Options are text. Needed are ``connect`` and ``job`` (see :class:`PartitionJob`), ``group_id``,
    and ``results`` (see :class:`ResultFolder`), and ``journal`` for ``insert`` and for a column
    ``orders``. Functions are named as in ``shop.cr:make_client``. The others are those of
    :class:`SinkOptions`; values that are no text are written as JSON, such as ``mapping``. The mode
    is ``append``.
    """

    @classmethod
    def name(cls) -> str:
        """Return the name of the format."""
        return "cleverreach"

    def writer(self, schema: Any, overwrite: bool) -> "CleverReachWriter":
        """Check the options and columns, before a task begins.

        Raises:
            ConfigurationError: One is wrong, or the job needs a journal.
        """
        if overwrite:
            raise ConfigurationError('nothing is removed from a group; use mode("append")')
        job, folder = _job_of(self.options)
        job.check_columns(schema.fieldNames())
        return CleverReachWriter(job, folder)


class CleverReachWriter(_ArrowWriter):
    """Imports the partitions of a data frame in workers.

    Args:
        job: What they have in common.
        folder: Where their results are written.
    """

    def __init__(self, job: PartitionJob, folder: ResultFolder) -> None:
        self._job = job
        self._folder = folder

    def write(self, iterator: Iterator[Any]) -> "CommittedPartition":
        """Import a partition, in a worker; an attempt after a crash continues with the journal.

        Raises:
            ImportFailedError: It stopped early. When the job is repeated, it continues.
            ConfigurationError: The rows are not those of the attempt that began it.
        """
        context = import_engine("pyspark", "spark").TaskContext.get()
        result = self._job.load_into(self._folder, context.partitionId(), [*iterator])
        return CommittedPartition(result)

    def commit(self, messages: Sequence[Any]) -> None:
        """Check that the sum over all partitions balances, on the driver."""
        add_reports(it.result.report for it in messages if it is not None)


class CommittedPartition(_Message):
    """What a worker tells the driver: the counters of a partition.

    Args:
        result: The result; its rejects are in the folder already.
    """

    def __init__(self, result: PartitionResult) -> None:
        self.result: PartitionResult = PartitionResult(
            partition=result.partition, report=result.report
        )


def _job_of(options: Mapping[str, str]) -> tuple[PartitionJob, ResultFolder]:
    values = {name.lower(): value for name, value in options.items()}
    for name in _NEEDED:
        if name not in values:
            raise ConfigurationError(f"option {name} is missing; needed are {', '.join(_NEEDED)}")
    texts = {name: values.pop(name) for name in ("connect", "job", "results")}
    folder = ResultFolder(texts["results"], texts["job"])
    read: dict[str, Any] = {name: _read(value) for name, value in values.items()}
    own = {"journal": read.pop("journal", None), "strategy": read.pop("strategy", "upsertplus")}
    job = PartitionJob.of(
        connect=texts["connect"],
        group_id=read.pop("group_id"),
        job=texts["job"],
        remedy=_REMEDY,
        **own,
        **read,
    )
    return job, folder


def _read(text: str) -> Any:
    """Return the value of an option: JSON such as 4, true and {…}, or else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
