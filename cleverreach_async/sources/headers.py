"""Headers that are recognised, by the target of their column."""

import unicodedata
from collections.abc import Mapping
from typing import Final

__all__ = ["KNOWN_HEADERS", "KNOWN_TARGETS", "fold"]

# In order of preference: in a file with "Name" and "Nachname" the latter is the last name.
_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "email": (
        *("E-Mail-Adresse", "E-Mail", "Email address", "Mail-Adresse", "Mail", "Kunden-E-Mail"),
        *("Customer email", "Subscriber email", "E-Mail 1"),
    ),
    "registered": (
        *("Registriert am", "Registrierungsdatum", "Registriert", "Registered at", "Registered"),
        *("Registration date", "Angemeldet am", "Anmeldedatum", "Anmeldung am", "Signup date"),
        *("Sign-up date", "Subscribed at", "Kunde seit", "Customer since", "Erstellt am"),
        *("Angelegt am", "Created at", "Created", "Date created"),
    ),
    "activated": (
        *("Newsletter bestätigt am", "Double-Opt-In am", "Double-Opt-In", "DOI am", "Opt-In am"),
        *("Double opt-in date", "Bestätigt am", "Bestätigungsdatum", "Confirmed at", "Confirmed"),
        *("Aktiviert am", "Aktiviert", "Activated at", "Activated", "Opt-in date"),
    ),
    "deactivated": (
        *("Abgemeldet am", "Abmeldedatum", "Newsletter abgemeldet am", "Abmeldung am"),
        *("Unsubscribed at", "Unsubscribe date", "Opt-Out am", "Opt-out date"),
        *("Deaktiviert am", "Deactivated at"),
    ),
    "subscribed": (
        *("Newsletter", "Newsletter-Empfänger", "Newsletter abonniert", "Newsletter subscribed"),
        *("Subscribed", "Opt-in", "Werbeeinwilligung", "Einwilligung", "Accepts Email Marketing"),
        *("Email Marketing Consent", "News."),
    ),
    "unsubscribed": (
        *("Abgemeldet", "Unsubscribed", "Deactivated", "Deaktiviert", "Gesperrt", "Bounced"),
        *("Opt-out", "Kein Newsletter", "Email opt out", "EMAIL_BLACKLISTED", "UNSUB_TIME"),
        *("CLEAN_TIME", "Unsubscribed from all email", "HasOptedOutOfEmail"),
    ),
    "source": ("Quelle", "Herkunft", "Source"),
    "tags": ("Tags", "Schlagworte", "Schlagwörter"),
    "firstname": ("Vorname", "First name", "Given name", "Forename"),
    "lastname": ("Nachname", "Last name", "Familienname", "Surname", "Family name", "Name"),
    "salutation": ("Anrede", "Salutation"),
    "gender": ("Geschlecht", "Gender", "Sex"),
    "title": ("Titel", "Title", "Akademischer Titel"),
    "company": ("Firma", "Firmenname", "Unternehmen", "Company", "Company name"),
    "street": (
        *("Straße und Hausnummer", "Straße", "Straße/Nr.", "Straße + Nr.", "Straße Hausnummer"),
        *("Street", "Street address", "Adresse", "Anschrift", "Address", "Address 1"),
    ),
    "house_number": ("Hausnummer", "Haus-Nr.", "House number", "Street number"),
    "zip": ("PLZ", "Postleitzahl", "ZIP", "ZIP code", "Postcode", "Postal code"),
    "city": ("Ort", "Stadt", "Wohnort", "City", "Town"),
    "country": ("Land", "Country"),
    "phone": ("Telefon", "Telefonnummer", "Tel.", "Phone", "Phone number", "Telephone"),
    "birthday": ("Geburtsdatum", "Geburtstag", "Geboren am", "Birthday", "Birth date", "DOB"),
    "customer_number": (
        *("Kundennummer", "Kunden-Nr.", "Kundennr", "KdNr", "Customer number", "Customer no."),
        *("Kunden-ID", "Customer ID"),
    ),
    "language": ("Sprache", "Language"),
}

KNOWN_TARGETS: Final = frozenset(_HEADERS)
"""Targets for which headers are recognised."""


def fold(header: str) -> str:
    """Fold case, umlauts and punctuation, so that Straße, STRASSE and strasse are equal."""
    text = unicodedata.normalize("NFC", header).casefold()
    text = text.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    letters = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in letters if letter.isalnum())


KNOWN_HEADERS: Final = {
    fold(header): (target, rank)
    for target, known in _HEADERS.items()
    for rank, header in enumerate(known)
}
"""Target and rank, by folded header."""
