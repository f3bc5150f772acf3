"""``cleverreach export``."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from cleverreach_async.sandbox import Fault, Faults, Sandbox

Run = Callable[..., Result]


@pytest.fixture
def group(run: Run, customers: Path, account: str) -> str:
    """The id of a group with 247 receivers."""
    run("import", str(customers), "--group", "Kunden", "--create", "--json")
    [found] = json.loads(run("groups", "--json").stdout)
    return str(found["id"])


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [*csv.DictReader(file)]


@pytest.mark.socket
def test_export_and_import_again(run: Run, workdir: Path, group: str) -> None:
    """By the name of the group; the file needs no mapping."""
    result = run("export", "--group", "Kunden", "-o", "k.csv")
    assert (0, "") == (result.exit_code, result.stderr)
    assert f"247 receivers of Kunden ({group}) written to k.csv.\n" == result.stdout
    rows = rows_of(workdir / "k.csv")
    assert ("kunde0@example.org", "Ada") == (
        rows[0]["email"],
        rows[0]["global_attributes.firstname"],
    )
    again = run("import", "k.csv", "--group", "Neu", "--create", "--json")
    report = json.loads(again.stdout)
    assert (247, ["id"]) == (report["accepted"], report["left_out"])


@pytest.mark.socket
def test_export_as_json(run: Run, workdir: Path, group: str) -> None:
    """The report has the counters; the format follows the suffix."""
    result = run("export", "--group", group, "-o", "k.jsonl", "--state", "inactive", "--json")
    report = json.loads(result.stdout)
    assert (0, "jsonl", "Kunden") == (report["receivers"], report["format"], report["group_name"])
    assert (workdir / "k.jsonl").read_bytes() == b""


@pytest.mark.socket
def test_failed_export_goes_on(run: Run, workdir: Path, group: str, sandbox: Sandbox) -> None:
    """The message says how, and nothing has the name of the file before it is complete."""
    run("export", "--group", group, "-o", "whole.csv")
    sandbox.faults = Faults([Fault("status", code=400, path_suffix="/receivers")])
    failed = run("export", "--group", group, "-o", "k.csv")
    assert 1 == failed.exit_code
    assert "the same command with --resume goes on with it" in failed.stderr
    assert not (workdir / "k.csv").exists()
    sandbox.faults = Faults([])
    refused = run("export", "--group", group, "-o", "k.csv")
    assert "k.csv.part is an unfinished export: go on with it (--resume" in refused.stderr
    result = run("export", "--group", group, "-o", "k.csv", "--resume")
    assert 0 == result.exit_code
    assert (workdir / "whole.csv").read_bytes() == (workdir / "k.csv").read_bytes()


@pytest.mark.socket
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--group", "Kuden", "-o", "k.csv"), "Unknown group 'Kuden'; did you mean 'Kunden'"),
        (("--group", "Kunden", "-o", "k.txt"), "no format is known for files that end with '.txt'"),
        (("--group", "Kunden", "-o", "k.csv", "--detail", "all"), "no place for events"),
        (("--group", "Kunden", "-o", "-", "--format", "csv"), "name one with --output"),
    ],
)
def test_export_that_is_refused(
    run: Run, workdir: Path, group: str, words: tuple[str, ...], message: str
) -> None:
    """Nothing is written."""
    result = run("export", *words)
    assert (1, "") == (result.exit_code, result.stdout)
    assert message in result.stderr
    assert not [*workdir.glob("k.*")]


@pytest.mark.socket
def test_tabs_between_columns(run: Run, workdir: Path, group: str) -> None:
    """A tab is hard to type."""
    run("export", "--group", group, "-o", "k.csv", "--delimiter", r"\t")
    assert b"id\temail\t" in (workdir / "k.csv").read_bytes()


@pytest.mark.parametrize("is_begun", [True, False])
def test_ctrl_c_says_how_to_go_on(
    run: Run, workdir: Path, monkeypatch: pytest.MonkeyPatch, is_begun: bool
) -> None:
    """If anything was written."""

    def interrupted(_work: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cleverreach_async.cli.export_command.run", interrupted)
    if is_begun:
        (workdir / "k.csv.part.json").write_text("{}")
    result = run("export", "--group", "Kunden", "-o", "k.csv", "--sandbox")
    assert (130, is_begun) == (result.exit_code, "with --resume goes on" in result.stderr)
