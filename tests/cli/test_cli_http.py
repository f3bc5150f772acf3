"""The HTTP library of an import: ``--http``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner, Result

from cleverreach_async.cli.app import app
from cleverreach_async.cli.imports import http_library

Run = Callable[..., Result]

IMPORT = ("import", "kunden.csv", "--group", "Newsletter", "--create")

pytestmark = [pytest.mark.socket, pytest.mark.usefixtures("account", "customers")]


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The sessions of aiohttp that are opened."""
    opened: list[Any] = []
    create = aiohttp.ClientSession.__init__

    def record(session: aiohttp.ClientSession, **options: Any) -> None:
        create(session, **options)
        opened.append(session)

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", record)
    return opened


@pytest.mark.parametrize(
    ("library", "least", "expected"),
    [
        ("aiohttp", 10**9, 1),
        ("httpx", 0, 0),
        ("auto", 0, 1),
        ("auto", 10**9, 0),
    ],
)
def test_the_library_is_chosen(
    run: Run,
    sessions: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    library: str,
    least: int,
    expected: int,
) -> None:
    """``auto`` is aiohttp for large files. The session is closed at the end."""
    monkeypatch.setattr(http_library, "_WORTH_LOADING", least)
    done = run(*IMPORT, "--http", library)
    assert 2 == done.exit_code
    assert "247 accepted" in done.output.replace(",", "")
    assert [True] * expected == [session.closed for session in sessions]


def test_a_missing_extra_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` does without it."""
    monkeypatch.setattr(http_library, "_WORTH_LOADING", 0)
    monkeypatch.setattr(http_library, "find_spec", dict[str, Any]().get)
    done = run(*IMPORT, "--http", "aiohttp")
    assert (1, True) == (done.exit_code, "'cleverreach-async[aiohttp]'" in done.output)
    assert 2 == run(*IMPORT).exit_code


def test_a_proxy_that_aiohttp_cannot_use(
    run: Run, sessions: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error only if aiohttp was asked for."""
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    done = run(*IMPORT, "--http", "aiohttp")
    assert (1, True) == (done.exit_code, "cannot use the proxy" in done.output)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert 2 == run(*IMPORT, "--http", "aiohttp").exit_code
    assert 1 == len(sessions)


def test_standard_input_has_a_size_too(
    sessions: list[Any], monkeypatch: pytest.MonkeyPatch, workdir: Path
) -> None:
    """What is piped into the command is kept in a file."""
    monkeypatch.setattr(http_library, "_WORTH_LOADING", 100)
    words = ["import", "-", "--group", "Newsletter", "--create"]
    done = CliRunner().invoke(app, words, input=(workdir / "kunden.csv").read_bytes())
    assert (2, 1) == (done.exit_code, len(sessions))
