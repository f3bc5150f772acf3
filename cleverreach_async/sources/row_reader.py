"""Rows of typed values: from values in the order of the columns to receivers."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from cleverreach_async.errors import SourceError
from cleverreach_async.resources.base import UNSET, Unset
from cleverreach_async.resources.receiver_models import AttributeValue, ReceiverInput
from cleverreach_async.sources.columns import (
    GROUP_PREFIX,
    TIME_TARGETS,
    ColumnMapping,
)
from cleverreach_async.sources.converters import Convert, UnusableValueError, converter
from cleverreach_async.sources.rows import BadRow, SourceRow

__all__ = ["ReadRow", "check_columns", "row_reader"]

ReadRow = Callable[[Sequence[Any]], SourceRow | BadRow]
"""From the values of all columns, in their order, to a row."""


def check_columns(names: Sequence[Any], place: str) -> tuple[str, ...]:
    """Return the columns of a source; each needs a name of its own.

    Args:
        names: The names.
        place: The source, for the error.

    Raises:
        SourceError: A name is there twice, or is no text.
    """
    for name, count in Counter(names).items():
        if not isinstance(name, str):
            raise SourceError(
                f"a column is named by a value of type {type(name).__name__}; rows need columns"
                " with names",
                path=place,
            )
        if count > 1:
            raise SourceError(
                f"two columns are named {name!r}; give one of them another name", path=place
            )
    return tuple(names)


def row_reader(mapping: ColumnMapping, zone: tzinfo) -> ReadRow:
    """Build the function from values to a row; all look-ups by name are made here.

    Args:
        mapping: What column goes where.
        zone: Where the clocks of naive times stood.
    """
    build = _compile(mapping, zone)

    def read(values: Sequence[Any]) -> SourceRow | BadRow:
        try:
            return SourceRow(build(values), None)
        except ValueError:
            return _bad_row(mapping, zone, values)

    return read


def _compile(mapping: ColumnMapping, zone: tzinfo) -> Callable[[Sequence[Any]], ReceiverInput]:
    converts = _converters(mapping, zone)
    places = {target: mapping.headers.index(column) for column, target in mapping.pairs}
    email_at, to_address = places["email"], converts["email"]
    fields = [
        (target, places[target], converts[target])
        for target in (*TIME_TARGETS, "source", "tags")
        if target in places
    ]
    of_group = _attributes(mapping.group_attributes, GROUP_PREFIX, places, converts)
    of_account = _attributes(mapping.global_attributes, "", places, converts)

    def build(values: Sequence[Any]) -> ReceiverInput:
        email = to_address(values[email_at])
        if email is UNSET:
            raise ValueError("no address")
        receiver = ReceiverInput(email)
        for name, place, convert in fields:
            setattr(receiver, name, convert(values[place]))
        if of_group:
            receiver.attributes = _read_attributes(of_group, values)
        if of_account:
            receiver.global_attributes = _read_attributes(of_account, values)
        return receiver

    return build


def _converters(mapping: ColumnMapping, zone: tzinfo) -> dict[str, Convert]:
    kinds = mapping.types
    return {
        target: converter(target, kinds.get(target, "text"), zone) for _, target in mapping.pairs
    }


_Attribute = tuple[str, int, Convert]


def _attributes(
    names: Iterable[str], prefix: str, places: Mapping[str, int], converts: Mapping[str, Convert]
) -> list[_Attribute]:
    return [(name, places[prefix + name], converts[prefix + name]) for name in names]


def _read_attributes(
    attributes: Sequence[_Attribute], values: Sequence[Any]
) -> Mapping[str, AttributeValue] | Unset:
    found = {
        name: value
        for name, place, convert in attributes
        if (value := convert(values[place])) is not UNSET
    }
    return found or UNSET


def _bad_row(mapping: ColumnMapping, zone: tzinfo, values: Sequence[Any]) -> BadRow:
    """Say which column keeps a row from being a receiver."""
    record = dict(zip(mapping.headers, values, strict=True))
    converts = _converters(mapping, zone)
    for column, target in mapping.pairs:
        try:
            value = converts[target](record[column])
        except UnusableValueError as error:
            return BadRow(None, error.code, f"column {column!r}: {error}", record)
        if target == "email" and value is UNSET:
            return BadRow(None, "missing_email", f"column {column!r} is empty", record)
    return BadRow(None, "invalid_value", "the row holds a value that cannot be read", record)
