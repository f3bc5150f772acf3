"""Whether an import makes new receivers active, in a sentence printed before the first row is sent.

The rules of the server: a new receiver for which none of the three times is sent is active
immediately. With any of them it is active only if ``activated`` is sent, and ``deactivated``
overrides that. An empty cell is not sent, so most sentences have to mention receivers without
an entry.
"""

from collections.abc import Mapping
from typing import Final, Literal

import attrs

from cleverreach_async.bulk.strategies import StrategyName
from cleverreach_async.cli.output import Output

__all__ = ["Consent", "NewReceivers", "announce", "consent_of"]

NewReceivers = Literal["active", "inactive", "by row"]

_INACTIVE: Final = (
    "new receivers will be inactive until they confirm (--inactive); receivers that are in the"
    " group already are not changed"
)
_ACTIVE: Final = (
    "new receivers will be ACTIVE immediately: no column says when they registered or confirmed"
)

# By the times in the rows, each as the first letter of its field.
_BY_ROW: Final[Mapping[str, str]] = {
    "r": "no column says when receivers confirmed (activated), only when they registered: new"
    " receivers with an entry in {r} will be inactive, as if their double opt-in were pending;"
    " those without one will be ACTIVE immediately",
    "a": "new receivers will be ACTIVE immediately, with or without a date in {a}; only 0 or"
    " 00.00.0000 there makes them inactive",
    "d": "new receivers with an entry in {d} will be inactive; those without one will be ACTIVE"
    " immediately",
    "ra": "new receivers with a date in {a} will be active, those with an entry only in {r} will be"
    " inactive; those with neither will be ACTIVE immediately",
    "rd": "no column says when receivers confirmed (activated): new receivers with an entry in {r}"
    " or {d} will be inactive; those with neither will be ACTIVE immediately",
    "ad": "new receivers with a date in {a} will be active unless they have one in {d}, those with"
    " an entry only in {d} will be inactive; those with neither will be ACTIVE immediately",
    "rad": "new receivers with a date in {a} will be active unless they have one in {d}, those with"
    " entries only in {r} or {d} will be inactive; those with none of the three will be ACTIVE"
    " immediately",
}
_SURPRISING: Final = frozenset({"r", "rd"})


@attrs.frozen(kw_only=True)
class Consent:
    """Whether an import makes receivers active.

    Attributes:
        new_receivers: Whether new receivers will be active; ``None`` if there are none.
        sentence: The same for people.
        existing: What changes for receivers that are in the group, if that matters.
        is_surprising: Whether few people want or expect it.
    """

    new_receivers: NewReceivers | None
    sentence: str
    existing: str = ""
    is_surprising: bool = False


def consent_of(
    times: Mapping[str, str],
    strategy: StrategyName,
    *,
    inactive: bool = False,
    activate: bool = False,
) -> Consent:
    """Return whether an import makes receivers active.

    Args:
        times: The column of each time in the rows, by field: ``registered``, ``activated``,
            ``deactivated``.
        strategy: The batch call.
        inactive: Whether receivers are created as not yet confirmed.
        activate: Whether an update may set receivers active.
    """
    quoted = {name[0]: repr(column) for name, column in times.items()}
    if strategy == "delete":
        return Consent(new_receivers=None, sentence="delete: no receiver is added or set active")
    if strategy == "update":
        return Consent(new_receivers=None, sentence=_of_update(quoted, activate=activate))
    if inactive:
        return Consent(new_receivers="inactive", sentence=_INACTIVE)
    known = "".join(letter for letter in "rad" if letter in quoted)
    if not known:
        return Consent(new_receivers="active", sentence=_ACTIVE)
    return Consent(
        new_receivers="by row",
        sentence=_BY_ROW[known].format(**quoted),
        existing="" if strategy == "insert" else _of_existing(quoted),
        is_surprising=known in _SURPRISING,
    )


def _of_update(quoted: Mapping[str, str], *, activate: bool) -> str:
    if not activate:
        sentence = "update: no receiver is set active (--activate would)"
    elif "a" in quoted:
        sentence = f"update: receivers with a date in {quoted['a']} are set ACTIVE (--activate)"
    else:
        sentence = (
            "update: no receiver is set active, since no column says when receivers confirmed"
            " (activated)"
        )
    if "d" in quoted:
        sentence += f"; those with a date in {quoted['d']} are set inactive"
    return sentence


def _of_existing(quoted: Mapping[str, str]) -> str:
    columns = " and ".join(quoted[letter] for letter in "ad" if letter in quoted)
    if not columns:
        return ""
    return (
        f"receivers that are in the group already get the dates in {columns} too, which can set"
        " them active or inactive"
    )


def announce(output: Output, consent: Consent) -> None:
    """Print it before the first row is sent."""
    if consent.is_surprising:
        output.warn(consent.sentence)
    else:
        output.info(consent.sentence)
    if consent.existing:
        output.info(consent.existing)
