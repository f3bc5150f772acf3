"""The token file: permissions, crashes, invalid content and other event loops."""

# pyright: reportPrivateUsage=false

import json
import os
import stat
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from cleverreach_async import (
    CleverReach,
    ConfigurationError,
    OAuthApp,
    Secret,
    Token,
    TokenStoreError,
)
from cleverreach_async.auth.file_store import FileTokenStore
from cleverreach_async.auth.locks import hold_lock
from cleverreach_async.auth.stores import MemoryTokenStore, TokenStore

OLD = Token(access_token=Secret("old-access"), refresh_token=Secret("old-refresh"))
NEW = Token(access_token=Secret("new-access"), refresh_token=Secret("new-refresh"))

anyio_test = pytest.mark.anyio
on_posix = pytest.mark.skipif(os.name != "posix", reason="permissions are a matter of posix")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The token file, in a folder that does not exist yet."""
    return tmp_path / "account" / "token.json"


@pytest.fixture
def store(path: Path) -> FileTokenStore:
    """The store under test."""
    return FileTokenStore(path)


def mode_of(path: Path) -> int:
    """The permissions of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


def put(path: Path, text: str | bytes) -> None:
    """Write a file in a folder of its own."""
    path.parent.mkdir()
    path.write_bytes(text.encode() if isinstance(text, str) else text)


@on_posix
@anyio_test
async def test_file_and_folder_are_for_their_owner(store: FileTokenStore, path: Path) -> None:
    """0600 and 0700, whatever the umask is."""
    before = os.umask(0)
    try:
        await store.save(OLD)
        await store.save(NEW)
        async with store.lock():
            modes = [mode_of(it) for it in (path.parent, path, Path(f"{path}.lock"))]
    finally:
        os.umask(before)
    assert [0o700, 0o600, 0o600] == modes


@on_posix
@anyio_test
async def test_the_lock_creates_the_folder_for_its_owner(store: FileTokenStore, path: Path) -> None:
    """It may be needed first, when the first token is requested."""
    before = os.umask(0)
    try:
        async with store.lock():
            assert 0o700 == mode_of(path.parent)
    finally:
        os.umask(before)


@anyio_test
@pytest.mark.parametrize("step", ["fsync", "replace"])
async def test_a_crash_before_the_rename_keeps_the_old_token(
    store: FileTokenStore, path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The file is never written in place, and the draft is removed."""
    await store.save(OLD)

    def crash(*args: Any) -> None:
        raise KeyError(step)

    monkeypatch.setattr(*((os, "fsync", crash) if step == "fsync" else (Path, "replace", crash)))
    with pytest.raises(KeyError, match=step):
        await store.save(NEW)
    monkeypatch.undo()
    assert OLD == await store.load()
    assert [path] == list(path.parent.iterdir())


@anyio_test
async def test_the_text_is_on_disk_before_the_rename(
    store: FileTokenStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Write, sync, rename, then sync the folder."""
    steps: list[str] = []
    real_sync, real_replace = os.fsync, Path.replace

    def sync(handle: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        steps.append(f"{kind} of {os.fstat(handle).st_size > 0}")
        real_sync(handle)

    def replace(self: Path, target: Path) -> Path:
        steps.append(f"{self.parent == target.parent} {target.name}")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    await store.save(NEW)
    expected = ["file of True", "True token.json"] + ["folder of True"] * (os.name == "posix")
    assert expected == steps


GARBAGE: dict[str, str | bytes] = {
    "torn": OLD.to_json()[:-9],
    "no json": "old-access",
    "list": '["old-access"]',
    "number": '{"access_token": 4711, "note": "old-access"}',
    "null": '{"access_token": null, "note": "old-access"}',
    "blank": '{"access_token": "", "note": "old-access"}',
    "odd refresh token": '{"access_token": "old-access", "refresh_token": {"a": 1}}',
    "odd scope": '{"access_token": "old-access", "scope": null}',
    "odd end": '{"access_token": "old-access", "expires_at": "soon"}',
    "far end": '{"access_token": "old-access", "expires_at": 1e300}',
    "no end": '{"access_token": "old-access", "expires_at": NaN}',
    "deep": '{"access_token": "old-access", "x": ' + "[" * 100_000,
    "no text": b"\xff\xfe old-access",
}


@anyio_test
@pytest.mark.parametrize("text", GARBAGE.values(), ids=GARBAGE)
async def test_invalid_content_is_reported_without_showing_it(
    store: FileTokenStore, path: Path, text: str | bytes
) -> None:
    """The message names the file and the remedy, and nothing of the content."""
    put(path, text)
    with pytest.raises(ConfigurationError) as caught:
        await store.load()
    assert f"{path}: the stored value is not a token: authorise again" == str(caught.value)


@anyio_test
@pytest.mark.parametrize("content", [b"", b" \r\n\t", b"\0" * 64])
async def test_an_empty_file_is_no_token(store: FileTokenStore, path: Path, content: bytes) -> None:
    """A crash of the machine can leave it. Client credentials get a new token, and keep it."""
    put(path, content)
    assert await store.load() is None

    def answer(request: httpx.Request) -> httpx.Response:
        is_token = request.url.path == "/oauth/token.php"
        return httpx.Response(200, json={"access_token": "new-access"} if is_token else [])

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http_client:
        app = OAuthApp("id", "secret")
        cr = CleverReach(app.client_credentials(store=store), http_client=http_client)
        await cr.groups.list()
    assert Token(access_token=Secret("new-access")) == await store.load()


@on_posix
@anyio_test
@pytest.mark.parametrize("kind", ["pipe", "device", "link to a pipe"])
async def test_what_is_no_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    """Reading a pipe could wait for ever, and saving would replace it."""
    pipe, path = tmp_path / "pipe", tmp_path / "token"
    os.mkfifo(pipe)
    path.symlink_to("/dev/null" if kind == "device" else pipe)
    path = pipe if kind == "pipe" else path
    before = path.lstat()
    store = FileTokenStore(path)
    with anyio.fail_after(5):
        with pytest.raises(TokenStoreError, match="it is no regular file") as loading:
            await store.load()
        with pytest.raises(TokenStoreError, match="it is no regular file"):
            await store.save(NEW)
    assert str(loading.value).startswith(f"{path}: ")
    assert before.st_ino == path.lstat().st_ino


@pytest.mark.parametrize("path", ["", "token\0.json", "token\ud800.json"])
def test_a_path_that_no_file_can_have_is_refused(path: str) -> None:
    """When the store is created, with the path in ASCII."""
    with pytest.raises(ConfigurationError) as caught:
        FileTokenStore(path)
    assert f"path is {path!a}; pass the name of a file" == str(caught.value)


@anyio_test
async def test_half_a_token_is_in_no_variable(store: FileTokenStore, path: Path) -> None:
    """An error reporter collects no part of the token."""
    put(path, OLD.to_json()[:-9])
    try:
        await store.load()
    except ConfigurationError as error:
        report = traceback.TracebackException.from_exception(error, capture_locals=True)
        context = error.__context__
        assert context is not None
        inner = traceback.TracebackException.from_exception(context, capture_locals=True)
        shown = "".join([*report.format(), *inner.format()])
    else:
        pytest.fail("half a token was accepted")
    assert "parse_token" in shown
    assert "from_json" in shown
    assert "old-access" not in shown


@anyio_test
async def test_a_file_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    """With the system's reason, and without the token in any variable."""
    (tmp_path / "file").write_text("")
    store = FileTokenStore(tmp_path / "file" / "token.json")
    try:
        await store.save(NEW)
    except TokenStoreError as error:
        report = traceback.TracebackException.from_exception(error, capture_locals=True)
        shown = "".join(report.format())
    else:
        pytest.fail("a file is not a folder")
    assert str(tmp_path / "file" / "token.json") in shown
    assert "_write" in shown
    assert "new-access" not in shown


@anyio_test
async def test_a_file_that_cannot_be_read_or_locked_is_reported(tmp_path: Path) -> None:
    """A folder is not a file."""
    (tmp_path / "token.json").mkdir()
    (tmp_path / "token.json.lock").mkdir()
    store = FileTokenStore(tmp_path / "token.json")
    with pytest.raises(TokenStoreError, match=r"token\.json: "):
        await store.load()
    with pytest.raises(TokenStoreError, match=r"token\.json"):
        async with store.lock():
            pytest.fail("the lock cannot be acquired")


@anyio_test
async def test_a_lock_that_is_never_released_is_reported(
    store: FileTokenStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting for it ends after the timeout."""
    monkeypatch.setattr("cleverreach_async.auth.file_store.LOCK_SECONDS", 0.1)
    async with store.lock():
        with pytest.raises(TokenStoreError) as caught:
            async with FileTokenStore(path).lock():
                pytest.fail("two holders")
    assert str(caught.value).startswith(f"{path}.lock has been held by another process")


@anyio_test
async def test_releasing_a_lock_is_not_interrupted() -> None:
    """A cancelled holder releases its lock, however long that takes."""
    steps: list[str] = []

    async def acquire() -> bool:
        steps.append("acquired")
        return True

    async def release() -> None:
        await anyio.lowlevel.checkpoint()
        steps.append("released")

    with anyio.CancelScope() as scope:
        async with hold_lock(acquire, release, name="lock", timeout=5.0):
            scope.cancel()
            await anyio.sleep_forever()
    assert ["acquired", "released"] == steps


@anyio_test
async def test_a_file_of_an_older_layout_is_read(store: FileTokenStore, path: Path) -> None:
    """Whole seconds, no scope, unknown fields."""
    put(path, json.dumps({"access_token": "a", "expires_at": 1_767_225_600, "more": 1}))
    token = await store.load()
    assert token is not None
    assert ("a", None, "2026-01-01T00:00:00+00:00", "") == (
        token.access_token.reveal(),
        token.refresh_token,
        token.expires_at and token.expires_at.isoformat(),
        token.scope,
    )


@pytest.mark.parametrize("kind", ["memory", "file"])
@pytest.mark.parametrize(
    "loops", [("asyncio", "asyncio"), ("trio", "asyncio"), ("asyncio", "trio")]
)
def test_a_store_works_in_several_event_loops(
    path: Path, kind: str, loops: tuple[str, str]
) -> None:
    """Token and lock work in one event loop after the other, with contention too."""
    store: TokenStore = MemoryTokenStore() if kind == "memory" else FileTokenStore(path)

    async def use(token: Token) -> Token | None:
        async def save() -> None:
            async with store.lock():
                await store.save(token)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(save)
            tasks.start_soon(save)
        return await store.load()

    assert OLD == anyio.run(partial(use, OLD), backend=loops[0])
    assert NEW == anyio.run(partial(use, NEW), backend=loops[1])
