"""Ray Data writes a dataset to a group: ``ds.write_datasink(CleverReachSink(…))``."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Unpack

from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.integrations.engines import import_engine
from cleverreach_async.integrations.partition import (
    Connect,
    OpenStore,
    PartitionJob,
    SinkOptions,
    SinkStrategy,
)
from cleverreach_async.integrations.results import PartitionResult, add_reports
from cleverreach_async.integrations.tables import add_tables

__all__ = ["CleverReachSink"]

_REMEDY: Final = (
    "Repeat a whole job only from data that Ray splits in the same way: Parquet files, read with"
    " the same override_num_blocks, and DataContext.get_current().execution_options.preserve_order"
)

if TYPE_CHECKING:  # the engines are not installed where types are checked
    _Datasink = object
else:
    _Datasink = import_engine("ray.data", "ray").Datasink


class CleverReachSink(_Datasink):
    """A ``Datasink`` for the receivers of a group.

    Each write task imports its blocks, sorted by address, as one partition. A task that is repeated
    because its worker died continues with the journal. It contains no client, no secret and no
    connection, so it can be pickled.

    Args:
        connect: Function that returns the client, called in each worker, or its name, such as
            ``shop.cr:make_client``.
        group_id: The group.
        job: Names the job; the same when it is repeated, another one for tomorrow's.
        journal: Function that returns the journal with a key, called in each worker, or its name.
            Needed for ``insert`` and for a column ``orders``.
        strategy: The batch call.
        **options: See :class:`SinkOptions`.

    Attributes:
        report: The sum over all partitions; ``None`` before all have ended.
        rejects: The rows that were not accepted, as a table of pyarrow for ``ray.data.from_arrow``;
            ``None`` if there are none.

    Raises:
        ConfigurationError: An argument is wrong, or the job needs a journal.
    """

    def __init__(
        self,
        *,
        connect: Connect,
        group_id: int,
        job: str,
        journal: OpenStore | None = None,
        strategy: SinkStrategy = "upsertplus",
        **options: Unpack[SinkOptions],
    ) -> None:
        self._job = PartitionJob.of(
            connect=connect,
            group_id=group_id,
            job=job,
            journal=journal,
            strategy=strategy,
            remedy=_REMEDY,
            **options,
        )
        self.report: ImportReport | None = None
        self.rejects: Any = None

    def on_write_start(self, schema: Any = None) -> None:
        """Check the columns, on the driver."""
        if schema is not None:
            self._job.check_columns([*schema.names])

    def write(self, blocks: Iterable[Any], ctx: Any) -> PartitionResult:
        """Import the blocks of a task, in a worker.

        Raises:
            ImportFailedError: It stopped early. When the job is repeated, it continues.
            ConfigurationError: The rows are not those of the attempt that began it.
        """
        accessor = import_engine("ray.data.block", "ray").BlockAccessor
        tables = [accessor.for_block(block).to_arrow() for block in blocks]
        return self._job.load(ctx.task_idx, tables)

    def on_write_complete(self, write_result: Any) -> None:
        """Add the results of all partitions, on the driver."""
        results: list[PartitionResult] = write_result.write_returns
        self.report = add_reports(result.report for result in results)
        self.rejects = add_tables((it.rejects for it in results), "rejected rows")
