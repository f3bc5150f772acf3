"""What a cell of a consent column says of a person, and which words and numbers say it."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from cleverreach_async.sources.headers import fold

__all__ = [
    "ANY_TEXT",
    "CONSENT_TARGETS",
    "NO_WORDS",
    "PENDING",
    "REASONS",
    "YES_WORDS",
    "read_word",
]

CONSENT_TARGETS: Final = ("subscribed", "unsubscribed")
"""Targets of columns that say whether a person is subscribed. Several columns may have them."""

PENDING: Final = "pending"
"""What a cell says of somebody who has not confirmed."""

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "unsubscribed": "the row says that they unsubscribed",
        "not_subscribed": "the row says that they are not subscribed",
        "not_stated": "the row does not say that they are subscribed",
        "bounced": "the row says that mail to them bounced",
        "blacklisted": "the row says that they are blocked",
        "complained": "the row says that they complained about mail",
        "deleted": "the row says that they were deleted",
        "inactive": "the row says that they are inactive",
    }
)
"""Why a row is left out, as part of a sentence, by reason code."""

ANY_TEXT: Final = "*"
"""Among the special words of a header: any text that is not empty."""

NO_SPECIAL_WORDS: Final[Mapping[str, str]] = MappingProxyType({})

# Spellings need no case, blanks or hyphens: "never subscribed" is also NEVER_SUBSCRIBED.
_YES: Final = (
    *("yes", "y", "ja", "j", "oui", "o", "si", "sì", "sim", "s", "tak", "true", "t", "wahr"),
    *("vrai", "vero", "verdadero", "1", "x", "on", "an", "ein", "ok", "✓", "✔", "☑", "✅"),
)
_NO: Final = (
    *("no", "n", "nein", "non", "não", "nie", "niemals", "never", "false", "f", "falsch", "faux"),
    *("falso", "0", "off", "aus", "✗", "✘", "☐", "❌"),
)
_EMPTY: Final = (
    *("", "null", "none", "nil", "nan", "nat", "<na>", "n/a", "#n/a", "#nv", "k.a."),
    *("keine angabe", "not set", "not specified", "unset", "undefined"),
)
_DASHES: Final = ("-", "--", "---", "\u2013", "\u2014", "_", ".")

# What is said of the person, so it means the same in every column.
_OF_PERSON: Final[Mapping[str, tuple[str, ...]]] = {
    "": (
        *("subscribed", "subscriber", "subscribe", "opted in", "opt-in", "single opt-in", "direct"),
        *("double opt-in", "angemeldet", "eingetragen", "abonniert", "abonnent", "eingewilligt"),
        *("abonné", "inscrit", "iscritto", "suscrito"),
        # Mail could not be delivered for some time; that says nothing of what the person wants.
        *("soft bounce", "soft bounced", "soft bounces"),
    ),
    "pending": (
        *("pending", "unconfirmed", "not confirmed", "unverified", "not verified", "waiting"),
        *("awaiting confirmation", "confirmation pending", "pending confirmation", "doi pending"),
        *("opt-in pending", "pending opt-in", "opt-in schwebend", "double opt-in pending"),
        "not activated",
        *("unbestätigt", "nicht bestätigt", "ausstehend", "wartend", "nicht aktiviert"),
        *("bestätigung ausstehend", "double opt-in ausstehend", "en attente", "pendiente"),
    ),
    "unsubscribed": (
        *("unsubscribed", "unsubscribe", "unsubscriber", "opted out", "opt-out", "cancelled"),
        *("canceled", "removed", "revoked", "withdrawn", "deactivated", "signed off"),
        *("abgemeldet", "abbestellt", "ausgetragen", "gekündigt", "widerrufen", "widersprochen"),
        *("deaktiviert", "désabonné", "désinscrit", "disiscritto"),
    ),
    "not_subscribed": (
        *("not subscribed", "non-subscribed", "non subscriber", "never subscribed"),
        *("not opted in", "transactional", "no consent", "keine einwilligung", "nicht angemeldet"),
        *("nicht abonniert", "nicht eingewilligt", "non abonné", "non inscrit"),
    ),
    "not_stated": ("unknown", "unbekannt"),
    "bounced": (
        *("bounced", "bounce", "bouncing", "hard bounce", "hard bounced", "hard bounces"),
        *("cleaned", "held", "undeliverable", "undelivered", "unzustellbar", "invalid email"),
    ),
    "blacklisted": (
        *("blacklisted", "blacklist", "blocklisted", "blocked", "suppressed", "banned"),
        "user suppressed",
        *("gesperrt", "geblockt", "blockiert", "sperrliste", "bloqué", "bloccato", "bloqueado"),
        *("do not contact", "do not email", "do not mail"),
    ),
    "complained": (
        *("complained", "complaint", "complainer", "spam", "spam complaint", "spam report"),
        *("reported spam", "marked as spam", "junk", "beschwerde", "abuse", "abused"),
        "unerwünscht",
    ),
    "deleted": ("deleted", "gelöscht", "trashed", "trash", "erased", "supprimé"),
    "inactive": ("archived", "archiviert", "dormant", "expired"),
}

# What is said of the column's subject: "active" in a column "Opt-out" is not "active" in one
# "Newsletter". In an `unsubscribed` column such a word is not known.
_OF_SUBJECT: Final[Mapping[str, tuple[str, ...]]] = {
    "": (
        *("active", "activated", "enabled", "allowed", "accepted", "granted", "given", "approved"),
        *("agreed", "confirmed", "verified", "valid", "registered", "aktiv", "aktiviert"),
        *("bestätigt", "erteilt", "zugestimmt", "erlaubt", "gültig", "actif", "attivo", "activo"),
    ),
    "pending": ("offen", "open"),
    "not_subscribed": (
        *("denied", "declined", "refused", "rejected", "disallowed", "disabled", "not allowed"),
        *("abgelehnt", "verweigert", "nicht erteilt", "nicht erlaubt", "not given", "not granted"),
    ),
    "bounced": ("invalid", "ungültig"),
    "inactive": ("inactive", "inaktiv", "inactif", "not active", "nicht aktiv"),
}

_NUMBER: Final = re.compile(r"([+-]?[0-9]+)(?:\.0*)?")


@lru_cache(1024)
def _simplify(text: str) -> str:
    """Fold a word. Numbers keep their sign, and signs without letters stay as they are."""
    stripped = text.strip()
    number = _NUMBER.fullmatch(stripped)
    if number:
        return number[1]
    if stripped.casefold() == r"\n":  # NULL in an export of MySQL or PostgreSQL
        return ""
    # A variation selector decides only how a check mark looks.
    return fold(stripped) or stripped.rstrip("\ufe0e\ufe0f")


def _by_word(words: Mapping[str, Iterable[str]]) -> Mapping[str, str]:
    return {_simplify(word): meaning for meaning, group in words.items() for word in group}


YES_WORDS: Final = frozenset(map(_simplify, _YES))
"""Words for yes, folded."""
NO_WORDS: Final = frozenset(map(_simplify, _NO))
"""Words for no, folded."""
_BLANKS: Final = frozenset({*map(_simplify, _EMPTY), *_DASHES})
_PERSON: Final = _by_word(_OF_PERSON)
_SUBJECT: Final = _by_word(_OF_SUBJECT)


def read_word(text: str, target: str, words: Mapping[str, str] = NO_SPECIAL_WORDS) -> str | None:
    """Return what a cell of a consent column says of the person.

    Args:
        text: The cell.
        target: ``subscribed`` or ``unsubscribed``. Words for yes and no, and an empty cell, mean
            the opposite in the other; words such as "cleaned" mean the same in both.
        words: Special words of the column's header, as :class:`ColumnMapping` has them.

    Returns:
        An empty string for a person who is subscribed, ``pending`` for one whose double opt-in is
        not confirmed, or a key of ``REASONS``. ``None`` for text that is no known word.
    """
    word = _simplify(text)
    if word in _BLANKS and word not in words:
        word = ""
    if word in words:
        return words[word]
    wants_mail = target == "subscribed"
    if not word:
        return "not_stated" if wants_mail else ""
    if word in YES_WORDS:
        return "" if wants_mail else "unsubscribed"
    if word in NO_WORDS:
        return "not_subscribed" if wants_mail else ""
    found = _PERSON.get(word)
    if found is None and wants_mail:
        found = _SUBJECT.get(word)
    return words.get(ANY_TEXT) if found is None else found
