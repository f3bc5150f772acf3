"""Fixtures: an empty directory, functions that run the command, files, servers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cleverreach_async.cli.app import app
from cleverreach_async.sandbox import Sandbox
from cleverreach_async.sandbox.server import running

HEADER = "E-Mail;Vorname;Registriert am;Bestätigt am;Bemerkung"


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, an environment without credentials, and an empty home."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("CLEVERREACH_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def run() -> Callable[..., Result]:
    """Runs the command in this process."""

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, [*words], catch_exceptions=False)

    return run


@pytest.fixture
def spawn() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command as a process."""

    def spawn(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "cleverreach_async.cli", *words],
            capture_output=True,
            check=False,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **environ},
            timeout=60,
        )

    return spawn


@pytest.fixture
def customers(workdir: Path) -> Path:
    """A file with 250 rows: 248 good ones, two of which share an address, and two bad ones."""
    rows = [f"kunde{number}@example.org;Ada;31.12.2025;31.12.2025;" for number in range(248)]
    rows[100] = rows[99]
    rows.insert(10, "kaputt;Ada;31.12.2025;31.12.2025;")
    rows.insert(20, "kunde999@example.org;Ada;31.02.2025;;")
    path = workdir / "kunden.csv"
    path.write_text("\n".join([HEADER, *rows, ""]), "utf-8")
    return path


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An empty account whose OAuth app is ``mia`` with ``geheim-123``."""
    with Sandbox(client_id="mia", client_secret="geheim-123") as sandbox:
        yield sandbox


@pytest.fixture
def account(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The account on a socket, with its credentials in the environment; yields the URL."""
    with running(sandbox) as url:
        monkeypatch.setenv("CLEVERREACH_BASE_URL", url)
        monkeypatch.setenv("CLEVERREACH_CLIENT_ID", "mia")
        monkeypatch.setenv("CLEVERREACH_CLIENT_SECRET", "geheim-123")
        yield url


@pytest.fixture
def rejected(workdir: Path) -> Callable[..., list[tuple[int, str]]]:
    """Reads the line and the code of every row in a rejects file."""

    def rejected(name: str = "kunden.rejects.jsonl") -> list[tuple[int, str]]:
        lines = (workdir / name).read_text("utf-8").splitlines()
        return [(row["line"], row["code"]) for row in map(json.loads, lines)]

    return rejected
