"""Compare a row as an import sends it with a receiver as the server has it. Pure functions."""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from cleverreach_async.resources.attributes import stored_name
from cleverreach_async.resources.receiver_models import Receiver
from cleverreach_async.resources.receiver_wire import UNSUBSCRIBED
from cleverreach_async.resources.relative import is_relative
from cleverreach_async.transport.wire import as_object

__all__ = ["ANY_TIME", "differences", "has_uncompared", "merged"]

ANY_TIME: Final = 100_000_003
"""Unix seconds that stand for the time of the import, which is unknown: any time is equal."""

Pair = tuple[Any, Any]
"""What the row has, and what the group has."""

_NOT_IN_TAG: Final = re.compile(r"[^A-Za-z0-9_-]")
_TIMES: Final = ("registered", "activated", "deactivated")
_VALUES: Final = ("global_attributes", "attributes")


def differences(
    row: Mapping[str, Any], found: Receiver, numbers: Container[str] = ()
) -> dict[str, Pair]:
    """Return what differs, by field; fields that a row does not have are not compared.

    Args:
        row: The fields that an import sends.
        found: The receiver.
        numbers: Number attributes, such as ``global_attributes.points``: the server adds a value
            with a sign, so that it cannot be compared.
    """
    return dict(_all_differences(row, found, numbers))


def _all_differences(
    row: Mapping[str, Any], found: Receiver, numbers: Container[str]
) -> Iterator[tuple[str, Pair]]:
    for name in _TIMES:
        if name in row:
            seconds = _seconds(getattr(found, name))
            if not _is_same_time(row[name], seconds):
                yield name, (row[name], seconds)
    if "source" in row and str(row["source"]) != found.source:
        yield "source", (row["source"], found.source)
    for field in _VALUES:
        stored = {stored_name(name): value for name, value in getattr(found, field).items()}
        for name, value in as_object(row.get(field)).items():
            there = stored.get(stored_name(name), "")
            if not (_is_added(field, name, value, numbers) or _is_same_value(value, there)):
                yield f"{field}.{name}", (value, there)
    missing = _missing_tags(row.get("tags") or (), found.tags)
    if missing:
        yield "tags", (missing, [*found.tags])


def _seconds(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.timestamp())


def _is_same_time(sent: Any, stored: int) -> bool:
    if sent in {ANY_TIME, UNSUBSCRIBED}:
        return stored > 0
    return bool(sent == stored)


def _is_added(field: str, name: str, value: Any, numbers: Container[str]) -> bool:
    return f"{field}.{stored_name(name)}" in numbers and is_relative(value)


def _is_same_value(sent: Any, stored: Any) -> bool:
    text, there = _text(sent), _text(stored)
    if text == there:
        return True
    number, stored_number = _number(text), _number(there)
    # 1.50 is 1.5, but a postcode 01067 is no 1067.
    has_zeros = any(it[:1] == "0" and it[1:2].isdecimal() for it in (text, there))
    return number is not None and number == stored_number and not has_zeros


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return value if isinstance(value, str) else str(value)


def _number(text: str) -> Decimal | None:
    if not text.isascii():
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _missing_tags(sent: Sequence[str], stored: Sequence[str]) -> list[str]:
    """Return the tags that should be there and are not, and those to be removed that still are."""
    there = {*map(_stored_tag, stored)}
    return [
        tag for tag in sent if (_stored_tag(tag.removeprefix("-")) in there) == tag.startswith("-")
    ]


def _stored_tag(tag: str) -> str:
    """Return a tag as it is stored: ``name`` or ``origin.name``, other characters as ``_``."""
    origin, dot, name = tag.strip().partition(".")
    return _NOT_IN_TAG.sub("_", origin) + dot + _NOT_IN_TAG.sub("_", name)


def has_uncompared(row: Mapping[str, Any], numbers: Container[str] = ()) -> bool:
    """Whether a row has what a receiver does not show: orders, and numbers that are added."""
    return bool(row.get("orders")) or any(
        _is_added(field, name, value, numbers)
        for field in _VALUES
        for name, value in as_object(row.get(field)).items()
    )


def merged(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two rows of one address leave behind."""
    row = {**earlier, **later}
    for field in _VALUES:
        if field in earlier and field in later:
            row[field] = {**as_object(earlier[field]), **as_object(later[field])}
    if "tags" in earlier and "tags" in later:
        changed = {_stored_tag(tag.removeprefix("-")) for tag in later["tags"]}
        kept = [it for it in earlier["tags"] if _stored_tag(it.removeprefix("-")) not in changed]
        row["tags"] = [*kept, *later["tags"]]
    return row
