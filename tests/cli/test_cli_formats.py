"""Files that are not plain CSV: workbooks, compressed files, standard input, other encodings."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.workbooks import write_workbook
from typer.testing import CliRunner, Result

from cleverreach_async.cli.app import app

Run = Callable[..., Result]
Pipe = Callable[..., Result]

TO_GROUP = ("--group", "Newsletter", "--create", "--sandbox")
ROWS = "E-Mail;Vorname;Vertrag\r\nann@example.org;Jörg;01.02.2024\r\nben@example.org;Ben;\r\n"


@pytest.fixture
def pipe(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Pipe:
    """Runs the command with standard input, and keeps temporary files in a folder of its own."""
    folder = workdir / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    def pipe(content: bytes, *words: str) -> Result:
        result = CliRunner().invoke(app, [*words], input=content, catch_exceptions=False)
        assert [] == list(folder.iterdir())
        return result

    return pipe


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (ROWS.encode(), "standard input: utf-8, column separator ';'"),
        (ROWS.encode("cp1252"), "standard input: cp1252, column separator ';'"),
        (gzip.compress(ROWS.encode(), mtime=0), "standard input: utf-8, column separator"),
        (b'{"email": "ann@example.org"}\n{"email": "b@example.org"}', "input: JSON Lines"),
        (b'[{"email": "ann@example.org"}, {"email": "b@example.org"}]', "input: JSON list"),
    ],
)
def test_standard_input_is_read(pipe: Pipe, content: bytes, words: str) -> None:
    """Its format is detected, and no temporary file remains."""
    result = pipe(content, "import", "-", *TO_GROUP)
    assert (0, True) == (result.exit_code, "2 accepted" in result.stdout)
    assert words in result.stderr


def test_standard_input_is_read_once_more_for_dates(pipe: Pipe) -> None:
    """The dry run reads all rows; so does the import after the attributes are known."""
    result = pipe(ROWS.encode(), "import", "-", *TO_GROUP, "--dry-run", "--map", "Vertrag=contract")
    assert 0 == result.exit_code


def test_empty_standard_input_is_refused(pipe: Pipe) -> None:
    """Nothing was piped into the command."""
    result = pipe(b"", "import", "-", *TO_GROUP)
    assert (1, True) == (result.exit_code, "standard input: the file is empty" in result.stderr)


def test_standard_input_cut_in_compressed_form_is_refused(pipe: Pipe) -> None:
    """Rows would be missing."""
    result = pipe(gzip.compress(ROWS.encode())[:-9], "import", "-", *TO_GROUP)
    assert (1, True) == (result.exit_code, "damaged or cut" in result.stderr)


def test_a_sheet_is_imported(run: Run, workdir: Path, pipe: Pipe) -> None:
    """By name if several have rows; also from standard input."""
    content = io.BytesIO()
    names = ("Kunden", "Filiale")
    sheets: dict[str, list[list[Any]]] = {
        name: [["E-Mail", "PLZ"], [f"{name}@example.org", 1067]] for name in names
    }
    write_workbook(content, sheets)
    (workdir / "customers.xlsx").write_bytes(content.getvalue())

    refused = run("import", "customers.xlsx", *TO_GROUP)
    assert (1, True) == (refused.exit_code, "'Kunden', 'Filiale'; choose" in refused.stderr)
    words = (*TO_GROUP, "--sheet", "Filiale", "--report", "report.html")
    for result in (
        run("import", "customers.xlsx", *words),
        pipe(content.getvalue(), "import", "-", *words),
    ):
        assert (0, True) == (result.exit_code, "1 accepted" in result.stdout)
        assert "Excel, sheet 'Filiale'" in result.stderr
        assert "Filiale" in (workdir / "report.html").read_text("utf-8")


def test_a_compressed_file_is_imported(run: Run, workdir: Path) -> None:
    """By its name as users write it."""
    (workdir / "customers.csv.gz").write_bytes(gzip.compress(ROWS.encode()))
    result = run("import", "customers.csv.gz", *TO_GROUP, "--json")
    assert (0, 2) == (result.exit_code, json.loads(result.stdout)["accepted"])


def test_another_encoding_is_named_and_then_used(run: Run, workdir: Path) -> None:
    """The option is in the message, and no value of a cell."""
    content = "E-Mail;Vorname;Ort\rann@example.org;Jürgen;Köln\r".encode("mac_roman")
    (workdir / "mac.csv").write_bytes(content)
    refused = run("import", "mac.csv", *TO_GROUP)
    assert (1, True) == (refused.exit_code, "--encoding mac_roman" in refused.stderr)
    assert "rgen" not in refused.stderr
    assert 0 == run("import", "mac.csv", *TO_GROUP, "--encoding", "mac_roman").exit_code
