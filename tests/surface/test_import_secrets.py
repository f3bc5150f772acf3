"""A walk over what whole imports leave behind, from a server that repeats every credential.

The command and Python meet it with each way to authenticate: in runs that succeed in part, that
fail at the start or while a token is renewed, and that are interrupted and resumed. Streams, pages,
files, logs, errors with the variables of their frames, and objects are searched.
"""

import json
import logging
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio.lowlevel
import httpx
import pytest
from support.quoting_server import DOMAIN, Answer, QuotingServer, secret, serving, traces_in
from typer.testing import CliRunner, Result

import cleverreach_async
from cleverreach_async import (
    CleverReach,
    FileTokenStore,
    ImportFailedError,
    ImportReport,
    OAuthApp,
    Secret,
    Token,
)
from cleverreach_async.cli.app import app
from cleverreach_async.transport.clock import SystemClock

PACKAGE = str(Path(cleverreach_async.__file__).parent)
ROWS = 240
CLIENT, ACCESS, REFRESH = (secret(name) for name in ("client", "access", "refresh"))
SAID = "…"
FORBIDDEN = {"error": {"code": 403, "message": f"Forbidden: {SAID}"}}

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
pytestmark = [pytest.mark.socket]

STARTS: dict[str, Answer] = {
    "forbidden": Answer(403, FORBIDDEN),
    "refused token": Answer(401, {"error": {"code": 401, "message": SAID}}),
    "error with 200": Answer(200, {"error": {"code": 400, "message": SAID}}),
    "text": Answer(200, SAID),
    "page": Answer(200, f"<html>{SAID}", f"text/html; {ACCESS}"),
    "gateway": Answer(404, f"<html>{SAID}", "text/html"),
    "no groups": Answer(200, [{"id": SAID, "name": {"a": SAID}}]),
    "redirect": Answer(302, SAID),
}
WAYS = ("token", "client", "env file", "login")


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, no credentials, a file of customers, and waits that end at once."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("CLEVERREACH_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))

    async def sleep(_clock: SystemClock, _seconds: float) -> None:
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr(SystemClock, "sleep", sleep)
    lines = [f"person{number}@{DOMAIN};Ulm" for number in range(ROWS)]
    lines[7:7] = [f"not an address @{DOMAIN};Ulm", "broken;Ulm", f"fatal@{DOMAIN};Ulm"]
    (tmp_path / "kunden.csv").write_text("\n".join(["email;city", *lines, ""]))
    return tmp_path


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Returns all that loggers of ours have recorded at DEBUG.

    The HTTP library's own loggers show the headers of answers at DEBUG, and the URL and the reason
    phrase at INFO. That is not ours to change; ``docs/retries.md`` says how to turn it off.
    """
    caplog.set_level(logging.DEBUG)
    formatter = logging.Formatter()

    def texts() -> str:
        ours = [it for it in caplog.records if it.name.partition(".")[0] not in _OF_OTHERS]
        return "\n".join(f"{it.__dict__} {formatter.format(it)}" for it in ours)

    return texts


_OF_OTHERS = {"httpx", "httpcore", "asyncio"}


def credentials(way: str, url: str, folder: Path) -> dict[str, str]:
    """Prepare a way to authenticate; returns the environment of the command."""
    found = {"CLEVERREACH_BASE_URL": url}
    client = {"CLEVERREACH_CLIENT_ID": "id", "CLEVERREACH_CLIENT_SECRET": CLIENT}
    if way == "token":
        found["CLEVERREACH_TOKEN"] = ACCESS
    elif way == "client":
        found |= client
    elif way == "login":
        file = folder / "home" / "cleverreach" / "token.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(EXPIRED.to_json())
        file.chmod(0o600)
        about = {"client_id": "id", "base_url": url}
        file.with_name("token.json.about").write_text(json.dumps(about))
        found |= {"CLEVERREACH_CLIENT_SECRET": CLIENT}
    else:
        lines = [f"{name}='{value}'" for name, value in client.items() if "'" not in value]
        lines += [f'{name}="{value}"' for name, value in client.items() if "'" in value]
        (folder / ".env").write_text("\n".join(lines))
    return found


EXPIRED = Token(
    access_token=Secret(ACCESS),
    refresh_token=Secret(REFRESH),
    expires_at=datetime(2020, 1, 1, tzinfo=UTC),
)


def run_command(way: str, url: str, folder: Path, *more: str) -> Result:
    """Run an import."""
    words = ["import", "kunden.csv", "--group", "Newsletter", "--journal", "run.journal"]
    words += ["--report", "page.html", "--rejects", "rejects.jsonl", "--json", *more]
    words += ["--batch-size", "40", "--no-canary", "--max-reject-share", "100%"]
    words += ["--env-file", ".env"] if way == "env file" else []
    return CliRunner().invoke(app, words, env=credentials(way, url, folder))


def files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files that an import wrote."""
    theirs = {"kunden.csv", ".env"}
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in theirs and "home" not in path.parts:
            yield path.name, path.read_bytes()


def assert_clean(shown: dict[str, str | bytes], *, with_addresses: frozenset[str]) -> None:
    """No text shows a credential, and no text shows an address but those that are to have them."""
    secrets = {name: traces_in(text) for name, text in shown.items()}
    assert {} == {name: places for name, places in secrets.items() if places}
    parts = (f"@{DOMAIN}", f"%40{DOMAIN}")
    texts = {name: text for name, text in shown.items() if name not in with_addresses}
    addresses = {name: traces_in(text, parts=parts) for name, text in texts.items()}
    assert {} == {name: places for name, places in addresses.items() if places}


REJECTS = frozenset({"rejects.jsonl", "frames"})


def left_by(result: Result, folder: Path, records: Callable[[], str]) -> dict[str, str | bytes]:
    """What a command has left behind."""
    error = result.exception
    return {
        "stdout": result.stdout,
        "stderr": result.stderr,
        "log": records(),
        "error": words_of(error),
        "frames": frames_of(error),
        **dict(files_of(folder)),
    }


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def words_of(error: BaseException | None) -> str:
    """What an error and its causes say."""
    return "\n".join(f"{it} {it!r} {vars(it)!r} {it.args!r}" for it in chain_of(error))


def frames_of(error: BaseException | None) -> str:
    """The variables of our frames, which hold the rows that the caller has passed too."""
    words: list[str] = []
    for link in chain_of(error):
        report = traceback.TracebackException.from_exception(link, capture_locals=True)
        ours = [it for it in report.stack if it.filename.startswith(PACKAGE)]
        words += [f"{it.filename} {it.name} {it.locals}" for it in ours]
    return "\n".join(words)


@pytest.mark.parametrize("way", WAYS)
def test_a_command_that_succeeds_in_part_shows_no_secret(
    way: str, surroundings: Path, records: Callable[[], str]
) -> None:
    """The rows that are refused are, without what is hidden, in the rejects file."""
    with serving(QuotingServer()) as url:
        result = run_command(way, url, surroundings)
    left = left_by(result, surroundings, records)
    told = json.loads(result.stdout)
    assert 2 == result.exit_code, result.stderr
    assert told["accepted"] > ROWS / 4
    assert {"refused", "invalid_email"} <= {it["code"] for it in told["reasons"]}
    assert {"page.html", "rejects.jsonl", "run.journal"} <= left.keys()
    assert b"<hidden>" in (surroundings / "rejects.jsonl").read_bytes()
    assert_clean(left, with_addresses=REJECTS)


@pytest.mark.parametrize("way", ["token", "login"])
@pytest.mark.parametrize("start", STARTS)
def test_a_command_that_fails_at_the_start_shows_no_secret(
    way: str, start: str, surroundings: Path, records: Callable[[], str]
) -> None:
    """Whatever the first answers are."""
    with serving(QuotingServer(refuses=STARTS[start])) as url:
        result = run_command(way, url, surroundings)
    assert result.exit_code in {1, 3}
    assert "error: " in result.stderr
    assert_clean(left_by(result, surroundings, records), with_addresses=REJECTS)


@pytest.mark.parametrize("way", WAYS)
def test_a_command_whose_token_ends_midway_shows_no_secret(
    way: str, surroundings: Path, records: Callable[[], str]
) -> None:
    """The token is refused, and so is the request for another one; then the import is resumed."""
    server = QuotingServer(calls_per_token=3, tokens=1)
    with serving(server) as url:
        result = run_command(way, url, surroundings)
        assert 3 == result.exit_code
        assert_clean(left_by(result, surroundings, records), with_addresses=REJECTS)
        server.recover()
        result = run_command(way, url, surroundings, "--resume")
    assert 2 == result.exit_code, result.stderr
    assert_clean(left_by(result, surroundings, records), with_addresses=REJECTS)


@posix
@pytest.mark.parametrize("way", WAYS)
def test_an_interrupted_command_shows_no_secret(
    way: str, surroundings: Path, records: Callable[[], str]
) -> None:
    """Nor does the resumed one."""

    def interrupt(number: int) -> None:
        if number == 3:
            os.kill(os.getpid(), signal.SIGINT)

    server = QuotingServer()
    server.on_batch = interrupt
    with serving(server) as url:
        result = run_command(way, url, surroundings, "--concurrency", "1")
        assert 130 == result.exit_code
        assert_clean(left_by(result, surroundings, records), with_addresses=REJECTS)
        server.recover()
        result = run_command(way, url, surroundings, "--resume")
    assert 2 == result.exit_code, result.stderr
    assert_clean(left_by(result, surroundings, records), with_addresses=REJECTS)


def client_of(way: str, http_client: httpx.AsyncClient, folder: Path) -> CleverReach:
    """Return a client."""
    app_of_client = OAuthApp("id", CLIENT)
    if way == "token":
        return CleverReach(ACCESS, http_client=http_client)
    if way == "client":
        return CleverReach(app_of_client.client_credentials(), http_client=http_client)
    if way == "environment":
        return CleverReach.from_env(http_client=http_client)
    store = FileTokenStore(folder / "home-token.json")
    (folder / "home-token.json").write_text(EXPIRED.to_json())
    (folder / "home-token.json").chmod(0o600)
    return CleverReach(app_of_client.user(store=store), http_client=http_client)


def transport_to(server: QuotingServer) -> httpx.MockTransport:
    """Return a transport to a server in this process."""

    def handle(request: httpx.Request) -> httpx.Response:
        path, given = request.url.raw_path.decode(), request.headers["authorization"]
        answer = server.answer(request.method, path, given, request.content)
        headers = server.headers(answer)
        return httpx.Response(answer.status, content=answer.content, headers=headers)

    return httpx.MockTransport(handle)


def pickled(value: object) -> bytes:
    """A pickle, if there can be one."""
    try:
        return pickle.dumps(value)
    except (TypeError, AttributeError, pickle.PicklingError):
        return b""


async def import_rows(
    cr: CleverReach, folder: Path, *, resume: bool = False, stop_after: int = sys.maxsize
) -> tuple[ImportReport, dict[str, str | bytes]]:
    """Import; returns the report and what is left behind."""
    rows = [
        {"email": f"person{number}@{DOMAIN}", "attributes": {"city": "Ulm"}}
        for number in range(ROWS)
    ]
    options: dict[str, Any] = {"journal": folder / "run.journal", "resume": resume}
    options |= {"rejects": folder / "rejects.jsonl", "batch_size": 40, "max_reject_share": 1.0}
    error: BaseException | None = None
    run: list[Any] = []

    def on_progress(progress: Any) -> None:
        if progress.accepted >= stop_after:
            run[0].stop()

    try:
        report = await cr.bulk.upsert(
            rows,
            group_id=7,
            canary=False,
            on_start=run.append,
            on_progress=on_progress,
            **options,
        )
        report.raise_for_failures()
    except ImportFailedError as failure:
        error, report = failure, failure.report
    shown: dict[str, str | bytes] = {
        "error": words_of(error),
        "frames": frames_of(error),
        "pickled error": pickled(error),
        "report": f"{report!r} {report.samples!r} {report.reasons!r}",
        "pickled report": pickled(report),
        "client": f"{cr!r} {vars(cr)!r} {run!r}",
        "pickled client": pickled(cr),
        **{name: content for name, content in files_of(folder) if "home" not in name},
    }
    return report, shown


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio runs the same frames of ours
@pytest.mark.parametrize("way", ["token", "client", "environment", "stored"])
@pytest.mark.parametrize("kind", ["in part", "at the start", "token ends", "stopped"])
async def test_no_import_in_python_shows_a_secret(
    way: str,
    kind: str,
    surroundings: Path,
    records: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In its error, report, objects, files and log; nor does the import that resumes it."""
    monkeypatch.setenv("CLEVERREACH_CLIENT_ID", "id")
    monkeypatch.setenv("CLEVERREACH_CLIENT_SECRET", CLIENT)
    server = {
        "in part": QuotingServer(),
        "at the start": QuotingServer(refuses=STARTS["forbidden"]),
        "token ends": QuotingServer(calls_per_token=3, tokens=1),
        "stopped": QuotingServer(),
    }[kind]
    most = 20 if kind == "stopped" else sys.maxsize
    async with httpx.AsyncClient(transport=transport_to(server)) as http_client:
        cr = client_of(way, http_client, surroundings)
        report, shown = await import_rows(cr, surroundings, stop_after=most)
        assert_clean({**shown, "log": records()}, with_addresses=REJECTS)
    assert (kind != "in part") == bool(report.stopped)
    if kind == "in part":
        assert {"refused", "invalid_email"} <= report.reasons.keys()
        return
    server.recover()
    async with httpx.AsyncClient(transport=transport_to(server)) as http_client:
        cr = client_of(way, http_client, surroundings)
        report, shown = await import_rows(cr, surroundings, resume=True)
        assert_clean({**shown, "log": records()}, with_addresses=REJECTS)
    assert "" == report.stopped
