"""Values of attributes that were sent, and that the server's answer does not have."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cleverreach_async.resources.attributes import stored_name
from cleverreach_async.transport.wire import as_list, as_object

__all__ = ["lost_attributes"]

_LEVELS = (("global_attributes", ""), ("attributes", "attributes."))


def lost_attributes(sent: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
    """Return the attributes whose values an answer does not have.

    Args:
        sent: The receiver's ``attributes`` and ``global_attributes``, as they were sent.
        stored: The receiver in the answer. If it has no such fields it says nothing about them.

    Returns:
        The names as they were sent; those of the group begin with ``attributes.``.
    """
    return [
        prefix + name
        for field, prefix in _LEVELS
        for name in _lost(sent.get(field), stored.get(field))
    ]


def _lost(sent: Any, stored: Any) -> Iterator[str]:
    if not sent or not isinstance(stored, dict | list):
        return  # the answer says nothing about them
    names = _names_with_value(_pairs(stored))
    for name, value in sent.items():
        if _is_value(value) and stored_name(name) not in names:
            yield name


def _pairs(stored: Any) -> Iterable[tuple[str, Any]]:
    """Return names and values of an object, or of a list of objects with both."""
    if isinstance(stored, dict):
        return as_object(stored).items()
    return [(str(it.get("name")), it.get("value")) for it in map(as_object, as_list(stored))]


def _names_with_value(items: Iterable[tuple[str, Any]]) -> set[str]:
    return {stored_name(name) for name, value in items if _is_value(value)}


def _is_value(value: Any) -> bool:
    return value is not None and bool(str(value).strip())
