"""The fields of a model, as the converter sees them."""

from collections.abc import Mapping
from typing import Any, get_args, get_origin

import attrs
import cattrs

from cleverreach_async.resources.field_types import AttributeValues

__all__ = ["ModelFields", "PartlyReadError"]


class PartlyReadError(ValueError):
    """Some items of a list cannot be read.

    Attributes:
        readable: The other items, as they came.
        rest: What is to be kept: the whole value if no item can be read.
    """

    def __init__(self, readable: list[Any], rest: Any) -> None:
        super().__init__("items that cannot be read")
        self.readable = readable
        self.rest = rest


@attrs.frozen(kw_only=True)
class ModelFields:
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
    def of(cls, kind: type[Any]) -> "ModelFields":
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
            if isinstance(problem, PartlyReadError):
                named[name] = problem.readable
                value = problem.rest
            extra[older.get(name, name)] = value
        named["extra"] = extra


def _is_number(kind: Any) -> bool:
    return kind in (int, float) or bool({int, float} & set(get_args(kind)))


def _is_composed(kind: Any) -> bool:
    return kind == AttributeValues or get_origin(kind) in (tuple, Mapping) or attrs.has(kind)
