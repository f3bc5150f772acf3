"""Two processes that share a token file and renew at the same time use one refresh token."""

import sys
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest

from cleverreach_async import OAuthApp
from cleverreach_async.auth.file_store import FileTokenStore
from cleverreach_async.sandbox import Sandbox
from cleverreach_async.sandbox.server import running

pytestmark = pytest.mark.socket

CALLBACK = "https://shop.example/callback"
WORKER = """
import sys
import anyio
from cleverreach_async import CleverReach, OAuthApp
from cleverreach_async.auth.file_store import FileTokenStore

async def main(url, path):
    app = OAuthApp("sandbox", "sandbox-secret", base_url=url)
    async with CleverReach(app.user(store=FileTokenStore(path)), base_url=url) as cr:
        await cr.debug.ttl()
        print("ready", flush=True)
        for _ in sys.stdin:
            await cr.debug.ttl()
            print("done", flush=True)

anyio.run(main, *sys.argv[1:])
"""


@pytest.fixture
def sandbox() -> Generator[Sandbox]:
    """An empty sandbox."""
    with Sandbox() as sandbox:
        yield sandbox


async def authorise(url: str, path: Path) -> None:
    """Connect the app as a user does, and store the token in the file."""
    app = OAuthApp("sandbox", "sandbox-secret", redirect_uri=CALLBACK, base_url=url)
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(app.authorization_url(state="state"))
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    await FileTokenStore(path).save(await app.exchange_code(code))


def continue_worker(worker: Popen[str]) -> None:
    """Let a worker take its next step."""
    assert worker.stdin is not None
    worker.stdin.write("go\n")
    worker.stdin.flush()


def line_of(worker: Popen[str]) -> str:
    """The next line of output of a worker."""
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


@pytest.fixture
def url(sandbox: Sandbox) -> Generator[str]:
    """The URL of the sandbox."""
    with running(sandbox) as url:
        yield url


def test_two_processes_refresh_once(sandbox: Sandbox, url: str, tmp_path: Path) -> None:
    """One holds the lock of the file. The other finds the new token in it and sends no request."""
    path = tmp_path / "token.json"
    anyio.run(authorise, url, path)
    command = [sys.executable, "-c", WORKER, url, str(path)]
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                Popen(command, stdin=PIPE, stdout=PIPE, encoding="utf-8")  # noqa: S603 - our own
            )
            for _ in range(2)
        ]
        for worker in workers:
            stack.callback(worker.kill)
        assert ["ready"] * 2 == [line_of(it) for it in workers]
        for _ in range(3):
            before = sandbox.count("POST", "/oauth/token.php")
            sandbox.expire_tokens()
            for worker in workers:
                continue_worker(worker)
            assert ["done"] * 2 == [line_of(it) for it in workers]
            assert 1 == sandbox.count("POST", "/oauth/token.php") - before
        for worker in workers:
            worker.communicate()
        assert [0, 0] == [it.returncode for it in workers]
    query = "SELECT COUNT(*) FROM refresh_tokens WHERE used = 0"
    assert 1 == sandbox.store.value(query)
