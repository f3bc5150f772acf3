"""Which attributes rows have, and of which types their values are."""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import date
from typing import Final

from cleverreach_async.bulk.attributes.definitions import Definitions
from cleverreach_async.resources.attributes import AttributeType, stored_name
from cleverreach_async.resources.receiver_models import AttributeValue, ReceiverInput
from cleverreach_async.resources.unset import Unset
from cleverreach_async.sources.headers import KNOWN_TARGETS
from cleverreach_async.sources.receiver_fields import read_fields
from cleverreach_async.sources.records import as_receiver_fields
from cleverreach_async.sources.rows import BadRow, BadValueError, Item, SourceRow

__all__ = ["AttributeSurvey", "survey_of"]

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


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
        """The attributes found so far, by the names that the server gives them."""
        return Definitions(
            {name: kind or "text" for name, kind in self._account.items()},
            {name: kind or "text" for name, kind in self._group.items()},
        )


def _survey(
    types: dict[str, AttributeType | None], values: Mapping[str, AttributeValue] | Unset
) -> None:
    for name, value in values.items() if values else ():
        key = name if name in types else stored_name(name)
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


def survey_of(items: Iterable[Item]) -> Definitions:
    """Return the attributes of rows as any source may yield them."""
    survey = AttributeSurvey()
    for item in items:
        if isinstance(item, SourceRow):
            survey.add(item.receiver)
        elif isinstance(item, ReceiverInput):
            survey.add(item)
        elif not isinstance(item, str | BadRow):
            with suppress(BadValueError):  # such a row is rejected
                survey.add(read_fields(as_receiver_fields(item) or {}))
    return survey.definitions
