"""What the consent columns of a row say together: any "no" counts."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from cleverreach_async.resources.times import FIRST_SECOND
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.sources.columns import ColumnMapping
from cleverreach_async.sources.consent import CONSENT_TARGETS, PENDING, read_word
from cleverreach_async.sources.converters import is_missing
from cleverreach_async.sources.rows import BadValueError

__all__ = ["Consent", "ReadConsent", "consent_converters", "consent_reader"]

Consent = tuple[str, int | Unset]
"""What a cell says, as :func:`read_word` returns it, and since when, if it says so."""

ReadConsent = Callable[[Sequence[Any]], Consent]

_SUBSCRIBED: Final[Consent] = ("", UNSET)
_BY_WEIGHT: Final = (
    *("", PENDING, "not_stated", "not_subscribed", "inactive", "deleted", "bounced"),
    *("unsubscribed", "blacklisted", "complained"),
)
"""What counts more comes later."""


def consent_converters(
    mapping: ColumnMapping, to_time: Callable[[Any], int | Unset]
) -> dict[str, Callable[[Any], Consent]]:
    """Return the converter of every consent column, by column."""
    return {
        column: partial(_convert, to_time, target, mapping.words.get(column, {}))
        for column, target in mapping.pairs
        if target in CONSENT_TARGETS
    }


def consent_reader(
    mapping: ColumnMapping, convert: dict[str, Callable[[Any], Consent]]
) -> ReadConsent | None:
    """Build the function from the values of all columns; ``None`` where no column is consent."""
    columns = [(mapping.headers.index(column), to_value) for column, to_value in convert.items()]

    def read(values: Sequence[Any]) -> Consent:
        found = _SUBSCRIBED
        for index, to_value in columns:
            said = to_value(values[index])
            if _weight(said) > _weight(found):
                found = said
        return found

    return read if columns else None


def _weight(said: Consent) -> int:
    code = said[0]
    return _BY_WEIGHT.index(code) if code in _BY_WEIGHT else len(_BY_WEIGHT)


def _convert(
    to_time: Callable[[Any], int | Unset], target: str, words: Mapping[str, str], value: Any
) -> Consent:
    """Read a cell: a word, or else a time, since when the person is what the column says."""
    code = read_word(_as_word(value), target, words)
    if code is not None:
        return code, UNSET
    try:
        seconds = to_time(value)
    except BadValueError:
        raise BadValueError(
            "invalid_consent",
            f"no known word for {target}, and no time; replace it by yes or no, or by a word such"
            " as subscribed, unsubscribed, pending or bounced",
        ) from None
    is_time = seconds is not UNSET and seconds >= FIRST_SECOND
    if target == "subscribed":
        return ("" if is_time else "not_stated"), UNSET
    return ("unsubscribed", seconds) if is_time else _SUBSCRIBED


def _as_word(value: Any) -> str:
    if is_missing(value) or value != value:  # noqa: PLR0124 - NaN of any type
        return ""
    return str(getattr(value, "value", value))
