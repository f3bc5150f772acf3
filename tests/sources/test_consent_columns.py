"""Columns and file names that look like consent, and those that do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.errors import ConfigurationError, SourceError
from cleverreach_async.sources.columns import map_columns
from cleverreach_async.sources.consent_check import (
    file_name_says,
    looks_like_consent,
    may_be_consent,
)
from cleverreach_async.sources.consent_headers import known_headers

CONSENT = """
    Newsletter|Newsletter-Empfänger|Newsletterempfaenger|Newsletter abonniert|newsletter_opt_in
    Newsletter angemeldet|Newsletter angemeldet am|Newsletter-Status|NewsletterStatus|News.
    Newsletter gewünscht?|Will Newsletter|Kein Newsletter|Newsletter erlaubt (ja/nein)
    newsletter_ok|Newsletter-Sperre|Newsletter per E-Mail|isNewsletterRecipient|cNewsletter
    Newsletter consent date|Subscribed|subscribed|is_subscribed|isSubscribed|Unsubscribed
    UNSUBSCRIBED|unsubscribed_at|Email subscribed|Subscribed to emails|Not subscribed
    Non-subscribed|Subscriber status|Unsubscribed from all email|Email subscription status
    unsubscribe_date|Unsubscribe time|Opt-in|OptIn|opt_in|OPTIN|Opt-Out|optOut|Opted in|Opted out
    email_opt_out|EmailOptOut|Opted out of email: Marketing Information|HasOptedOutOfEmail
    Double-Opt-In|DOI|DOI-Datum|Doppel-Optin|Double Optin Status|Opt-In Marketing
    Opt-in E-Mail und SMS|Opt-in Email/Telefon|Consent|Email consent|Marketing consent
    Email Marketing Consent|consent_given|consentStatus|GDPR consent|GDPR|DSGVO|DSGVO-Einwilligung
    dsgvo_ok|Einwilligung|Einwilligung E-Mail|Werbeeinwilligung|Werbeeinwilligung erteilt am
    Einwilligung Newsletter|Einwilligung zur Werbung|Hat eingewilligt|Einverständnis
    Einverstanden mit Werbung|Zustimmung|Zustimmung Werbung|Werbung zugestimmt|Werbeerlaubnis
    E-Mail-Erlaubnis|Mailerlaubnis|Marketing-Permission|Email permission|Permission status
    Permission Marketing|E-Mail-Werbung|Werbung|Werbung per E-Mail|Werbung E-Mail erlaubt
    Keine Werbung|Keine E-Mail-Werbung|Werbemails|Werbe-E-Mails|Werbesperre|Werbewiderspruch
    Werbekennzeichen|Widerspruch|Widerspruch am|Widerruf|Widerrufen am|Abgemeldet|abgemeldet_am
    Abmeldung|Abmeldedatum|Abbestellt|Ausgetragen|Ausgetragen am|Gesperrt|E-Mail gesperrt
    Sperrliste|Mailsperre|Kontaktsperre|E-Mail-Sperrvermerk|Versandsperre|Blacklist|Blacklisted
    EMAIL_BLACKLISTED|emailBlacklisted|Blocklist|Suppressed|Email Suppressions|Suppression
    Quarantined|Bounce|Bounced|Hard bounce|hardbounced|IsEmailBounced|Bounce-Status
    Email bounced at|Unzustellbar|E-Mail unzustellbar|Undeliverable|Spam|Spam complaint
    Marked as spam|Abuse|Unconfirmed|Not confirmed|Unbestätigt|Nicht bestätigt|E-Mail bestätigt
    Email confirmed|Accepts marketing|Accepts Email Marketing|acceptsMarketing|Email marketing
    Receive marketing emails|Receives emails|Marketing emails|Marketing email allowed
    Marketing contact status|Marketing communications|Marketing erlaubt|Marketing preferences
    Do not email|DoNotEMail|do_not_contact|Do not mail|Do Not Send|DoNotBulkEMail|No email
    Keine Mails|Keine E-Mails|E-Mail erlaubt|Mailing erlaubt|Mail erlaubt?|E-Mail erwünscht
    E-Mail-Empfang|Email allowed|Email OK|Mailing ok|E-Mail-Verbot|Can email|Allow emails
    Wants email|Email status|E-Mail-Status|Mail-Status|mail_status|Empfängerstatus
    Recipient status|Status Newsletter|Status E-Mail|Confirmed|Bestätigt am|Deaktiviert
    Deactivated|CONFIRM_TIME|UNSUB_TIME|CLEAN_TIME|OXDBOPTIN|OXUNSUBSCRIBED|subscriber_status
    hs_email_optout|Portal Unsubscribe|désabonné|NL-Empfänger|NL aktiv|Kontakt per E-Mail erlaubt
    Kontaktaufnahme erlaubt|Nicht kontaktieren|Nicht anschreiben|Robinsonliste|Werbestopp
    Werbeverbot|Email preferences|Promotional emails|Angebote per E-Mail|Infos per E-Mail
    Never email|Do not disturb|Can contact|May contact|Contactable|Email enabled|E-Mail aktiv
    mailchimp_status|klaviyo_status|Confirmation status|Bestätigungsstatus|is_confirmed|cleaned_at
    complained_at|email_disabled|Marketing Suspended|Is blacklisted|Opt-In Print/E-Mail
    Newsletter__c|EmailOptIn__c|Gesperrt bis|date_unsubscribed|consent_timestamp
"""

HARMLESS = """
    |ID|Id|UUID|Kundennummer|Kunden-Nr.|Customer ID|customer_number|Vorname|Nachname|Name
    First Name|Last Name|Full name|Anrede|Titel|Geschlecht|Geburtsdatum|Birthday|Alter|Age|Firma
    Company|Abteilung|Department|Position|Job title|Branche|Industry|Straße|Hausnummer|PLZ|Ort
    Land|Country|State|State / Region|Bundesland|Province|Region|Adresse|Address 2|Mailing address
    Mailing Street|MailingCity|Lieferadresse|Rechnungsadresse|Billing Email|billing_email|Telefon
    Mobil|Fax|Website|E-Mail|E-mail 1 - Type|E-mail Display Name|Email Type|E-Mail 2|E-Mail privat
    Email domain|Mailbox|Mailserver|mail_id|mail_key|Notiz|Notizen|Bemerkung|Kommentar
    Beschreibung|Kundengruppe|Customer group|Gruppe|Tags|Labels|Liste|List name|Segment|Interessen
    Kategorie|Umsatz|Total Spent|Total Orders|Bestellungen|Order count|orders_count
    Letzte Bestellung|Last order|Erste Bestellung|Warenkorbwert|Rabatt|Discount|Gutschein|Voucher
    Coupon code|Währung|Currency|Zahlungsart|Payment method|IBAN|BIC|Steuernummer|USt-IdNr.
    Tax Exempt|VAT number|Guthaben|Credit|Punkte|Points|Loyalty tier|Kundenkarte|Filiale|Branch
    Store|Shop|Store View|Website ID|Sprache|Language|Locale|Zeitzone|Timezone|TIMEZONE|GMTOFF
    DSTOFF|LATITUDE|LONGITUDE|CC|REGION|LEID|EUID|MEMBER_RATING|NOTES|LAST_CHANGED|Erstellt am
    created_at|updated_at|Geändert am|MODIFIED_TIME|ADDED_TIME|Date Added|Profile Created On
    First Active|Last Active|Last Open|Last Click|lastRead|Last login|Letzter Login|Last visit
    Enabled|Quelle|Source|LeadSource|Lead Status|Herkunft|Kampagne|utm_source|utm_campaign
    Referrer|IP|IP Address|User agent|Passwort|password|Hash|Token|Vertreter|Ansprechpartner
    Contact owner|Vertriebsmitarbeiter|Sachbearbeiter|Newsletter-ID|newsletter_id
    Newsletter source|Newsletter-Quelle|lastNewsletter|Letzter Newsletter|Newsletters sent
    Newsletter sprache|newsletter_language|newsletterId|OPTIN_IP|CONFIRM_IP|optin_ip|Opt-in IP
    Opt-in source|Opt-in URL|Opt-in-Quelle|DOI-IP|DOI IP-Adresse|Consent text|Consent source
    consent_url|Consent ID|Einwilligungstext|Quelle der Einwilligung|Consent version
    UNSUB_CAMPAIGN_TITLE|UNSUB_CAMPAIGN_ID|UNSUB_REASON|UNSUB_REASON_OTHER|CLEAN_CAMPAIGN_TITLE
    CLEAN_CAMPAIGN_ID|Unsubscribe reason|Unsubscribe link|unsubscribe_url|unsubscribe_token
    Abmeldegrund|Grund der Abmeldung|Abmeldelink|Bounce reason|EmailBouncedReason|Bounce count
    bounce_count|Bounce rate|Bouncegrund|Soft bounce|softbounces|Spam score|SMS_BLACKLISTED
    SMS opt-in|Accepts SMS Marketing|SMS Marketing Consent|sms_consent|WhatsApp-Einwilligung
    Accepts WhatsApp Marketing|WhatsApp opt-in|Telefonwerbung|Werbung per Telefon|Telefonerlaubnis
    Phone consent|DoNotCall|Do not call|Do Not Phone|Fax Opt Out|HasOptedOutOfFax|Do not fax
    Postwerbung|Werbung per Post|Opt-in Post|Do not postal mail|Direct mail opt-in|Push opt-in
    Push-Einwilligung|Web push consent|Mobile opt-in|Cookie consent|AGB zugestimmt|Terms consent
    Zustimmung AGB|Foto-Einwilligung|SEPA-Einwilligung|Partner offers|Partner opt-in|Opt.|Title
    Bewerbung|Bewerbungsdatum|Kunde wirbt Kunde|Kundenwerbung|Werber|Werbemittel|Werbekampagne
    Werbekosten|Widerrufsbelehrung|Widerrufsfrist|Widerrufsrecht|Führerschein|Fahrerlaubnis
    Arbeitserlaubnis|Gewerbeerlaubnis|Austragungsort|Subscription plan|Subscription ID
    Subscriber ID|subscriber_id|SubscriberKey|subscriber_confirm_code|change_status_at|Abo-Nummer
    Abonnement|Abonnementtyp|Abo bis|Mitgliedsnummer|Mitglied seit|Eintritt|Austritt|Beitrag
    customers_status|account_type|Legal basis for processing contact's data|Klaviyo ID|groupName
    Record ID|Option|Optionen|Aktion|Aktivität|Activity|Aktivierungscode|Activation code
    Bestellbestätigung|Auftragsbestätigung|Order confirmation|Order status|Bestellstatus
    Payment status|Zahlungsstatus|Lieferstatus|Fulfillment Status|Financial Status|Stand
    Marketing source|Marketing-Kampagne|Email Marketing Consent Updated At|Newsletter format
    Nachricht|Message|Text|Datum|Date|Zeit|Time|Wert|Value|x|1|Spalte 7|custom_field_12
    Lieblingsfarbe|Schuhgröße|Haustier|Kinder|Familienstand|Rechnung per E-Mail|Gewerbe-E-Mail
    Gewerbesperre|Newsletter account ID|Print Opt-In|Opted Out Of SMS|unsubscribed_sms
    Opt-out calls|push_subscribed|Unsubscribed Reason|Black Listed Cause|active_subscription
    complimentary_plan|Mahnsperre|Liefersperre|Datenschutz akzeptiert|Neuigkeiten|Zustellstatus
    Run Subset|Casino Marketing|Vatican Email|American contact
    Versandstatus
"""

AMBIGUOUS = """
    Status|STATUS|Kundenstatus|Customer Status|Account status|Kontostatus|Mitgliedsstatus
    User status|Aktiv|Active|is_active|isActive|Inaktiv|Inactive|Subscription|Subscriber
    Subscription status|Angemeldet|Marketing|Mailing|Permission|email_verified|Deleted|deleted_at
    Gelöscht|Disabled|Locked|Archived|Cancelled|cancelled_at|NL|Mailing list|E-Mail-Verteiler
    Communication preferences|email_verified_at|Gekündigt am|Sperre|Removed
"""


def split(text: str) -> list[str]:
    """Return the headers of a list."""
    return [header.strip() for line in text.splitlines() if line for header in line.split("|")]


@pytest.mark.parametrize("header", split(CONSENT))
def test_columns_that_look_like_consent(header: str) -> None:
    """Whether people want mail, and whether they may get it, in many words."""
    assert looks_like_consent(header)


@pytest.mark.parametrize("header", split(HARMLESS))
def test_columns_that_do_not_look_like_consent(header: str) -> None:
    """Names and addresses, orders, other channels, and what only goes with consent."""
    assert not looks_like_consent(header)
    assert not may_be_consent(header)
    if header != "E-Mail":
        map_columns(["E-Mail", header])


@pytest.mark.parametrize("header", split(AMBIGUOUS))
def test_an_ambiguous_column_stops_where_nothing_else_is_consent(header: str) -> None:
    """In a file of subscribers it is the status of the subscription."""
    with pytest.raises(ConfigurationError, match="may say who wants mail"):
        map_columns(["E-Mail", header])
    for other in ("Newsletter", "Abgemeldet", "Abgemeldet am", "Bestätigt am"):
        map_columns(["E-Mail", header, other])
    with pytest.raises(ConfigurationError):
        map_columns(["E-Mail", header, "Registriert am"])


def test_the_lists_are_long() -> None:
    """They keep their length when somebody edits them."""
    assert len(split(CONSENT)) >= 150
    assert len(split(HARMLESS)) >= 250


# Choices.


def refused(headers: list[str], mapping: dict[str, str] | None = None) -> str:
    """Return the message of the error."""
    with pytest.raises(ConfigurationError) as caught:
        map_columns(headers, mapping, path="customers.csv")
    return str(caught.value)


def test_the_message_names_the_choices() -> None:
    """Map the column, leave it out, or do without the check."""
    message = refused(["E-Mail", "Mailing erlaubt?", "Status", "Ort"])
    assert "columns 'Mailing erlaubt?', 'Status' may say who wants mail, and have no" in message
    for choice in (
        '--map "Mailing erlaubt?=subscribed"',
        "unsubscribed",
        "activated",
        "mapping={'Mailing erlaubt?': 'subscribed'}",
        '--map "Mailing erlaubt?=-"',
        "--inactive",
        "check_consent=False",
    ):
        assert choice in message
    assert "column 'Status' may say who wants mail, and has no target" in refused(
        ["E-Mail", "Status"]
    )


@pytest.mark.parametrize("target", ["subscribed", "unsubscribed", "activated", "-", "", "status"])
def test_a_decision_is_accepted(target: str) -> None:
    """As a consent column, as an attribute, or left out by name."""
    mapping = map_columns(["E-Mail", "Status"], {"Status": target})
    assert dict(mapping.pairs).get("Status", "") == target.strip("-")


def test_of_two_columns_each_needs_a_decision() -> None:
    """A clear one stops although another is mapped."""
    headers = ["E-Mail", "Newsletter", "Mailing erlaubt"]
    assert "column 'Mailing erlaubt' may" in refused(headers)
    assert "column 'Mailing erlaubt' may" in refused(headers, {"Newsletter": "-"})
    map_columns(headers, {"Mailing erlaubt": "-"})


def test_the_check_can_be_switched_off() -> None:
    """Then such a column is left out like any other."""
    mapping = map_columns(["E-Mail", "Status"], path="unsubscribed.csv", check_consent=False)
    assert mapping.left_out == ("Status",)


@given(
    st.lists(st.sampled_from([*split(CONSENT), *split(HARMLESS), *split(AMBIGUOUS)]) | st.text())
)
def test_no_consent_is_lost_in_silence(headers: list[str]) -> None:
    """Whatever else a file has, a column of consent gets a target, or the import does not begin."""
    try:
        mapping = map_columns(list(dict.fromkeys(["Kontakt", *headers])), {"Kontakt": "email"})
    except (ConfigurationError, SourceError):
        return
    lost = [name for name in mapping.left_out if looks_like_consent(name)]
    # Shops have columns that look like consent, beside the one that is.
    assert not lost or {"subscribed", "unsubscribed"} & set(dict(mapping.pairs).values())
    assert not {name for name in lost if name not in known_headers(mapping.headers)}


# File names.


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("unsubscribed_members_export_f1d3a0.csv", "unsubscribed"),
        ("Unsubscribed.CSV", "unsubscribed"),
        ("exports/2024/legacy-unsubscribed.csv.gz", "unsubscribed"),
        ("unsubscribes.xlsx", "unsubscribed"),
        ("UnsubscribedContacts.jsonl", "unsubscribed"),
        ("OptOut.csv", "unsubscribed"),
        ("newsletteroptout.csv", "unsubscribed"),
        ("opt-outs 2024.txt", "unsubscribed"),
        ("opted_out.parquet", "unsubscribed"),
        ("abgemeldet.csv", "unsubscribed"),
        ("Abgemeldete Empfänger.csv", "unsubscribed"),
        ("NewsletterAbmeldungen.csv", "unsubscribed"),
        ("ausgetragene_2023.csv", "unsubscribed"),
        ("werbewiderspruch.csv", "unsubscribed"),
        ("Widerrufe.csv", "unsubscribed"),
        ("deaktivierte_empfaenger.csv", "unsubscribed"),
        ("nonsubscribed_members.csv", "not_subscribed"),
        ("legacy-non-subscribers.csv", "not_subscribed"),
        ("never_subscribed.csv", "not_subscribed"),
        ("cleaned_members_export_f1d3a0.csv", "bounced"),
        ("bounces.csv", "bounced"),
        ("Hardbounces Mai.csv", "bounced"),
        ("unzustellbar.csv", "bounced"),
        ("blacklist.csv", "blacklisted"),
        ("Blacklist_2024-05.tsv", "blacklisted"),
        ("black list.csv", "blacklisted"),
        ("sperrliste.csv", "blacklisted"),
        ("Gesperrte Adressen.csv", "blacklisted"),
        ("suppression_list.csv", "blacklisted"),
        ("suppressed.csv", "blacklisted"),
        ("do-not-email.csv", "blacklisted"),
        ("Robinsonliste.csv", "blacklisted"),
        ("spam_complaints.csv", "complained"),
        ("unconfirmed.csv", "pending"),
        ("nicht_bestaetigt.csv", "pending"),
    ],
)
def test_file_names_that_speak_of_people_who_left(name: str, says: str) -> None:
    """The names of exports, with any folder, suffix and case."""
    assert says == file_name_says(name)
    with pytest.raises(ConfigurationError, match=r"the name .* says that the people in the file"):
        map_columns(["E-Mail", "Ort"], path=name)
    map_columns(["E-Mail", "Ort"], path=name, check_consent=False)
    map_columns(["E-Mail", "Newsletter"], path=name)


@pytest.mark.parametrize(
    "name",
    [
        *("customers.csv", "subscribed_members_export_f1d3a0.csv", "Newsletter.csv", "kunden.txt"),
        *("optin.csv", "confirmed.csv", "customers_cleaned.csv", "kunden_ohne_abgemeldete.csv"),
        *("all_without_bounces.csv", "not-unsubscribed.csv", "non-bounced.csv", "Casino.csv"),
        *(
            "unsubscribed/kunden.csv",
            "active.csv",
            "inactive_customers.csv",
            "-",
            "",
            "the records",
        ),
        *("the cursor", "the Arrow data", "Abonnenten.csv", "subscribers.csv", "adressen 2024.csv"),
    ],
)
def test_other_file_names(name: str) -> None:
    """Names without such a word, with its negation, or with it in the folder only."""
    assert file_name_says(name) == ""


@pytest.mark.parametrize("column", ["Abgemeldet am", "Abgemeldet", "Newsletter"])
def test_a_column_says_more_than_the_name(column: str) -> None:
    """A column says of every person whether and when they left; confirming does not."""
    map_columns(["E-Mail", column], path="unsubscribed.csv")
    with pytest.raises(ConfigurationError):
        map_columns(["E-Mail", "Bestätigt am"], path="unsubscribed.csv")
    map_columns(["E-Mail", "Bestätigt am"], path="unconfirmed.csv")
