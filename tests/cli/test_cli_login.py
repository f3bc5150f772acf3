"""``cleverreach login`` and ``logout`` on real sockets; the browser is a function."""

import json
import signal
import stat
import subprocess
import sys
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from queue import SimpleQueue
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from typer.testing import Result

from cleverreach_async import Token
from cleverreach_async.cli.login import command as login_command
from cleverreach_async.sandbox import Fault, Sandbox
from cleverreach_async.sandbox.server import running

Run = Callable[..., Result]

pytestmark = pytest.mark.socket

SECRET = "geheim-123"
APP = {"CLEVERREACH_CLIENT_ID": "mia", "CLEVERREACH_CLIENT_SECRET": SECRET}
LOGIN = ("login", "--port", "0")


class Browser:
    """Opens a URL as a browser would, and records the pages.

    The command does not wait for its browser, so a page may arrive after the end of the command.
    """

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.pages = SimpleQueue[tuple[int, str]]()

    def __call__(self, url: str) -> bool:
        """Log in: the sandbox redirects the browser immediately."""
        self.opened.append(url)
        response = httpx.get(url, follow_redirects=True)
        self.pages.put((response.status_code, response.text))
        return True


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    """The browser that the command opens."""
    browser = Browser()
    monkeypatch.setattr(webbrowser, "open", browser)
    return browser


@pytest.fixture
def server(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The sandbox on a socket, with its app in the environment; yields the URL."""
    with running(sandbox) as url:
        monkeypatch.setenv("CLEVERREACH_BASE_URL", url)
        for name, value in APP.items():
            monkeypatch.setenv(name, value)
        yield url


@pytest.fixture
def token_file(workdir: Path) -> Path:
    """The default file of the token."""
    return workdir / "home" / "cleverreach" / "token.json"


def redirect_with(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, str]], Mapping[str, str]]
) -> SimpleQueue[httpx.Response]:
    """Redirect the browser with other parameters than the server's; return the responses."""
    responses = SimpleQueue[httpx.Response]()

    def redirect(url: str) -> bool:
        (there,) = parse_qs(urlsplit(url).query)["redirect_uri"]
        state = parse_qs(urlsplit(url).query)["state"][0]
        query = change({"code": "abc", "state": state})
        responses.put(httpx.get(f"{there}?{urlencode(query)}"))
        return True

    monkeypatch.setattr(webbrowser, "open", redirect)
    return responses


@pytest.mark.usefixtures("server")
def test_a_login_is_stored_and_used(
    run: Run, browser: Browser, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account is printed, and other commands need no credentials afterwards."""
    result = run(*LOGIN)
    for name in (*APP, "CLEVERREACH_BASE_URL"):
        monkeypatch.delenv(name)
    used = run("whoami", "--json")

    assert (0, "Logged in to Sandbox (account 129000).\n") == (result.exit_code, result.stdout)
    status, page = browser.pages.get(timeout=30)
    assert (200, True) == (status, "You can close this window." in page)
    assert (0, 129000) == (used.exit_code, json.loads(used.stdout)["id"])
    assert "using the stored login to account 129000\n" == used.stderr
    assert token_file.exists()


@pytest.mark.usefixtures("server", "browser")
def test_no_secret_is_printed_or_stored_beside_the_token(run: Run, token_file: Path) -> None:
    """Neither token, code, secret nor address are printed; the client id is stored."""
    result = run(*LOGIN)

    token = Token.from_json(token_file.read_bytes())
    assert token.refresh_token is not None
    hidden = (SECRET, token.access_token.reveal(), token.refresh_token.reveal(), "mia@example.org")
    assert [] == [word for word in hidden if word in result.output]
    about = (token_file.parent / "token.json.about").read_text("utf-8")
    assert ("mia", False) == (json.loads(about)["client_id"], SECRET in about)
    assert [] == [it for it in token_file.parent.iterdir() if SECRET in it.read_text("utf-8")]


@pytest.mark.usefixtures("server", "browser")
@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_only_the_owner_can_read_the_token(run: Run, token_file: Path) -> None:
    """Other users can read neither the file nor its folder."""
    run(*LOGIN)

    modes = (token_file.stat().st_mode, token_file.parent.stat().st_mode)
    assert [0o600, 0o700] == [stat.S_IMODE(mode) for mode in modes]


@pytest.mark.usefixtures("server", "browser")
@pytest.mark.parametrize(
    ("words", "environ", "expected"),
    [
        pytest.param(("--store", "a.json"), "b.json", "a.json", id="option"),
        pytest.param((), "b.json", "b.json", id="environment"),
    ],
)
def test_the_file_can_be_named(
    run: Run,
    workdir: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    environ: str,
    expected: str,
) -> None:
    """The option takes precedence; the output says how to tell the other commands."""
    monkeypatch.setenv("CLEVERREACH_TOKEN_FILE", environ)

    result = run(*LOGIN, *words)

    assert [expected] == [path.name for path in workdir.glob("*.json")]
    is_shown = f"export CLEVERREACH_TOKEN_FILE={workdir / expected}" in result.stderr
    assert bool(words) == is_shown


def test_the_url_is_printed_and_the_redirect_uri_explained(
    run: Run, server: str, browser: Browser
) -> None:
    """The URL is in a line of its own, to be copied to another browser."""
    lines = run(*LOGIN).stderr.splitlines()

    (url,) = browser.opened
    (there,) = parse_qs(urlsplit(url).query)["redirect_uri"]
    assert (True, True) == (url in lines, url.startswith(f"{server}/oauth/authorize.php?"))
    assert f"{there} has to be registered as redirect URI with the app." in lines


@pytest.mark.usefixtures("server", "browser")
def test_credentials_that_take_precedence_cause_a_warning(run: Run) -> None:
    """Client id and secret belong to the app's own account, which may be another one."""
    result = run(*LOGIN)

    assert "warning: CLEVERREACH_CLIENT_ID and CLEVERREACH_CLIENT_SECRET are set" in result.stderr


@pytest.mark.usefixtures("server", "browser")
def test_the_secret_alone_renews_the_login(
    run: Run, sandbox: Sandbox, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client id is stored; so is the renewed token."""
    run(*LOGIN)
    before = Token.from_json(token_file.read_bytes())
    monkeypatch.delenv("CLEVERREACH_CLIENT_ID")
    sandbox.expire_tokens()

    result = run("groups", "--json")

    after = Token.from_json(token_file.read_bytes())
    assert (0, "[]\n") == (result.exit_code, result.stdout)
    assert before.refresh_token != after.refresh_token


@pytest.mark.usefixtures("server", "browser")
@pytest.mark.parametrize("with_secret", [True, False])
def test_an_expired_login_is_reported(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, *, with_secret: bool
) -> None:
    """The message says what to do, with and without a secret."""
    run(*LOGIN)
    monkeypatch.delenv("CLEVERREACH_CLIENT_ID")
    if not with_secret:
        monkeypatch.delenv("CLEVERREACH_CLIENT_SECRET")
    sandbox.revoke_tokens()

    result = run("groups")

    assert (1, True) == (result.exit_code, "run cleverreach login" in result.stderr)


@pytest.mark.usefixtures("server")
def test_a_denied_login_is_reported(
    run: Run, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 1, a page that says so, and nothing is stored."""
    responses = redirect_with(
        monkeypatch, lambda query: {"error": "access_denied", "state": query["state"]}
    )

    result = run(*LOGIN)
    page = responses.get(timeout=30)

    assert (1, "") == (result.exit_code, result.stdout)
    assert "access_denied; run cleverreach login" in result.stderr
    assert (400, True) == (page.status_code, "Not logged in" in page.text)
    assert not token_file.exists()


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    "forged", [{"code": "c"}, {"error": "denied"}, {"code": "c", "state": "x"}]
)
def test_a_forged_callback_is_ignored(
    run: Run, browser: Browser, monkeypatch: pytest.MonkeyPatch, forged: Mapping[str, str]
) -> None:
    """Any web page can send one while the user logs in. The login goes on."""
    forgeries: list[int] = []

    def open_both(url: str) -> bool:
        (there,) = parse_qs(urlsplit(url).query)["redirect_uri"]
        forgeries.append(httpx.get(f"{there}?{urlencode(forged)}").status_code)
        return browser(url)

    monkeypatch.setattr(webbrowser, "open", open_both)

    result = run(*LOGIN)

    assert ([400], 0) == (forgeries, result.exit_code)
    assert "Logged in to Sandbox" in result.stdout


@pytest.mark.usefixtures("server")
def test_a_refused_code_is_reported(
    run: Run, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code is not printed."""
    redirect_with(monkeypatch, lambda query: {**query, "code": "code-4711"})

    result = run(*LOGIN)

    assert (1, True) == (result.exit_code, "invalid_grant" in result.stderr)
    assert (False, False) == ("code-4711" in result.output, token_file.exists())


@pytest.mark.usefixtures("server", "browser")
def test_wrong_credentials_are_reported(run: Run) -> None:
    """The message names the variables."""
    result = run(*LOGIN, "--client-secret", "falsch-999")

    assert (1, False) == (result.exit_code, "falsch-999" in result.output)
    assert "invalid_client" in result.stderr
    assert "check CLEVERREACH_CLIENT_ID and CLEVERREACH_CLIENT_SECRET" in result.stderr


@pytest.mark.usefixtures("server", "browser")
def test_a_token_that_does_not_work_is_not_stored(
    run: Run, sandbox: Sandbox, token_file: Path
) -> None:
    """The token is tried before it is stored."""
    sandbox.faults.add(Fault("status", code=403, path_suffix="/whoami"))

    result = run(*LOGIN)

    assert (1, False) == (result.exit_code, token_file.exists())


@pytest.mark.usefixtures("server")
def test_a_login_times_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to do."""
    monkeypatch.setattr(login_command, "LOGIN_TIMEOUT", 0.06)

    result = run(*LOGIN, "--no-browser")

    assert 1 == result.exit_code
    assert "no login within 0.001 minutes; run cleverreach login again" in result.stderr


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("raises", [True, False])
def test_a_missing_browser_is_reported(
    run: Run, monkeypatch: pytest.MonkeyPatch, *, raises: bool
) -> None:
    """The user can still open the page in another browser."""

    def refuse(url: str) -> bool:
        if raises:
            raise webbrowser.Error("could not locate runnable browser")
        return False

    monkeypatch.setattr(webbrowser, "open", refuse)
    monkeypatch.setattr(login_command, "LOGIN_TIMEOUT", 0.5)

    assert "no browser found; open the page yourself" in run(*LOGIN).stderr


def test_a_port_in_use_is_reported(run: Run, server: str, browser: Browser) -> None:
    """No browser is opened; the message names the option and what it requires."""
    port = server.rpartition(":")[2]

    result = run("login", "--port", port)

    assert (1, []) == (result.exit_code, browser.opened)
    assert f"127.0.0.1 port {port}" in result.stderr
    assert "choose another with --port, and register its redirect URI" in result.stderr


@pytest.mark.usefixtures("server")
def test_a_file_that_cannot_be_written_is_reported_first(
    run: Run, workdir: Path, browser: Browser
) -> None:
    """Before the user logs in."""
    (workdir / "taken").write_text("a file", "utf-8")

    result = run(*LOGIN, "--store", "taken/token.json")

    assert (1, []) == (result.exit_code, browser.opened)
    assert "taken" in result.stderr


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ({}, "CLEVERREACH_CLIENT_ID and CLEVERREACH_CLIENT_SECRET"),
        ({"CLEVERREACH_CLIENT_ID": "mia"}, "CLEVERREACH_CLIENT_SECRET"),
    ],
)
def test_a_login_needs_the_app(
    run: Run, monkeypatch: pytest.MonkeyPatch, there: Mapping[str, str], missing: str
) -> None:
    """The message names what is missing."""
    for name, value in there.items():
        monkeypatch.setenv(name, value)

    result = run(*LOGIN)

    assert (1, f"error: a login needs the app's client id and client secret: set {missing}\n") == (
        result.exit_code,
        result.stderr,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.usefixtures("server")
def test_ctrl_c_ends_the_wait() -> None:
    """Status 130, and no traceback."""
    words = [sys.executable, "-m", "cleverreach_async.cli", *LOGIN, "--no-browser"]
    with subprocess.Popen(  # noqa: S603 - our own command
        words, encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        while "/oauth/authorize.php?" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)

    assert (130, "", "interrupted\n") == (process.returncode, output, errors)


@pytest.mark.usefixtures("server", "browser")
def test_logout_revokes_and_deletes(run: Run, sandbox: Sandbox, token_file: Path) -> None:
    """The token is not valid any more; a second logout has nothing to do."""
    run(*LOGIN)
    first, second = run("logout"), run("logout")

    assert [(0, "Logged out.\n"), (0, "")] == [(it.exit_code, it.stdout) for it in (first, second)]
    assert f"no stored login in {token_file}\n" == second.stderr
    assert 0 == sandbox.store.value("SELECT count(*) FROM access_tokens")
    assert [] == list(token_file.parent.glob("*.json*[!k]"))


@pytest.mark.usefixtures("server", "browser")
def test_logout_deletes_what_cannot_be_revoked(
    run: Run, sandbox: Sandbox, token_file: Path
) -> None:
    """The server refuses; the file is deleted anyway."""
    run(*LOGIN)
    sandbox.revoke_tokens()

    result = run("logout")

    assert (0, "Logged out.\n", False) == (result.exit_code, result.stdout, token_file.exists())
    assert "warning: cannot revoke the token, which stays valid until it expires" in result.stderr


def test_logout_deletes_a_file_without_a_token(run: Run, workdir: Path) -> None:
    """A damaged file is deleted too."""
    for damaged in ("{", '{"access_token": "a', "\0\0"):
        (workdir / "t.json").write_text(damaged, "utf-8")

        result = run("logout", "--store", "t.json")

        assert (0, "Logged out.\n") == (result.exit_code, result.stdout)
        assert not (workdir / "t.json").exists()


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("words", [LOGIN, ("logout",)])
@pytest.mark.parametrize(
    "content",
    ["E-Mail;Vorname\n", "CLEVERREACH_CLIENT_ID=mia\n", '{"row":1}\n{"row":2}\n', "[]", "\xff"],
)
def test_another_file_is_neither_replaced_nor_deleted(
    run: Run, workdir: Path, browser: Browser, words: tuple[str, ...], content: str
) -> None:
    """A name that was mistyped may be that of the customers."""
    (workdir / "customers.csv").write_text(content, "latin-1")

    result = run(*words, "--store", "customers.csv")

    assert (1, []) == (result.exit_code, browser.opened)
    assert "customers.csv is another file than a stored login, and would be lost" in result.stderr
    assert content == (workdir / "customers.csv").read_text("latin-1")
