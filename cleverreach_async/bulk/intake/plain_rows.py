"""Encode rows that need no conversion, a slice at a time.

To check a whole slice takes a small part of the time of checks for each row.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Any, Final

from cleverreach_async.bulk.attributes.known import KnownAttributes
from cleverreach_async.bulk.intake.valid_addresses import are_addresses
from cleverreach_async.bulk.rows import EncodedRow
from cleverreach_async.bulk.strategies import Strategy
from cleverreach_async.resources.base import UNSET, Unset
from cleverreach_async.resources.orders import OrderInput
from cleverreach_async.resources.receiver_models import ReceiverInput
from cleverreach_async.resources.times import EARLIEST, LATEST
from cleverreach_async.sources.receiver_fields import are_simple
from cleverreach_async.sources.rows import Item, SourceRow
from cleverreach_async.transport.wire import encode_json

__all__ = ["encode_plain_rows"]

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
        receivers, lines = _parts_of(items)
        if not receivers or not _are_plain(receivers, strategy, known):
            return None
        bodies = list(map(encode_json, receivers))
    except Exception:  # noqa: BLE001 - the row is found, and explained, by itself
        return None
    is_repeatable = strategy.repeatable
    return [
        EncodedRow(
            receiver.email.lower(), body, number, line, is_repeatable and not receiver.orders
        )
        for receiver, body, number, line in zip(receivers, bodies, numbers, lines, strict=True)
    ]


def _parts_of(items: Sequence[Any]) -> tuple[Sequence[ReceiverInput], Iterable[int | None]]:
    """Return receivers and lines of rows that are all of one kind, and say nothing of consent.

    There are no receivers if the rows are others.
    """
    kinds = {*map(type, items)}
    no_lines = repeat(None, len(items))
    if kinds == {ReceiverInput}:
        return items, no_lines
    if kinds == {dict}:
        return [ReceiverInput(**item) for item in items], no_lines
    if kinds == {SourceRow} and not any([item.not_subscribed for item in items]):  # noqa: C419 - faster
        receivers = [item.receiver for item in items]
        if {*map(type, receivers)} == {ReceiverInput}:
            return receivers, [item.line for item in items]
    return (), no_lines


def _are_plain(
    receivers: Sequence[ReceiverInput], strategy: Strategy, known: KnownAttributes | None
) -> bool:
    of_account: Sequence[Any] = [it.global_attributes for it in receivers if it.global_attributes]
    of_group: Sequence[Any] = [it.attributes for it in receivers if it.attributes]
    return (
        are_addresses([it.email for it in receivers])
        and all([it.deactivated is UNSET for it in receivers])  # noqa: C419 - faster
        and _are_usual_times([it.registered for it in receivers])
        and _are_usual_times([it.activated for it in receivers])
        and _TEXTS.issuperset([type(it.source) for it in receivers])
        and _have_plain_values(of_account)
        and _have_plain_values(of_group)
        and (known is None or known.are_fitting(of_account, of_group))
        and _are_plain_tags([it.tags for it in receivers])
        and _are_plain_orders([it.orders for it in receivers if it.orders], strategy)
    )


def _are_usual_times(times: Sequence[Any]) -> bool:
    if not _TIMES.issuperset(map(type, times)):
        return False
    seconds = [it for it in times if it is not UNSET]
    return not seconds or (min(seconds) >= EARLIEST and max(seconds) <= LATEST)


def _have_plain_values(maps: Sequence[Any]) -> bool:
    if not _MAPS.issuperset(map(type, maps)):
        return False
    return _are_texts([it.values() for it in maps]) or are_simple(
        chain.from_iterable([it.values() for it in maps])
    )


def _are_plain_tags(tags: Sequence[Any]) -> bool:
    return _LISTS.issuperset(map(type, tags)) and _are_texts([it for it in tags if it])


def _are_texts(groups: Iterable[Iterable[Any]]) -> bool:
    try:
        # No other check of many values is nearly as fast.
        "".join(chain.from_iterable(groups))
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
