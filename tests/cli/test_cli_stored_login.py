"""When a stored login is used, with which credentials, and for which server."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cleverreach_async import (
    BearerToken,
    ConfigurationError,
    FileTokenStore,
    Secret,
    Token,
    UserToken,
)
from cleverreach_async.cli.credentials import Access, find_access, find_login_file
from cleverreach_async.cli.stored_login import Login, login_file, read_login, save_login

ID, SECRET, TOKEN = "CLEVERREACH_CLIENT_ID", "CLEVERREACH_CLIENT_SECRET", "CLEVERREACH_TOKEN"
URL, FILE = "CLEVERREACH_BASE_URL", "CLEVERREACH_TOKEN_FILE"
SERVER = "https://rest.cleverreach.com"


def store(path: Path, *, about: Mapping[str, str] | None = None, ended: bool = False) -> None:
    """Write a login as an earlier run would."""
    end = datetime.now(UTC) + timedelta(days=-1 if ended else 1)
    token = Token(access_token=Secret("zugang-1"), refresh_token=Secret("frisch-1"), expires_at=end)
    path.write_text(token.to_json(), "utf-8")
    if about is not None:
        path.with_name(f"{path.name}.about").write_text(json.dumps(about), "utf-8")


@pytest.fixture
def stored(workdir: Path) -> dict[str, str]:
    """A login for the app ``mia``; returns the environment for it."""
    store(workdir / "t.json", about={"client_id": "mia", "base_url": SERVER})
    return {FILE: "t.json"}


def auth_of(access: Access) -> str:
    """The credentials as text."""
    auth = access.auth
    if isinstance(auth, BearerToken):
        return auth.token.reveal()
    if isinstance(auth, UserToken):
        return f"user of {auth.client.client_id}:{auth.client.client_secret.reveal()}"
    return type(auth).__name__


@pytest.mark.parametrize(
    ("environ", "lines", "expected"),
    [
        pytest.param({}, "", "zugang-1", id="nothing-else"),
        pytest.param({ID: "mia"}, "", "zugang-1", id="id-of-its-app"),
        pytest.param({SECRET: "s"}, "", "user of mia:s", id="secret-alone"),
        pytest.param({}, f"{SECRET}=s", "user of mia:s", id="secret-in-env-file"),
        pytest.param({TOKEN: "b"}, "", "b", id="token-first"),
        pytest.param({}, f"{TOKEN}=c", "c", id="env-file-first"),
        pytest.param({ID: "mia", SECRET: "s"}, "", "ClientCredentials", id="app-first"),
    ],
)
def test_a_stored_login_comes_last(
    workdir: Path, stored: dict[str, str], environ: Mapping[str, str], lines: str, expected: str
) -> None:
    """The secret alone renews it; complete credentials take precedence."""
    (workdir / ".env").write_text(lines, "utf-8")

    access = find_access({}, {**stored, **environ}, Path(".env"))

    assert expected == auth_of(access)
    assert (access.login is not None) == expected.startswith(("zugang", "user"))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({ID: "other"}, "is not that of the stored login", id="another-app"),
        pytest.param({URL: "http://127.0.0.1:1"}, "is for rest.cleverreach.com", id="server"),
    ],
)
def test_a_login_is_for_one_app_and_one_server(
    stored: dict[str, str], environ: Mapping[str, str], expected: str
) -> None:
    """A token that is sent to another server is compromised."""
    with pytest.raises(ConfigurationError, match=expected):
        find_access({}, {**stored, **environ}, None)


def test_the_same_server_may_be_given(stored: dict[str, str]) -> None:
    """Also with a slash at the end."""
    assert SERVER == find_access({}, {**stored, URL: f"{SERVER}/v3/"}, None).base_url


@pytest.mark.parametrize(
    ("environ", "expected"),
    [({}, SERVER), ({URL: "http://127.0.0.1:8800"}, "http://127.0.0.1:8800")],
)
def test_a_token_file_of_another_program_is_used(
    workdir: Path, environ: Mapping[str, str], expected: str
) -> None:
    """No second file names the server, so it is the configured one."""
    store(workdir / "t.json")

    access = find_access({}, {FILE: "t.json", **environ}, None)

    assert ("zugang-1", expected) == (auth_of(access), access.base_url)


def test_a_secret_without_a_client_id_is_incomplete(workdir: Path) -> None:
    """It is unknown which app the token is for."""
    store(workdir / "t.json")

    with pytest.raises(ConfigurationError, match=f"{ID} is missing"):
        find_access({}, {FILE: "t.json", SECRET: "s"}, None)


def test_an_expired_login_needs_the_secret(workdir: Path) -> None:
    """Without it the command says what to do, before any request."""
    store(workdir / "t.json", about={"client_id": "mia"}, ended=True)

    renewed = find_access({}, {FILE: "t.json", SECRET: "s"}, None)
    with pytest.raises(ConfigurationError, match="has expired: run cleverreach login"):
        find_access({}, {FILE: "t.json"}, None)

    assert "user of mia:s" == auth_of(renewed)


@pytest.mark.parametrize(
    ("token", "about"),
    [
        pytest.param("{", None, id="no-json"),
        pytest.param('{"access_token": "a"}', "{", id="about-no-json"),
        pytest.param('{"access_token": "a"}', "[]", id="about-no-object"),
    ],
)
def test_a_damaged_login_is_reported(workdir: Path, token: str, about: str | None) -> None:
    """The message names the file, and does not show its contents."""
    (workdir / "t.json").write_text(token, "utf-8")
    if about is not None:
        (workdir / "t.json.about").write_text(about, "utf-8")

    with pytest.raises(ConfigurationError) as refused:
        read_login(Path("t.json"))

    assert "t.json: not a stored login; run cleverreach login" == str(refused.value)


def test_a_folder_is_not_a_login(workdir: Path) -> None:
    """The message of the operating system is shown."""
    with pytest.raises(ConfigurationError, match="cannot read the login"):
        read_login(workdir)


@pytest.mark.skipif("sys.platform == 'win32'", reason="pipes of POSIX")
def test_a_pipe_is_not_a_login(workdir: Path) -> None:
    """It is refused at once, instead of read for ever."""
    os.mkfifo(workdir / "t.json")
    with pytest.raises(ConfigurationError, match="cannot read the login: it is no regular file"):
        read_login(workdir / "t.json")


def test_an_empty_file_is_no_login(workdir: Path) -> None:
    """As after a crash of the machine: the user logs in again."""
    (workdir / "t.json").write_bytes(b"")
    assert read_login(workdir / "t.json") is None


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({FILE: "/a/t.json", "XDG_CONFIG_HOME": "/x"}, "linux", "/a/t.json"),
        ({"XDG_CONFIG_HOME": "/x"}, "linux", "/x/cleverreach/token.json"),
        ({"XDG_CONFIG_HOME": "x"}, "linux", "HOME/.config/cleverreach/token.json"),
        ({}, "darwin", "HOME/.config/cleverreach/token.json"),
        ({"APPDATA": "/r", "XDG_CONFIG_HOME": "/x"}, "win32", "/r/cleverreach/token.json"),
        ({}, "win32", "HOME/AppData/Roaming/cleverreach/token.json"),
    ],
)
@pytest.mark.skipif("sys.platform == 'win32'", reason="paths of POSIX")
def test_the_file_is_in_the_configuration_folder(
    environ: Mapping[str, str], platform: str, expected: str
) -> None:
    """Each system has its own; a relative folder is ignored."""
    path = login_file(environ, platform=platform).as_posix()

    assert expected == path.replace(Path.home().as_posix(), "HOME")


def test_the_file_can_be_named_in_an_env_file(workdir: Path) -> None:
    """The environment takes precedence."""
    (workdir / "my.env").write_text(f"{FILE}=b.json\n", "utf-8")

    found = [find_login_file(it, Path("my.env")) for it in ({}, {FILE: "a.json"})]

    assert [Path("b.json"), Path("a.json")] == found


@pytest.mark.anyio
async def test_a_new_login_replaces_the_old(workdir: Path) -> None:
    """Token, app and server change together."""
    store(workdir / "t.json", about={"client_id": "old", "base_url": SERVER})
    token = Token(access_token=Secret("zugang-2"))
    new = Login(path=workdir / "t.json", token=token, client_id="new", base_url="http://x")

    await save_login(new)

    assert new == read_login(workdir / "t.json")


@pytest.mark.anyio
async def test_an_old_token_is_never_used_for_the_new_server(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the new token cannot be written, none is left."""
    store(workdir / "t.json", about={"client_id": "old", "base_url": SERVER})
    token = Token(access_token=Secret("zugang-2"))

    async def fail(*_: object) -> None:
        raise ConfigurationError("disk full")

    monkeypatch.setattr(FileTokenStore, "save", fail)
    with pytest.raises(ConfigurationError, match="disk full"):
        await save_login(Login(path=workdir / "t.json", token=token, base_url="http://x"))

    assert read_login(workdir / "t.json") is None
