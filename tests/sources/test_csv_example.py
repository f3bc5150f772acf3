"""The example file: what its script writes, and what the reader returns."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from cleverreach_async import BadRow, ReceiverInput
from cleverreach_async.sources import read_csv

EXAMPLES = Path(__file__).parents[2] / "examples"
FILE = EXAMPLES / "customers.csv"


def generate(path: Path, *options: str) -> str:
    """Run the script and return what it prints."""
    command = [sys.executable, str(EXAMPLES / "generate_customers.py"), "-o", str(path), *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603


def printed_counts(summary: str) -> list[int]:
    """Return the counts of a summary, one kind per line."""
    return [int(number) for number in re.findall(r"^ +(\d+)  ", summary, re.MULTILINE)]


def kind_of_address(email: str) -> str:
    """Say what is wrong with an address, in the script's order of kinds."""
    local, at, domain = email.partition("@")
    if not at:
        return "no_at"
    if "@" in domain:
        return "two_at"
    if " " in local:
        return "blank_inside"
    return "" if domain else "missing_domain"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The file that the script writes, and its output."""
    path = tmp_path_factory.mktemp("example") / "made.csv"
    return path, generate(path)


def test_the_file_is_what_the_script_writes(made: tuple[Path, str]) -> None:
    """Byte for byte, on every platform and version of Python."""
    assert made[0].read_bytes() == FILE.read_bytes()


def test_the_bad_rows_are_as_many_as_the_script_says(made: tuple[Path, str]) -> None:
    """The reader detects two kinds; the importer detects the others."""
    items = list(read_csv(FILE))
    found: Counter[str] = Counter()
    seen: set[str] = set()
    for item in items:
        if isinstance(item, BadRow):
            found[item.code] += 1
            continue
        email = item.receiver.email
        found[kind_of_address(email)] += 1
        found["duplicate"] += email.casefold() in seen
        seen.add(email.casefold())
    empty, no_at, two_at, blank, no_domain, near, far, date = printed_counts(made[1])
    assert len(items) == 5400
    assert (empty, date) == (found["missing_email"], found["invalid_date"])
    assert (no_at, two_at) == (found["no_at"], found["two_at"])
    assert (blank, no_domain) == (found["blank_inside"], found["missing_domain"])
    assert near + far == found["duplicate"]
    assert 40 <= sum(printed_counts(made[1])) <= 70


def test_the_file_is_as_shops_export_it() -> None:
    """Windows-1252, semicolons, CRLF, at most a megabyte."""
    source = read_csv(FILE)
    assert (source.encoding, source.delimiter) == ("cp1252", ";")
    assert source.size <= 1_000_000
    assert source.mapping is not None
    assert source.mapping.left_out == ("Umsatz", "Bemerkung")
    receivers = [item.receiver for item in source if not isinstance(item, BadRow)]
    values = [dict(row.global_attributes or {}) for row in receivers]
    assert any(row["zip"] == "01067" for row in values)
    assert {'Bäckerei "Zur Mühle"', "Holz & Söhne; Tischlerei"} <= {
        row.get("company") for row in values
    }
    assert all(is_confirmed_later(row) for row in receivers)


def is_confirmed_later(row: ReceiverInput) -> bool:
    """Whether the person signed up first and confirmed later."""
    registered, activated = row.registered, row.activated
    return isinstance(registered, int) and isinstance(activated, int) and registered <= activated


def test_all_addresses_are_invented() -> None:
    """All domains are reserved for examples."""
    domains = {
        item.receiver.email.rpartition("@")[2].lower()
        for item in read_csv(FILE)
        if not isinstance(item, BadRow) and item.receiver.email.count("@")
    }
    reserved = re.compile(r"(example\.(org|com|net)|[\w.-]+\.example)?")
    assert [domain for domain in domains if not reserved.fullmatch(domain)] == []


def test_another_seed_and_size(tmp_path: Path) -> None:
    """Any size; the same seed creates the same customers, another seed others."""
    paths = [tmp_path / name for name in ("one.csv", "two.csv", "three.csv")]
    summaries = [
        generate(path, "--rows", "300", "--seed", seed, "--bad", "0.2")
        for path, seed in zip(paths, ("1", "1", "2"), strict=True)
    ]
    one, two, three = (path.read_bytes() for path in paths)
    assert one == two != three
    assert len(list(read_csv(paths[0]))) == 300
    assert 30 <= sum(printed_counts(summaries[0])) <= 90


@pytest.mark.parametrize("rows", ["0", "60", "61"])
def test_small_files(tmp_path: Path, rows: str) -> None:
    """A file without rows is valid too."""
    generate(tmp_path / "small.csv", "--rows", rows)
    assert len(list(read_csv(tmp_path / "small.csv"))) == int(rows)
