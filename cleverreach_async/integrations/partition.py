"""One partition of a job of a data engine, imported in a worker so that it can be repeated.

All sinks share this: they pass a table and a number, and the engine repeats what fails.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, Final, Literal, Self, Unpack, cast

import anyio.to_thread
import attrs
from anyio.from_thread import start_blocking_portal

from cleverreach_async.bulk.journal.opening import load_rejects
from cleverreach_async.bulk.journal.places import check_name
from cleverreach_async.bulk.journal.refusals import AnotherImportError
from cleverreach_async.bulk.journal.repeats import check_repeated
from cleverreach_async.bulk.journal.store import JournalStore
from cleverreach_async.bulk.options import Settings
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.bulk.rows import RowResult
from cleverreach_async.bulk.strategies import find_strategy
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.integrations.attempt import AttemptJournal
from cleverreach_async.integrations.results import PartitionResult, ResultFolder
from cleverreach_async.integrations.rows import PartitionRows, orders_column
from cleverreach_async.integrations.tables import as_table
from cleverreach_async.sources.column_options import ColumnOptions, ColumnParameters
from cleverreach_async.transport.clock import SYSTEM_CLOCK
from cleverreach_async.transport.paths import check_id

__all__ = ["Connect", "OpenStore", "PartitionJob", "SinkOptions", "SinkStrategy"]

Connect = str | Callable[[], CleverReach]
"""Returns the client; called in a worker. As text ``shop.cr:make_client``: module and function."""
OpenStore = str | Callable[[str], JournalStore]
"""Returns the journal with a key; called in a worker. As text ``shop.cr:open_journal``."""
SinkStrategy = Literal["upsertplus", "upsert", "insert", "update"]

_COUNTED: Final = ("accepted", "rejected", "unknown", "superseded", "excluded")
_PARAMETERS: Final = frozenset(ColumnParameters.__annotations__)


class SinkOptions(ColumnParameters, total=False):
    """Options of a sink: those of columns, and some of :class:`ImportOptions`, for each partition.

    Attributes:
        concurrency: See :class:`ImportOptions`, as for all others.
    """

    concurrency: int | Literal["auto"]
    max_rows_per_second: float | None
    batch_size: int
    max_reject_share: float
    max_rejects: int | None
    canary: bool
    inactive: bool
    activate: bool
    not_subscribed: Literal["exclude", "deactivate"] | None
    reactivate: bool
    attributes: Literal["check", "create", "ignore"]
    relative: bool
    timeout: float
    max_outage: float
    settle: float
    drain: float


@attrs.frozen(kw_only=True)
class PartitionJob:
    """What all partitions of a job have in common. It holds no client and no secret.

    Attributes:
        connect: Returns the client, in the worker.
        group_id: The group.
        job: Names the job; the same when it is repeated, another one for tomorrow's.
        journal: Returns the journal with a key, in the worker.
        strategy: The batch call.
        columns: How columns become receivers.
        options: Options of the import of each partition.
        remedy: What to do if a repeated partition has other rows.
    """

    connect: Connect
    group_id: int
    job: str
    journal: OpenStore | None
    strategy: SinkStrategy
    columns: ColumnOptions
    options: Mapping[str, Any]
    remedy: str

    @classmethod
    def of(
        cls,
        *,
        connect: Connect,
        group_id: int,
        job: str,
        journal: OpenStore | None,
        strategy: SinkStrategy,
        remedy: str,
        **options: Unpack[SinkOptions],
    ) -> Self:
        """Check the arguments of a sink, before the engine begins.

        Raises:
            ConfigurationError: One is wrong, or the job needs a journal.
        """
        values = cast("dict[str, Any]", options)
        _check_options(values)
        own = {name: value for name, value in values.items() if name not in _PARAMETERS}
        columns = {name: value for name, value in values.items() if name in _PARAMETERS}
        _check_factory("connect", connect, "shop.cr:make_client", CleverReach)
        if journal is not None:
            _check_factory("journal", journal, "shop.cr:open_journal", JournalStore)
        if strategy not in ("upsertplus", "upsert", "insert", "update"):
            raise ConfigurationError(
                f"strategy is {strategy!r}; use upsertplus, upsert, insert or update"
            )
        Settings(**own).check(find_strategy(strategy))
        if journal is None:
            check_repeated(
                (), strategy=strategy, journal=None, relative=bool(values.get("relative"))
            )
        return cls(
            connect=connect,
            group_id=check_id("group_id", group_id),
            job=check_name(job),
            journal=journal,
            strategy=strategy,
            columns=ColumnOptions(**columns),
            options=own,
            remedy=remedy,
        )

    def check_columns(self, names: list[str]) -> None:
        """Check the columns of the job, before a partition begins.

        Raises:
            ConfigurationError: One contains orders, and there is no journal.
        """
        orders = orders_column(names, self.columns)
        if orders is not None and self.journal is None:
            raise ConfigurationError(
                f"column {orders!r} contains orders, which are stored twice when the engine runs a"
                " partition again, unless there is a journal that all workers reach: pass"
                ' journal="shop.cr:open_journal", a function that returns RedisJournal(redis, key)'
                f' or SqlJournal(engine, key), or mapping={{"{orders}": "-"}} to leave them out'
            )

    def load(self, partition: int | str, table: Any) -> PartitionResult:
        """Import a partition; blocks until each of its rows has a result.

        Args:
            partition: Its number, or what else identifies it in the job, also when it is repeated.
            table: Its rows: a table, a batch or a list of them of pyarrow.

        Raises:
            ImportFailedError: It stopped early. When it is repeated, it continues.
            ConfigurationError: It cannot be imported so, or its rows are not those of the attempt
                that began it.
            SourceError: The columns cannot become receivers.
        """
        rows = as_table(table, f"partition {partition}")
        if rows is None or not rows.num_rows:
            return PartitionResult.empty(partition)
        self.check_columns(rows.column_names)
        # The thread may be one with an event loop, as in a notebook.
        with start_blocking_portal() as portal:
            result: PartitionResult = portal.call(self._import, partition, rows)
            return result

    def load_into(self, folder: ResultFolder, partition: int | str, table: Any) -> PartitionResult:
        """Import a partition as :meth:`load` does, and write its result to a folder.

        Args:
            folder: It is created first: if that is not possible, nothing is sent.
            partition: See :meth:`load`.
            table: See :meth:`load`.

        Raises:
            OSError: The folder cannot be written.
        """
        folder.prepare()
        result = self.load(partition, table)
        folder.write(result)
        return result

    async def _import(self, partition: int | str, table: Any) -> PartitionResult:
        rows = await anyio.to_thread.run_sync(partial(PartitionRows.of, table, self.columns))
        store = self._store(partition)
        try:
            async with self._client() as cr:
                report: ImportReport = await self._call(cr)(
                    rows, group_id=self.group_id, journal=store, resume="auto", **self.options
                )
        except AnotherImportError as error:
            raise ConfigurationError(
                f"partition {partition} of {self.job} has other rows than the attempt that began"
                f" it, or those of one address in another order, so it cannot continue; nothing"
                f" was sent. {self.remedy}; for other rows pass another job. ({error})"
            ) from None
        rejects = await load_rejects(store, SYSTEM_CLOCK, seconds=60.0)
        return _result(partition, rows.table, report, rejects)

    def _call(self, cr: CleverReach) -> Callable[..., Any]:
        match self.strategy:
            case "insert":
                return cr.bulk.insert
            case "update":
                return cr.bulk.update
            case name:
                return partial(cr.bulk.upsert, strategy=name)

    def _client(self) -> CleverReach:
        client = _function("connect", self.connect)()
        if not isinstance(client, CleverReach):
            raise ConfigurationError(
                f"connect returned a {type(client).__name__}; return CleverReach(…), not entered"
            )
        return client

    def _store(self, partition: int | str) -> JournalStore:
        if self.journal is None:
            return AttemptJournal()
        store = _function("journal", self.journal)(check_name(f"{self.job}/{partition}"))
        if not isinstance(store, JournalStore):
            raise ConfigurationError(
                f"journal returned a {type(store).__name__}; return RedisJournal(redis, key) or"
                " SqlJournal(engine, key)"
            )
        return store


def _check_options(options: Mapping[str, object]) -> None:
    known = {**SinkOptions.__annotations__, **ColumnParameters.__annotations__}
    for name in options:
        if name not in known:
            raise ConfigurationError(
                f"unknown option {name}: the options are {', '.join(sorted(known))}"
            )


def _check_factory(name: str, factory: object, example: str, product: type[Any]) -> None:
    """Refuse what a factory should return: it holds secrets, and connections of one process."""
    if isinstance(factory, product):
        raise ConfigurationError(
            f"{name} is a {type(factory).__name__}, which cannot travel to a worker; pass a"
            f' function that returns one there, or its name, such as "{example}"'
        )
    is_name = isinstance(factory, str) and all(factory.partition(":"))
    if not is_name and not callable(factory):
        raise ConfigurationError(
            f'{name} is a {type(factory).__name__}; pass a function, or its name as "{example}"'
        )


def _function(name: str, factory: str | Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that a factory names.

    Raises:
        ConfigurationError: There is none in this process.
    """
    if not isinstance(factory, str):
        return factory
    module, _, function = factory.partition(":")
    try:
        found: Callable[..., Any] = getattr(import_module(module), function)
        if not callable(found):
            raise TypeError(f"it is a {type(found).__name__}")  # noqa: TRY301 - as if not found
    except (ImportError, AttributeError, TypeError) as error:
        raise ConfigurationError(
            f"{name}={factory!r} is not found in a worker ({type(error).__name__}: {error});"
            " install the module where the workers run, and write it as module:function"
        ) from None
    return found


def _result(
    partition: int | str, table: Any, report: ImportReport, rejects: Sequence[RowResult]
) -> PartitionResult:
    """Return the result over all attempts of a partition, balanced against its rows."""
    totals: dict[str, Any] = {name: report.total(name) for name in _COUNTED}
    total = ImportReport(
        read=report.total("read"),
        **totals,
        batches=report.batches,
        requests=report.requests,
        retries=report.retries,
        replayed=report.replayed,
        elapsed=report.elapsed,
        reasons=dict(Counter(it.code for it in rejects)),
    )
    total.assert_balanced()
    if (total.read, total.rejected + total.unknown) != (table.num_rows, len(rejects)):
        raise AssertionError(
            f"partition {partition} has {table.num_rows} rows, {total.read} were read, and"
            f" {len(rejects)} of {total.rejected + total.unknown} rejects found; please report this"
        )
    return PartitionResult.of(partition, total, table, rejects)
