"""Headers that are recognised, by the target of their column.

Those of consent columns are in :mod:`cleverreach_async.sources.consent_headers`.
"""

import unicodedata
from collections.abc import Mapping
from typing import Final

__all__ = ["HEADERS", "KNOWN_TARGETS", "SECOND_ADDRESSES", "fold"]

# In order of preference: in a file with "Name" and "Nachname" the latter is the last name. The last
# lines of a target are names of shops, newsletter services and address books.
HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "email": (
        *("E-Mail-Adresse", "E-Mail", "Email address", "Mail-Adresse", "Mail", "Kunden-E-Mail"),
        *("Customer email", "Subscriber email", "User email", "E-Mail 1", "E-mail 1 - Value"),
        *("customers_email_address", "OXUSERNAME", "OXEMAIL", "cMail", "cEmail", "PersonEmail"),
    ),
    "registered": (
        *("Registriert am", "Registrierungsdatum", "Registriert", "Registered at", "Registered"),
        *("Registered on", "Registration date", "Angemeldet am", "Anmeldedatum", "Anmeldung am"),
        *("Anmeldezeitpunkt", "Eingetragen am", "Eintragungsdatum", "Signup date", "Signup time"),
        *("Sign-up date", "Subscribed at", "Subscribed on", "Subscribe date", "Subscribed date"),
        *("Date subscribed", "Subscriber since", "Subscription date"),
        *("OPTIN_TIME", "user_registered", "Kunde seit", "Customer since", "Erstellt am"),
        *("Angelegt am", "Created at", "Created", "Date created"),
    ),
    "activated": (
        *("Newsletter bestätigt am", "Double-Opt-In am", "Double-Opt-In", "DOI am", "Opt-In am"),
        *("Double-Opt-In-Datum", "Double-Opt-In-Zeitpunkt", "DOI-Datum", "DOI-Zeitpunkt"),
        *("Double opt-in date", "Double opt-in time", "DOI date", "Double opt-in confirmed"),
        *("Bestätigt am", "Bestätigungsdatum", "Bestätigungszeitpunkt", "Confirmed at"),
        *("Confirmed on", "Date confirmed", "Confirmation date", "Confirmation time"),
        *("CONFIRM_TIME", "Confirm date", "Newsletter bestätigt", "E-Mail bestätigt am"),
        *("E-Mail bestätigt", "Email confirmed at", "Email confirmed", "DOI", "Bestätigt"),
        *(
            "Confirmed",
            "Is confirmed",
            "Aktiviert am",
            "Aktivierungsdatum",
            "Aktiviert",
            "Activated at",
        ),
        *("Activated on", "Activation date", "Activated", "Opt-in-Datum", "Opt-in date"),
        *("Opt-in at", "Opted in at", "Opt-in timestamp", "Einwilligung am", "Einwilligungsdatum"),
        *("Datum der Einwilligung", "Einwilligung erteilt am", "Consent date", "Consent given at"),
    ),
    "deactivated": (
        *("Abgemeldet am", "Abmeldedatum", "Newsletter abgemeldet am", "Abmeldung am"),
        *("Abmeldezeitpunkt", "Datum der Abmeldung", "Ausgetragen am", "Austragungsdatum"),
        *("Unsubscribed at", "Unsubscribed on", "Unsubscribe date", "Unsubscribe time"),
        *("Unsubscribe date/time", "Unsubscribed date", "Unsubscription date"),
        *("Date unsubscribed", "Opt-Out am"),
        *("Opt-Out-Datum", "Opt-out date", "Opt-out at", "Opted out at", "Widerrufen am"),
        *("Widerruf am", "Widersprochen am", "Widerspruch am", "Deaktiviert am"),
        # The name of the field itself: such a column holds times or flags, and both are sent.
        *(
            "Deaktivierungsdatum",
            "Deactivated",
            "Deactivated at",
            "Deactivated on",
            "Deactivation date",
        ),
    ),
    "source": ("Quelle", "Herkunft", "Source", "cHerkunft"),
    "tags": ("Tags", "Schlagworte", "Schlagwörter"),
    "firstname": (
        *("Vorname", "First name", "Given name", "Forename", "FNAME", "Customer first name"),
        *("customers_firstname", "subscriber_firstname", "OXFNAME", "cVorname"),
        *("billing_first_name", "entry_firstname"),
    ),
    "lastname": (
        *("Nachname", "Last name", "Familienname", "Zuname", "Surname", "Family name", "LNAME"),
        *("Customer last name", "customers_lastname", "subscriber_lastname", "OXLNAME"),
        *("cNachname", "billing_last_name", "entry_lastname", "Name"),
    ),
    "salutation": ("Anrede", "Salutation", "Social title", "OXSAL", "cAnrede"),
    "gender": ("Geschlecht", "Gender", "Sex", "customers_gender"),
    "title": ("Titel", "Title", "Akademischer Titel", "cTitel"),
    "company": (
        *("Firma", "Firmenname", "Unternehmen", "Company", "Company name", "Organization"),
        *("Organisation", "Organization name", "Organization 1 - Name", "OXCOMPANY", "cFirma"),
        *("billing_company", "entry_company", "Default Address Company"),
    ),
    "street": (
        *("Straße und Hausnummer", "Straße", "Straße/Nr.", "Straße + Nr.", "Straße Hausnummer"),
        *("Street", "Street address", "Adresse", "Anschrift", "Address", "Address 1"),
        *("Straße privat", "Home street", "Mailing street", "Address 1 - Street", "OXSTREET"),
        *("cStrasse", "billing_address_1", "entry_street_address", "Default Address Address1"),
    ),
    "house_number": (
        *("Hausnummer", "Haus-Nr.", "House number", "Street number", "OXSTREETNR", "cHausnummer"),
    ),
    "zip": (
        *("PLZ", "Postleitzahl", "ZIP", "ZIP code", "Postcode", "Postal code", "ZIP/Postal code"),
        *("Postleitzahl privat", "Home postal code", "Mailing postal code"),
        *("Mailing ZIP/postal code", "OXZIP", "cPLZ"),
        *("Address 1 - Postal Code", "billing_postcode", "entry_postcode", "Default Address Zip"),
    ),
    "city": (
        *("Ort", "Stadt", "Wohnort", "City", "Town", "Ort privat", "Home city", "Mailing city"),
        *("Address 1 - City", "OXCITY", "cOrt", "billing_city", "entry_city"),
        "Default Address City",
    ),
    "country": (
        *("Land", "Country", "Country/Region", "Country code", "Land/Region privat"),
        *("Home country/region", "Mailing country", "Address 1 - Country", "cLand"),
        *("billing_country", "Default Address Country Code"),
    ),
    "phone": (
        *("Telefon", "Telefonnummer", "Tel.", "Phone", "Phone number", "Telephone"),
        *("Phone 1 - Value", "customers_telephone", "OXFON", "cTel", "billing_phone"),
        "Default Address Phone",
    ),
    "birthday": (
        *("Geburtsdatum", "Geburtstag", "Geboren am", "Birthday", "Birth date", "Date of birth"),
        *("DOB", "customers_dob", "OXBIRTHDATE", "dGeburtstag"),
    ),
    "customer_number": (
        *("Kundennummer", "Kunden-Nr.", "Kundennr", "KdNr", "Customer number", "Customer no."),
        *("customers_cid", "OXCUSTNR", "cKundenNr", "Kunden-ID", "Customer ID"),
    ),
    "language": ("Sprache", "Language", "Preferred language"),
}

SECOND_ADDRESSES: Final = ("billing_email", "Billing email address", "Rechnungs-E-Mail")
"""Headers of the e-mail address in files without one of the others.

An invoice may go to somebody else than the customer.
"""

KNOWN_TARGETS: Final = frozenset(HEADERS)
"""Targets for which headers are recognised, but for those of consent columns."""


def fold(header: str) -> str:
    """Fold case, umlauts and punctuation, so that Straße, STRASSE and strasse are equal."""
    text = unicodedata.normalize("NFC", header).casefold()
    text = text.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    letters = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in letters if letter.isalnum())
