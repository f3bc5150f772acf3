"""Keys of rows: what a query is begun again after."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

from cleverreach_async.errors import SourceError
from cleverreach_async.sources.resumable import Position

__all__ = ["check_key", "key_of_token", "token_of_key"]

_FROM_TEXT: Final[Mapping[str, Callable[[str], Any]]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "decimal": Decimal,
    "uuid": UUID,
}
_ORDERED: Final = (int, Decimal, date)
"""Kinds that every database orders as Python does. Of text that depends on the collation."""


def token_of_key(key: Any) -> Position:
    """Return a JSON value from which the key can be made again: numbers and text are their own.

    Raises:
        TypeError: No key is of that type.
    """
    if key is None or type(key) in {int, str}:
        return key
    if isinstance(key, datetime | date):
        kind = "datetime" if isinstance(key, datetime) else "date"
        return {kind: key.isoformat()}
    if isinstance(key, Decimal | UUID):
        return {"decimal" if isinstance(key, Decimal) else "uuid": str(key)}
    raise TypeError(type(key).__name__)


def key_of_token(token: Position) -> Any:
    """Return the key of a token.

    Raises:
        ValueError: It is none.
    """
    if token is None or type(token) in {int, str}:
        return token
    if isinstance(token, dict) and len(token := cast("dict[str, Any]", token)) == 1:
        [(kind, text)] = token.items()
        if kind in _FROM_TEXT and isinstance(text, str):
            try:
                return _FROM_TEXT[kind](text)
            except ArithmeticError as error:
                raise ValueError(str(error)) from None
    raise ValueError("no token of a key")


def check_key(column: str, key: Any, before: Any, *, row: int, place: str) -> None:
    """See that a key can be begun after, and follows the one before it.

    Args:
        column: The key's column.
        key: The row's key.
        before: The key of the row before, ``None`` for the first.
        row: One-based number of the row, for the error.
        place: The source, for the error.

    Raises:
        SourceError: It cannot, or does not.
    """
    if key is None:
        raise SourceError(f"row {row:,}: the key {column!r} is NULL", path=place)
    try:
        token_of_key(key)
    except TypeError as error:
        raise SourceError(
            f"row {row:,}: the key {column!r} is of type {error}; a key is a whole number, text, a"
            " time, a decimal or a UUID",
            path=place,
        ) from None
    if before is not None and not _follows(key, before):
        raise SourceError(
            f"row {row:,}: the key {column!r} does not ascend. The query needs WHERE {column} >"
            f" the key it is called with, and ORDER BY {column}; and each key may be there once",
            path=place,
        )


def _follows(key: Any, before: Any) -> bool:
    if isinstance(key, _ORDERED) and isinstance(before, _ORDERED):
        now: Any = key
        try:
            return bool(now > before)
        except TypeError:
            return False
    return bool(key != before)
