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
    fields = _Fields.of(kind)
    known = fields.known
    inner = make_dict_structure_fn(kind, converter)

    def hook(value: Any, _: Any) -> Any:
        named: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for name, item in _read_object(value).items():
            if name not in known:
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

    return hook


@attrs.frozen(kw_only=True)
class _Fields:
    """The fields of a model.

    Attributes:
        known: Their names without ``extra``.
        aliases: Names of fields by their older names.
        required: Names of those that identify an object.
        composed: Names of those that are lists, objects or models.
        without_text: Names of the latter and of numbers.
        has_extra: Whether there is a field ``extra``; a model without it drops unknown fields.
    """

    known: frozenset[str]
    aliases: Mapping[str, str]
    required: frozenset[str]
    composed: frozenset[str]
    without_text: frozenset[str]
    has_extra: bool

    @classmethod
    def of(cls, kind: type[Any]) -> "_Fields":
        """Return the fields of a model."""
        fields = attrs.fields_dict(attrs.resolve_types(kind))
        known = frozenset(fields) - {"extra"}
        composed = frozenset(name for name in known if _is_composed(fields[name].type))
        return cls(
            known=known,
            aliases=getattr(kind, "aliases", {}),
            required=frozenset(it for it in known if fields[it].default is attrs.NOTHING),
            composed=composed,
            without_text=composed | {name for name in known if _is_number(fields[name].type)},
            has_extra="extra" in fields,
        )

    def is_absent(self, name: str, value: Any) -> bool:
        """Whether a value means that there is none.

        The API sends ``null`` for no value, an empty text for a number, such as the ``group_id`` of
        a receiver read without a group, and either or ``false`` for a list or an object.
        """
        if value is None or value is False:
            return value is None or name in self.composed
        return value == "" and name in self.without_text

    def take_older(self, named: dict[str, Any], extra: dict[str, Any]) -> Mapping[str, str]:
        """Move values under older names to the fields that have no value.

        Returns:
            The older name of each such field.
        """
        used: dict[str, str] = {}
        for name in self.aliases.keys() & extra.keys():
            field = self.aliases[name]
            if self.is_absent(field, extra[name]):
                del extra[name]
            elif named.get(field, "") == "":
                named[field] = extra.pop(name)
                used[field] = name
        return used

    def set_aside(
        self,
        error: cattrs.ClassValidationError,
        named: dict[str, Any],
        extra: dict[str, Any],
        older: Mapping[str, str],
    ) -> None:
        """Move values that cannot be read to ``extra``, under the names that they came with.

        Those that identify the object stay.
        """
        problems, _ = error.group_exceptions()
        for problem, note in problems:
            name = note.name
            if name in self.required:
                continue
            value = named.pop(name)
            if isinstance(problem, _PartlyReadError):
                named[name] = problem.readable
                value = problem.rest
            extra[older.get(name, name)] = value
        named["extra"] = extra


def _is_number(kind: Any) -> bool:
    return kind in (int, float) or bool({int, float} & set(get_args(kind)))


def _is_composed(kind: Any) -> bool:
    return kind == AttributeValues or get_origin(kind) in (tuple, Mapping) or attrs.has(kind)


# Lists in models.


class _PartlyReadError(ValueError):
    """Some items of a list cannot be read.

    Attributes:
        readable: The other items, as they came.
        rest: What is to be kept: the whole value if no item can be read.
    """

    def __init__(self, readable: list[Any], rest: Any) -> None:
        super().__init__("items that cannot be read")
        self.readable = readable
        self.rest = rest


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
            raise _PartlyReadError(readable, rest if readable else value)
        if item_kind is Any and is_numbered(value) and "0" not in value:
            raise _PartlyReadError(readable, value)  # its keys may be ids
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
