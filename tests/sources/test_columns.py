"""The target of each column."""

from collections.abc import Mapping

import pytest

from cleverreach_async import ConfigurationError, SourceError
from cleverreach_async.sources.columns import ColumnMapping, map_columns

GERMAN = (
    *("Kundennummer", "E-Mail-Adresse", "Anrede", "Vorname", "Nachname", "Firma", "Straße"),
    *("PLZ", "Ort", "Land", "Geburtsdatum", "Registriert am", "Newsletter bestätigt am"),
)


def target_of(header: str) -> str:
    """Return the target of a column beside an address."""
    mapping = map_columns(["E-Mail", header])
    return dict(mapping.pairs).get(header, "")


def test_a_german_export_is_recognised() -> None:
    """All columns of a typical export have a target, in the file's order."""
    mapping = map_columns(GERMAN)
    expected = (
        *("customer_number", "email", "salutation", "firstname", "lastname", "company"),
        *("street", "zip", "city", "country", "birthday", "registered", "activated"),
    )
    assert expected == tuple(target for _, target in mapping.pairs)
    assert mapping.left_out == ()
    assert mapping.headers == GERMAN


def test_attributes_come_with_their_type() -> None:
    """The caller can create the definitions that are missing."""
    mapping = map_columns(
        ["E-Mail", "Vorname", "Geschlecht", "Geburtstag", "Filiale", "Termin"],
        {"Filiale": "attributes.branch", "Termin": "attributes.visit"},
        date_attributes={"attributes.visit", "of_no_column"},
    )
    assert mapping.global_attributes == {
        "firstname": "text",
        "gender": "gender",
        "birthday": "date",
    }
    assert mapping.group_attributes == {"branch": "text", "visit": "date"}


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("Strasse", "street"),
        ("STRASSE:", "street"),
        ("straße", "street"),
        ("Stra\u00dfe ", "street"),
        ("Bestaetigt am", "activated"),
        ("Besta\u0308tigt am", "activated"),
        ("double opt in am", "activated"),
        ("first_name", "firstname"),
        ("FirstName", "firstname"),
        ("Last Name", "lastname"),
        ("Name", ""),
        ("surname", "lastname"),
        ("Hausnummer", "house_number"),
        ("Postleitzahl", "zip"),
        ("postcode", "zip"),
        ("Stadt", "city"),
        ("created_at", "registered"),
        ("Signup Date", "registered"),
        ("Kunde seit", "registered"),
        ("confirmed-at", "activated"),
        ("Unsubscribed at", "deactivated"),
        ("Herkunft", "source"),
        ("Schlagwoerter", "tags"),
        ("Customer Number", "customer_number"),
        ("language", "language"),
        ("Lieblingsfarbe", ""),
        ("", ""),
    ],
)
def test_headers_are_recognised_in_many_spellings(header: str, target: str) -> None:
    """Case, blanks, punctuation and the spelling of umlauts do not matter."""
    assert target == target_of(header)


@pytest.mark.parametrize(
    "header", ["E-Mail", "e-mail", "EMail", "E-Mail-Adresse", "Mail", "Email Address", "email"]
)
def test_the_address_is_recognised_in_many_spellings(header: str) -> None:
    """Of all columns the address must be found."""
    assert map_columns([header]).pairs == ((header, "email"),)


def test_unknown_columns_are_reported() -> None:
    """Nothing is ignored silently."""
    assert map_columns(["E-Mail", "Umsatz", "Vorname", "Notiz"]).left_out == ("Umsatz", "Notiz")


def test_the_preferred_header_is_used() -> None:
    """Of two columns with the same meaning the preferred header is used and the other reported."""
    mapping = map_columns(["E-Mail", "Name", "Nachname", "Stadt", "Ort", "Vorname"])
    assert dict(mapping.pairs) == {
        "E-Mail": "email",
        "Nachname": "lastname",
        "Ort": "city",
        "Vorname": "firstname",
    }
    assert mapping.left_out == ("Name", "Stadt")


def test_name_is_the_last_name_beside_a_first_name() -> None:
    """Alone it is the whole name, which is no last name."""
    assert target_of("Name") == ""
    mapping = map_columns(["E-Mail", "Vorname", "Name"])
    assert dict(mapping.pairs)["Name"] == "lastname"


def test_the_callers_mapping_overrides_recognition() -> None:
    """A mapped column gets its target, and the recognised column of that target is left out."""
    mapping = map_columns(
        ["E-Mail", "Kontakt", "Vorname", "Ort"],
        {"kontakt": " Email ", "Vorname": "Rufname", "Ort": "-"},
    )
    assert dict(mapping.pairs) == {"Kontakt": "email", "Vorname": "rufname"}
    assert mapping.left_out == ("E-Mail", "Ort")


def test_an_exact_name_is_preferred_to_one_in_other_case() -> None:
    """A file may have both ``code`` and ``Code``."""
    mapping = map_columns(["email", "code", "Code"], {"Code": "voucher"})
    assert dict(mapping.pairs) == {"email": "email", "Code": "voucher"}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"Umsätze": "revenue"}, ("no column 'Umsätze'", "mean 'Umsatz'", "'E-Mail', 'Umsatz'")),
        ({"Umsatz": "orders"}, ("unknown target 'orders'", "'E-Mail', 'Umsatz'")),
        ({"Umsatz": "bounced"}, ("unknown target 'bounced'",)),
        ({"Umsatz": "attributes."}, ("unknown target",)),
        ({"Umsatz": "attributes.source"}, ("unknown target",)),
        ({"Umsatz": "group.x"}, ("unknown target",)),
        ({"Umsatz": "two words"}, ("attributes.NAME",)),
        ({"Umsatz": "code", "code": "code"}, ("two columns", "'code'")),
        ({"UMSATZ": "a", "umsatz": "b"}, ("'Umsatz' is mapped twice",)),
        ({"CODE": "voucher"}, ("any of the columns 'code', 'Code'",)),
    ],
)
def test_an_invalid_mapping_is_refused(columns: Mapping[str, str], words: tuple[str, ...]) -> None:
    """The message lists the columns of the file."""
    with pytest.raises(ConfigurationError) as caught:
        map_columns(["E-Mail", "Umsatz", "code", "Code"], columns)
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize("columns", [{}, {"Kontakt": "source"}])
def test_without_an_address_the_message_names_a_remedy(columns: Mapping[str, str]) -> None:
    """The message shows the headers and the option."""
    with pytest.raises(SourceError, match=r"'Vorname', 'Kontakt'.*--map COLUMN=email") as caught:
        map_columns(["Vorname", "Kontakt"], columns, path="a.csv")
    assert caught.value.path == "a.csv"


def test_two_columns_of_addresses_are_refused() -> None:
    """The wrong address would send mail to the wrong people."""
    with pytest.raises(SourceError, match="'E-Mail', 'Mail' may hold the e-mail address"):
        map_columns(["E-Mail", "Mail"])
    assert isinstance(map_columns(["E-Mail", "Mail"], {"Mail": "email"}), ColumnMapping)
    assert map_columns(["E-Mail", "Mail"], {"Mail": ""}).pairs == (("E-Mail", "email"),)


def test_a_row_in_place_of_the_header_is_not_shown() -> None:
    """The message says that the header is missing, and shows no address."""
    with pytest.raises(SourceError, match="looks like a row") as caught:
        map_columns(["ann@example.org", "Ann"])
    assert "ann@" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("global_attributes.shoe", "shoe"),
        ("attributes.shoe", "attributes.shoe"),
        ("attributes.tags", "attributes.tags"),
        ("attributes.größe", "attributes.größe"),
        ("global_attributes.newsletter", "newsletter"),
        ("global_attributes.tags", ""),
        ("global_attributes.registered", ""),
        ("attributes.email", ""),
        ("attributes.", ""),
        ("attributes.Shoe size", ""),
        ("Attributes.Shoe", ""),
    ],
)
def test_columns_of_an_export_name_their_attribute(header: str, target: str) -> None:
    """With a prefix; a name that would mean a field is left out, and shown as such."""
    assert target == target_of(header)


def test_callers_mapping_overrides_a_column_of_an_export() -> None:
    """Neither the column nor the target is used twice."""
    headers = ["E-Mail", "global_attributes.shoe", "attributes.size", "Schuh"]
    mapping = map_columns(headers, {"Schuh": "shoe", "attributes.size": "-"})
    assert (("E-Mail", "email"), ("Schuh", "shoe")) == mapping.pairs
