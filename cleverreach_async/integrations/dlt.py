"""dlt loads a table into a group: ``dlt.pipeline(destination=cleverreach(…))``."""

from pathlib import Path
from typing import Any, Final, Unpack

from cleverreach_async.errors import ConfigurationError, SourceError
from cleverreach_async.integrations.engines import import_engine
from cleverreach_async.integrations.partition import (
    Connect,
    OpenStore,
    PartitionJob,
    SinkOptions,
    SinkStrategy,
)
from cleverreach_async.integrations.results import ResultFolder
from cleverreach_async.sources.arrow_rows import import_arrow

__all__ = ["cleverreach"]

_REMEDY: Final = "Do not change the files of a load package; drop the package and load it anew"
_OF_DLT: Final = "_dlt"


def cleverreach(
    *,
    connect: Connect,
    group_id: int,
    job: str,
    results: str | Path,
    journal: OpenStore | None = None,
    strategy: SinkStrategy = "upsertplus",
    max_parallel_load_jobs: int = 4,
    **options: Unpack[SinkOptions],
) -> Any:
    """Return a destination of dlt for the receivers of a group.

    Each file of a load package is one partition, sorted by address. A package that is loaded again
    after a crash continues with the journal; tables of one package share the group.

    Args:
        connect: Function that returns the client, or its name, such as ``shop.cr:make_client``.
        group_id: The group.
        job: Names the pipeline in keys of journals and in the folder of results; dlt itself names
            packages and files.
        results: Folder for the counters and the rejected rows of each file; see
            :class:`ResultFolder`, which reads them.
        journal: Function that returns the journal with a key, or its name. Needed for ``insert``
            and for a column ``orders``.
        strategy: The batch call.
        max_parallel_load_jobs: Files that are loaded at the same time.
        **options: See :class:`SinkOptions`.

    Raises:
        ConfigurationError: An argument is wrong, or the job needs a journal.
    """
    dlt = import_engine("dlt", "dlt")
    sink = PartitionJob.of(
        connect=connect,
        group_id=group_id,
        job=job,
        journal=journal,
        strategy=strategy,
        remedy=_REMEDY,
        **options,
    )
    folder = ResultFolder(results, job)

    def load(items: Any, table: Any) -> None:
        del table
        _load_file(sink, folder, str(items))

    made = dlt.destination(
        load,
        name="cleverreach",
        batch_size=0,
        loader_file_format="parquet",
        max_parallel_load_jobs=max_parallel_load_jobs,
    )
    return made()


def _load_file(sink: PartitionJob, folder: ResultFolder, path: str) -> None:
    """Import a Parquet file of a load package.

    Args:
        sink: The job.
        folder: Where the result is written.
        path: The file; its name has the number of the attempt, which is not a part of its key.

    Raises:
        DestinationTerminalException: Another attempt would fail as well.
        ImportFailedError: It stopped early; dlt tries again, and it continues.
    """
    storages = import_engine("dlt.common.storages.load_storage", "dlt")
    failures = import_engine("dlt.common.destination.exceptions", "dlt")
    file = storages.ParsedLoadJobFileName.parse(path)
    package = Path(path).parent.parent.name
    table = import_arrow("pyarrow.parquet").ParquetFile(path).read()
    own = [name for name in table.column_names if not name.startswith(_OF_DLT)]
    try:
        key = f"{package}/{file.table_name}.{file.file_id}"
        sink.load_into(folder, key, table.select(own))
    except (ConfigurationError, SourceError) as error:
        raise failures.DestinationTerminalException(str(error)) from error
