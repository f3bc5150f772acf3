"""The attributes that the rows of an import have: detect them, and create missing ones.

The server silently drops values of attributes that do not exist, so they must be created before the
first row is sent.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Final

import attrs

from cleverreach_async.errors import (
    APIConnectionError,
    APIStatusError,
    ConfigurationError,
    ConflictError,
    ResponseDecodeError,
)
from cleverreach_async.resources.attributes import (
    Attribute,
    Attributes,
    AttributeType,
    cap_in,
    check_free,
)
from cleverreach_async.resources.base import Unset
from cleverreach_async.resources.receiver_models import AttributeValue, ReceiverInput
from cleverreach_async.sources.columns import GROUP_PREFIX
from cleverreach_async.sources.headers import KNOWN_TARGETS

__all__ = ["ASSUMED_CAP", "AttributeSurvey", "Definitions", "Plan", "Prepared", "plan_attributes"]

ASSUMED_CAP: Final = 40
"""Most attributes of the account and one group together, if the server does not report a limit."""

Types = Mapping[str, AttributeType | str]

_NAME: Final = re.compile(r"\w+")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@attrs.frozen
class Definitions:
    """Attributes of the account and of a group, type by name.

    Attributes:
        account: Attributes of the account, which all groups share.
        group: Attributes of one group.
    """

    account: Types = attrs.field(factory=dict[str, AttributeType | str])
    group: Types = attrs.field(factory=dict[str, AttributeType | str])

    def without(self, others: "Definitions") -> "Definitions":
        """Return the attributes that others lack; names are compared without case."""
        return Definitions(
            _without(self.account, others.account), _without(self.group, others.group)
        )

    @property
    def labels(self) -> list[str]:
        """The names as targets of columns: those of the group begin with ``attributes.``."""
        return [*self.account, *(GROUP_PREFIX + name for name in self.group)]


def _without(types: Types, others: Types) -> Types:
    known = _lowercased(others)
    return {name: kind for name, kind in _lowercased(types).items() if name not in known}


def _lowercased(types: Types) -> dict[str, AttributeType | str]:
    """Return the types by lower-case name; spellings of one name with different types are text."""
    result: dict[str, AttributeType | str] = {}
    for name, kind in types.items():
        key = name.lower()
        result[key] = kind if result.get(key, kind) == kind else "text"
    return result


# Attributes that rows have.


def _is_date(value: AttributeValue) -> bool:
    if isinstance(value, str) and _DATE.fullmatch(value):
        with suppress(ValueError):
            date.fromisoformat(value)
            return True
    return False


_TYPED_NAMES: Final[Mapping[str, tuple[AttributeType, Callable[[AttributeValue], bool]]]] = {
    "gender": ("gender", lambda value: value in {"male", "female"}),
    "birthday": ("date", _is_date),
}


class AttributeSurvey:
    """Determines the attributes of rows, and their types, from all values.

    An attribute is text unless all its values are certainly something else: numbers that the source
    itself stores as numbers, or valid values of the recognised names ``gender`` and ``birthday``.
    Digits in a text are text. So are other recognised names, such as a postcode or a customer
    number: nobody calculates with those.
    """

    def __init__(self) -> None:
        self._account: dict[str, AttributeType | None] = {}
        self._group: dict[str, AttributeType | None] = {}

    def add(self, receiver: ReceiverInput) -> None:
        """Add the values of one receiver."""
        _survey(self._account, receiver.global_attributes)
        _survey(self._group, receiver.attributes)

    @property
    def definitions(self) -> Definitions:
        """The attributes found so far, by lower-case name."""
        return Definitions(
            {name: kind or "text" for name, kind in self._account.items()},
            {name: kind or "text" for name, kind in self._group.items()},
        )


def _survey(
    types: dict[str, AttributeType | None], values: Mapping[str, AttributeValue] | Unset
) -> None:
    for name, value in values.items() if values else ():
        key = name.lower()
        known = types[key] = types.get(key)
        # An empty value says nothing about the type, and text remains text.
        if value is not None and value != "" and known != "text":
            kind = _type_of(key, value)
            types[key] = kind if known in (None, kind) else "text"


def _type_of(name: str, value: AttributeValue) -> AttributeType:
    if name in _TYPED_NAMES:
        kind, is_valid = _TYPED_NAMES[name]
        return kind if is_valid(value) else "text"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if is_number and name not in KNOWN_TARGETS else "text"


# Attributes that the account has, and those to create.


@attrs.frozen(kw_only=True)
class Prepared:
    """Attributes of an account and a group after missing ones were created.

    Attributes:
        created: Attributes that were created.
        present: Attributes that existed, or that another program created meanwhile.
    """

    created: Definitions
    present: Definitions


@attrs.frozen(kw_only=True)
class Plan:
    """The attributes that an import needs.

    Attributes:
        present: Attributes that exist.
        missing: Attributes that do not.
    """

    present: Definitions
    missing: Definitions

    async def carry_out(self, attributes: Attributes, *, group_id: int) -> Prepared:
        """Create the missing attributes.

        Args:
            attributes: The attributes of the account, ``cr.attributes``.
            group_id: The group.

        Raises:
            CleverReachError: A call failed; attributes created before it remain.
        """
        account: dict[str, str] = {}
        group: dict[str, str] = {}
        created = 0
        for missing, group_of, found in (
            (self.missing.account, None, account),
            (self.missing.group, group_id, group),
        ):
            for name, kind in missing.items():
                try:
                    other = await _create(attributes, name, kind, group_of)
                except (APIStatusError, APIConnectionError) as error:
                    error.add_note(
                        f"attribute {name!r} was not created; created before it: {created}"
                    )
                    raise
                if other is None:
                    created += 1
                else:
                    found[name] = other
        return Prepared(
            created=self.missing.without(Definitions(account, group)),
            present=Definitions(
                {**self.present.account, **account}, {**self.present.group, **group}
            ),
        )


async def plan_attributes(
    attributes: Attributes, wanted: Definitions, *, group_id: int | None, create: bool
) -> Plan:
    """Determine which attributes are missing, and check before any is created that all can be.

    Args:
        attributes: The attributes of the account, ``cr.attributes``.
        wanted: Attributes that the rows have.
        group_id: The group; ``None`` if it is to be created.
        create: Whether missing attributes are to be created.

    Raises:
        ConfigurationError: A name is invalid, or there are more attributes than the server allows.
        CleverReachError: A call failed.
    """
    present = Definitions(
        _types(await attributes.list()),
        _types(await attributes.list(group_id=group_id)) if group_id else {},
    )
    missing = wanted.without(present)
    if missing.labels and create:
        _check_names(missing)
        _check_cap(missing, present, await _cap(attributes))
    return Plan(present=present, missing=missing)


def _types(attributes: Sequence[Attribute]) -> Types:
    return {attribute.name.lower(): attribute.type for attribute in attributes}


def _check_names(missing: Definitions) -> None:
    """Refuse names that the server refuses, or would store in another spelling."""
    for name in (*missing.account, *missing.group):
        check_free(name)
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{name!r} is not a valid attribute name; use letters, digits and _. The server"
                " would store another name, and drop values sent under this one"
            )


def _check_cap(missing: Definitions, present: Definitions, cap: int) -> None:
    used = len(present.labels)
    free = max(0, cap - used)
    too_many = missing.labels[free:]
    if too_many:
        raise ConfigurationError(
            f"{len(missing.labels)} attributes are missing, but only {free} can be created: the"
            f" account and the group have {used} of at most {cap} together. These do not fit:"
            f" {', '.join(too_many)}. Leave some out, or delete attributes that are not needed"
        )


async def _cap(attributes: Attributes) -> int:
    try:
        limits = await attributes.limits()
    except (APIStatusError, ResponseDecodeError):
        return ASSUMED_CAP
    return cap_in(limits) or ASSUMED_CAP


async def _create(
    attributes: Attributes, name: str, kind: AttributeType | str, group_id: int | None
) -> str | None:
    """Create an attribute; returns its type if another program has created it meanwhile.

    Raises:
        APIStatusError: It was refused and does not exist.
        APIConnectionError: No response arrived, and it does not exist.
    """
    known = kind if kind in ("number", "gender", "date") else "text"
    try:
        await attributes.create(name=name, type=known, group_id=group_id)
    except (APIStatusError, APIConnectionError) as error:
        # It may exist already, or have been created although the response was lost.
        found = _types(await attributes.list(group_id=group_id)).get(name)
        if found is None:
            raise
        return found if isinstance(error, ConflictError) else None
    return None
