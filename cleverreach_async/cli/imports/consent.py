"""Who will get mail: what an import makes of new receivers, told before the first row is sent.

By the vendor's rules a new receiver for whom none of the three times is sent is active at once.
With any of them only ``activated`` makes it so, and ``deactivated`` overrides that. An empty cell
is not sent, which is why nearly every sentence has to name those without an entry.
"""

from collections.abc import Mapping
from typing import Final, Literal

import attrs

from cleverreach_async.bulk.strategies import StrategyName
from cleverreach_async.cli.output import Output, plain

__all__ = ["Consent", "NewReceivers", "announce", "consent_of", "in_group_already"]

NewReceivers = Literal["active", "inactive", "by row"]

_INACTIVE: Final = (
    "new receivers will be inactive until they confirm (--inactive); those whom the group has"
    " already are left as they are"
)
_ACTIVE: Final = (
    "new receivers will be ACTIVE at once: no column tells when they registered or confirmed"
)

# By the times that rows tell, each by the first letter of its field.
_BY_ROW: Final[Mapping[str, str]] = {
    "r": "no column tells when receivers confirmed (activated), only when they registered: new"
    " receivers with an entry in {r} will be inactive, as if their double opt-in were pending;"
    " those without one will be ACTIVE at once",
    "a": "new receivers will be ACTIVE at once, with or without a date in {a}; only a 0 there, or"
    " 00.00.0000, makes them inactive",
    "d": "new receivers with an entry in {d} will be inactive; those without one will be ACTIVE at"
    " once",
    "ra": "new receivers with a date in {a} will be active, those with an entry in {r} only will be"
    " inactive; those with neither will be ACTIVE at once",
    "rd": "no column tells when receivers confirmed (activated): new receivers with an entry in {r}"
    " or {d} will be inactive; those with neither will be ACTIVE at once",
    "ad": "new receivers with a date in {a} will be active unless they have one in {d}, those with"
    " an entry in {d} only will be inactive; those with neither will be ACTIVE at once",
    "rad": "new receivers with a date in {a} will be active unless they have one in {d}, those with"
    " entries in {r} or {d} only will be inactive; those with none of the three will be ACTIVE at"
    " once",
}
_SURPRISING: Final = frozenset({"r", "rd"})


@attrs.frozen(kw_only=True)
class Consent:
    """What becomes of receivers.

    Attributes:
        new_receivers: Whether new receivers will be active; ``None`` where there are none.
        sentence: The same for a person.
        existing: What happens to those whom the group has, where that is worth telling.
        is_surprising: Whether hardly anybody wants or expects it.
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
    """Return what an import makes of receivers.

    Args:
        times: The column of each time that rows tell, by field: ``registered``, ``activated``,
            ``deactivated``.
        strategy: The batch call.
        inactive: Whether receivers are created as not yet confirmed.
        activate: Whether an update may set receivers active.
    """
    quoted = {name[0]: repr(column) for name, column in times.items()}
    if strategy == "delete":
        return Consent(new_receivers=None, sentence="delete: nobody is added or set active")
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
        words = "update: nobody is set active (--activate would)"
    elif "a" in quoted:
        words = f"update: receivers with a date in {quoted['a']} are set ACTIVE (--activate)"
    else:
        words = (
            "update: nobody is set active, since no column tells when receivers confirmed"
            " (activated)"
        )
    return words + (
        f"; those with a date in {quoted['d']} are set inactive" if "d" in quoted else ""
    )


def _of_existing(quoted: Mapping[str, str]) -> str:
    columns = " and ".join(quoted[letter] for letter in "ad" if letter in quoted)
    if not columns:
        return ""
    return (
        f"receivers whom the group has already get the dates in {columns} too, which can set them"
        " active or inactive"
    )


def announce(output: Output, consent: Consent) -> None:
    """Tell it before the first row is sent."""
    tell = output.warn if consent.is_surprising else output.note
    tell(plain(consent.sentence))
    if consent.existing:
        output.note(plain(consent.existing))


def in_group_already(count: int) -> str:
    """Return a sentence about rows that were refused as duplicates; empty when none were."""
    if not count:
        return ""
    who = "1 of the rejected is" if count == 1 else f"{count:,} of the rejected are"
    return f"{who} in the group already (duplicate), and left as before"
