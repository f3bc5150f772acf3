"""Headers of consent columns, and headers that mean something only beside others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from cleverreach_async.sources.consent import ANY_TEXT, CONSENT_TARGETS, NO_WORDS, YES_WORDS
from cleverreach_async.sources.headers import HEADERS, SECOND_ADDRESSES, fold

__all__ = ["KnownHeader", "is_consent_header", "known_headers"]


@attrs.frozen
class KnownHeader:
    """What the header of a column says.

    Attributes:
        target: The target; empty for a column to be left out.
        rank: Position in the order of preference; the lowest is preferred.
        words: Words that mean something only in a column of this name, folded, and what
            :func:`read_word` returns for them.
    """

    target: str
    rank: int = 0
    words: Mapping[str, str] = attrs.field(factory=dict[str, str])


@attrs.frozen
class _System:
    """Headers of a system that are recognised where all of some others are there, too.

    Attributes:
        needs: The others, folded.
        headers: The headers, folded.
    """

    needs: frozenset[str]
    headers: Mapping[str, KnownHeader]


def _yes_means(reason: str) -> Mapping[str, str]:
    return dict.fromkeys(YES_WORDS, reason)


_UNCONFIRMED: Final = {"": "pending", **dict.fromkeys(NO_WORDS, "pending")}
"""In a column that says whether a double opt-in was confirmed."""

_LEFT_OUT: Final = KnownHeader("")

_SUBSCRIBED: Final = (
    *("Subscribed", "Subscribe", "Is subscribed", "Email subscribed", "Subscribed to newsletter"),
    *("Subscribed to emails", "Subscribed since", "Is registered to newsletter"),
    *("Newsletter", "Newsletter-Empfänger", "Newsletter-Abonnent", "Newsletter-Abo", "News."),
    *("Newsletter abonniert", "Newsletter angemeldet", "Newsletter erlaubt", "Newsletter aktiv"),
    *("Newsletter gewünscht", "Newsletter-Anmeldung", "Newsletter angemeldet am"),
    *("Newsletter seit", "Newsletter-Status", "Newsletter subscribed"),
    *("Newsletter subscription", "Newsletter subscription status", "Newsletter subscriber"),
    *("Newsletter enabled", "Newsletter active", "Newsletter consent", "Newsletter opt-in"),
    *("Receive newsletter", "Receives newsletter", "Wants newsletter", "Abonniert", "Abonnent"),
    *("Opt-in", "Opted in", "Opt-in status", "Single opt-in", "Email opt-in", "Opt-in E-Mail"),
    *("Marketing opt-in", "Email marketing opt-in", "Consent", "Consent status", "Email consent"),
    *("Email consent status", "Consent email", "Marketing consent", "Email marketing consent"),
    *("Email marketing status", "Email marketing consent state", "Email marketing subscribed"),
    *("Accepts email marketing", "Accepts marketing", "Email permission", "Permission email"),
    *("Marketing permission", "Email subscription status", "GDPR consent", "Einwilligung"),
    *("Werbeeinwilligung", "E-Mail-Einwilligung", "Einwilligung E-Mail", "Einwilligung Newsletter"),
    *("Newsletter-Einwilligung", "Einwilligung Werbung", "Marketing-Einwilligung"),
    *("Einwilligung E-Mail-Marketing", "DSGVO-Einwilligung", "Einwilligung DSGVO"),
    *("Werbung erlaubt", "Werbeerlaubnis", "E-Mail-Werbung", "E-Mail-Werbung erlaubt"),
    *("Werbung per E-Mail", "Werbung E-Mail", "Werbe-E-Mails", "Werbemails", "E-Mail erlaubt"),
    *("Global status", "List status", "customers_newsletter", "cNewsletter"),
    "mailchimp_woocommerce_is_subscribed",
)
_UNSUBSCRIBED: Final = (
    *("Unsubscribed", "Unsubscribe", "Is unsubscribed", "Unsubscribed from all email"),
    *("Unsubscribed from all emails", "Unsubscribed from newsletter", "Newsletter unsubscribed"),
    *("Global unsubscribe", "Portal unsubscribe", "UNSUB_TIME", "OXUNSUBSCRIBED", "Opt-out"),
    *("Opted out", "Opt-out status", "Email opt-out", "Email opted out"),
    *("Opt-out E-Mail", "Newsletter opt-out", "Marketing opt-out", "Has opted out of email"),
    *("PersonHasOptedOutOfEmail", "hs_email_optout", "Do not email", "Do not bulk email"),
    *(
        "Email disabled",
        "Marketing suspended",
        "Do not contact",
        "No newsletter",
        "No email marketing",
        "Kein Newsletter",
    ),
    *("Keine Newsletter", "Keine E-Mails", "Keine E-Mail-Werbung", "Keine Werbung"),
    *("Abgemeldet", "Newsletter abgemeldet", "Vom Newsletter abgemeldet", "Newsletter-Abmeldung"),
    *("Abmeldung", "Ausgetragen", "Abbestellt", "Newsletter abbestellt", "Deaktiviert"),
    *("Widerruf", "Widerrufen", "Widerspruch", "Widersprochen"),
    *("Werbewiderspruch", "Widerspruch Werbung", "Werbesperre", "Einwilligung widerrufen"),
    *("Consent withdrawn", "Consent revoked"),
)
_BOUNCED: Final = (
    *("Bounced", "Hard bounce", "Hard bounced", "Hardbounces", "Is bounced", "Has bounced"),
    *("Email bounced", "Email invalid"),
    *("Bounced at", "Bounced am", "Bounce-Datum", "Bounce date", "Cleaned", "CLEAN_TIME"),
    "Cleaned at",
    *("IsEmailBounced", "EmailBouncedDate", "OXEMAILFAILED", "Unzustellbar", "Undeliverable"),
    *("E-Mail unzustellbar", "E-Mail ungültig", "Invalid email", "Invalid email address"),
)
_BLACKLISTED: Final = (
    *(
        "Blacklisted",
        "Is blacklisted",
        "Blacklist",
        "Email blacklisted",
        "Blocklisted",
        "Blocked",
        "Is blocked",
    ),
    *("Gesperrt", "E-Mail gesperrt", "Newsletter gesperrt", "Gesperrt am", "Blockiert"),
    *("Sperrliste", "Kontaktsperre", "Mailsperre", "E-Mail-Sperre", "Newsletter-Sperre"),
    *("Suppressed", "Email suppressed", "Email address quarantined"),
)
_COMPLAINED: Final = (
    *(
        "Complained",
        "Complained at",
        "Spam complaint",
        "Spam reported",
        "Marked as spam",
        "Portal spam report",
    ),
)

_CONSENT: Final[tuple[tuple[str, Mapping[str, str], tuple[str, ...]], ...]] = (
    ("subscribed", {}, _SUBSCRIBED),
    ("unsubscribed", {}, _UNSUBSCRIBED),
    ("unsubscribed", _yes_means("bounced"), _BOUNCED),
    ("unsubscribed", _yes_means("blacklisted"), _BLACKLISTED),
    ("unsubscribed", _yes_means("complained"), _COMPLAINED),
    # The cell holds the reason, as any text.
    (
        "unsubscribed",
        {**_yes_means("bounced"), ANY_TEXT: "bounced"},
        (
            *("Email hard bounce reason", "hs_email_hard_bounce_reason_enum"),
            *("hs_email_hard_bounce_reason", "Portal bounce", "Global bounce"),
        ),
    ),
    (
        "unsubscribed",
        {**_yes_means("blacklisted"), "[]": "", ANY_TEXT: "blacklisted"},
        ("Email suppressions",),
    ),
    (
        "subscribed",
        {"marketingcontact": "", "nonmarketingcontact": "not_subscribed"},
        ("Marketing contact status",),
    ),
    # Magento: 2 is not activated, 4 not confirmed.
    (
        "subscribed",
        {"1": "", "2": "pending", "3": "unsubscribed", "4": "pending"},
        ("subscriber_status",),
    ),
    # OXID: 2 is a double opt-in that is not confirmed.
    ("subscribed", {"0": "not_subscribed", "1": "", "2": "pending"}, ("OXDBOPTIN",)),
)

_SYSTEMS: Final = tuple(
    _System(frozenset(map(fold, needs)), {fold(name): known for name, known in headers.items()})
    for needs, headers in (
        # Shopware 6
        (
            ("status", "confirmedAt"),
            {"status": KnownHeader("subscribed", words={"notset": "pending"})},
        ),
        # Shopware 5
        (("double_optin_confirmed", "added"), {"added": KnownHeader("registered")}),
        # Magento, list of subscribers
        (
            ("Customer First Name", "Status", "Store View"),
            {"Status": KnownHeader("subscribed"), "Type": _LEFT_OUT},
        ),
        # Magento, table of subscribers: guests have the number 0
        (("subscriber_email", "customer_id"), {"customer_id": _LEFT_OUT}),
        # xt:Commerce, modified, Gambio: a recipient who has not confirmed has 0
        (
            ("customers_email_address", "mail_status"),
            {
                "mail_status": KnownHeader("subscribed", words={"0": "pending"}),
                "date_added": KnownHeader("registered"),
            },
        ),
        (("customers_email_address",), {"customers_newsletter_mode": _LEFT_OUT}),
        # PrestaShop: "Opt." and optin are consent to mail of partners, Title is a number
        (
            ("News.", "Opt."),
            {"Opt.": _LEFT_OUT, "Title": _LEFT_OUT, "Registration": KnownHeader("registered")},
        ),
        (("Newsletter", "Partner offers"), {"Registration": KnownHeader("registered")}),
        (
            ("newsletter", "newsletter_date_add"),
            {"optin": _LEFT_OUT, "newsletter_date_add": KnownHeader("registered")},
        ),
        # OXID keeps the date when somebody subscribes again
        (
            ("OXDBOPTIN",),
            {"OXUNSUBSCRIBED": _LEFT_OUT, "OXSUBSCRIBED": KnownHeader("registered")},
        ),
        # rapidmail
        (
            ("status", "activated", "activated_ip"),
            {"status": KnownHeader("subscribed", words={"new": "pending"})},
        ),
        # Beside the time when somebody left it is no status of an order or a customer
        *(
            (("Status", time), {"Status": KnownHeader("subscribed")})
            for time in ("Unsubscribed at", "Unsubscribed date", "UNSUB_TIME", "OPTIN_TIME")
        ),
        # Klaviyo: the time of the last change, to whatever state
        (("Email Marketing Consent",), {"Email Marketing Consent Timestamp": _LEFT_OUT}),
    )
)


def _all_known() -> Iterator[tuple[str, KnownHeader]]:
    words: Mapping[str, str]
    for target, names in HEADERS.items():
        words = _UNCONFIRMED if target == "activated" else {}
        for rank, name in enumerate(names):
            yield fold(name), KnownHeader(target, rank, words)
    for target, words, names in _CONSENT:
        for name in names:
            yield fold(name), KnownHeader(target, 0, words)


_KNOWN: Final = dict(_all_known())
_SECOND_ADDRESSES: Final = frozenset(map(fold, SECOND_ADDRESSES))


def is_consent_header(folded: str) -> bool:
    """Whether a folded header is one of a consent column, wherever it occurs."""
    known = _KNOWN.get(folded)
    return known is not None and known.target in {*CONSENT_TARGETS, "activated", "deactivated"}


def known_headers(headers: Sequence[str]) -> Mapping[str, KnownHeader]:
    """Return what headers say, by header; those that say nothing are left out.

    Args:
        headers: All headers of a source: some mean something only beside others.
    """
    folded = {name: fold(name) for name in headers}
    known = {**_KNOWN, **_of_systems(folded.values())}
    found = {name: known[word] for name, word in folded.items() if word in known}
    targets = {header.target for header in found.values()}
    if "firstname" not in targets:
        # Alone it is the whole name.
        found = {name: header for name, header in found.items() if folded[name] != "name"}
    if "email" not in targets:
        second = (name for name, word in folded.items() if word in _SECOND_ADDRESSES)
        found |= {name: KnownHeader("email") for name in second}
    return found


def _of_systems(folded: Iterable[str]) -> Mapping[str, KnownHeader]:
    present = frozenset(folded)
    found: dict[str, KnownHeader] = {}
    for system in _SYSTEMS:
        if system.needs <= present:
            found |= system.headers
    return found
