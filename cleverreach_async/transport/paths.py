"""Fill the values of a path, and refuse those that would address something else.

``DELETE /groups/7/receivers/`` without a receiver has emptied groups. So a value is exactly one
segment, an id is a number, and a path that is written out cannot leave its place.
"""

import operator
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, unquote

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.redaction import mask_emails

__all__ = ["check_id", "check_ids", "check_receiver_id", "check_receiver_ids", "fill_path"]

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SEPARATORS: Final = re.compile(r"[/\\]")
_FORBIDDEN: Final = re.compile(r"[\s#\\{}]")
_ESCAPE: Final = re.compile(r"[/\\\x00-\x1f\x7f-\x9f]")
_DOTS: Final = frozenset({".", ".."})
_MOST_SHOWN: Final = 40
_TOO_LARGE: Final = 10**18

_RECEIVER_IDS: Final = frozenset({"receiver_id", "pool_id"})
"""Placeholders for a pool id or an e-mail address."""
_TEXT_IDS: Final = frozenset({"order_id"})
"""Placeholders with the ending of an id for which the vendor takes any text."""


def fill_path(template: str, values: Mapping[str, str | int]) -> str:
    """Fill ``{name}`` placeholders, and percent-encode each value as one segment.

    The name says what a value is: ``receiver_id`` and ``pool_id`` are an id or an e-mail address,
    ``order_id`` is text, any other name that ends with ``_id`` is an id, and the rest is text.

    Raises:
        ConfigurationError: A value is missing, has no placeholder or is not what its name says, or
            the path would address something else.
    """
    for name in values.keys() - _placeholders_of(template):
        raise ConfigurationError(
            f"{mask_emails(template)}: the path has no {{{name}}}, so it would address something"
            " else"
        )

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            raise ConfigurationError(f"{mask_emails(template)}: no value for {{{name}}}")
        return quote(_segment(name, values[name]), safe="")

    return _PLACEHOLDER.sub(fill, template) if values or "{" in template else template


def check_id(name: str, value: Any) -> int:
    """Return an id as a number.

    Args:
        name: Name of the argument, for the error.
        value: A number of 1 or more, or its digits as text.

    Raises:
        ConfigurationError: It is anything else, such as ``None``, 0 or a whole object.
    """
    number = _id_in(value)
    if number is None:
        raise ConfigurationError(
            f"{name} is {_shown(value)}; pass an id: a number of 1 or more, such as the id of an"
            " object that was listed or created"
        )
    return number


def check_ids(name: str, values: Iterable[Any]) -> list[int]:
    """Return ids as numbers.

    Raises:
        ConfigurationError: One of them is not an id, or they are not a list.
    """
    return [check_id(name, value) for value in _several(name, values)]


def check_receiver_id(name: str, value: Any) -> str:
    """Return the id or e-mail address of a receiver as text.

    Raises:
        ConfigurationError: It is neither.
    """
    if isinstance(value, str) and "@" in value:
        return _text(name, value)
    number = _id_in(value)
    if number is None:
        # A text is not shown: it may be a mistyped address.
        shown = "another text" if isinstance(value, str) and value.strip() else _shown(value)
        raise ConfigurationError(
            f"{name} is {shown}; pass a pool id (a number of 1 or more) or an e-mail address. An"
            " empty or missing one would address something else"
        )
    return str(number)


def check_receiver_ids(name: str, values: Iterable[Any]) -> list[str]:
    """Return ids and e-mail addresses of receivers as text.

    Raises:
        ConfigurationError: One of them is neither, or they are not a list.
    """
    return [check_receiver_id(name, value) for value in _several(name, values)]


def _several(name: str, values: Iterable[Any]) -> Iterable[Any]:
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
        raise ConfigurationError(f"{name} is {_shown(values)}; pass a list, even for one")
    return values


def _segment(name: str, value: Any) -> str:
    if name in _RECEIVER_IDS:
        return check_receiver_id(name, value)
    if name.endswith("_id") and name not in _TEXT_IDS:
        return str(check_id(name, value))
    if isinstance(value, str):
        return _text(name, value)
    number = _id_in(value)
    if number is None:
        raise ConfigurationError(f"{name} is {_shown(value)}; pass text, or a number of 1 or more")
    return str(number)


def _text(name: str, value: str) -> str:
    text = value.strip()
    plain = _decoded(text)
    if not plain.strip() or _CONTROL.search(plain) or _DOTS & {*_SEPARATORS.split(plain)}:
        raise ConfigurationError(
            f"{name} is {_shown(value)}; a text in a path cannot be empty or dotted or have control"
            " characters, because it would address something else"
        )
    return text


def _id_in(value: Any) -> int | None:
    """Return an id, given as a number or as digits; ``None`` for anything else."""
    if isinstance(value, str):
        digits = value.strip()
        is_number = digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_SHOWN
        number = int(digits) if is_number else 0
    else:
        try:
            number = 0 if isinstance(value, bool) else operator.index(value)  # also of NumPy
        except TypeError:
            return None
    return number if 1 <= number < _TOO_LARGE else None


def _shown(value: Any) -> str:
    """Return a value for an error: short and without an address, or the kind of an object."""
    if isinstance(value, int) and abs(value) >= _TOO_LARGE:
        return "a number that is too large"
    if value is None or isinstance(value, bool | int | float | str):
        text = mask_emails(repr(value))
        return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
    name = type(value).__name__
    return f"a {name} (pass its .id)" if hasattr(value, "id") else f"a {name}"


@lru_cache(maxsize=256)
def _placeholders_of(template: str) -> frozenset[str]:
    """Return the names of the placeholders of a template that is written correctly."""
    _check_written(template)
    return frozenset(_PLACEHOLDER.findall(template))


def _check_written(template: str) -> None:
    """Check the part of a path that is written out, without its placeholders."""
    written = _PLACEHOLDER.sub("x", template)
    segments = [_decoded(segment) for segment in written.split("/")]
    for is_wrong, remedy in (
        ("?" in written, "pass query parameters as query={…}, not in the path"),
        (
            _FORBIDDEN.search(written) or not written.isprintable(),
            "a path has no blanks, control characters, # \\ { }; pass values as path_params={…}",
        ),
        (
            not written.startswith("/") or "" in segments[1:],
            "a path must start with one slash and have no empty segment",
        ),
        (
            _DOTS & {*segments} or any(map(_ESCAPE.search, segments)),
            "a path has no dotted segments, and no encoded slashes or control characters",
        ),
        ("None" in segments, "a segment is None: a variable was not set"),
    ):
        if is_wrong:
            raise ConfigurationError(f"{mask_emails(template)!r}: {remedy}")


def _decoded(text: str) -> str:
    """Undo percent-encoding, however often it was applied."""
    while "%" in text and (plain := unquote(text)) != text:
        text = plain
    return text
