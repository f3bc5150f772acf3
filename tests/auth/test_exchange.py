"""``cr.oauth``: exchange and revoke the current token."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from cleverreach_async import (
    APIConnectionError,
    AuthenticationError,
    CleverReach,
    OAuthApp,
    Token,
    TokenError,
    TokenStoreError,
)
from cleverreach_async.auth.file_store import FileTokenStore
from cleverreach_async.auth.stores import MemoryTokenStore
from cleverreach_async.sandbox import Behaviour, Fault, Sandbox
from cleverreach_async.transport.transport import Auth

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

Connect = Callable[["Auth | str"], CleverReach]


def access(token: Token | None) -> str | None:
    """The text of the access token."""
    return None if token is None else token.access_token.reveal()


@pytest.fixture
def store(token: Token) -> MemoryTokenStore:
    """The store of the user's token."""
    return MemoryTokenStore(token)


@pytest.mark.parametrize("answer", ["object", "string"])
async def test_the_new_token_is_stored_and_used(
    connect: Connect,
    app: OAuthApp,
    sandbox: Sandbox,
    store: MemoryTokenStore,
    token: Token,
    refreshes: Callable[[], int],
    answer: str,
) -> None:
    """The old one becomes invalid, and the client needs no request to the token endpoint."""
    sandbox.behaviour = Behaviour(exchange_answer="object" if answer == "object" else "string")
    cr = connect(app.user(store=store))
    new = await cr.oauth.exchange()
    stored = await store.load()
    assert access(new) == access(stored) != access(token)
    await cr.debug.ttl()
    assert 0 == refreshes()
    with pytest.raises(AuthenticationError):
        await connect(token.access_token.reveal()).debug.ttl()


async def test_the_new_refresh_token_replaces_the_old_one(
    connect: Connect, app: OAuthApp, sandbox: Sandbox, store: MemoryTokenStore
) -> None:
    """And works."""
    cr = connect(app.user(store=store))
    new = await cr.oauth.exchange()
    assert new == await store.load()
    sandbox.expire_tokens()
    await cr.debug.ttl()


async def test_a_bare_token_keeps_the_refresh_token(
    connect: Connect, app: OAuthApp, sandbox: Sandbox, store: MemoryTokenStore, token: Token
) -> None:
    """A response without a refresh token does not invalidate the old one."""
    sandbox.behaviour = Behaviour(exchange_answer="string")
    cr = connect(app.user(store=store))
    new = await cr.oauth.exchange()
    stored = await store.load()
    assert stored is not None
    assert (None, token.refresh_token) == (new.refresh_token, stored.refresh_token)


@pytest.mark.parametrize("answer", ["object", "string"])
async def test_a_bearer_token_is_replaced_too(
    connect: Connect, sandbox: Sandbox, answer: str
) -> None:
    """In the client only, because there is no store."""
    sandbox.behaviour = Behaviour(exchange_answer="object" if answer == "object" else "string")
    old = sandbox.add_token()
    cr = connect(old)
    await cr.oauth.exchange()
    await cr.debug.ttl()
    with pytest.raises(AuthenticationError):
        await connect(old).debug.ttl()


async def test_a_lost_exchange_is_not_repeated(
    connect: Connect, app: OAuthApp, sandbox: Sandbox, store: MemoryTokenStore, token: Token
) -> None:
    """It may have been executed. The store keeps its token."""
    cr = connect(app.user(store=store))
    sandbox.faults.add(Fault("reset", path_prefix="/v3/debug/exchange", committed=True))
    with pytest.raises(APIConnectionError):
        await cr.oauth.exchange()
    assert 1 == sandbox.count("GET", "/v3/debug/exchange")
    assert token == await store.load()


async def test_a_response_without_a_token_changes_nothing(
    connect: Connect, app: OAuthApp, sandbox: Sandbox, store: MemoryTokenStore, token: Token
) -> None:
    """An empty response, such as that of a proxy, raises an error."""
    cr = connect(app.user(store=store))
    sandbox.faults.add(Fault("cut", path_prefix="/v3/debug/exchange", at=0))
    with pytest.raises(TokenError, match="no access_token"):
        await cr.oauth.exchange()
    assert token == await store.load()


async def test_a_token_that_cannot_be_stored_is_stored_later(
    connect: Connect,
    app: OAuthApp,
    store: MemoryTokenStore,
    refreshes: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The old one is invalid, so the next call that needs the new one stores it first."""

    async def fail(token: Token) -> None:
        await anyio.lowlevel.checkpoint()
        raise LookupError("down")

    cr = connect(app.user(store=store))
    before = await store.load()
    monkeypatch.setattr(store, "save", fail)
    with pytest.raises(TokenStoreError, match=r"^MemoryTokenStore cannot save the token: Lo"):
        await cr.oauth.exchange()
    monkeypatch.undo()
    await cr.debug.ttl()
    assert 0 == refreshes()
    assert access(before) != access(await store.load())


async def test_a_cancelled_exchange_is_completed(
    connect: Connect, app: OAuthApp, sandbox: Sandbox, token: Token, tmp_path: Path
) -> None:
    """Wherever it is cancelled, the stored token is valid."""
    store = FileTokenStore(tmp_path / "token.json")
    await store.save(token)
    cr = connect(app.user(store=store))
    await cr.debug.ttl()
    for rounds in range(25):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cr.oauth.exchange)
            for _ in range(rounds):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        stored = await store.load()
        assert stored is not None
        await connect(stored.access_token.reveal()).debug.ttl()


async def test_an_exchange_waits_for_the_stores_lock(
    connect: Connect, app: OAuthApp, store: MemoryTokenStore, token: Token
) -> None:
    """Another process may be renewing the token."""
    cr = connect(app.user(store=store))
    await cr.debug.ttl()
    async with anyio.create_task_group() as tasks, store.lock():
        tasks.start_soon(cr.oauth.exchange)
        await anyio.wait_all_tasks_blocked()
        assert token == await store.load()
    assert access(token) != access(await store.load())


async def test_a_revoked_token_stops_working(
    connect: Connect, app: OAuthApp, sandbox: Sandbox, store: MemoryTokenStore, token: Token
) -> None:
    """So does its refresh token: the user has to authorise again."""
    cr = connect(app.user(store=store))
    await cr.oauth.revoke()
    with pytest.raises(AuthenticationError):
        await connect(token.access_token.reveal()).debug.ttl()
    with pytest.raises(TokenError, match="authorise again"):
        await cr.debug.ttl()


async def test_an_app_gets_another_token_after_a_revocation(
    connect: Connect, app: OAuthApp, sandbox: Sandbox
) -> None:
    """Its credentials are still valid."""
    cr = connect(app.client_credentials())
    await cr.oauth.revoke()
    await cr.debug.ttl()
    assert 2 == sandbox.count("POST", "/oauth/token.php")
