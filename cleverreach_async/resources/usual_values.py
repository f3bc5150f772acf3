"""Read an object whose fields have the values that the API mostly sends.

A list of receivers has many, so nothing here calls a function for a value that stays as it is.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import attrs

from cleverreach_async.resources.field_types import AttributeValues, Number
from cleverreach_async.resources.model_fields import ModelFields
from cleverreach_async.resources.values import MILLISECONDS

__all__ = ["UsualReader"]

_Read = Callable[[Any, Any], Any]

# With the type Any, so that type checkers do not narrow values to those of unknown items.
_OBJECT: Final[Any] = dict
_LIST: Final[Any] = list
_TEXT: Final = frozenset({str})
_UNCHANGED: Final[Mapping[Any, type]] = {
    str: str,
    int: int,
    bool: bool,
    int | None: int,
    bool | None: bool,
    Number: int,
}
"""The type of the values that stay as they are, by the type of the field."""


class _UsualField(NamedTuple):
    """How the values of a field are read that do not stay as they are."""

    is_time: bool
    kind: Any
    read: _Read


class UsualReader:
    """Reads usual objects as models.

    Args:
        kind: The model.
        fields: Its fields.
        find_hook: Returns the converter's hook for a type.
    """

    __slots__ = ("_fields", "_kind", "_known", "_unchanged")

    def __init__(
        self, kind: type[Any], fields: ModelFields, find_hook: Callable[[Any], _Read]
    ) -> None:
        self._kind = kind
        self._fields = fields
        known: Any = [it for it in attrs.fields(kind) if it.name in fields.known]
        self._unchanged = {it.name: _UNCHANGED.get(it.type) for it in known}
        self._known = {it.name: _usual_field(it, find_hook(it.type)) for it in known}

    def read(self, value: Any) -> Any:
        """Return the model; ``None`` if another way has to tell what is odd. It never raises."""
        if type(value) is not _OBJECT:
            return None
        try:
            return self._read(value)
        except Exception:  # noqa: BLE001 - the other way says what it is
            return None

    def _read(self, value: Mapping[str, Any]) -> Any:
        found: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        find, unchanged, is_absent = self._known.get, self._unchanged.get, self._fields.is_absent
        from_seconds = datetime.fromtimestamp
        for name, item in value.items():
            if type(item) is unchanged(name):
                found[name] = item
                continue
            field = find(name)
            if field is None:
                extra[name] = item
                continue
            is_time, kind, read = field
            if is_time and type(item) is int and item < MILLISECONDS:
                if item > 0:
                    found[name] = from_seconds(item, UTC)
            elif item or type(item) is int or not is_absent(name, item):
                found[name] = read(item, kind)
        return self._made_of(found, extra)

    def _made_of(self, found: dict[str, Any], extra: Mapping[str, Any]) -> Any:
        """Return the model, unless a field is missing that may have an older name."""
        fields = self._fields
        if not (fields.required <= found.keys() and fields.aliases.keys().isdisjoint(extra)):
            return None
        if extra and fields.has_extra:
            found["extra"] = extra
        return self._kind(**found)


def _usual_field(field: Any, hook: _Read) -> _UsualField:
    kind = field.type
    is_time = kind == datetime | None and field.default is None
    if kind == AttributeValues:
        return _UsualField(is_time, kind, _texts_by_name(hook))
    if kind == tuple[str, ...]:
        return _UsualField(is_time, kind, _texts(hook))
    return _UsualField(is_time, kind, hook)


def _texts_by_name(hook: _Read) -> _Read:
    def read(value: Any, kind: Any) -> Any:
        is_usual = type(value) is _OBJECT and _TEXT.issuperset(map(type, value.values()))
        return value if is_usual else hook(value, kind)

    return read


def _texts(hook: _Read) -> _Read:
    def read(value: Any, kind: Any) -> Any:
        is_usual = type(value) is _LIST and _TEXT.issuperset(map(type, value))
        return tuple(value) if is_usual else hook(value, kind)

    return read
