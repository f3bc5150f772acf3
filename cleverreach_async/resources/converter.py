"""Turn JSON responses into models, with cattrs.

Reading is tolerant, field by field: a value that cannot be read leaves its field empty and stays as
it is in ``extra``. Only what identifies an object has to be readable.
"""

import functools
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn

from cleverreach_async.errors import ResponseDecodeError
from cleverreach_async.resources.field_types import AttributeValues, Extra, Number
from cleverreach_async.resources.model_fields import ModelFields, PartlyReadError
from cleverreach_async.resources.usual_values import UsualReader
from cleverreach_async.resources.values import (
    read_attributes,
    read_flag,
    read_float,
    read_int,
    read_number,
    read_text,
    read_time,
)
from cleverreach_async.transport.redaction import excerpt
from cleverreach_async.transport.wire import as_list, as_object, is_numbered

__all__ = ["structure"]

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]

_MAX_PROBLEM: Final = 200
_MOST_PROBLEMS: Final = 10

_UNREADABLE: Final = (ValueError, TypeError, ArithmeticError, cattrs.BaseValidationError)


def structure(value: Any, kind: type[T], *, method: str, path: str) -> T:
    """Return decoded JSON as ``kind``.

    Args:
        value: Decoded JSON.
        kind: A model class or a generic such as ``list[Group]``.
        method: HTTP method, for the error.
        path: Path template, for the error.

    Raises:
        ResponseDecodeError: The value does not fit, or lacks what identifies an object. The error's
            ``problems`` name the item and the field, such as ``$[3].id``.
    """
    try:
        return _converter().structure(value, kind)
    except (KeyError, *_UNREADABLE) as error:
        problems = [
            excerpt(it, _MAX_PROBLEM) for it in cattrs.transform_error(error)[:_MOST_PROBLEMS]
        ]
    # Not raised while the other error is handled: its frames and this one hold the value.
    del value
    raise ResponseDecodeError(problems, method=method, path=path)


@functools.cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_structure_hook(int, read_int)
    converter.register_structure_hook(float, read_float)
    converter.register_structure_hook(str, read_text)
    converter.register_structure_hook(bool, read_flag)
    converter.register_structure_hook_func(_is_one_of(datetime | None), read_time)
    converter.register_structure_hook_func(_is_one_of(Number), read_number)
    converter.register_structure_hook_func(_is_one_of(AttributeValues), read_attributes)
    converter.register_structure_hook_func(_is_one_of(dict[str, Any], Extra), _read_object)
    converter.register_structure_hook_func(_is_open_literal, read_text)
    converter.register_structure_hook_factory(_is_tuple, functools.partial(_tuple_hook, converter))
    converter.register_structure_hook_factory(attrs.has, functools.partial(_model_hook, converter))
    return converter


def _is_one_of(*kinds: Any) -> Callable[[Any], bool]:
    return lambda kind: kind in kinds


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _is_open_literal(kind: Any) -> bool:
    """Whether a type is ``Literal[...] | str``: known values, and any that the API may add."""
    if get_origin(kind) not in (Union, types.UnionType):
        return False
    members = get_args(kind)
    return str in members and all(it is str or get_origin(it) is Literal for it in members)


def _read_object(value: Any, _: Any = None) -> Mapping[str, Any]:
    """Read an object. PHP sends an empty one as a list."""
    if value == []:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, got {type(value).__name__}")
    return cast("dict[str, Any]", value)


# Models.


def _model_hook(converter: cattrs.Converter, kind: type[Any]) -> Hook:
    """Return the hook of a model, which keeps in ``extra`` what it cannot read."""
    fields = ModelFields.of(kind)
    inner = make_dict_structure_fn(kind, converter)
    read_usual = UsualReader(kind, fields, converter.get_structure_hook).read

    def hook(value: Any, _: Any) -> Any:
        model = read_usual(value)
        return read_odd_model(value, kind, fields, inner) if model is None else model

    return hook


def read_odd_model(value: Any, kind: type[Any], fields: ModelFields, inner: Hook) -> Any:
    """Read an object whose fields may have any values."""
    named: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, item in _read_object(value).items():
        if name not in fields.known:
            extra[name] = item
        elif item or type(item) is int or not fields.is_absent(name, item):
            named[name] = item
    older: Mapping[str, str] = {}
    if extra:
        older = fields.take_older(named, extra)
        if fields.has_extra:
            named["extra"] = extra
    try:
        return inner(named, kind)
    except cattrs.ClassValidationError as error:
        if not fields.has_extra:
            raise
        fields.set_aside(error, named, extra, older)
    return inner(named, kind)


# Lists in models.


def _tuple_hook(converter: cattrs.Converter, kind: Any) -> Hook:
    """Return the hook of a list in a model, of which one odd item does not affect the others."""
    item_kind = get_args(kind)[0]
    read: Hook = converter.get_structure_hook(item_kind)
    entries = _entries_of_models if attrs.has(item_kind) else _entries_of_values

    def hook(value: Any, _: Any) -> tuple[Any, ...]:
        if isinstance(value, list):
            with suppress(*_UNREADABLE):
                return tuple([read(item, item_kind) for item in as_list(value)])
        readable: list[Any] = []
        items: list[Any] = []
        odd: dict[Any, Any] = {}
        for key, item in entries(value).items():
            try:
                items.append(read(item, item_kind))
                readable.append(item)
            except _UNREADABLE:
                odd[key] = item
        if odd:
            rest = odd if isinstance(value, dict) else [*odd.values()]
            raise PartlyReadError(readable, rest if readable else value)
        if item_kind is Any and is_numbered(value) and "0" not in value:
            raise PartlyReadError(readable, value)  # its keys may be ids
        return tuple(items)

    return hook


def _entries_of_models(value: Any) -> Mapping[Any, Any]:
    """Return objects by their keys in a list, or in an object of objects; else the one object."""
    if isinstance(value, list):
        return dict(enumerate(as_list(value)))
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        if is_numbered(fields) or all(isinstance(item, dict) for item in fields.values()):
            return fields
    return {0: value}


def _entries_of_values(value: Any) -> Mapping[Any, Any]:
    """Return values by their keys in a list, a PHP array or a text with commas; else the value."""
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
        return dict(enumerate([part for part in parts if part]))
    if isinstance(value, list):
        return dict(enumerate(as_list(value)))
    return as_object(value) if value == {} or is_numbered(value) else {0: value}
