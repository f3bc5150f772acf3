"""Write a file of invented customers, as a German shop system exports them.

::

    python examples/generate_customers.py --rows 100000 -o /tmp/customers.csv

The file has semicolons, Windows-1252, CRLF and German dates. About one row in a hundred is bad: it
has no address, an invalid one, one that occurred before, or a day that does not exist. Memory does
not depend on the number of rows. The same seed writes the same file on every platform.
"""

import argparse
import csv
import random
import unicodedata
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")

ROWS: Final = 5400
SEED: Final = 7
BAD: Final = 0.01
OUTPUT: Final = Path(__file__).with_name("customers.csv")

HEADER: Final = (
    *("Kundennummer", "E-Mail-Adresse", "Anrede", "Vorname", "Nachname", "Firma", "Straße"),
    *("PLZ", "Ort", "Land", "Geburtsdatum", "Registriert am", "Newsletter bestätigt am"),
    *("Umsatz", "Bemerkung"),
)

WOMEN: Final = (
    *("Anna", "Britta", "Chloé", "Dörte", "Emilia", "Frauke", "Greta", "Hannelore", "Ingrid"),
    *("Jördis", "Käthe", "Leonie", "Maïté", "Nele", "Ottilie", "Petra", "Renée", "Sibylle"),
    *("Tomke", "Ursula", "Valerie", "Wiebke", "Yasemin", "Zoë"),
)
MEN: Final = (
    *("Arne", "Björn", "Cem", "Detlef", "Emil", "Friedrich", "Günther", "Holger", "Ivo", "Jörg"),
    *("Klaus", "Lukas", "Matthias", "Niels", "Oskar", "Piet", "René", "Sönke", "Thijs", "Uwe"),
    *("Volker", "Wolf", "Yannick", "Xaver"),
)
LAST_NAMES: Final = (
    *("Ackermann", "Bäumler", "Claßen", "Dörfler", "Ebeling", "Förster", "Großmann", "Hübner"),
    *("Iversen", "Jäger", "Krüger", "Löffler", "Müller", "Nägele", "Özdemir", "Petersen"),
    *("Quast", "Rößler", "Schäfer", "Thießen", "Uhlig", "Völker", "Weiß", "Yildiz"),
    *("Zöllner", "Buchholz", "Clément", "Dressler", "Eckert", "Feldmann", "Gerlach", "Hartwig"),
    *("Kornmüller", "Lindemann", "Meyer-Bürgel", "Nowak", "von der Heide", "Schüßler"),
)
STREETS: Final = (
    *("Hauptstraße", "Bahnhofstr.", "Gartenweg", "Mühlgasse", "Am Süßen Grund", "Lindenallee"),
    *("Große Bleiche", "Schloßplatz", "Zum Brückle", "Fährdamm", "Käthe-Kollwitz-Ring"),
)
PLACES: Final = (
    *(("01067", "Dresden"), ("04109", "Leipzig"), ("06108", "Halle (Saale)"), ("07743", "Jena")),
    *(("10115", "Berlin"), ("20095", "Hamburg"), ("24103", "Kiel"), ("33602", "Bielefeld")),
    *(("50667", "Köln"), ("52062", "Aachen"), ("65183", "Wiesbaden"), ("70173", "Stuttgart")),
    *(("80331", "München"), ("90402", "Nürnberg"), ("97070", "Würzburg"), ("99084", "Erfurt")),
)
COMPANIES: Final = (
    *('Bäckerei "Zur Mühle"', "Holz & Söhne; Tischlerei", "Nordlicht GmbH", "Farbenhaus KG"),
    *("Café Soleil", "Großhandel Süd GmbH & Co. KG"),
)
REMARKS: Final = (
    *("Stammkunde", "Bitte nur per E-Mail", "zahlt per Rechnung; Ziel 14 Tage"),
    *('nennt sich "Käpt\'n"', "Lieferung an Nachbarn\nbitte klingeln", "Größe XL, siehe Auftrag"),
    *("Angebot 12 %; Skonto 2 %\r\ngültig bis Monatsende", "Preis in € erfragt"),
)
DOMAINS: Final = (
    *("example.org", "example.com", "example.net", "post.example", "fernweh.example"),
    "schoene-dinge.example",
)

KINDS: Final = {
    "missing_email": "no e-mail address",
    "no_at": "address without @",
    "two_at": "address with two @",
    "blank_inside": "address with a blank inside",
    "missing_domain": "address without a domain",
    "near_duplicate": "address of a row shortly before, in other case",
    "far_duplicate": "address of a row much earlier, in other case",
    "impossible_date": "day that does not exist",
}

_NEAR: Final = 20
_EARLY: Final = 60
_NEWEST: Final = datetime(2025, 12, 31)  # noqa: DTZ001 - local time, as in the file
_YOUNGEST: Final = date(2007, 12, 31)


def main() -> None:
    """Write the file and print the number of bad rows."""
    parser = argparse.ArgumentParser(description="Write a file of invented customers.")
    parser.add_argument("--rows", type=int, default=ROWS, help="number of rows (%(default)s)")
    parser.add_argument(
        "--seed", type=int, default=SEED, help="seed of the random numbers (%(default)s)"
    )
    parser.add_argument("--bad", type=float, default=BAD, help="share of bad rows (%(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT, help="file (%(default)s)")
    options = parser.parse_args()
    counts = generate(options.output, rows=options.rows, seed=options.seed, bad=options.bad)
    print(f"{options.output}: {options.rows} rows, {sum(counts.values())} of them bad")
    for kind, meaning in KINDS.items():
        print(f"{counts[kind]:7}  {meaning}")


def generate(
    path: Path, *, rows: int = ROWS, seed: int = SEED, bad: float = BAD
) -> Mapping[str, int]:
    """Write a file and return the number of bad rows of each kind in ``KINDS``.

    Args:
        path: The file; an existing file is replaced.
        rows: Number of rows.
        seed: Another seed creates other customers.
        bad: Share of bad rows.
    """
    counts: Counter[str] = Counter()
    # newline="" keeps the CRLF of the writer.
    with path.open("w", encoding="cp1252", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(HEADER)
        for kind, row in customers(rows, random.Random(seed), bad):
            counts[kind] += bool(kind)
            writer.writerow(row.values())
    return counts


def customers(
    rows: int, chance: random.Random, bad: float
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Invent customers: the kind of bad row, or an empty string, and the row.

    Args:
        rows: Number of rows.
        chance: Source of random numbers.
        bad: Share of bad rows.
    """
    # Only addresses that duplicates need are kept, so memory does not grow with the rows.
    early: list[str] = []
    late: deque[str] = deque(maxlen=_NEAR)
    kinds = tuple(KINDS)
    bad_rows = 0
    for number in range(rows):
        row = _person(chance, number)
        kind = ""
        # The first rows are good, so that they can be duplicated; of the others more are bad.
        if number >= _EARLY and chance.random() < bad * rows / (rows - _EARLY):
            kind = kinds[bad_rows % len(kinds)]
            bad_rows += 1
            row |= _bad_cells(chance, kind, row, early, late)
        else:
            late.append(row["E-Mail-Adresse"])
            if number < _EARLY:
                early.append(row["E-Mail-Adresse"])
        yield kind, row


def _person(chance: random.Random, number: int) -> dict[str, str]:
    is_woman = chance.random() < 0.5  # noqa: PLR2004 - half of them
    first = _pick(chance, WOMEN if is_woman else MEN)
    last = _pick(chance, LAST_NAMES)
    zip_code, city = _pick(chance, PLACES)
    registered = _NEWEST - timedelta(minutes=_below(chance, 8 * 365 * 24 * 60))
    confirmed = registered + timedelta(minutes=1 + _below(chance, 2880))
    born = _YOUNGEST - timedelta(days=_below(chance, 60 * 365))
    return {
        "Kundennummer": str(10001 + number),
        "E-Mail-Adresse": _address(chance, first, last, number),
        "Anrede": "Frau" if is_woman else "Herr",
        "Vorname": first,
        "Nachname": last,
        "Firma": _rarely(chance, COMPANIES, 0.08),
        "Straße": f"{_pick(chance, STREETS)} {1 + _below(chance, 120)}",
        "PLZ": zip_code,
        "Ort": city,
        "Land": "Deutschland",
        "Geburtsdatum": f"{born:%d.%m.%Y}" if chance.random() < 0.7 else "",  # noqa: PLR2004
        "Registriert am": f"{registered:%d.%m.%Y}",
        "Newsletter bestätigt am": f"{confirmed:%d.%m.%Y %H:%M}",
        "Umsatz": f"{_below(chance, 900)},{_below(chance, 100):02}",
        "Bemerkung": _rarely(chance, REMARKS, 0.1),
    }


def _address(chance: random.Random, first: str, last: str, number: int) -> str:
    """Return an address that is unique because of the number."""
    pattern = _pick(chance, ("{first}.{last}{number}", "{last}{number}", "{first}{number}"))
    local = pattern.format(first=_plain(first), last=_plain(last), number=number + 1)
    return f"{local}@{_pick(chance, DOMAINS)}"


def _plain(name: str) -> str:
    text = name.lower().replace(" ", "-").replace("ß", "ss")
    text = text.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _bad_cells(
    chance: random.Random,
    kind: str,
    row: Mapping[str, str],
    early: Sequence[str],
    late: Sequence[str],
) -> dict[str, str]:
    """Return the cells that make a row bad."""
    address = row["E-Mail-Adresse"]
    local, _, domain = address.partition("@")
    if kind == "impossible_date":
        return {"Registriert am": "31.02.2024"}
    if kind == "near_duplicate":
        address = _pick(chance, late).upper()
    elif kind == "far_duplicate":
        address = _pick(chance, early).title()
    else:
        address = {
            "missing_email": "",
            "no_at": f"{local}.{domain}",
            "two_at": f"{local}@@{domain}",
            "blank_inside": f"{local} {len(local)}@{domain}",
            "missing_domain": f"{local}@",
        }[kind]
    return {"E-Mail-Adresse": address}


def _rarely(chance: random.Random, items: Sequence[str], share: float) -> str:
    return _pick(chance, items) if chance.random() < share else ""


def _pick(chance: random.Random, items: Sequence[T]) -> T:
    return items[_below(chance, len(items))]


def _below(chance: random.Random, end: int) -> int:
    # Only random() returns the same numbers in every version of Python.
    return int(chance.random() * end)


if __name__ == "__main__":
    main()
