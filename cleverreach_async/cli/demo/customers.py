"""The customers of the demo: invented, and exported as a German shop does it."""

import csv
import io
from collections.abc import Iterator
from typing import Final

__all__ = ["BROKEN_ROWS", "ROWS", "customer_file"]

ROWS: Final = 500

_HEADER: Final = (
    *("Kundennummer", "E-Mail-Adresse", "Anrede", "Vorname", "Nachname", "Straße", "PLZ", "Ort"),
    *("Registriert am", "Newsletter bestätigt am", "Umsatz", "Bemerkung"),
)
_FIRST_NAMES: Final = (
    *(("Frau", "Dörte"), ("Herr", "Jörg"), ("Frau", "Käthe"), ("Herr", "Emil"), ("Frau", "Zoë")),
    *(("Herr", "Günther"), ("Frau", "Nele"), ("Herr", "René"), ("Frau", "Anna"), ("Herr", "Uwe")),
    ("Frau", "Maïté"),
)
_LAST_NAMES: Final = (
    *("Müller", "Großmann", "Jäger", "Petersen", "Rößler", "Yildiz", "von der Heide", "Schäfer"),
    *("Özdemir", "Weiß", "Clément", "Hübner", "Nowak"),
)
_PLACES: Final = (
    *(("01067", "Dresden"), ("24103", "Kiel"), ("50667", "Köln"), ("80331", "München")),
    *(("04109", "Leipzig"), ("90402", "Nürnberg"), ("06108", "Halle (Saale)")),
)
_STREETS: Final = ("Hauptstraße", "Gartenweg", "Am Süßen Grund", "Mühlgasse", "Schloßplatz")
_REMARKS: Final = {
    3: "Stammkunde; zahlt per Rechnung",
    11: "Lieferung an Nachbarn\r\nbitte klingeln",
    17: 'nennt sich "Käpt\'n"',
}
"""Remarks by the remainder of the customer's number; they have separators, quotes and lines."""

_BROKEN: Final = {
    97: "",
    161: "kunde162.example.org",
    222: "kunde223@@example.org",
    303: "kunde 304@example.org",
    358: "kunde359@",
    450: "KUNDE440@EXAMPLE.ORG",
}
"""Addresses that cannot be used, by the index of the row; the last is that of an earlier row."""

_IMPOSSIBLE_DAY: Final = 407

BROKEN_ROWS: Final = len(_BROKEN) + 1


def customer_file() -> bytes:
    """Return the file: semicolons, Windows-1252, CRLF and German dates; always the same."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";")
    writer.writerow(_HEADER)
    writer.writerows(_customer(index) for index in range(ROWS))
    return text.getvalue().encode("cp1252")


def _customer(index: int) -> Iterator[str]:
    title, first_name = _FIRST_NAMES[index % len(_FIRST_NAMES)]
    zip_code, place = _PLACES[index % len(_PLACES)]
    day, month, year = 1 + index % 28, 1 + index % 12, 2018 + index % 7
    registered = f"{day:02}.{month:02}.{year}"
    yield str(10001 + index)
    yield _BROKEN.get(index, f"kunde{index + 1}@example.org")
    yield title
    yield first_name
    yield _LAST_NAMES[index % len(_LAST_NAMES)]
    yield f"{_STREETS[index % len(_STREETS)]} {1 + index % 119}"
    yield zip_code
    yield place
    yield f"31.02.{year}" if index == _IMPOSSIBLE_DAY else registered
    yield f"{registered} {8 + index % 12:02}:{index % 60:02}"
    yield f"{index * 37 % 900},{index * 53 % 100:02}"
    yield _REMARKS.get(index % 23, "")
