"""A token in the last fifth of its lifetime is renewed while calls still use it."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import attrs
import pytest
from anyio import wait_all_tasks_blocked

from cleverreach_async import CleverReach, OAuthApp, Secret, Token, TokenError
from cleverreach_async.auth.stores import MemoryTokenStore
from cleverreach_async.sandbox import Fault, Sandbox
from cleverreach_async.transport.transport import Auth

if TYPE_CHECKING:
    from support.clocks import FakeClock

pytestmark = pytest.mark.anyio

Connect = Callable[["Auth | str"], CleverReach]
ENDPOINT = "/oauth/token.php"
STALE, INVALID = 801.0, 941.0


class GatedStore(MemoryTokenStore):
    """A store whose lock can be acquired only while a gate is open."""

    def __init__(self, token: Token | None) -> None:
        super().__init__(token)
        self.gate = anyio.Event()
        self.gate.set()
        self.locks = 0

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """Wait for the gate first."""
        self.locks += 1
        await self.gate.wait()
        async with super().lock():
            yield


@pytest.fixture
async def store(token: Token) -> GatedStore:
    """The store of the user's token."""
    return GatedStore(token)


@pytest.fixture
async def cr(connect: Connect, app: OAuthApp, store: GatedStore, order: list[str]) -> CleverReach:
    """A client that has loaded its token."""
    cr = connect(app.user(store=store))
    await cr.debug.ttl()
    order.clear()
    return cr


async def test_a_fresh_token_is_not_renewed(
    cr: CleverReach, clock: FakeClock, refreshes: Callable[[], int]
) -> None:
    """Before four fifths of its lifetime are over."""
    clock.elapsed = STALE - 2.0
    await cr.debug.ttl()
    assert 0 == refreshes()


async def test_a_stale_token_is_used_while_it_is_renewed(
    cr: CleverReach, clock: FakeClock, sandbox: Sandbox, store: GatedStore, order: list[str]
) -> None:
    """The call is sent before the renewal ends, and returns together with it."""
    clock.elapsed = STALE
    store.gate = anyio.Event()
    done: list[str] = []

    async def call() -> None:
        await cr.debug.ttl()
        done.append("call")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        with anyio.fail_after(5):
            await wait_all_tasks_blocked()
        assert (2, [], []) == (sandbox.count("GET", "/v3/debug/ttl"), order, done)
        store.gate.set()
    assert ([ENDPOINT, "/debug/ttl"], ["call"]) == (order, done)
    assert 2 == sandbox.count("GET", "/v3/debug/ttl")


async def test_many_calls_with_a_stale_token_renew_it_once(
    cr: CleverReach, clock: FakeClock, order: list[str], refreshes: Callable[[], int]
) -> None:
    """One of them does it. The others neither wait for it nor get a 401."""
    clock.elapsed = STALE
    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(cr.debug.ttl)
    assert (1, 30) == (refreshes(), order.count("/debug/ttl"))


async def test_other_calls_do_not_wait_for_the_renewal(
    cr: CleverReach, clock: FakeClock, store: GatedStore, order: list[str]
) -> None:
    """While one call renews the token, others get their responses at once."""
    clock.elapsed = STALE
    store.gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cr.debug.ttl)
        await wait_all_tasks_blocked()
        with anyio.fail_after(5):
            await cr.debug.ttl()
            await cr.debug.ttl()
        assert (2, ["/debug/ttl"] * 2) == (store.locks, order)
        store.gate.set()
    assert 1 == order.count(ENDPOINT)


async def test_a_failing_early_renewal_is_logged_and_tried_later(
    cr: CleverReach,
    sandbox: Sandbox,
    clock: FakeClock,
    token: Token,
    refreshes: Callable[[], int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Calls use the old token. The renewal is repeated after a minute, not by every call."""
    clock.elapsed = STALE
    sandbox.faults.add(Fault("status", code=400, path_prefix=ENDPOINT))
    with caplog.at_level(logging.WARNING, "cleverreach_async"):
        for _ in range(3):
            await cr.debug.ttl()
    shown = [it.getMessage() for it in caplog.records]
    assert ["the token could not be renewed early: TokenError"] == shown
    assert token.refresh_token is not None
    for secret in (token.access_token, token.refresh_token):
        assert secret.reveal() not in caplog.text
    assert 1 == refreshes()
    clock.elapsed += 59.0
    await cr.debug.ttl()
    assert 1 == refreshes()
    clock.elapsed += 2.0
    sandbox.faults.clear()
    await cr.debug.ttl()
    await cr.debug.ttl()
    assert 2 == refreshes()


async def test_a_store_that_fails_early_gets_the_same_token_later(
    cr: CleverReach,
    clock: FakeClock,
    store: GatedStore,
    refreshes: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If an early renewal cannot be stored, the token is kept and no further request is needed."""

    async def fail(token: Token) -> None:
        raise LookupError(token)

    clock.elapsed = STALE
    monkeypatch.setattr(store, "save", fail)
    await cr.debug.ttl()
    monkeypatch.undo()
    before = await store.load()
    clock.elapsed += 61.0
    await cr.debug.ttl()
    after = await store.load()
    assert 1 == refreshes()
    assert before != after


async def test_a_token_about_to_expire_is_renewed_before_the_call(
    cr: CleverReach, clock: FakeClock, order: list[str]
) -> None:
    """In the last minute before it expires."""
    clock.elapsed = INVALID
    await cr.debug.ttl()
    assert [ENDPOINT, "/debug/ttl"] == order


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
async def test_a_jump_of_the_wall_clock_does_not_matter(
    cr: CleverReach, clock: FakeClock, refreshes: Callable[[], int], jump: float
) -> None:
    """The lifetime of a loaded token is measured by the monotonic clock."""
    clock.elapsed = STALE - 2.0
    assert cr._transport.account is not None
    clock.jump = jump
    stale = [cr._transport.account.tokens.stale]
    clock.elapsed = STALE
    stale.append(cr._transport.account.tokens.stale)
    assert [False, True] == stale
    assert 0 == refreshes()


async def test_a_server_whose_clock_is_ahead_is_believed(
    cr: CleverReach, sandbox: Sandbox, clock: FakeClock, order: list[str]
) -> None:
    """It responds 401 before the token expires by our clock: one renewal, one repetition."""
    sandbox.expire_tokens()
    clock.jump = -3600.0
    await cr.debug.ttl()
    assert [ENDPOINT, "/debug/ttl"] == order


async def test_fifty_calls_share_one_refusal(
    connect: Connect, sandbox: Sandbox, clock: FakeClock
) -> None:
    """A wrong secret causes one request, and every call raises its own error."""
    cr = connect(OAuthApp("sandbox", "wrong").client_credentials())
    errors: list[TokenError] = []

    async def call() -> None:
        try:
            await cr.debug.ttl()
        except TokenError as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(call)
    assert 1 == sandbox.count("POST", ENDPOINT)
    assert [("invalid_client", 400)] * 50 == [(it.error, it.status_code) for it in errors]
    assert 50 == len({id(it) for it in errors})
    with pytest.raises(TokenError):
        await cr.debug.ttl()
    assert 2 == sandbox.count("POST", ENDPOINT)


async def test_client_credentials_share_a_store(
    connect: Connect, app: OAuthApp, sandbox: Sandbox
) -> None:
    """A second client loads the token of the first, with or without a refresh token."""
    store = MemoryTokenStore()
    await connect(app.client_credentials(store=store)).debug.ttl()
    await connect(app.client_credentials(store=store)).debug.ttl()
    assert 1 == sandbox.count("POST", ENDPOINT)
    sandbox.expire_tokens()
    await connect(app.client_credentials(store=store)).debug.ttl()
    await connect(app.client_credentials(store=store)).debug.ttl()
    assert 2 == sandbox.count("POST", ENDPOINT)


async def test_a_store_that_is_falsy_is_used(
    connect: Connect, app: OAuthApp, sandbox: Sandbox
) -> None:
    """A store of the user's may have a length of zero."""

    class Sized(MemoryTokenStore):
        """A store with a length of zero."""

        def __len__(self) -> int:
            return 0

    store = Sized()
    await connect(app.client_credentials(store=store)).debug.ttl()
    assert await store.load() is not None


async def test_an_expired_token_in_the_store_is_not_used(
    connect: Connect, app: OAuthApp, sandbox: Sandbox, token: Token, clock: FakeClock
) -> None:
    """The store has its expiry, so no call gets a 401."""
    clock.elapsed = 1001.0
    store = MemoryTokenStore(attrs.evolve(token, access_token=Secret("whatever")))
    await connect(app.user(store=store)).debug.ttl()
    assert 1 == sandbox.count("GET", "/v3/debug/ttl")
