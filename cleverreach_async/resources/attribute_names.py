"""Names, types and numbers of attributes: checks on plain values."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, cast, get_args

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.arguments import kind_of

__all__ = [
    "ASSUMED_CAP",
    "RESERVED_NAMES",
    "AttributeType",
    "cap_in",
    "check_cap",
    "check_free",
    "check_name",
    "stored_name",
    "type_conflicts",
    "wanted_types",
]

AttributeType = Literal["text", "number", "gender", "date"]

ASSUMED_CAP: Final = 40
"""Most attributes of the account and one group together, if the server does not report a limit."""

RESERVED_NAMES: Final = frozenset(
    {"email", "activated", "registered", "deactivated", "bounced", "source"}
)
"""Names that an attribute cannot have, since receivers have fields of that name."""

_NOT_IN_NAMES: Final = re.compile(r"\W")
_WORDS_FOR_CAP: Final = ("limit", "max", "maximum")


def cap_in(limits: Mapping[str, Any]) -> int | None:
    """Return the maximum number of attributes from a result of :meth:`Attributes.limits`.

    Args:
        limits: The result. Its fields are not documented, so only plain words for a maximum are
            looked up.

    Returns:
        The number, or ``None`` if it is unknown.
    """
    for word in _WORDS_FOR_CAP:
        value = str(limits.get(word, ""))
        if value.isdecimal() and int(value):
            return int(value)
    return None


def check_cap(missing: Sequence[str], used: int, cap: int) -> None:
    """Refuse to create more attributes than the server allows.

    Args:
        missing: Names of the attributes to create.
        used: Attributes that the account and the group have.
        cap: Most attributes of both together.

    Raises:
        ConfigurationError: They are too many.
    """
    free = max(0, cap - used)
    too_many = missing[free:]
    if too_many:
        raise ConfigurationError(
            f"{len(missing)} attributes are missing, but only {free} can be created: the"
            f" account and the group have {used} of at most {cap} together. These do not fit:"
            f" {', '.join(too_many)}. Leave some out, or delete attributes that are not needed"
        )


def check_free(name: str) -> str:
    """Return the name of an attribute, unless it is that of a field that every receiver has.

    Raises:
        ConfigurationError: It is that of a field, or no text.
    """
    if not isinstance(cast("object", name), str):
        raise ConfigurationError(f"the name of an attribute is {kind_of(name)}; pass text")
    if name.strip().lower() in RESERVED_NAMES:
        raise ConfigurationError(
            f"{name!r} is a field that every receiver has; choose another name for the attribute"
        )
    return name


def check_name(name: str) -> str:
    """Return the name that the server gives a new attribute.

    Raises:
        ConfigurationError: No attribute can have the name.
    """
    stored = stored_name(check_free(name))
    if not stored.strip("_"):
        raise ConfigurationError(
            f"{name!r} is not a valid attribute name; use letters, digits and _"
        )
    return stored


def stored_name(name: str) -> str:
    """Return the name that the server gives an attribute: ``First Name`` becomes ``first_name``."""
    return _NOT_IN_NAMES.sub("_", name.strip().lower())


def wanted_types(types: object) -> dict[str, AttributeType]:
    """Return the types of attributes by the names that the server gives them.

    Args:
        types: Type by name.

    Raises:
        ConfigurationError: It is no mapping, a name or a type is invalid, or two names are the same
            attribute.
    """
    if not isinstance(types, Mapping):
        raise ConfigurationError(
            f"types is {kind_of(types)}; pass a mapping of names to types: {{'firstname': 'text'}}"
        )
    wanted: dict[str, AttributeType] = {}
    for name, kind in cast("Mapping[object, object]", types).items():
        if not isinstance(name, str):
            raise ConfigurationError(f"the name of an attribute is {kind_of(name)}; pass text")
        if not isinstance(kind, str) or kind not in get_args(AttributeType):
            shown = repr(kind) if isinstance(kind, str) else kind_of(kind)
            raise ConfigurationError(
                f"the type of attribute {name!r} is {shown}; pass one of"
                f" {', '.join(get_args(AttributeType))}"
            )
        stored = check_name(name)
        if stored in wanted:
            raise ConfigurationError(f"{name!r} is in types twice: the server calls both {stored}")
        wanted[stored] = cast("AttributeType", kind)
    return wanted


def type_conflicts(wanted: Mapping[str, str], present: Mapping[str, str]) -> None:
    """Refuse attributes that exist with another type.

    Args:
        wanted: Type by the server's name.
        present: Those that exist, likewise.

    Raises:
        ConfigurationError: One exists with another type; the message names all of them.
    """
    conflicts = [
        f"{name} is {present[name]}, not {kind}"
        for name, kind in wanted.items()
        if present.get(name, kind) != kind
    ]
    if conflicts:
        raise ConfigurationError(
            f"attributes exist with another type: {'; '.join(conflicts)}. Use their types, or other"
            " names. It is not documented whether the type of an attribute can change"
        )
