"""Whether an import makes new receivers active, in a sentence printed before the first row is sent.

The rules of the server: a new receiver for which none of the three times is sent is active
immediately. With any of them it is active only if ``activated`` is sent, and ``deactivated``
overrides that. An empty cell is not sent, so most sentences have to mention receivers without
an entry. For an empty cell of a column of confirmations ``registered`` is sent.
"""

from collections.abc import Mapping
from typing import Final, Literal

import attrs

from cleverreach_async.bulk.options import Settings
from cleverreach_async.bulk.strategies import StrategyName, find_strategy
from cleverreach_async.cli.imports.contents import Contents
from cleverreach_async.cli.output import Output

__all__ = ["Consent", "NewReceivers", "announce", "consent_of", "consent_of_sync"]

NewReceivers = Literal["active", "inactive", "by row"]

_INACTIVE: Final = (
    "new receivers will be inactive until they confirm (--inactive); receivers that are in the"
    " group already are not changed"
)
_SYNC_INACTIVE: Final = "new receivers will be inactive until they confirm (--inactive)"
_ACTIVE: Final = (
    "new receivers will be ACTIVE immediately: no column says when they registered or confirmed"
)

# By the times in the rows, each as the first letter of its field.
_OF_COLUMNS: Final[Mapping[str, str]] = {
    "r": "no column says when receivers confirmed (activated), only when they registered: new"
    " receivers with an entry in {r} will be inactive, as if their double opt-in were pending;"
    " those without one will be ACTIVE immediately",
    "a": "new receivers with an entry in {a} will be active, those without one will be inactive",
    "d": "new receivers with an entry in {d} will be inactive; those without one will be ACTIVE"
    " immediately",
    "rd": "no column says when receivers confirmed (activated): new receivers with an entry in {r}"
    " or {d} will be inactive; those with neither will be ACTIVE immediately",
    "ad": "new receivers with an entry in {a} will be active unless they have one in {d}, those"
    " without one will be inactive",
}
# A line of JSON may lack a key, which is different from an empty cell.
_OF_KEYS: Final[Mapping[str, str]] = {
    **_OF_COLUMNS,
    "a": "new receivers with a time in {a} will be active, those with 0 or null there will be"
    " inactive; those without the key will be ACTIVE immediately, unless they have another time",
    "ad": "new receivers with a time in {a} will be active unless they have one in {d}, those with"
    " 0 or null there will be inactive; those without the key will be ACTIVE immediately, unless"
    " they have another time",
}
_SURPRISING: Final = frozenset({"r", "rd"})


@attrs.frozen(kw_only=True)
class Consent:
    """Whether an import makes receivers active.

    Attributes:
        new_receivers: Whether new receivers will be active; ``None`` if there are none.
        sentence: The same for people.
        existing: What changes for receivers that are in the group, if that matters.
        refusing: What happens to rows that say that the person is not subscribed.
        is_surprising: Whether few people want or expect it.
    """

    new_receivers: NewReceivers | None
    sentence: str
    existing: str = ""
    refusing: str = ""
    is_surprising: bool = False


def consent_of(
    contents: Contents, strategy: StrategyName, settings: Settings | None = None
) -> Consent:
    """Return whether an import makes receivers active.

    Args:
        contents: What the rows contain.
        strategy: The batch call.
        settings: The options of the import.
    """
    settings = settings or Settings()
    quoted = {name[0]: repr(column) for name, column in contents.times.items()}
    if strategy == "delete":
        return Consent(new_receivers=None, sentence="delete: no receiver is added or set active")
    refusing = _of_refusing(contents, deactivates=settings.deactivates(find_strategy(strategy)))
    if strategy == "update":
        sentence = _of_update(quoted, activate=settings.activate)
        return Consent(new_receivers=None, sentence=sentence, refusing=refusing)
    if settings.inactive:
        return Consent(new_receivers="inactive", sentence=_INACTIVE, refusing=refusing)
    known = "".join(letter for letter in "rad" if letter in quoted)
    if not known:
        return Consent(new_receivers="active", sentence=_ACTIVE, refusing=refusing)
    sentences = _OF_COLUMNS if contents.has_columns else _OF_KEYS
    # Whoever has confirmed is active, whether or not there is a date of the sign-up.
    key = known.removeprefix("r") if "a" in known else known
    return Consent(
        new_receivers="by row",
        sentence=sentences[key].format(**quoted),
        existing="" if strategy == "insert" else _of_existing(quoted),
        refusing=refusing,
        is_surprising=known in _SURPRISING,
    )


def consent_of_sync(contents: Contents, *, inactive: bool) -> Consent:
    """Return whether a synchronisation makes receivers active.

    Args:
        contents: What the rows contain.
        inactive: Whether new receivers have yet to confirm.
    """
    new = consent_of(contents, "insert", Settings(inactive=inactive))
    existing = "receivers that are in the group already are changed, but never set active"
    left = contents.times.get("deactivated")
    if left is not None:
        existing += f"; those with a date in {left!r} are set inactive"
    refusing = ""
    if contents.consent:
        refusing = (
            f"rows that say no in {' or '.join(map(repr, contents.consent))} are left out, but sent"
            " as unsubscribed if an earlier run has sent their receivers"
        )
    sentence = _SYNC_INACTIVE if inactive else new.sentence
    return attrs.evolve(new, sentence=sentence, existing=existing, refusing=refusing)


def _of_refusing(contents: Contents, *, deactivates: bool) -> str:
    if not contents.consent:
        return ""
    columns = " or ".join(map(repr, contents.consent))
    if deactivates:
        return f"rows that say no in {columns} are sent as unsubscribed"
    return (
        f"rows that say no in {columns} are left out (--not-subscribed deactivate sends them as"
        " unsubscribed)"
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
    for sentence in (consent.existing, consent.refusing):
        if sentence:
            output.info(sentence)
