"""Which rows need not be sent, because a later one of their address fills all their fields: pure.

Rows are compared as they go over the wire. Where it is unknown what the server does with a value,
both rows are sent, which is always right.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from cleverreach_async.bulk.rows import EncodedRow
from cleverreach_async.transport.wire import as_list, as_object

__all__ = ["supersedes"]

_decode: Final = msgspec.json.Decoder().decode
_TIMES: Final = ("registered", "activated", "deactivated")
_MAPS: Final = ("attributes", "global_attributes")
_COMPARED: Final = frozenset({"email", "source", "tags", "orders", *_TIMES, *_MAPS})
_MISSING: Final = object()

Fields = Mapping[str, Any]


def supersedes(later: EncodedRow, earlier: EncodedRow) -> bool:
    """Return whether the later row alone leaves the receiver as both rows in order would.

    Args:
        later: A row of the same address.
        earlier: The row sent immediately before it.
    """
    # A row that must not be sent twice may end as unknown, and the earlier one would be lost.
    if not (later.repeatable and earlier.repeatable):
        return False
    if not earlier.body.startswith(b"{"):
        return True  # only an address, to be deleted
    old, new = _decode(earlier.body), _decode(later.body)
    return (
        _fills_times(new, old)
        and all(_fills_map(new, old, name) for name in _MAPS)
        and _fills("source", new, old)
        and _fills_tags(new.get("tags", []), old.get("tags", []))
        and old.keys() <= _COMPARED
    )


def _fills(name: str, new: Fields, old: Fields) -> bool:
    """Whether a value is sent again, the same or another one that is not empty."""
    if name not in old:
        return True
    value = new.get(name, _MISSING)
    return value == old[name] or (isinstance(value, str | int | float) and value != "")


def _fills_times(new: Fields, old: Fields) -> bool:
    times = {name: new[name] for name in _TIMES if name in new}
    before = {name: old[name] for name in _TIMES if name in old}
    if not all(type(time) is int for time in (*times.values(), *before.values())):
        return False
    # It is not certain that the server takes "not yet confirmed" when it creates a receiver,
    # nor that it takes back that somebody has unsubscribed.
    if times.get("activated") == 0 or (before.get("deactivated") and not times.get("deactivated")):
        return False
    if not before:  # a new receiver without times is active at once
        return not times or "activated" in times
    return before.keys() <= times.keys()


def _fills_map(new: Fields, old: Fields, name: str) -> bool:
    if not (isinstance(old.get(name, {}), dict) and isinstance(new.get(name, {}), dict)):
        return False
    before, values = as_object(old.get(name)), as_object(new.get(name))
    return all(_fills(attribute, values, before) for attribute in before)


def _fills_tags(tags: Any, before: Any) -> bool:
    """Whether the tags decide about each earlier one: add it or remove it.

    A removal of all tags of an origin, ``-origin.*``, is only decided by the same.
    """
    if not (_are_texts(tags) and _are_texts(before)):
        return False
    exact = set(tags)
    decided = {tag.removeprefix("-") for tag in tags if not tag.endswith(".*")}
    return all(tag in exact or tag.removeprefix("-") in decided for tag in before)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in as_list(value))
