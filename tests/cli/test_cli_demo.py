"""``cleverreach demo``: what it writes, prints and returns."""

import builtins
import csv
import io
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from cleverreach_async import cli
from cleverreach_async.cli.demo.customers import BROKEN_ROWS, ROWS, customer_file

Run = Callable[..., Result]


def without_speed(text: str) -> str:
    """The summary of an import without its first line, which has the speed."""
    return text.partition("\n")[2]


def test_the_demo_imports_and_ends_with_status_0(run: Run, workdir: Path) -> None:
    """The rows that are broken on purpose are its point, and no failure."""
    result = run("demo")

    names = {"demo-customers.csv", "demo-customers.html", "demo-customers.rejects.jsonl"}
    assert (0, names) == (result.exit_code, {path.name for path in workdir.iterdir()})
    assert result.stdout.startswith(f"Imported {ROWS - BROKEN_ROWS} of {ROWS} rows into Newsletter")
    assert result.stderr.endswith("lists all commands\n")


def test_the_rows_are_broken_in_several_ways(
    run: Run, rejected: Callable[..., list[tuple[int, str]]]
) -> None:
    """No address, no usable one, a day that does not exist; and one address occurs twice."""
    result = run("demo")

    codes = [code for _, code in rejected("demo-customers.rejects.jsonl")]
    expected = ["missing_email", *["invalid_email"] * 4, "invalid_date"]
    assert (expected, True) == (codes, "1 superseded" in result.stdout)


def test_the_printed_command_does_the_same(run: Run) -> None:
    """Typed as printed, it has the same result and its own exit status."""
    demo = run("demo")
    [line] = [line for line in demo.stderr.splitlines() if line.startswith("$ cleverreach ")]

    again = run(*shlex.split(line)[2:], "--overwrite")

    assert (2, without_speed(demo.stdout)) == (again.exit_code, without_speed(again.stdout))


def test_lines_fit_a_narrow_terminal(run: Run) -> None:
    """What the demo itself says is not wrapped at 80 columns, except the command to copy."""
    ours = run("demo").stderr.partition("What happened")[2].splitlines()

    assert [] == [line for line in ours if len(line) > 80]


def test_a_second_demo_replaces_nothing(run: Run, workdir: Path) -> None:
    """Somebody may have repaired the rejects; the error has the option that replaces them."""
    run("demo")
    before = {path: path.read_bytes() for path in workdir.iterdir()}

    second = run("demo")

    assert (1, before) == (
        second.exit_code,
        {path: path.read_bytes() for path in workdir.iterdir()},
    )
    assert second.stderr.endswith("cleverreach demo --overwrite\n")
    assert 0 == run("demo", "--overwrite").exit_code


def test_a_file_of_somebody_else_is_not_replaced(run: Run, workdir: Path) -> None:
    """A file with the same name and other content remains, and nothing else is written."""
    (workdir / "demo-customers.csv").write_text("mine", "utf-8")

    assert 1 == run("demo").exit_code
    assert ["mine"] == [path.read_text("utf-8") for path in workdir.iterdir()]


def test_a_folder_that_cannot_be_written_to_is_an_error(run: Run, workdir: Path) -> None:
    """The file's place is taken by a folder, which is not replaced by force either."""
    (workdir / "demo-customers.csv").mkdir()

    result = run("demo", "--overwrite")

    assert 1 == result.exit_code
    assert result.stderr.startswith("error: demo-customers.csv cannot be written to this folder")


def test_quiet_prints_the_result_only(run: Run) -> None:
    """Neither the mapping nor what to type next."""
    result = run("demo", "--quiet")

    assert ("", True) == (result.stderr, result.stdout.startswith("Imported "))


@pytest.mark.parametrize(
    ("missing", "user", "extras"),
    [
        ("typer", "cleverreach_async.cli.app", "cli,sandbox"),
        ("starlette", "cleverreach_async.sandbox", "sandbox"),
    ],
)
def test_a_missing_extra_is_named(
    missing: str,
    user: str,
    extras: str,
    workdir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The status is 1, and no file is written."""
    usual: Any = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name == user:
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return usual(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr("sys.argv", ["cleverreach", "demo"])
    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert (1, []) == (ended.value.code, list(workdir.iterdir()))
    assert f"pip install 'cleverreach-async[{extras}]'\n" in capsys.readouterr().err


def test_the_file_is_as_german_shops_export_it() -> None:
    """Windows-1252 with semicolons and CRLF; cells contain separators, quotes and lines."""
    text = customer_file().decode("cp1252")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))

    assert [ROWS + 1, {12}] == [len(rows), {len(row) for row in rows}]
    cells = {row[11] for row in rows[1:]}
    assert {";", '"', "\n"} <= {char for cell in cells for char in cell}
    assert "Straße" in text
