"""Imports that an engine may run again: what must not be stored twice needs a shared journal."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

from cleverreach_async.bulk.journal.store import JournalStore
from cleverreach_async.bulk.strategies import StrategyName
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.sources.rows import Item, SourceRow

__all__ = ["check_repeated", "without_orders"]

_REMEDY: Final = (
    "the engine may run a partition again on another machine, so this needs a journal that it"
    " reaches: pass RedisJournal(redis, key) or SqlJournal(engine, key) with a key per partition"
)


def check_repeated(
    rows: Iterable[Item], *, strategy: StrategyName, journal: object, relative: bool = False
) -> Iterable[Item]:
    """Return the rows of a partition that may be imported again, once that is known to be safe.

    Args:
        rows: The rows.
        strategy: The batch call.
        journal: What was passed as journal; ``None`` for none. A file is on one machine only.
        relative: Whether numbers such as ``+1`` are sent.

    Raises:
        ConfigurationError: Without a shared journal something would be stored twice; because of a
            row with orders, when that row is read.
    """
    if isinstance(journal, JournalStore):
        return rows
    if strategy == "insert":
        raise ConfigurationError(f"insert rejects what an earlier attempt has inserted; {_REMEDY}")
    if relative:
        raise ConfigurationError(f"relative numbers would be added twice; {_REMEDY}")
    return without_orders(rows)


def without_orders(rows: Iterable[Item]) -> Iterator[Item]:
    """Yield rows that have no orders.

    Raises:
        ConfigurationError: A row has some.
    """
    for number, item in enumerate(rows, start=1):
        if _has_orders(item.receiver if type(item) is SourceRow else item):
            raise ConfigurationError(f"row {number} has orders, to be stored once; {_REMEDY}")
        yield item


def _has_orders(row: Any) -> bool:
    if isinstance(row, Mapping):
        return bool(cast("Mapping[str, Any]", row).get("orders"))
    return isinstance(getattr(row, "orders", None), list | tuple) and bool(row.orders)
