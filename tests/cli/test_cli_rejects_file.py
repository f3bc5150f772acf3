"""The rejects file of the command: its name, and that the user's work in it is not lost."""

import gzip
import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import Result

from cleverreach_async.bulk.outcomes.rejects import RejectsFile
from cleverreach_async.bulk.rows import Outcome, RowResult
from cleverreach_async.cli.imports.paths import same_command
from cleverreach_async.cli.imports.rejects_path import rejects_of, rejects_path, retry_of

Run = Callable[..., Result]

GROUP = ("--group", "G", "--create", "--sandbox")
BROKEN = "E-Mail\nok@example.org\nbroken.example.org\n"


@pytest.fixture
def repaired(run: Run, workdir: Path) -> str:
    """The content of a rejects file that was repaired; there are two sources."""
    (workdir / "a.csv").write_text(BROKEN)
    (workdir / "b.csv").write_text("E-Mail\nfine@example.org\n")
    assert 2 == run("import", "a.csv", *GROUP).exit_code
    file = workdir / "a.rejects.jsonl"
    file.write_text(file.read_text().replace("broken.example.org", "repaired@example.org"))
    return file.read_text()


def kept(workdir: Path) -> str:
    """The content of the rejects file."""
    return (workdir / "a.rejects.jsonl").read_text()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("customers.csv", "customers.rejects.jsonl"),
        ("export/customers.xlsx", "customers.rejects.jsonl"),
        ("customers.csv.gz", "customers.rejects.jsonl"),
        ("CUSTOMERS.CSV.GZ", "CUSTOMERS.rejects.jsonl"),
        ("shop.2025.csv", "shop.2025.rejects.jsonl"),
        ("customers", "customers.rejects.jsonl"),
        ("-", "stdin.rejects.jsonl"),
    ],
)
def test_it_is_named_after_the_source(source: str, expected: str) -> None:
    """And lies in the current folder."""
    assert Path(expected) == rejects_of(Path(source))


@pytest.mark.parametrize(
    ("rejects", "retried", "dry"),
    [
        ("a.rejects.jsonl", "a.rejects.retry.jsonl", "a.dry-run.jsonl"),
        ("x/rejects.jsonl", "x/rejects.retry.jsonl", "x/rejects.dry-run.jsonl"),
        ("notes.txt", "notes.retry.jsonl", "notes.txt.dry-run.jsonl"),
    ],
)
def test_those_of_a_retry_and_of_a_dry_run_have_other_names(
    rejects: str, retried: str, dry: str
) -> None:
    """Both are beside the rejects file."""
    path = Path(rejects)
    assert (Path(retried), Path(dry)) == (retry_of(path), rejects_path(path, dry_run=True))
    assert path == rejects_path(path, dry_run=False)


@pytest.mark.parametrize("words", [(), ("--journal", "j")])
def test_a_repaired_file_is_not_replaced(
    run: Run, workdir: Path, repaired: str, words: tuple[str, ...]
) -> None:
    """Nothing is sent; the message has the choices."""
    result = run("import", "a.csv", *GROUP, *words)

    message = " ".join(result.stderr.split())
    assert (1, repaired) == (result.exit_code, kept(workdir))
    for choice in ("retry-rejects", "move the file", "--rejects", "--overwrite"):
        assert choice in message
    assert "new group" not in message
    assert not (workdir / "j").exists()


def test_a_dry_run_and_another_import_leave_it(run: Run, workdir: Path, repaired: str) -> None:
    """A dry run has a file of its own, which the next one replaces."""
    for _ in range(2):
        assert 2 == run("import", "a.csv", "--group", "G", "--dry-run").exit_code
    assert 0 == run("import", "b.csv", *GROUP).exit_code
    assert 0 == run("import", "b.csv", *GROUP, "--dry-run").exit_code

    assert repaired == kept(workdir)
    assert 1 == len((workdir / "a.dry-run.jsonl").read_text().splitlines())
    names = {path.name for path in workdir.iterdir() if path.is_file()}
    assert {"a.csv", "b.csv", "a.rejects.jsonl", "a.dry-run.jsonl"} == names


def test_it_is_replaced_on_request(run: Run, workdir: Path, repaired: str) -> None:
    """Then it may also be deleted, if nothing is rejected."""
    assert 2 == run("import", "a.csv", *GROUP, "--overwrite").exit_code
    assert repaired != kept(workdir)

    (workdir / "a.csv").write_text("E-Mail\nok@example.org\n")
    assert 0 == run("import", "a.csv", *GROUP, "--overwrite").exit_code
    assert not (workdir / "a.rejects.jsonl").exists()


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--overwrite",), ("--journal", "j")])
@pytest.mark.parametrize(
    "content", ["notes", "\n", "{}", '{"email": "a@example.org"}\n', '[{"row": 1}]', "\0"]
)
def test_an_unrelated_file_is_left(
    run: Run, workdir: Path, words: tuple[str, ...], content: str
) -> None:
    """Even on request, since it has no rejects; also if it is empty."""
    (workdir / "b.csv").write_text("E-Mail\nfine@example.org\n")
    for name in ("notes.txt", "notes.txt.dry-run.jsonl"):
        (workdir / name).write_text(content)
    (workdir / "empty.txt").touch()

    refused = run("import", "b.csv", *GROUP, "--rejects", "notes.txt", *words)
    (workdir / "j").unlink(missing_ok=True)
    done = run("import", "b.csv", *GROUP, "--rejects", "empty.txt", *words)

    assert (1, 0) == (refused.exit_code, done.exit_code)
    assert "is not a rejects file, and would be replaced" in " ".join(refused.stderr.split())
    assert [content] * 2 == [path.read_text() for path in workdir.glob("notes.txt*")]
    assert ("--overwrite" in words) != (workdir / "empty.txt").exists()


def test_a_journal_replaces_no_unrelated_file_either(run: Run, workdir: Path) -> None:
    """The message does not say to delete it."""
    (workdir / "b.csv").write_text("E-Mail\nfine@example.org\n")
    for content in ("notes", "<svg></svg>", "SQLite format 3\0" + "x" * 100):
        (workdir / "notes.txt").write_text(content)

        result = run("import", "b.csv", *GROUP, "--journal", "notes.txt")

        message = " ".join(result.stderr.split())
        assert (1, content) == (result.exit_code, (workdir / "notes.txt").read_text())
        assert message.endswith("is not the journal of an import; choose another with --journal")


def test_a_repaired_file_is_sent(run: Run, workdir: Path, repaired: str) -> None:
    """The rows that are rejected again are in a third file, which is not replaced either."""
    del repaired
    file = workdir / "a.rejects.jsonl"
    file.write_text(file.read_text().replace("repaired@example.org", "again"))
    retry = ("retry-rejects", "a.rejects.jsonl", "--group", "G", "--sandbox")
    (workdir / "a.rejects.retry.jsonl").write_text("mine\n")

    assert 1 == run(*retry).exit_code
    assert "mine\n" == (workdir / "a.rejects.retry.jsonl").read_text()


def test_compressed_sources_and_standard_input_have_their_own(run: Run, workdir: Path) -> None:
    """Only the owner can read them: they contain addresses."""
    (workdir / "c.csv.gz").write_bytes(gzip.compress(BROKEN.encode()))

    assert 2 == run("import", "c.csv.gz", *GROUP).exit_code

    file = workdir / "c.rejects.jsonl"
    assert 1 == len(file.read_text().splitlines())
    if os.name == "posix":
        assert 0o600 == stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize(
    ("content", "overwrite", "expected"),
    [
        ("", False, "the same command"),
        ("row\n", False, "the same command and --overwrite"),
        ("row\n", True, "the same command"),
    ],
)
def test_advice_to_run_a_command_again_has_the_option_that_it_needs(
    workdir: Path, content: str, *, overwrite: bool, expected: str
) -> None:
    """Otherwise the advice would lead to a refusal."""
    rejects = workdir / "a.rejects.jsonl"
    rejects.write_text(content)
    arguments: Any = SimpleNamespace(rejects=rejects, overwrite=overwrite)

    assert expected == same_command(arguments)


@pytest.mark.parametrize("words", [(), ("--overwrite",), ("--journal", "j")])
def test_a_second_import_leaves_the_file_of_a_running_one(
    run: Run, workdir: Path, words: tuple[str, ...]
) -> None:
    """Also if it has no rows yet: deleted, it would lose those that are written later."""
    (workdir / "a.csv").write_text(BROKEN)
    file = workdir / "a.rejects.jsonl"
    with RejectsFile(file) as running:
        result = run("import", "a.csv", *GROUP, *words)
        running.write([RowResult(1, 1, Outcome.REJECTED, "x", "refused")])

    assert 1 == result.exit_code
    assert "is being written by another import" in " ".join(result.stderr.split())
    assert 1 == len(file.read_text().splitlines())
    assert not (workdir / "j").exists()


@pytest.mark.skipif(os.name != "posix", reason="devices of POSIX")
def test_activation_mails_need_a_file(run: Run, workdir: Path) -> None:
    """Their list is beside the rejects file, and nothing is written beside a device."""
    (workdir / "a.csv").write_text(BROKEN)

    evidence = (
        "--doi-ip",
        "192.0.2.1",
        "--doi-referer",
        "https://a.example",
        "--doi-user-agent",
        "x",
    )
    words = ("--inactive", "--double-opt-in", "3", *evidence)
    result = run("import", "a.csv", *GROUP, "--rejects", os.devnull, *words)

    assert (1, True) == (result.exit_code, "choose a file with --rejects" in result.stderr)
    assert 2 == run("import", "a.csv", *GROUP, "--rejects", os.devnull).exit_code
