"""``cleverreach verify``."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]


@pytest.fixture
def people(workdir: Path, run: Run, account: str) -> Path:
    """A file of three people, whose column needs a mapping, that was imported."""
    path = workdir / "people.csv"
    rows = ["E-Mail;Größe", *(f"r{number}@example.org;{number}" for number in range(3)), ""]
    path.write_text("\n".join(rows), "utf-8")
    words = ("--group", "Kunden", "--create", "--map", "Größe=size")
    assert run("import", "people.csv", *words).exit_code == 0
    return path


@pytest.mark.socket
def test_equal(run: Run, people: Path) -> None:
    """Status 0, with the same options for columns as the import."""
    result = run("verify", "people.csv", "--group", "Kunden", "--map", "Größe=size")
    assert 0 == result.exit_code
    assert "is as the file says: 3 rows, 3 receivers, 3 equal." in result.stdout
    assert "Größe   ->  size" in result.stderr


@pytest.mark.socket
def test_differences(run: Run, people: Path, workdir: Path) -> None:
    """Status 2, with counts, fields, samples and the file."""
    text = people.read_text("utf-8").replace("r1@example.org;1", "r1@example.org;9")
    people.write_text(text.replace("r2@", "r7@") + "kaputt;1\n", "utf-8")
    words = ("people.csv", "--group", "Kunden", "--map", "Größe=size")
    result = run("verify", *words, "--differences", "d.jsonl")
    assert 2 == result.exit_code
    for line in (
        "differs from the file: 4 rows, 3 receivers, 1 equal.",
        "  1 missing in the group",
        "  1 different",
        "  1 beyond the file",
        "  1 unreadable rows, which an import rejects",
        "  1 global_attributes.size",
        "  different r1@example.org (line 3): global_attributes.size: '9' in the file, '1' in the",
        "  missing r7@example.org (line 4)",
        "All differences are in d.jsonl.",
    ):
        assert line in result.stdout
    kinds = [json.loads(it)["kind"] for it in (workdir / "d.jsonl").read_text().splitlines()]
    assert ["unreadable", "different", "beyond", "missing"] == kinds
    again = run("verify", *words, "--differences", "d.jsonl")
    assert (1, True) == (again.exit_code, "d.jsonl exists already" in again.stderr)
    assert 2 == run("verify", *words, "--differences", "d.jsonl", "--overwrite").exit_code


@pytest.mark.socket
def test_differences_as_json(run: Run, people: Path) -> None:
    """The counters of the report, and the samples."""
    result = run("verify", "people.csv", "--group", "Kunden", "--map", "Größe=tall", "--json")
    found = json.loads(result.stdout)
    assert (2, False, "Kunden", 3, 3) == (
        result.exit_code,
        found["is_equal"],
        found["group_name"],
        found["different"],
        found["fields"]["global_attributes.tall"],
    )
    assert ["0", ""] == found["samples"][0]["fields"]["global_attributes.tall"]


@pytest.mark.socket
def test_unknown_group(run: Run, people: Path) -> None:
    """It is not created."""
    result = run("verify", "people.csv", "--group", "Kuden")
    assert 1 == result.exit_code
    assert "Unknown group 'Kuden'; did you mean 'Kunden'" in result.stderr
