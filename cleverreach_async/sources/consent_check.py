"""Columns and files that look like consent while nothing says what they mean.

Whoever overlooks such a column adds people who have unsubscribed as active receivers.
"""

import re
from collections.abc import Collection, Sequence
from pathlib import PurePath
from typing import Final

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.sources.consent_headers import is_consent_header
from cleverreach_async.sources.headers import fold

__all__ = [
    "check_columns",
    "check_file_name",
    "file_name_says",
    "looks_like_consent",
    "may_be_consent",
]


def _any_of(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts))


# Parts of folded headers that speak of consent.
_CONSENT: Final = _any_of(
    # to subscribe and to unsubscribe
    *("newsletter", "opt(?:ed)?in", "opt(?:ed)?out", "unsubscri", "subscribed"),
    *("(?:^|is|date|mail|global|portal)unsub", "(?:not|non|is)subscri", "^subscribe$"),
    *("mailsubscri", "subscri(?:be|ber)?(?:status|state)"),
    *("^nl(?:empfaenger|aktiv|status|anmeld)", "abonniert", "abmeld", "abgemeldet", "abbestell"),
    *("ausgetragen", "d[ei]s?inscri", "desabonn"),
    # consent, given and withdrawn
    *("consent", "einwillig", "eingewilligt", "zustimmung", "zugestimmt", "einverstand"),
    *(
        "einverstaend",
        "(?:^|(?<!ge)werbe|mail(?:ing)?|marketing|kontakt|versand)erlaubnis",
        "dsgvo",
    ),
    *("gdpr", "rgpd", "(?:mail|marketing)permission", "permission(?:e?mail|marketing|status)"),
    *("widerruf(?!s(?:belehrung|frist|recht))", "widerspr"),
    # blocked addresses
    *("gesperrt", "sperrliste", "sperrvermerk", "(?:mail|(?<!ge)werbe|kontakt|versand)sperr"),
    *("blacklist", "blocklist", "suppress", "quarantin", "bounce", "unzustellbar", "undeliver"),
    *("spam", "abuse", "unconfirmed", "notconfirmed", "unbestaetigt", "nichtbestaetigt"),
    *("mailconfirm", "mailbestaetig", "(?:confirmation|bestaetigungs)status", "robinson"),
    # advertising
    *("(?<!be)(?<!kunden)werbung(?!skosten)", "(?<!ge)werbe(?:e?mail|kennzeichen|stop|verbot)"),
    *(
        "(?:(?:accept|allow|receive|want|e?mail)s?|^no)marketing",
        "marketing(?:e?mail|communication)",
    ),
    *("marketing(?:contact)?(?:status|state|allowed|erlaubt|suspended)", "marketingpreference"),
    # whether mail may be sent
    *("(?:donot|never|nicht)(?:e?mail|contact|send|bulk|allowbulk|disturb)", "contactable$"),
    *("nicht(?:kontaktieren|anschreiben)", "^(?:may|can)contact", "contactallowed"),
    *("kontakt(?:aufnahme)?(?:erlaubt|erwuenscht|gewuenscht)", "e?mailpreference"),
    *("(?:angebote?|infos?|informationen)(?:per|via)?e?mail", "promotionale?mail"),
    *("mail(?:active|enabled|aktiv$)", "(?:mailchimp|klaviyo|brevo|cleverreach)status"),
    "^(?:no|keine?)e?mail(?:s|ings?)?$",
    "mails?(?:disabled|deactivated|deaktiviert)",
    "e?mail(?:ings?|s)?(?:erlaubt|allowed|verbot|ok$|erwuenscht|gewuenscht|empfang)",
    *("(?:accept|allow|receive|want)s?e?mail", "^cane?mail", "mail(?:ing)?(?:status|state)"),
    *("statuse?mail", "(?:recipient|empfaenger|receiver|abonnenten)status"),
)
_CONSENT_WORDS: Final = frozenset({"doi"})

# What is said about consent and is not consent: the words of a header, and ends of compounds.
_COMPANION_WORDS: Final = frozenset(
    {
        "reason",
        "reasons",
        "cause",
        "title",
        "url",
        "link",
        "source",
        "origin",
        "note",
        "notes",
        "comment",
    }
    | {"comments", "remark", "remarks", "count", "counts", "number", "nr", "rate", "score"}
    | {"token", "hash", "key", "code", "host", "agent", "referrer", "referer", "text", "version"}
    | {"language", "lang", "locale", "format", "frequency", "updated", "modified", "changed"}
    | {"template", "ip", "id", "uid", "uuid", "grund", "quelle", "herkunft", "kampagne"}
    | {"anzahl", "notiz", "bemerkung", "kommentar", "sprache", "titel", "geaendert"}
)
_COMPANION: Final = _any_of(
    "(?:reason|cause|grund|campaign|kampagne|title|titel|url|link|source|quelle|herkunft)$",
    "(?:comment|kommentar|bemerkung|notiz|(?<!ac)(?<!dis)count|anzahl|zaehler|rate|quote|score|token)$",
    "(?:hash|text|version|sprache|language|format|haeufigkeit|useragent)$",
    "(?:optin|optout|confirm|confirmation|doi|consent|signup|unsubscribe|newsletter)ip$",
    "(?:newsletter|consent|subscriber|optin|campaign|mailing)id$",
    # of newsletters that were sent
    *("lastnewsletter", "letzte[nrs]?newsletter", "newsletters?(?:sent|open|click|gesendet)"),
    "^(?:e?mail)?softbounce",
)

# Consent to something else, or to another channel.
_OTHER: Final = _any_of(
    *("sms", "whatsapp", "messenger", "telegram", "facebook", "fax", "phone", "telefon", "anruf"),
    *("push", "postal", "postwerb", "briefwerb", "directmail", "cookie", "partner", "thirdpart"),
    *("drittanbieter", "terms", "conditions", "nutzungsbeding", "teilnahmebeding", "foto"),
    *("photo", "bild", "image", "video", "sepa", "lastschrift"),
)
_OTHER_WORDS: Final = frozenset(
    {"call", "calls", "mobile", "mobil", "tel", "post", "brief", "print", "app", "agb", "tos"}
)
_EMAIL: Final = re.compile("newsletter|email|(?<!direct)(?<!postal)(?<!voice)mail")

# These may as well say something of an account, a customer or an order.
_AMBIGUOUS: Final = frozenset(
    map(
        fold,
        (
            *("Status", "Kundenstatus", "Kontaktstatus", "Kontostatus", "Mitgliedsstatus"),
            *("Mitgliederstatus", "Benutzerstatus", "Customer status", "Contact status"),
            *("Account status", "Member status", "Membership status", "User status"),
            *("Subscription", "Subscriber", "Subscription status", "Aktiv", "Active", "Is active"),
            *("Ist aktiv", "Inaktiv", "Inactive", "Is inactive", "Angemeldet", "Permission"),
            *("Marketing", "Mailing", "Mailings", "Email verified", "E-Mail verifiziert"),
            *("Deleted", "Is deleted", "Deleted at", "Gelöscht", "Gelöscht am", "Disabled"),
            *("Locked", "Archived", "Archiviert", "Cancelled", "Canceled", "Cancelled at"),
            *("Canceled at", "Gekündigt", "Gekündigt am", "Removed", "Complaints", "Rückläufer"),
            *("Email verified at", "Sperre", "Sperrkennzeichen", "NL", "Infomail", "Rundmail"),
            *("Mailing list", "On mailing list", "E-Mail-Verteiler", "Communication preferences"),
            *("Active subscriber", "Is active subscriber"),
        ),
    )
)
_DECIDED: Final = frozenset({"subscribed", "unsubscribed", "activated", "deactivated"})
"""With a column of one of these targets an ambiguous one needs no decision."""

_CAMEL_CASE: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")

# Parts of file names, folded word by word, and what they say of the people in the file.
_NAMES: Final = (
    (
        "unsubscribed",
        _any_of(
            *(
                "unsub",
                "opt(?:ed)?out",
                r"\bopt(?:ed)? out",
                "abgemeldet",
                "abmeld",
                "ausgetragen",
                "austragung",
            ),
            *("abbestell", "widerruf", "widerspr", "deaktiviert", "deactivated"),
        ),
    ),
    ("not_subscribed", _any_of(r"\b(?:non|not|never) ?subscri")),
    ("bounced", _any_of("^cleaned", "bounce", "unzustellbar", "undeliver")),
    (
        "blacklisted",
        _any_of(
            *("black ?list", "block ?list", "sperr ?liste", "gesperrt", "suppress"),
            *("do ?not ?(?:e ?mail|contact)", "robinson ?list"),
        ),
    ),
    ("complained", _any_of("complain", "spam ?report")),
    ("pending", _any_of("unconfirmed", "not confirmed", "unbestaetigt", "nicht bestaetigt")),
)
_WITHOUT: Final = re.compile(
    r"\b(?:ohne|exkl|without|excluding|excl|except|minus|no|not|non|nicht) $"
)
_OF_PEOPLE: Final = {
    "unsubscribed": "have unsubscribed",
    "not_subscribed": "are not subscribed",
    "bounced": "cannot be reached",
    "blacklisted": "are blocked",
    "complained": "complained about mail",
    "pending": "have not confirmed",
}
_HAVE_LEFT: Final = frozenset({"subscribed", "unsubscribed", "deactivated"})

_ANYWAY: Final = (
    "import it all the same: --inactive (new receivers have to confirm), in Python"
    " check_consent=False"
)


def looks_like_consent(header: str) -> bool:
    """Whether a column seems to say if somebody wants mail, or may get it.

    Columns about other channels, such as SMS, do not, nor do those that only go with consent: the
    reason, the IP address, the campaign.
    """
    folded = fold(header)
    if is_consent_header(folded):
        return True
    words = frozenset(_words(header))
    if not _CONSENT.search(folded) and not words & _CONSENT_WORDS:
        return False
    if _COMPANION.search(folded) or words & _COMPANION_WORDS:
        return False
    is_other = bool(_OTHER.search(folded) or words & _OTHER_WORDS)
    return not is_other or bool(_EMAIL.search(folded))


def _words(name: str) -> list[str]:
    return [fold(word) for word in _BETWEEN_WORDS.split(_CAMEL_CASE.sub(" ", name))]


def may_be_consent(header: str) -> bool:
    """Whether a column may say if somebody is subscribed, or something else: ``Status``."""
    return fold(header) in _AMBIGUOUS


def check_columns(undecided: Sequence[str], targets: Collection[str]) -> None:
    """Refuse columns that look like consent.

    Args:
        undecided: Columns that are neither mapped nor left out by name.
        targets: The targets of the others.

    Raises:
        ConfigurationError: One of them looks like consent; the message names the choices.
    """
    found = [name for name in undecided if looks_like_consent(name)]
    if _DECIDED.isdisjoint(targets):
        found += [name for name in undecided if may_be_consent(name)]
    if not found:
        return
    names = ", ".join(map(repr, found))
    first = found[0]
    raise ConfigurationError(
        f"{'column' if len(found) == 1 else 'columns'} {names} may say who wants mail, and"
        f' {"has" if len(found) == 1 else "have"} no target. Map it: --map "{first}=subscribed"'
        f" (or unsubscribed, or activated), in Python mapping={{{first!r}: 'subscribed'}}; leave it"
        f' out: --map "{first}=-"; or {_ANYWAY}'
    )


def file_name_says(name: str) -> str:
    """Return what a file's name says of the people in it.

    Args:
        name: The name or path of the file.

    Returns:
        ``pending``, or a key of ``REASONS``; an empty string for a name that says nothing.
    """
    text = " ".join(_words(PurePath(name).name))
    for state, pattern in _NAMES:
        for found in pattern.finditer(text):
            if not _WITHOUT.search(text[: found.start()]):
                return state
    return ""


def check_file_name(path: str, targets: Collection[str] = ()) -> None:
    """Refuse a file whose name says that its people do not get mail, if no column says so.

    Args:
        path: The file, or what the source is called.
        targets: The targets of its columns.

    Raises:
        ConfigurationError: The name says so; the message names the choices.
    """
    state = file_name_says(path)
    if not state or not (_DECIDED if state == "pending" else _HAVE_LEFT).isdisjoint(targets):
        return
    raise ConfigurationError(
        f"the name {PurePath(path).name!r} says that the people in the file {_OF_PEOPLE[state]},"
        ' and no column does. Map one: --map "COLUMN=unsubscribed" (or subscribed), in Python'
        " mapping={'COLUMN': 'unsubscribed'}; rename the file, if the name is wrong; or"
        f" {_ANYWAY}"
    )
