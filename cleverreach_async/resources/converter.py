"""Turn JSON responses into models, with cattrs.

The API is loose with types: ids arrive as numbers and as strings, times as seconds in either form,
empty objects as ``[]``. The hooks here convert them, so that a model's types are reliable.
"""

import functools
import math
import types
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

from cleverreach_async.errors import ResponseDecodeError

__all__ = ["Extra", "StringMap", "structure"]

T = TypeVar("T")


Extra = Mapping[str, Any]
StringMap = Mapping[str, str]


def structure(value: Any, kind: type[T], *, method: str, path: str) -> T:
    """Return decoded JSON as ``kind``.

    Args:
        value: Decoded JSON.
        kind: A model class or a generic such as ``list[Group]``.
        method: HTTP method, for the error.
        path: Path template, for the error.

    Raises:
        ResponseDecodeError: The value does not fit. The error's ``problems`` name the fields.
    """
    try:
        return _converter().structure(value, kind)
    except (cattrs.BaseValidationError, ValueError, TypeError, KeyError) as error:
        problems = cattrs.transform_error(error)
        raise ResponseDecodeError(problems, method=method, path=path) from None


@functools.cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_structure_hook(int, _to_int)
    converter.register_structure_hook(float, _to_float)
    converter.register_structure_hook(str, _to_str)
    converter.register_structure_hook(bool, _to_bool)
    converter.register_structure_hook(datetime, _to_datetime)
    converter.register_structure_hook_func(_is_optional_time, _to_optional_datetime)
    converter.register_structure_hook_func(_is_string_map, _to_string_map)
    converter.register_structure_hook_func(_is_object, _to_object)
    converter.register_structure_hook_func(_is_open_literal, _to_str)
    converter.register_structure_hook_factory(attrs.has, functools.partial(_model_hook, converter))
    return converter


def _model_hook(converter: cattrs.Converter, kind: type[Any]) -> Callable[[Any, Any], Any]:
    """Return the hook of a model. It maps older names, and keeps unknown keys in ``extra``.

    ``null`` is treated as absent, because the API sends either for no value. So is an empty text
    for a number, such as the ``group_id`` of a receiver read without a group. A model without
    ``extra`` drops unknown keys.
    """
    fields = attrs.fields_dict(attrs.resolve_types(kind))
    inner = make_dict_structure_fn(kind, converter, extra=override(omit=True))
    aliases: Mapping[str, str] = getattr(kind, "aliases", {})
    known = frozenset(fields) - {"extra"}
    numbers = frozenset(name for name, field in fields.items() if _is_number(field.type))

    def hook(value: Any, _: Any) -> Any:
        named: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        raw = _to_object(value, kind)
        for name, item in raw.items():
            field = aliases.get(name, name)
            if field not in known:
                extra[name] = item
            elif item is None or (item == "" and field in numbers):
                continue
            elif field == name or raw.get(field) is None:
                named[field] = item
        model = inner(named, kind)
        return attrs.evolve(model, extra=extra) if extra and "extra" in fields else model

    return hook


def _to_int(value: Any, _: Any) -> int:
    if value == "" or value is None:
        raise ValueError("expected a whole number, got an empty value")
    return int(value)


def _to_float(value: Any, _: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    return number


def _to_str(value: Any, _: Any) -> str:
    if isinstance(value, dict | list):
        raise TypeError(f"expected text, got {type(cast('object', value)).__name__}")
    return str(value)


_FALSE: Final = frozenset({"", "0", "false", "no"})


def _to_bool(value: Any, _: Any) -> bool:
    return value.lower() not in _FALSE if isinstance(value, str) else bool(value)


def _to_datetime(value: Any, _: Any) -> datetime:
    return datetime.fromtimestamp(float(value), UTC)


def _is_optional_time(kind: Any) -> bool:
    return bool(kind == datetime | None)


def _to_optional_datetime(value: Any, kind: Any) -> datetime | None:
    """Read Unix seconds. The API sends ``0`` for never."""
    return None if value in (None, "", 0, "0", False) else _to_datetime(value, kind)


def _is_number(kind: Any) -> bool:
    return kind in (int, float) or bool({int, float} & set(get_args(kind)))


def _is_open_literal(kind: Any) -> bool:
    """Whether a type is ``Literal[...] | str``: known values, and any that the API may add."""
    if get_origin(kind) not in (Union, types.UnionType):
        return False
    members = get_args(kind)
    return str in members and all(it is str or get_origin(it) is Literal for it in members)


def _is_object(kind: Any) -> bool:
    return kind in (dict[str, Any], Mapping[str, Any])


def _to_object(value: Any, _: Any) -> Mapping[str, Any]:
    """Read an object. PHP sends an empty one as a list."""
    if value == []:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, got {type(value).__name__}")
    return cast("dict[str, Any]", value)


def _is_string_map(kind: Any) -> bool:
    return bool(kind == StringMap)


def _to_string_map(value: Any, kind: Any) -> Mapping[str, str]:
    items = _to_object(value or [], kind).items()
    return {str(name): "" if item is None else str(item) for name, item in items}
