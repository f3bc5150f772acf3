"""A thousand files of all dialects, encodings and quirks, whole and damaged, with a known truth.

A whole file is read in full, or refused as a whole with its encoding named. Of a damaged file no
row is sent with values that are not its own.
"""

import gzip
import random
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pytest
from support.csv_dialects import Row, make_dialect

from cleverreach_async import SourceError, read_rows
from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.intake.preparation import Preparation
from cleverreach_async.bulk.rows import EncodedRow, RowResult

NOW: Final = 1_780_000_000
BERLIN: Final = ZoneInfo("Europe/Berlin")
FIRST = ("Jürgen", "Ann", "Jörg", "Käthe", "Zoë", "Ben", "Größe", "Søren", "Anaïs", "René")
LAST = ("Müller", "Weiß", "O'Neil", "von Berg", "Schäfer", "Ångström", "Núñez", "Alt", "Böhm")
CITIES = ("Köln", "Münster", "Bad Ems", "Görlitz", "Kiel", "Genève", "Österbymo")
COMPANIES = ("", "Müller; Söhne", 'Zum "Löwen"', "A, B und C", "one\ntwo; three", "B GmbH")
ZIPS = ("01067", "24103", "50667", "00123")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252", "iso8859-15", "mac_roman", "cp850", "cp437")
NAMED = frozenset({"mac_roman", "cp850", "cp437", "iso8859-15"})
YES = ("ja", "Ja", "yes", "1", "x", "true", "WAHR", "oui", "angemeldet", "optIn")
NO = ("nein", "no", "0", "FALSE", "falsch", "abgemeldet", "unsubscribed", "cleaned", "Opt-Out")
PENDING = ("pending", "unbestätigt", "unconfirmed", "ausstehend")
DATES = ("%d.%m.%Y", "%Y-%m-%d", "%d.%m.%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%d.%m.%y")
NOTHING = ("", "", "", "NULL", "#NV", "\\N")


SUBSCRIBED = {"yes": YES, "no": NO, "pending": PENDING, "nothing": NOTHING}
UNSUBSCRIBED = {"yes": ("", "nein", "0", "no", "NULL"), "no": ("ja", "1", "x", "gesperrt")}
TEXTS = {
    "Vorname": ("firstname", FIRST),
    "Nachname": ("lastname", LAST),
    "Ort": ("city", CITIES),
    "Firma": ("company", COMPANIES),
    "PLZ": ("zip", ZIPS),
}
NAMES = {**{column: name for column, (name, _) in TEXTS.items()}, "Geburtsdatum": "birthday"}
COLUMNS = (*NAMES, "Registriert am", "Tags")


@attrs.frozen
class File:
    """A file, and what has to be sent of it.

    Attributes:
        header: The columns.
        rows: The cells.
        truth: What is sent, by address; ``None`` for a row that is left out.
        content: The bytes.
        encoding: The encoding.
        title: Lines before the header.
    """

    header: Row
    rows: list[Row]
    truth: dict[str, dict[str, Any] | None]
    content: bytes
    encoding: str
    title: int


def make_file(seed: int, *, hurt: bool = False) -> File:
    """Invent a file; a damaged one has a cell less, a quote more, or an end too early."""
    chance = random.Random(seed)
    header, rows, truth = make_people(chance)
    dialect = make_dialect(chance)
    encoding = chance.choice(ENCODINGS)
    dialect = attrs.evolve(dialect, encoding=encoding)
    if hurt:
        rows.append([*rows[-1][:-1], ""])
        rows[-1][header.index("E-Mail")] = "last@example.org"
        truth["last@example.org"] = None
        dialect = attrs.evolve(dialect, drops=False, title=0, joined=0, ctrl_z=False)
    lines = dialect.lines(header, rows)
    if hurt:
        damage(chance, lines, dialect.delimiter)
    try:
        content = dialect.content(header, lines)
    except UnicodeEncodeError:  # not every letter is in every encoding
        encoding = "utf-8"
        content = attrs.evolve(dialect, encoding=encoding).content(header, lines)
    return File(header, rows, truth, content, encoding, dialect.title)


def make_people(chance: random.Random) -> tuple[Row, list[Row], dict[str, dict[str, Any] | None]]:
    """Invent people: header, cells, and what is sent."""
    consent = chance.choice(("", "Newsletter", "Abgemeldet"))
    names = ["Vorname", "Nachname", "PLZ", "Ort", "Firma", "Geburtsdatum", "Registriert am", "Tags"]
    header = [
        "E-Mail",
        *chance.sample(names, chance.randint(3, 8)),
        *([consent] if consent else []),
    ]
    chance.shuffle(header)
    form = chance.choice(DATES)
    is_wrapped = chance.random() < 0.3
    rows: list[Row] = []
    truth: dict[str, dict[str, Any] | None] = {}
    for number in range(chance.choice((3, 8, 25, 60))):
        email = f"p{number}@{chance.choice(('example.org', 'web.example'))}"
        cells, sent = make_person(chance, header, email, form, is_wrapped=is_wrapped)
        rows.append(cells)
        truth[email] = sent
    return header, rows, truth


def make_person(
    chance: random.Random, header: Row, email: str, form: str, *, is_wrapped: bool
) -> tuple[Row, dict[str, Any] | None]:
    """Invent the cells of a row, and what is sent of it."""
    cells, attributes = make_attributes(chance, form, is_wrapped=is_wrapped)
    cells["E-Mail"] = email
    sent: dict[str, Any] = {"email": email}
    kept = {NAMES[it] for it in header if it in NAMES}
    attributes = {name: value for name, value in attributes.items() if value and name in kept}
    if attributes:
        sent["global_attributes"] = attributes
    cells["Registriert am"], registered = make_time(chance, form)
    cells["Tags"], tags = make_tags(chance)
    if "Registriert am" in header:
        sent["registered"] = registered
    if "Tags" in header and tags:
        sent["tags"] = tags
    says = "yes"
    for column, words in (("Newsletter", SUBSCRIBED), ("Abgemeldet", UNSUBSCRIBED)):
        if column in header:
            says = chance.choice(("yes", *words))
            cells[column] = chance.choice(words[says])
    if says == "pending":
        sent.setdefault("registered", NOW)
    return [cells[column] for column in header], sent if says in {"yes", "pending"} else None


def make_attributes(
    chance: random.Random, form: str, *, is_wrapped: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """Invent values of attributes: as cells, and as they are sent."""
    cells: dict[str, str] = {}
    attributes: dict[str, str] = {}
    for column, (name, options) in TEXTS.items():
        cells[column] = attributes[name] = chance.choice(options)
    if is_wrapped:
        cells["PLZ"] = f'="{cells["PLZ"]}"'
    born = date(1930 + chance.randint(0, 70), chance.randint(1, 12), 17)
    attributes["birthday"] = born.isoformat()
    cells["Geburtsdatum"] = f"{born:%d.%m.%Y}" if form.startswith("%d") else born.isoformat()
    for column in ("Vorname", "Nachname", "PLZ", "Ort", "Geburtsdatum"):
        if chance.random() < 0.1:
            cells[column] = chance.choice(NOTHING)
            attributes.pop(NAMES[column])
    return cells, attributes


def make_time(chance: random.Random, form: str) -> tuple[str, int]:
    """Invent a time: as text, and in Unix seconds."""
    year, month = 2001 + chance.randint(0, 24), chance.randint(1, 12)
    text = datetime(year, month, 8, 14, 30, 5, tzinfo=BERLIN).strftime(form)
    read = datetime.strptime(text, form).replace(tzinfo=BERLIN)
    return text, int(read.timestamp())


def make_tags(chance: random.Random) -> tuple[str, list[str]]:
    """Invent tags: as text, and as a list."""
    tags: list[str] = [*chance.sample(("VIP", "Blog", "Kunde"), chance.randint(0, 2))]
    return str(chance.choice((",", ";", "|", ", "))).join(tags), tags


def damage(chance: random.Random, lines: list[str], delimiter: str) -> None:
    """Remove a cell, or add a quote, in one line."""
    number = chance.randrange(len(lines) - 1)
    line = lines[number]
    places = [it for it, sign in enumerate(line) if sign == delimiter]
    place = chance.choice(places)
    if chance.random() < 0.5:
        after = line.find(delimiter, place + 1)
        lines[number] = line[:place] + line[after if after > 0 else place :]
    else:
        lines[number] = f'{line[: place + 1]}"{line[place + 1 :]}'


def results_of(file: File, path: Path, **options: Any) -> list[EncodedRow | RowResult]:
    """Read a file, and prepare its rows for sending."""
    source = read_rows(path, skip_lines=file.title, **options)
    rows, results = Encoder(Preparation(now=NOW)).encode(items := list(source), range(len(items)))
    return [*rows, *results]


def read_or_refusal(file: File, path: Path) -> tuple[list[EncodedRow | RowResult], str]:
    """Read a file without its encoding; a refusal is returned as text."""
    try:
        return results_of(file, path), ""
    except SourceError as error:
        return [], str(error)


def sent_of(results: list[EncodedRow | RowResult]) -> dict[str, dict[str, Any] | None]:
    """What is sent, by address; ``None`` for a row that is left out."""
    found: dict[str, dict[str, Any] | None] = {}
    for row in results:
        if isinstance(row, EncodedRow):
            found[row.key] = msgspec.json.decode(row.body)
        elif row.outcome.value == "excluded":
            found[msgspec.json.decode(row.receiver)["email"]] = None
    return found


SEEDS = range(20)
FILES_PER_SEED = 50


@pytest.mark.parametrize("block", SEEDS)
def test_a_whole_file_is_read_in_full(block: int, tmp_path: Path) -> None:
    """Or it is refused, and the right encoding is among those that the error names."""
    path = tmp_path / "customers.csv"
    for seed in range(block * FILES_PER_SEED, (block + 1) * FILES_PER_SEED):
        file = make_file(seed)
        path.write_bytes(file.content)
        results, refusal = read_or_refusal(file, path)
        if refusal:
            assert file.encoding in NAMED, (seed, refusal)
            assert file.encoding in refusal, (seed, refusal)
            results = results_of(file, path, encoding=file.encoding)
        assert file.truth == sent_of(results), seed
        assert len(file.rows) == len(results), seed


@pytest.mark.parametrize("block", SEEDS)
def test_a_damaged_file_sends_no_wrong_value(block: int, tmp_path: Path) -> None:
    """Its rows are sent as they are, or rejected."""
    path = tmp_path / "customers.csv.gz"
    for seed in range(block * FILES_PER_SEED, (block + 1) * FILES_PER_SEED):
        file = make_file(seed, hurt=True)
        path.write_bytes(gzip.compress(file.content, 1))
        try:
            found = sent_of(results_of(file, path, encoding=file.encoding))
        except SourceError:
            continue
        for email, sent in found.items():
            if sent is not None and email in file.truth and email != "last@example.org":
                truth = file.truth[email]
                has_quote = any('"' in str(it) for it in sent.get("global_attributes", {}).values())
                assert truth == sent or has_quote, seed
