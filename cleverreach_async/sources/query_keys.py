"""Keys of rows, after which a query can begin again."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

from cleverreach_async.errors import SourceError
from cleverreach_async.sources.resumable import Position

__all__ = ["check_key", "key_from_json", "key_to_json"]

_FROM_TEXT: Final[Mapping[str, Callable[[str], Any]]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "decimal": Decimal,
    "uuid": UUID,
}
_ORDERED: Final = (int, Decimal, date)
"""Types that every database orders as Python does. The order of text depends on the collation."""


def key_to_json(key: Any) -> Position:
    """Return a JSON value from which the key can be restored. Numbers and text stay as they are.

    Raises:
        TypeError: A key cannot have that type.
    """
    if key is None or type(key) in {int, str}:
        return key
    if isinstance(key, datetime | date):
        kind = "datetime" if isinstance(key, datetime) else "date"
        return {kind: key.isoformat()}
    if isinstance(key, Decimal | UUID):
        return {"decimal" if isinstance(key, Decimal) else "uuid": str(key)}
    raise TypeError(type(key).__name__)


def key_from_json(value: Position) -> Any:
    """Return the key that :func:`key_to_json` converted.

    Raises:
        ValueError: It is not such a value.
    """
    if value is None or type(value) in {int, str}:
        return value
    if isinstance(value, dict) and len(value := cast("dict[str, Any]", value)) == 1:
        [(kind, text)] = value.items()
        if kind in _FROM_TEXT and isinstance(text, str):
            try:
                return _FROM_TEXT[kind](text)
            except ArithmeticError as error:
                raise ValueError(str(error)) from None
    raise ValueError("not a key")


def check_key(column: str, key: Any, before: Any, *, row: int, path: str) -> None:
    """Check that a query can begin after a key, and that it follows the key before it.

    Args:
        column: The key's column.
        key: The row's key.
        before: The key of the row before, ``None`` for the first.
        row: One-based number of the row, for the error.
        path: What the error calls the source.

    Raises:
        SourceError: One of the two is not true.
    """
    if key is None:
        raise SourceError(f"row {row:,}: the key {column!r} is NULL", path=path)
    try:
        key_to_json(key)
    except TypeError as error:
        raise SourceError(
            f"row {row:,}: the key {column!r} is of type {error}; a key is a whole number, text, a"
            " time, a decimal or a UUID",
            path=path,
        ) from None
    if before is not None and not _follows(key, before):
        raise SourceError(
            f"row {row:,}: the key {column!r} does not ascend. The query needs WHERE {column} >"
            f" the key it is called with, and ORDER BY {column}; and each key may occur once",
            path=path,
        )


def _follows(key: Any, before: Any) -> bool:
    if isinstance(key, _ORDERED) and isinstance(before, _ORDERED):
        now: Any = key
        try:
            return bool(now > before)
        except TypeError:
            return False
    return bool(key != before)
