"""Headers of the systems that people come from."""

import pytest

from cleverreach_async.errors import SourceError
from cleverreach_async.sources.columns import ColumnMapping, map_columns
from cleverreach_async.sources.consent import read_word

# The columns of exports with their targets; those without a target are left out.
EXPORTS = {
    "Brevo": """
        EMAIL=email;LASTNAME=lastname;FIRSTNAME=firstname;EMAIL_BLACKLISTED=unsubscribed
        DOUBLE_OPT-IN=activated
        SMS;SMS_BLACKLISTED;ADDED_TIME;MODIFIED_TIME
    """,
    "Mailchimp, unsubscribed": """
        Email Address=email;First Name=firstname;Last Name=lastname;OPTIN_TIME=registered
        CONFIRM_TIME=activated;UNSUB_TIME=unsubscribed;TAGS=tags
        OPTIN_IP;CONFIRM_IP;LATITUDE;LONGITUDE;GMTOFF;DSTOFF;TIMEZONE;CC;REGION
        UNSUB_CAMPAIGN_TITLE;UNSUB_CAMPAIGN_ID;UNSUB_REASON;UNSUB_REASON_OTHER;LEID;EUID;NOTES
    """,
    "Mailchimp, cleaned": """
        Email Address=email;OPTIN_TIME=registered;CONFIRM_TIME=activated;CLEAN_TIME=unsubscribed
        MEMBER_RATING;CLEAN_CAMPAIGN_TITLE;CLEAN_CAMPAIGN_ID;LAST_CHANGED
    """,
    "Mailchimp, with the status": """
        Email Address=email;Status=subscribed;OPTIN_TIME=registered;CONFIRM_TIME=activated
        MEMBER_RATING;LAST_CHANGED
    """,
    "Newsletter2Go": """
        email=email;first_name=firstname;last_name=lastname;gender=gender
        is_unsubscribed=unsubscribed;is_blacklisted=unsubscribed;has_bounced=unsubscribed
        list_id
    """,
    "Marketo": """
        Email=email;Unsubscribed=unsubscribed;Black Listed=unsubscribed
        Marketing Suspended=unsubscribed;Email Invalid=unsubscribed
        Unsubscribed Reason;Black Listed Cause;Marketing Suspended Cause;Do Not Call
    """,
    "Ghost": """
        email=email;subscribed_to_emails=subscribed;created_at=registered
        id;name;note;complimentary_plan;stripe_customer_id;deleted_at;labels;tiers
    """,
    "Substack": """
        email=email;email_disabled=unsubscribed;created_at=registered
        active_subscription;expiry;plan;first_payment_at
    """,
    "Klaviyo": """
        Email=email;First Name=firstname;Last Name=lastname;Organization=company
        Phone Number=phone;Address=street;City=city;Country=country;Zip Code=zip;Source=source
        Email Marketing Consent=subscribed;Email Suppressions=unsubscribed
        Klaviyo ID;Address 2;State / Region;Email Marketing Consent Timestamp;First Active
        SMS Marketing Consent;SMS Marketing Consent Timestamp;Profile Created On
    """,
    "HubSpot": """
        First Name=firstname;Last Name=lastname;Email=email;Marketing contact status=subscribed
        Unsubscribed from all email=unsubscribed;Email hard bounce reason=unsubscribed
        Invalid email address=unsubscribed;Postal Code=zip;City=city
        Record ID;Lead Status;Create Date;Legal basis for processing contact's data
    """,
    "HubSpot, unsubscribes and bounces": """
        Email=email;Portal Bounce=unsubscribed;Portal Unsubscribe=unsubscribed
        Portal Spam Report=unsubscribed;Global Bounce=unsubscribed
    """,
    "Salesforce": """
        Salutation=salutation;FirstName=firstname;LastName=lastname;Email=email;Phone=phone
        MailingStreet=street;MailingCity=city;MailingPostalCode=zip;MailingCountry=country
        HasOptedOutOfEmail=unsubscribed;IsEmailBounced=unsubscribed
        EmailBouncedDate=unsubscribed
        Id;MobilePhone;HasOptedOutOfFax;DoNotCall;EmailBouncedReason;LeadSource;CreatedDate
    """,
    "Salesforce, labels": """
        First Name=firstname;Last Name=lastname;Email=email;Mailing Zip/Postal Code=zip
        Email Opt Out=unsubscribed
        Fax Opt Out;Do Not Call;Lead Source
    """,
    "Shopify": """
        Customer ID=customer_number;First Name=firstname;Last Name=lastname;Email=email
        Accepts Email Marketing=subscribed;Default Address Company=company
        Default Address Address1=street;Default Address City=city;Default Address Zip=zip
        Phone=phone;Tags=tags
        Default Address Phone;Accepts SMS Marketing;Total Spent;Total Orders;Note;Tax Exempt
    """,
    "PrestaShop 1.6": """
        Last name=lastname;First Name=firstname;Email address=email;News.=subscribed
        Registration=registered
        ID;Title;Age;Enabled;Opt.;Last visit
    """,
    "PrestaShop 8": """
        Social title=salutation;First name=firstname;Last name=lastname;Email address=email
        Newsletter=subscribed;Registration=registered
        ID;Sales;Enabled;Partner offers;Last visit
    """,
    "PrestaShop, table": """
        firstname=firstname;lastname=lastname;email=email;birthday=birthday
        newsletter=subscribed;newsletter_date_add=registered
        id_customer;id_gender;ip_registration_newsletter;optin;active;date_add
    """,
    "Shopware 5": """
        email=email;salutation=salutation;firstName=firstname;lastName=lastname;street=street
        zipCode=zip;city=city;added=registered;double_optin_confirmed=activated
        groupName;lastNewsletter;lastRead;userID
    """,
    "Shopware 6": """
        email=email;firstName=firstname;lastName=lastname;zipCode=zip;city=city
        status=subscribed;confirmedAt=activated;createdAt=registered
        id;hash
    """,
    "JTL": """
        cAnrede=salutation;cTitel=title;cVorname=firstname;cNachname=lastname;cFirma=company
        cStrasse=street;cHausnummer=house_number;cPLZ=zip;cOrt=city;cLand=country;cTel=phone
        cMail=email;cNewsletter=subscribed;dGeburtstag=birthday;cHerkunft=source
        cKundenNr=customer_number
        cPasswort;cAdressZusatz;cBundesland;cMobil;cFax;cUSTID;fGuthaben;dErstellt;cAktiv
    """,
    "WooCommerce": """
        user_email=email;user_registered=registered;first_name=firstname;last_name=lastname
        billing_company=company;billing_address_1=street;billing_postcode=zip;billing_city=city
        billing_country=country;billing_phone=phone
        mailchimp_woocommerce_is_subscribed=subscribed
        ID;user_login;billing_email;billing_first_name;shipping_city;wc_last_active
    """,
    "MailPoet": """
        Email=email;First name=firstname;Last name=lastname;Global status=subscribed
        List status=subscribed
        Subscribed IP;Confirmed IP;List
    """,
    "modified and Gambio, recipients": """
        customers_email_address=email;customers_firstname=firstname;customers_lastname=lastname
        mail_status=subscribed;date_added=registered
        mail_id;customers_id;customers_status;mail_key
    """,
    "xt:Commerce, customers": """
        customers_cid=customer_number;customers_gender=gender;customers_firstname=firstname
        customers_lastname=lastname;customers_dob=birthday;customers_email_address=email
        customers_telephone=phone;customers_newsletter=subscribed
        customers_id;customers_status;customers_newsletter_mode;customers_date_added
    """,
    "OXID": """
        OXUSERNAME=email;OXSAL=salutation;OXFNAME=firstname;OXLNAME=lastname;OXCOMPANY=company
        OXSTREET=street;OXSTREETNR=house_number;OXZIP=zip;OXCITY=city;OXFON=phone
        OXBIRTHDATE=birthday;OXCUSTNR=customer_number;OXDBOPTIN=subscribed
        OXEMAILFAILED=unsubscribed;OXSUBSCRIBED=registered
        OXUNSUBSCRIBED;OXACTIVE;OXCOUNTRYID
    """,
    "Magento, list": """
        Email=email;Customer First Name=firstname;Customer Last Name=lastname;Status=subscribed
        ID;Type;Website;Store;Store View
    """,
    "Magento, table": """
        subscriber_email=email;subscriber_status=subscribed
        subscriber_id;store_id;change_status_at;customer_id;subscriber_confirm_code
    """,
    "rapidmail": """
        email=email;firstname=firstname;lastname=lastname;created=registered;activated=activated
        status=subscribed
        created_ip;activated_ip;mailtype
    """,
    "CleverReach": """
        email=email;activated=activated;registered=registered;deactivated=deactivated
        source=source;bounced=unsubscribed;firstname=firstname;lastname=lastname
    """,
    "Google": """
        Given Name=firstname;Family Name=lastname;Birthday=birthday;E-mail 1 - Value=email
        Phone 1 - Value=phone;Organization 1 - Name=company;Address 1 - Street=street
        Address 1 - City=city;Address 1 - Postal Code=zip;Address 1 - Country=country
        Name;Additional Name;Group Membership;E-mail 1 - Type;Notes
    """,
    "Outlook": """
        Title=title;First Name=firstname;Last Name=lastname;Company=company;E-mail Address=email
        Home Street=street;Home City=city;Home Postal Code=zip;Home Country/Region=country
        Suffix;E-mail Type;E-mail Display Name;Business Phone
    """,
    "Outlook, German": """
        Vorname=firstname;Nachname=lastname;Firma=company;E-Mail-Adresse=email
        Straße privat=street;Ort privat=city;Postleitzahl privat=zip
        E-Mail-Typ;Telefon geschäftlich
    """,
    "Kit": """
        first_name=firstname;email=email;created_at=registered;tags=tags
        id
    """,
    "German table": """
        Anrede=salutation;Name=lastname;Vorname=firstname;E-Mail=email;Newsletter=subscribed
        Werbeeinwilligung=subscribed;Abgemeldet=unsubscribed;Gesperrt=unsubscribed
        Abgemeldet am=deactivated;Double-Opt-In am=activated;Double-Opt-In=subscribed
        Status;Aktiv;Abmeldegrund
    """,
    "English table": """
        First name=firstname;Email=email;Opt-in=subscribed;Opt-out=unsubscribed
        Bounced=unsubscribed;Blacklisted=unsubscribed;Unsubscribed at=deactivated
        Opt-in date=activated;Signup date=registered
        Active;State;Opt-in IP
    """,
}


def columns_of(name: str) -> dict[str, str]:
    """Return the columns of an export with their targets."""
    lines = EXPORTS[name].split("\n")
    entries = (entry.strip() for line in lines if line.strip() for entry in line.split(";"))
    return {column: target for column, _, target in (entry.partition("=") for entry in entries)}


def export(name: str) -> ColumnMapping:
    """Map the columns of an export."""
    return map_columns([*columns_of(name)])


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_are_recognised(name: str) -> None:
    """Every column of a system gets its target, and nothing stops."""
    mapping = export(name)
    pairs = dict(mapping.pairs)
    assert columns_of(name) == {column: pairs.get(column, "") for column in mapping.headers}


@pytest.mark.parametrize("name", EXPORTS)
def test_the_order_of_columns_does_not_matter(name: str) -> None:
    """What a column means does not depend on where it stands."""
    mapping = export(name)
    turned = map_columns(mapping.headers[::-1])
    assert dict(turned.pairs) == dict(mapping.pairs)
    assert turned.words == mapping.words


def cell(mapping: ColumnMapping, column: str, text: str) -> str | None:
    """Return what a cell of a consent column says."""
    target = dict(mapping.pairs)[column]
    return read_word(text, target, mapping.words.get(column, {}))


@pytest.mark.parametrize(
    ("name", "column", "cells"),
    [
        ("Brevo", "EMAIL_BLACKLISTED", {"Yes": "blacklisted", "No": ""}),
        ("Mailchimp, cleaned", "CLEAN_TIME", {"": "", "2015-03-16 14:40:47": None}),
        ("Mailchimp, unsubscribed", "UNSUB_TIME", {"": "", "2019-01-02 03:04:05": None}),
        (
            "Klaviyo",
            "Email Marketing Consent",
            {
                "SUBSCRIBED": "",
                "NEVER_SUBSCRIBED": "not_subscribed",
                "UNSUBSCRIBED": "unsubscribed",
                "": "not_stated",
                "2024-01-01T00:00:00+00:00": None,
            },
        ),
        (
            "Klaviyo",
            "Email Suppressions",
            {
                "": "",
                "[]": "",
                "USER_SUPPRESSED": "blacklisted",
                "HARD_BOUNCE": "bounced",
                "['SPAM_COMPLAINT']": "complained",
                "INVALID_EMAIL; UNSUBSCRIBE": "blacklisted",
            },
        ),
        (
            "HubSpot",
            "Marketing contact status",
            {"Marketing contact": "", "Non-marketing contact": "not_subscribed", "true": ""},
        ),
        ("HubSpot", "Unsubscribed from all email", {"Yes": "unsubscribed", "No": "", "": ""}),
        ("HubSpot", "Email hard bounce reason", {"": "", "Unknown user": "bounced"}),
        (
            "HubSpot, unsubscribes and bounces",
            "Portal Bounce",
            {"TRUE": "bounced", "FALSE": "", "Mailbox full": "bounced"},
        ),
        (
            "HubSpot, unsubscribes and bounces",
            "Portal Spam Report",
            {"TRUE": "complained", "FALSE": "", "": ""},
        ),
        (
            "Salesforce",
            "HasOptedOutOfEmail",
            {"true": "unsubscribed", "false": "", "1": "unsubscribed"},
        ),
        ("Salesforce", "IsEmailBounced", {"true": "bounced", "false": "", "0": ""}),
        ("Shopify", "Accepts Email Marketing", {"yes": "", "no": "not_subscribed"}),
        ("PrestaShop 1.6", "News.", {"1": "", "0": "not_subscribed"}),
        (
            "Shopware 6",
            "status",
            {"optIn": "", "direct": "", "optOut": "unsubscribed", "notSet": "pending"},
        ),
        ("JTL", "cNewsletter", {"Y": "", "N": "not_subscribed"}),
        (
            "MailPoet",
            "Global status",
            {
                "subscribed": "",
                "unconfirmed": "pending",
                "unsubscribed": "unsubscribed",
                "bounced": "bounced",
                "inactive": "inactive",
            },
        ),
        ("modified and Gambio, recipients", "mail_status", {"1": "", "0": "pending"}),
        ("OXID", "OXDBOPTIN", {"0": "not_subscribed", "1": "", "2": "pending"}),
        ("OXID", "OXEMAILFAILED", {"0": "", "1": "bounced"}),
        (
            "Magento, list",
            "Status",
            {
                "Subscribed": "",
                "Not Activated": "pending",
                "Unconfirmed": "pending",
                "Unsubscribed": "unsubscribed",
            },
        ),
        (
            "Magento, table",
            "subscriber_status",
            {"1": "", "2": "pending", "3": "unsubscribed", "4": "pending", "3.0": "unsubscribed"},
        ),
        (
            "rapidmail",
            "status",
            {"active": "", "new": "pending", "abused": "complained", "deleted": "deleted"},
        ),
        ("CleverReach", "bounced", {"0": "", "": "", "1": "bounced", "1706745600": None}),
        ("German table", "Gesperrt", {"ja": "blacklisted", "nein": "", "x": "blacklisted"}),
        ("German table", "Double-Opt-In", {"ja": "", "nein": "pending", "": "pending"}),
    ],
)
def test_cells_of_systems(name: str, column: str, cells: dict[str, str | None]) -> None:
    """The words and numbers that a system writes."""
    mapping = export(name)
    assert cells == {text: cell(mapping, column, text) for text in cells}


def test_special_words_belong_to_the_header() -> None:
    """They apply if somebody maps the column, too, but only as consent."""
    columns = ["email", "OXDBOPTIN"]
    assert map_columns(columns, {"OXDBOPTIN": "unsubscribed"}).words["OXDBOPTIN"]["2"] == "pending"
    assert map_columns(columns, {"OXDBOPTIN": "attributes.optin"}).words == {}
    assert map_columns(["email", "X"], {"X": "subscribed"}).words == {}


@pytest.mark.parametrize(
    ("columns", "targets"),
    [
        ("E-Mail;Double-Opt-In", ("activated",)),
        ("E-Mail;Bestätigt am;Confirmed", ("activated", "subscribed")),
        ("E-Mail;Confirmed;Bestätigt am", ("subscribed", "activated")),
        ("E-Mail;Abgemeldet am;Opt-Out-Datum", ("deactivated", "unsubscribed")),
        ("E-Mail;Abgemeldet", ("unsubscribed",)),
        ("E-Mail;Erstellt am;Angemeldet am", ("", "registered")),
        ("E-Mail;Newsletter;Werbeeinwilligung", ("subscribed", "subscribed")),
    ],
)
def test_a_second_column_of_a_time_is_not_lost(columns: str, targets: tuple[str, ...]) -> None:
    """The preferred one is the time; the other still says that somebody left, or has to confirm."""
    mapping = map_columns(columns.split(";"))
    assert targets == tuple(dict(mapping.pairs).get(name, "") for name in mapping.headers[1:])


def test_a_mapped_column_does_not_replace_another_consent_column() -> None:
    """Whoever said no in one of them does not want mail."""
    columns = ["E-Mail", "Newsletter", "DOI am", "Status"]
    mapping = map_columns(columns, {"Status": "subscribed"})
    assert dict(mapping.pairs) == {
        "E-Mail": "email",
        "Newsletter": "subscribed",
        "DOI am": "activated",
        "Status": "subscribed",
    }
    mapping = map_columns(columns, {"Status": "activated"})
    assert dict(mapping.pairs)["DOI am"] == "subscribed"
    assert mapping.words["DOI am"][""] == "pending"


@pytest.mark.parametrize(
    ("columns", "absent"),
    [
        ("email;status;subscribed_at", "status"),
        ("email;added", "added"),
        ("email;Type", "Type"),
        ("email;Newsletter;status", "status"),
        ("email;mail_key;Newsletter;Registration", "Registration"),
        ("email;state;confirmedAt", "state"),
        ("email;Newsletter;Opt.", "Opt."),
        ("email;OXSUBSCRIBED;Newsletter", "OXSUBSCRIBED"),
    ],
)
def test_some_headers_mean_something_only_beside_others(columns: str, absent: str) -> None:
    """A state of the USA is not the state of a subscription."""
    mapping = map_columns(columns.split(";"), check_consent=False)
    assert absent in mapping.left_out


def test_an_invoice_address_is_the_second_choice() -> None:
    """It may be somebody else's, so it is used only where there is no other."""
    assert dict(map_columns(["billing_email"]).pairs) == {"billing_email": "email"}
    assert map_columns(["user_email", "billing_email"]).left_out == ("billing_email",)
    with pytest.raises(SourceError, match="may hold the e-mail address"):
        map_columns(["billing_email", "Rechnungs-E-Mail"])
    with pytest.raises(SourceError, match="no column is recognised"):
        map_columns(["Partner-E-Mail", "Firmen-E-Mail"])


def test_the_identity_names_every_consent_column() -> None:
    """A changed decision reads other rows."""
    columns = ["E-Mail", "Newsletter", "Status"]
    one = map_columns(columns, {"Status": "-"}).identity()
    two = map_columns(columns, {"Status": "subscribed"}).identity()
    assert one != two
    assert one["columns"] == {"E-Mail": "email", "Newsletter": "subscribed"}
