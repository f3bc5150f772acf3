"""Attributes of an import's rows: what they are, which are missing, and creating those.

The server drops values of attributes that do not exist without a word, so they have to be there
before the first row is sent.
"""

import re
from collections.abc import Callable, Mapping, Sequence
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
from cleverreach_async.resources.attributes import Attribute, Attributes, cap_in, check_free
from cleverreach_async.resources.base import Unset
from cleverreach_async.resources.receiver_models import AttributeValue, ReceiverInput
from cleverreach_async.sources.columns import GROUP_PREFIX, KNOWN_TARGETS, AttributeType

__all__ = [
    "ASSUMED_CAP",
    "AttributeSurvey",
    "Definitions",
    "Plan",
    "Prepared",
    "plan_attributes",
    "prepare_attributes",
]

ASSUMED_CAP: Final = 40
"""Most attributes of the account and one group together, where the server does not tell."""

Types = Mapping[str, AttributeType | str]

_NAME: Final = re.compile(r"\w+")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@attrs.frozen
class Definitions:
    """Attributes of the account and of a group, type by name.

    Attributes:
        account: Those that every group has.
        group: Those of the one group.
    """

    account: Types = attrs.field(factory=dict[str, AttributeType | str])
    group: Types = attrs.field(factory=dict[str, AttributeType | str])

    def without(self, others: "Definitions") -> "Definitions":
        """Return those that are not among others; names that differ in case are the same."""
        return Definitions(
            _without(self.account, others.account), _without(self.group, others.group)
        )

    def joined(self, others: "Definitions") -> "Definitions":
        """Return these and others, with the others' types where both have a name."""
        return Definitions(
            {**_folded(self.account), **_folded(others.account)},
            {**_folded(self.group), **_folded(others.group)},
        )

    @property
    def labels(self) -> list[str]:
        """The names as targets of columns: those of the group begin with ``attributes.``."""
        return [*self.account, *(GROUP_PREFIX + name for name in self.group)]


def _without(these: Types, others: Types) -> Types:
    known = _folded(others)
    return {name: kind for name, kind in _folded(these).items() if name not in known}


def _folded(types: Types) -> dict[str, AttributeType | str]:
    """Return the types by lower-case name; two spellings of one name make a text."""
    folded: dict[str, AttributeType | str] = {}
    for name, kind in types.items():
        key = name.lower()
        folded[key] = kind if folded.get(key, kind) == kind else "text"
    return folded


# What rows have.


def _is_day(value: AttributeValue) -> bool:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


_SURE_SIGNS: Final[Mapping[str, tuple[AttributeType, Callable[[AttributeValue], bool]]]] = {
    "gender": ("gender", lambda value: value in {"male", "female"}),
    "birthday": ("date", _is_day),
}


class AttributeSurvey:
    """Finds out the attributes of rows of typed values, by looking at all of them.

    An attribute is a text unless every value is safely something else: a number that the source
    itself holds as a number, or what the recognised names ``gender`` and ``birthday`` should have.
    Digits in a text stay a text, and so do other recognised names: a postcode or a customer number
    is none to calculate with.
    """

    def __init__(self) -> None:
        self._account: dict[str, AttributeType | None] = {}
        self._group: dict[str, AttributeType | None] = {}

    def add(self, receiver: ReceiverInput) -> None:
        """Look at one receiver."""
        _look_at(self._account, receiver.global_attributes)
        _look_at(self._group, receiver.attributes)

    @property
    def definitions(self) -> Definitions:
        """The attributes seen so far, by lower-case name."""
        return Definitions(
            {name: kind or "text" for name, kind in self._account.items()},
            {name: kind or "text" for name, kind in self._group.items()},
        )


def _look_at(
    types: dict[str, AttributeType | None], values: Mapping[str, AttributeValue] | Unset
) -> None:
    if not values:
        return
    for name, value in values.items():
        key = name.lower()
        known = types[key] = types.get(key)
        # An empty value tells nothing, and a text it is for good.
        if value is None or value == "" or known == "text":
            continue
        kind = _kind_of(key, value)
        types[key] = kind if known is None or known == kind else "text"


def _kind_of(name: str, value: AttributeValue) -> AttributeType:
    if name in _SURE_SIGNS:
        kind, is_it = _SURE_SIGNS[name]
        return kind if is_it(value) else "text"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if is_number and name not in KNOWN_TARGETS else "text"


# What the account has, and what has to be done.


@attrs.frozen(kw_only=True)
class Prepared:
    """What has been done.

    Attributes:
        created: Attributes that were created.
        present: Attributes that had been there, or that somebody else created meanwhile.
    """

    created: Definitions
    present: Definitions


@attrs.frozen(kw_only=True)
class Plan:
    """What is to be done.

    Attributes:
        present: Attributes that are there.
        missing: Attributes that are not.
    """

    present: Definitions
    missing: Definitions

    async def carry_out(self, attributes: Attributes, *, group_id: int) -> Prepared:
        """Create what is missing.

        Args:
            attributes: The account's, ``cr.attributes``.
            group_id: The group.

        Raises:
            CleverReachError: A call failed; what was created before it stays.
        """
        made: tuple[dict[str, str], dict[str, str]] = ({}, {})
        found: tuple[dict[str, str], dict[str, str]] = ({}, {})
        todo = [(0, *item) for item in self.missing.account.items()]
        todo += [(1, *item) for item in self.missing.group.items()]
        for scope, name, kind in todo:
            try:
                others = await _create(attributes, name, _type(kind), group_id if scope else None)
            except (APIStatusError, APIConnectionError) as error:
                done = sum(map(len, made))
                error.add_note(f"the attribute {name!r} was not created; {done} were before it")
                raise
            (made if others is None else found)[scope][name] = others or kind
        return Prepared(
            created=Definitions(*made), present=self.present.joined(Definitions(*found))
        )


async def plan_attributes(
    attributes: Attributes, wanted: Definitions, *, group_id: int | None, create: bool
) -> Plan:
    """Find out which attributes are missing and, before anything is created, whether they fit.

    Args:
        attributes: The account's, ``cr.attributes``.
        wanted: Those that the rows have.
        group_id: The group; ``None`` for one that is yet to be created.
        create: Whether what is missing is to be created.

    Raises:
        ConfigurationError: A name cannot be one, or there are more than the server takes.
        CleverReachError: A call failed.
    """
    present = Definitions(
        _types(await attributes.list()),
        _types(await attributes.list(group_id=group_id)) if group_id else {},
    )
    missing = wanted.without(present)
    if missing.labels and create:
        _check_names(missing)
        _check_room(missing, present, await _cap(attributes))
    return Plan(present=present, missing=missing)


async def prepare_attributes(
    attributes: Attributes, wanted: Definitions, *, group_id: int, create: bool
) -> Prepared:
    """See that the attributes of rows exist in an account and a group.

    Args:
        attributes: The account's, ``cr.attributes``.
        wanted: Those that the rows have.
        group_id: The group.
        create: Whether to create what is missing.

    Raises:
        ConfigurationError: Attributes are missing and not to be created; a name cannot be one; or
            there are more than the server takes.
        CleverReachError: A call failed.
    """
    plan = await plan_attributes(attributes, wanted, group_id=group_id, create=create)
    if plan.missing.labels and not create:
        raise ConfigurationError(
            f"there are no attributes {', '.join(plan.missing.labels)}, and the server would drop"
            " their values without a word: create=True defines them"
        )
    return await plan.carry_out(attributes, group_id=group_id)


def _types(attributes: Sequence[Attribute]) -> Types:
    return {attribute.name.lower(): attribute.type for attribute in attributes}


def _type(kind: AttributeType | str) -> AttributeType:
    return kind if kind in ("number", "gender", "date") else "text"


def _check_names(missing: Definitions) -> None:
    """Refuse names that the server refuses, or would store in another spelling."""
    for name in (*missing.account, *missing.group):
        check_free(name)
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{name!r} is no name for an attribute: it takes letters, digits and _. The server"
                " would call it something else, and drop values that are sent under this name"
            )


def _check_room(missing: Definitions, present: Definitions, cap: int) -> None:
    taken = len(present.labels)
    room = max(0, cap - taken)
    too_many = missing.labels[room:]
    if too_many:
        raise ConfigurationError(
            f"{len(missing.labels)} attributes are missing, and there is room for {room}: the"
            f" account and the group have {taken} of the {cap} that they may have together. These"
            f" do not fit: {', '.join(too_many)}. Leave some out, or delete attributes that nobody"
            " needs"
        )


async def _cap(attributes: Attributes) -> int:
    try:
        limits = await attributes.limits()
    except (APIStatusError, ResponseDecodeError):
        return ASSUMED_CAP
    return cap_in(limits) or ASSUMED_CAP


async def _create(
    attributes: Attributes, name: str, kind: AttributeType, group_id: int | None
) -> str | None:
    """Create an attribute; returns the type of the one that somebody else has created meanwhile.

    Raises:
        APIStatusError: It was refused, and is not there.
        APIConnectionError: No answer came, and it is not there.
    """
    try:
        await attributes.create(name=name, type=kind, group_id=group_id)
    except (APIStatusError, APIConnectionError) as error:
        # Refused because it exists, or created although the answer was lost: looking tells.
        found = _types(await attributes.list(group_id=group_id)).get(name)
        if found is None:
            raise
        return found if isinstance(error, ConflictError) else None
    return None
