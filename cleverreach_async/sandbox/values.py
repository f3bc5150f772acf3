"""Functions on plain values: JSON, addresses, numbers, tags."""

import json
import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

Json = Any
"""A JSON value."""

MAX_INT = 2**53
"""The largest accepted number; SQLite and every JSON decoder can represent it."""

_MOST_DIGITS = 18
"""Every number of so many digits is one for SQLite."""

_FORM_DEPTH = 64
"""PHP drops fields that are nested more deeply."""

_LABEL = r"\w(?:[\w-]*\w)?"
_EMAIL = re.compile(rf"[^\s@,;:<>()\"\[\]\\]+@(?:{_LABEL}\.)+\w{{2,}}")
_EMAIL_LENGTH = 254
_NOT_IN_TAG = re.compile(r"[^A-Za-z0-9_-]")
_NUMBER = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,9})?")


def as_map(value: object) -> dict[str, Json] | None:
    """Return the value if it is a JSON object, else None."""
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]


def parse_number(text: str) -> int | None:
    """Return the number that a text of digits is; None for any other text, and for endless ones."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else None


def as_list(value: object) -> list[Json] | None:
    """Return the value if it is a JSON list, else None."""
    return value if isinstance(value, list) else None  # pyright: ignore[reportUnknownVariableType]


_decode = msgspec.json.Decoder().decode
_decode_map = msgspec.json.Decoder(dict[str, Any]).decode
_decode_texts = msgspec.json.Decoder(dict[str, str]).decode
_decode_list = msgspec.json.Decoder(list[Any]).decode
encode_json: Final = msgspec.json.Encoder().encode
"""Encode a value as UTF-8."""


def parse_json(raw: bytes) -> Json:
    """Decode a JSON body.

    Raises:
        ValueError: The body is not JSON, or has NaN, lone surrogates or too deep nesting.
    """
    try:
        return _decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _parse_unusual_json(raw)


def _parse_unusual_json(raw: bytes) -> Json:
    """Decode a body with Python's decoder, which knows more encodings and larger numbers."""
    try:
        value = json.loads(raw, parse_constant=_refuse_constant)
        if b"\\ud" in raw.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error
    return value


def _refuse_constant(name: str) -> Json:
    """Refuse NaN and infinities, which Python's decoder accepts."""
    raise ValueError(f"{name} is not JSON")


def parse_form(text: str) -> Json:
    """Return the fields of a form; ``a[b]`` and ``a[]`` are nested, as in PHP."""
    fields: dict[str, Json] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        first, _, rest = name.partition("[")
        inner = rest[:-1].split("][") if first and rest.endswith("]") else []
        keys = [first, *inner] if inner else [name]
        if len(keys) <= _FORM_DEPTH:
            _put(fields, keys, value)
    return _php_list(fields)


def _put(fields: dict[str, Json], keys: list[str], value: str) -> None:
    """Set a nested field; an empty key is the next number."""
    *outer, last = keys
    for key in outer:
        name = key or str(len(fields))
        inner = as_map(fields.get(name))
        if inner is None:
            inner = fields[name] = {}
        fields = inner
    fields[last or str(len(fields))] = value


def _php_list(value: Json) -> Json:
    """Return a value in which objects with the keys 0, 1, … are lists."""
    fields = as_map(value)
    if fields is None:
        return value
    items = {name: _php_list(item) for name, item in fields.items()}
    return list(items.values()) if list(items) == [*map(str, range(len(items)))] else items


def php_arrays(value: Json, *, keyed: bool) -> Json:
    """Return a value whose lists are objects, as PHP encodes arrays whose keys have gaps.

    Args:
        value: The value; its structs become objects.
        keyed: Whether ids of items are the keys, or else numbers from 1; not numbers from 0.
    """
    return _php_array(msgspec.to_builtins(value), keyed=keyed)


def _php_array(value: Json, *, keyed: bool) -> Json:
    """Return a value whose lists are objects."""
    fields, items = as_map(value), as_list(value)
    if items:  # an empty one is always a list
        ids: list[Json] = [(as_map(item) or {}).get("id") for item in items]
        if not keyed or None in ids or len({*map(str, ids)}) < len(items):
            ids = list(range(keyed, len(items) + keyed))
        fields = {str(key): item for key, item in zip(ids, items, strict=True)}
    if fields is None:
        return value
    return {name: _php_array(item, keyed=keyed) for name, item in fields.items()}


def dump_text(value: Json) -> str:
    """Encode a value for a JSON column."""
    return encode_json(value).decode()


def load_map(text: str) -> dict[str, Json]:
    """Decode a JSON object column."""
    return {} if text == "{}" else _decode_map(text)


def load_texts(text: str) -> dict[str, str]:
    """Decode a JSON object column whose values are strings."""
    return {} if text == "{}" else _decode_texts(text)


def load_list(text: str) -> list[Json]:
    """Decode a JSON list column."""
    return [] if text == "[]" else _decode_list(text)


def is_email(text: str) -> bool:
    """Whether a string is a valid e-mail address."""
    if len(text) > _EMAIL_LENGTH or _EMAIL.fullmatch(text) is None:
        return False
    # The pattern allows dots anywhere in front of the only @, and single ones after it.
    return not (text[0] == "." or ".@" in text or ".." in text)


def to_int(value: object) -> int | None:
    """Return an integer from an int, a float or a numeric string; None for anything else."""
    # L: clients have sent seconds as strings and with fractions without an error.
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if _NUMBER.fullmatch(value) is None:
            return None
        value = float(value) if "." in value else int(value)
    if not isinstance(value, int | float) or not -MAX_INT <= value <= MAX_INT:
        return None
    return int(value)


def to_bool(value: object) -> bool:
    """Return a flag as PHP reads it: 1, "1", "true" and true are true."""
    return str(value).lower() in {"1", "true", "yes", "on"}


def attribute_text(value: object) -> str | None:
    """Return an attribute value as it is stored; None if its type is not allowed."""
    match value:
        case str():
            return value
        case bool():
            return "1" if value else ""
        case int() | float():
            return str(value)
        case _:
            return None


def split_csv(value: object) -> list[str]:
    """Return the parts of a comma-separated string, or of a list."""
    items = as_list(value)
    parts: Iterable[object] = str(value).split(",") if items is None else items
    return [text for part in parts if (text := str(part).strip())]


def clean_tag(tag: str) -> str:
    """Return a tag as it is stored: ``name`` or ``origin.name``, other characters as ``_`` (M)."""
    origin, dot, name = tag.partition(".")
    if not dot:
        return _NOT_IN_TAG.sub("_", tag)
    return f"{_NOT_IN_TAG.sub('_', origin)}.{_NOT_IN_TAG.sub('_', name)}"


def change_tags(tags: list[str], changes: Iterable[str]) -> list[str]:
    """Apply changes to tags: ``name`` adds, ``-name`` (H) and ``-origin.*`` (M) remove."""
    result = dict.fromkeys(tags)
    for change in changes:
        if not change.startswith("-"):
            if change not in result and (tag := clean_tag(change)):
                result[tag] = None
        elif change.endswith(".*"):
            prefix = clean_tag(change[1:-1])
            result = {tag: None for tag in result if not tag.startswith(prefix)}
        else:
            result.pop(clean_tag(change[1:]), None)
    return list(result)


def apply_increment(stored: str, change: str) -> str | None:
    """Return the sum after a ``+n`` or ``-n`` change; None for any other change."""
    if change[:1] not in {"+", "-"} or _NUMBER.fullmatch(change) is None:
        return None
    total = float(change) + (float(stored) if _NUMBER.fullmatch(stored) else 0.0)
    return str(int(total)) if total == int(total) else str(total)
