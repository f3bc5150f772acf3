"""Encode rows that need no conversion, a slice at a time.

To check a whole slice takes a small part of the time of checks for each row.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from operator import attrgetter
from typing import Any, Final

from cleverreach_async.bulk.attributes.known import KnownAttributes
from cleverreach_async.bulk.intake.valid_addresses import are_addresses
from cleverreach_async.bulk.rows import EncodedRow
from cleverreach_async.bulk.strategies import Strategy
from cleverreach_async.resources.order_models import OrderInput
from cleverreach_async.resources.receiver_models import ReceiverInput
from cleverreach_async.resources.times import EARLIEST, LATEST
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.sources.receiver_fields import are_simple
from cleverreach_async.sources.rows import Item, SourceRow
from cleverreach_async.transport.wire import encode_json

__all__ = ["encode_plain_rows"]

_said: Final = attrgetter("not_subscribed")
_line: Final = attrgetter("line")
_is_checked: Final = attrgetter("is_checked")
_NOT_SENT: Final = frozenset({Unset})
_TIMES: Final = frozenset({int, Unset})
_TEXTS: Final = frozenset({str, Unset})
_MAPS: Final = frozenset({dict})
_LISTS: Final = frozenset({list, tuple, Unset})


def encode_plain_rows(
    items: Sequence[Item],
    numbers: Iterable[int],
    strategy: Strategy,
    known: KnownAttributes | None = None,
) -> list[EncodedRow] | None:
    """Encode a slice of rows.

    Args:
        items: The rows as the source yielded them.
        numbers: One-based number of each.
        strategy: The batch call.
        known: The attributes of the account; ``None`` if those of rows are not checked.

    Returns:
        The encoded rows; ``None`` if any row has to be looked at by itself.
    """
    try:
        receivers, lines, are_checked = _parts_of(items)
        of_account = [it.global_attributes for it in receivers if it.global_attributes]
        of_group = [it.attributes for it in receivers if it.attributes]
        if not (
            receivers
            and _are_sent_as_they_are(receivers)
            and (known is None or known.are_fitting(of_account, of_group))
            and (
                are_checked
                or (
                    _have_plain_types(receivers, strategy)
                    and _have_plain_values(of_account)
                    and _have_plain_values(of_group)
                )
            )
        ):
            return None
        bodies = map(encode_json, receivers)
        keys = [it.email.lower() for it in receivers]
        repeatable = [not it.orders and strategy.repeatable for it in receivers]
        return list(map(EncodedRow, keys, bodies, numbers, lines, repeatable))
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


def _are_sent_as_they_are(receivers: Sequence[ReceiverInput]) -> bool:
    """Whether addresses and times need no change, and nobody is unsubscribed."""
    return (
        are_addresses([it.email for it in receivers])
        and _NOT_SENT.issuperset([type(it.deactivated) for it in receivers])
        and _are_usual_times([it.activated for it in receivers])
    )


def _have_plain_types(receivers: Sequence[ReceiverInput], strategy: Strategy) -> bool:
    """Whether the other fields, apart from attributes, have the types that are sent."""
    return (
        _are_usual_times([it.registered for it in receivers])
        and _TEXTS.issuperset([type(it.source) for it in receivers])
        and _are_plain_tags([it.tags for it in receivers])
        and _are_plain_orders([it.orders for it in receivers if it.orders], strategy)
    )


def _are_usual_times(times: Sequence[Any]) -> bool:
    kinds = {*map(type, times)}
    if kinds <= _NOT_SENT:
        return True
    if not kinds <= _TIMES:
        return False
    seconds = times if len(kinds) == 1 else [it for it in times if it is not UNSET]
    return bool(min(seconds) >= EARLIEST and max(seconds) <= LATEST)


def _have_plain_values(maps: Sequence[Any]) -> bool:
    if not _MAPS.issuperset(map(type, maps)):
        return False
    values = list(chain.from_iterable([it.values() for it in maps]))
    return _are_texts(values) or are_simple(values)


def _are_plain_tags(tags: Sequence[Any]) -> bool:
    return _LISTS.issuperset(map(type, tags)) and _are_texts(
        chain.from_iterable([it for it in tags if it])
    )


def _are_texts(values: Iterable[Any]) -> bool:
    try:
        # No other check of many values is nearly as fast.
        "".join(values)
    except TypeError:
        return False
    return True


def _are_plain_orders(orders: Sequence[Any], strategy: Strategy) -> bool:
    """Whether orders are sent, and have no time that has to be checked."""
    if not orders:
        return True
    lines: list[Any] = list(chain.from_iterable(orders))
    return strategy.takes_orders and all(
        type(line) is OrderInput and line.stamp is UNSET for line in lines
    )
