"""Encode rows that need no conversion, a slice at a time.

One loop looks at the fields that only some rows have. What every row has is checked for the whole
slice at once, which takes a small part of the time of checks for each row.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any, Final

import attrs

from cleverreach_async.bulk.attributes.known import KnownAttributes
from cleverreach_async.bulk.attributes.slice_values import SliceValues
from cleverreach_async.bulk.encoded_lines import EncodedLines
from cleverreach_async.bulk.intake.plain_orders import are_plain_orders
from cleverreach_async.bulk.intake.valid_addresses import keys_of
from cleverreach_async.bulk.rows import EncodedRow
from cleverreach_async.bulk.strategies import Strategy
from cleverreach_async.resources.receiver_models import ReceiverInput
from cleverreach_async.resources.times import EARLIEST, LATEST
from cleverreach_async.resources.unset import UNSET
from cleverreach_async.sources.rows import Item, SourceRow
from cleverreach_async.transport.wire import encode_json_lines

__all__ = ["encode_plain_rows"]

_said: Final = attrgetter("not_subscribed")
_line: Final = attrgetter("line")
_is_checked: Final = attrgetter("is_checked")
_LISTS: Final = frozenset({list, tuple})
_TIMES: Final = frozenset({int})
_join: Final = "".join


def encode_plain_rows(
    items: Sequence[Item],
    numbers: Sequence[int],
    strategy: Strategy,
    known: KnownAttributes | None = None,
) -> list[EncodedRow] | None:
    """Encode a slice of rows.

    Args:
        items: The rows as the source yielded them.
        numbers: One-based number of each; they are consecutive.
        strategy: The batch call.
        known: The attributes of the account; ``None`` if those of rows are not checked.

    Returns:
        The encoded rows; ``None`` if any row has to be looked at by itself.
    """
    try:
        receivers, lines, are_checked = _parts_of(items)
        keys = keys_of([it.email for it in receivers]) if receivers else None
        fields = None if keys is None else _fields_of(receivers, are_checked=are_checked)
        if keys is None or fields is None:
            return None
        of_account, of_group = SliceValues.of(fields.of_account), SliceValues.of(fields.of_group)
        if not (
            (known is None or known.are_fitting(of_account, of_group))
            and (are_checked or (of_account.are_plain and of_group.are_plain))
            and (not fields.orders or (strategy.takes_orders and are_plain_orders(fields.orders)))
        ):
            return None
        repeatable: Iterable[bool] = repeat(strategy.repeatable)
        if fields.orders:
            repeatable = [not it.orders and strategy.repeatable for it in receivers]
        text = encode_json_lines(receivers)
        if fields.orders and b":null" in text:  # perhaps a price that is NaN
            return None
        encoded = EncodedLines(numbers[0], len(receivers), text)
        return list(map(EncodedRow, keys, repeat(encoded), numbers, lines, repeatable))
    except Exception:  # noqa: BLE001 - the row is found, and explained, by itself
        return None


def _parts_of(
    items: Sequence[Any],
) -> tuple[Sequence[ReceiverInput], Iterable[int | None], bool]:
    """Return receivers and lines of rows that are all of one kind, and say nothing of consent.

    There are no receivers if the rows are others. The last value says whether the types of all
    values are checked.
    """
    kinds = {*map(type, items)}
    no_lines = repeat(None, len(items))
    if kinds == {ReceiverInput}:
        return items, no_lines, False
    if kinds == {dict}:
        return [ReceiverInput(**item) for item in items], no_lines, False
    if kinds == {SourceRow} and {*map(_said, items)} == {""}:
        receivers = [item.receiver for item in items]
        if {*map(type, receivers)} == {ReceiverInput}:
            return receivers, map(_line, items), all(map(_is_checked, items))
    return (), no_lines, False


@attrs.frozen
class _PlainFields:
    """Fields of a slice that are left to check, of the rows that have them."""

    of_account: list[Mapping[str, Any]]
    of_group: list[Mapping[str, Any]]
    orders: list[Sequence[Any]]


def _fields_of(receivers: Sequence[Any], *, are_checked: bool) -> _PlainFields | None:  # noqa: C901, PLR0912 - one loop
    """Look at all fields but the address; ``None`` if one of them needs a conversion."""
    times: list[Any] = []
    tags: list[Sequence[Any]] = []
    fields = _PlainFields([], [], [])
    of_account, of_group, orders = fields.of_account, fields.of_group, fields.orders
    for it in receivers:
        if it.deactivated is not UNSET:
            return None
        if it.activated is not UNSET:
            times.append(it.activated)
        if it.global_attributes is not UNSET:
            of_account.append(it.global_attributes)
        if it.attributes is not UNSET:
            of_group.append(it.attributes)
        if it.orders is not UNSET:
            orders.append(it.orders)
        if are_checked:
            continue
        if it.registered is not UNSET:
            times.append(it.registered)
        if it.source is not UNSET and type(it.source) is not str:
            return None
        if it.tags is not UNSET:
            tags.append(it.tags)
    if not _are_usual_times(times):
        return None
    if {*map(type, tags), *map(type, orders)} - _LISTS:
        return None
    for labels in tags:
        _join(labels)  # raises an error if one is no text
    return fields


def _are_usual_times(times: Sequence[Any]) -> bool:
    """Whether times are Unix seconds that need no conversion."""
    if not times:
        return True
    are_numbers = _TIMES.issuperset(map(type, times))
    return are_numbers and min(times) >= EARLIEST and max(times) <= LATEST
