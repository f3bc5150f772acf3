"""``--verbose`` and ``--quiet``, before or after the subcommand."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_group
from typer.testing import Result

from cleverreach_async.cli.app import app
from cleverreach_async.cli.imports.progress import Display, make_display
from cleverreach_async.cli.output import Output
from cleverreach_async.sandbox import Fault, Faults, Sandbox

Run = Callable[..., Result]

IMPORT = ("import", "kunden.csv", "--group", "N", "--create", "--sandbox")
LINE = re.compile(r"[A-Z]+ /[a-z/_{}.]+ -> (\d{3}|no response) in \d+ ms \(attempt \d.*\)")


@pytest.mark.usefixtures("customers")
@pytest.mark.parametrize(
    "words", [("-v", *IMPORT), ("--verbose", *IMPORT), (*IMPORT, "-v"), (*IMPORT, "--verbose")]
)
def test_verbose_logs_requests(run: Run, words: tuple[str, ...]) -> None:
    """A line for each on stderr, with the path template, and neither addresses nor secrets."""
    result = run(*words)
    lines = [it for it in result.stderr.splitlines() if " -> " in it and " ms " in it]

    assert (2, []) == (result.exit_code, [it for it in lines if not LINE.fullmatch(it)])
    assert "POST /groups/{group_id}/receivers/upsertplus -> 200" in lines[-1]
    assert (False, False) == ("@example.org" in result.stderr, "ms" in result.stdout)


@pytest.mark.socket
def test_verbose_logs_retries(run: Run, sandbox: Sandbox, account: str) -> None:
    """With the number of the attempt, and the pause before the next one."""
    sandbox.faults = Faults([Fault("status", code=502, times=1, path_prefix="/v3/groups")])
    result = run("groups", "-v")

    first, second = (it for it in result.stderr.splitlines() if it.startswith("GET /groups "))
    assert re.fullmatch(r"GET /groups -> 502 in \d+ ms \(attempt 1, next in \d\.\d s\)", first)
    assert second.endswith("(attempt 2)")


def test_the_log_is_left_as_it_was(run: Run) -> None:
    """The command may run in the process of somebody else, such as a test."""
    logger = logging.getLogger("cleverreach_async")
    before = (logger.level, list(logger.handlers))
    run("groups", "--sandbox", "-v")
    after = run("groups", "--sandbox")

    assert before == (logger.level, list(logger.handlers))
    assert "the account has no groups\n" == after.stderr


@pytest.mark.usefixtures("customers")
@pytest.mark.parametrize("words", [("-q", *IMPORT), (*IMPORT, "--quiet")])
def test_quiet_prints_only_results(run: Run, words: tuple[str, ...]) -> None:
    """Neither the mapping nor warnings, which are for somebody who looks on."""
    result = run(*words, "--json")

    assert (2, "") == (result.exit_code, result.stderr)
    assert 247 == json.loads(result.stdout)["accepted"]


def test_quiet_prints_errors_and_what_to_do(run: Run, workdir: Path) -> None:
    """A job at night sends them by mail."""
    rows = "".join(f"kaputt{number}\n" for number in range(20))
    (workdir / "bad.csv").write_text(f"email\n{rows}", "utf-8")
    words = ("import", "bad.csv", "--group", "N", "--create", "--sandbox", "--max-rejects", "5")
    result = run(*words, "-q")
    error, advice, *others = result.stderr.splitlines()

    assert (3, []) == (result.exit_code, others)
    assert error.startswith("error: ")
    assert "repair the file or the mapping" in advice


def test_a_quiet_import_shows_no_progress() -> None:
    """Not on a terminal either."""

    class Measured:
        """A file of unknown length."""

        size: int = 0
        bytes_read: int = 0

    assert Display is type(make_display(Output(quiet=True), Measured()))


@pytest.mark.parametrize("words", [("-v", "groups", "-q"), ("-qv", "groups"), ("groups", "-vq")])
def test_both_at_once_make_no_sense(run: Run, words: tuple[str, ...]) -> None:
    """One of them was a mistake."""
    result = run(*words, "--sandbox")

    assert (1, "error: use only one of --quiet and --verbose\n") == (
        result.exit_code,
        result.stderr,
    )


def names_of(group: Any, *before: str) -> Iterator[tuple[str, ...]]:
    """The names of the commands of a group, and of the groups in it."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from names_of(command, *before, name)
        else:
            yield (*before, name)


@pytest.mark.parametrize("names", [*names_of(get_group(app))], ids=" ".join)
def test_every_command_has_both(run: Run, names: tuple[str, ...]) -> None:
    """And no other meaning of their short names."""
    shown = run(*names, "--help").stdout

    assert "\n  -q, --quiet " in shown
    assert "\n  -v, --verbose " in shown
