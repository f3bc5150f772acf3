"""Relative values: the API adds ``"+1"`` to a number attribute and subtracts ``"-1"`` from it.

A request with such a value must not be repeated, because each execution changes the number again.
"""

import re
from collections.abc import Container, Mapping
from typing import Any, Final, cast

import msgspec

from cleverreach_async.transport.wire import as_list, as_object

__all__ = ["body_has_relative_values", "has_relative_values", "is_relative"]

# Wider than the known [+-]digits: what the server does with a fraction or an exponent is unknown.
_is_relative: Final = re.compile(
    r" *[+-] *(?:[0-9][0-9.,]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)? *"
).fullmatch


def is_relative(value: object) -> bool:
    """Return whether a value may change a number attribute by an amount.

    A negative JSON number may: it is unknown whether the server subtracts it like a text.
    """
    return _is_relative(value if isinstance(value, str) else str(value)) is not None


def has_relative_values(value: object, names: Container[str] | None = None) -> bool:
    """Return whether a value is relative, or contains one.

    Args:
        value: The values of attributes by name; or any JSON value.
        names: The number attributes; ``None`` if they are not known, so that any may be one.
    """
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return any(
            has_relative_values(item) for name, item in items if names is None or name in names
        )
    if isinstance(value, list):
        # The texts of a list are tags, where a sign means that the tag is removed.
        return any(has_relative_values(part) for part in as_list(value) if as_object(part))
    return is_relative(value)


def body_has_relative_values(body: bytes) -> bool:
    """Return whether the body of a request has a relative value."""
    return bool(body) and has_relative_values(msgspec.json.decode(body))
