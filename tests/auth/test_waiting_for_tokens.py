"""Waiting for a token that others renew: no longer than the call's timeout, and not in vain."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from anyio import wait_all_tasks_blocked

from cleverreach_async import (
    APITimeoutError,
    AuthenticationError,
    CleverReach,
    OAuthApp,
    Secret,
    Token,
    TokenStoreError,
)
from cleverreach_async.auth.guarded_store import GuardedStore
from cleverreach_async.auth.renewal import RenewingTokens
from cleverreach_async.auth.stores import MemoryTokenStore
from cleverreach_async.transport.transport import Auth
from cleverreach_async.transport.wire import Request, Response

if TYPE_CHECKING:
    from support.clocks import FakeClock

    from cleverreach_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

Connect = Callable[["Auth | str"], CleverReach]
OLD, NEW = Token(access_token="old", refresh_token="r-1"), Token(access_token="new")


class SharedStore(MemoryTokenStore):
    """A store whose lock another process may hold."""

    is_held = False

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """Wait for ever while it is held."""
        if self.is_held:
            await anyio.sleep_forever()
        async with super().lock():
            yield


@pytest.mark.parametrize("why", ["unknown", "expired", "refused"])
async def test_a_call_does_not_wait_longer_than_its_timeout(
    connect: Connect, app: OAuthApp, sandbox: Sandbox, token: Token, clock: FakeClock, why: str
) -> None:
    """Another process holds the lock. The error says so, and the call is not repeated."""
    store = SharedStore(token)
    cr = connect(app.user(store=store)).with_options(timeout=0.05)
    if why != "unknown":
        await cr.debug.ttl()
    if why == "refused":
        sandbox.expire_tokens()
    elif why == "expired":
        clock.elapsed = 1000.0
    before = sandbox.count("POST", "/oauth/token.php")
    store.is_held = True
    with anyio.fail_after(5), pytest.raises(APITimeoutError) as caught:
        await cr.debug.ttl()
    store.is_held = False
    assert "no token within 0.05 s: another task or process is renewing it" in str(caught.value)
    assert ("/oauth/token.php", False) == (caught.value.path, caught.value.sent)
    assert ([], before) == (clock.sleeps, sandbox.count("POST", "/oauth/token.php"))
    await cr.debug.ttl()


async def test_a_slow_renewal_of_its_own_is_not_cut_short(clock: FakeClock) -> None:
    """Only waiting for others ends: the new refresh token may be the only valid one."""
    released: list[str] = []

    class Slow:
        """A grant that takes longer than the wait."""

        async def fetch(self, call: Any, previous: Token | None, *, now: float) -> Token:
            await anyio.sleep(0.1)
            return NEW

    class Store(MemoryTokenStore):
        """A store whose release may be cancelled, as a database's."""

        @asynccontextmanager
        async def lock(self) -> AsyncGenerator[None, None]:
            yield
            await anyio.lowlevel.checkpoint()
            released.append("released")

    source = RenewingTokens(Slow(), Store(), no_call, clock)
    assert "Bearer new" == (await source.credential(max_wait=0.01)).authorization
    assert ["released"] == released


async def no_call(request: Request) -> Response:
    """Replace the network, which these tests do not use."""
    raise NotImplementedError(request)


class Gated:
    """A grant whose tokens are numbered, and come when a gate opens."""

    def __init__(self) -> None:
        self.gate = anyio.Event()
        self.gate.set()
        self.count = 0

    async def fetch(self, call: Any, previous: Token | None, *, now: float) -> Token:
        """Wait for the gate."""
        await self.gate.wait()
        self.count += 1
        return Token(access_token=f"number-{self.count}")


async def test_a_task_of_the_same_process_is_not_waited_for_either(clock: FakeClock) -> None:
    """It may be renewing over a slow connection."""
    grant = Gated()
    source = RenewingTokens(grant, MemoryTokenStore(), no_call, clock)
    grant.gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.credential)
        await wait_all_tasks_blocked()
        try:
            with anyio.fail_after(5), pytest.raises(APITimeoutError, match="another task or proc"):
                await source.credential(max_wait=0.01)
        finally:
            grant.gate.set()
    assert ("Bearer number-1", 1) == ((await source.credential()).authorization, grant.count)


async def test_a_refused_token_is_not_handed_out_while_it_is_renewed(clock: FakeClock) -> None:
    """Other calls wait for the new one, instead of a 401 each."""
    grant = Gated()
    source = RenewingTokens(grant, MemoryTokenStore(), no_call, clock)
    first = await source.credential()
    grant.gate = anyio.Event()
    got: list[str] = []
    too_early: list[str] = []

    async def take() -> None:
        got.append((await source.credential()).authorization)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.renew, first.generation)
        await wait_all_tasks_blocked()
        tasks.start_soon(take)
        await wait_all_tasks_blocked()
        too_early += got
        grant.gate.set()
    assert [] == too_early
    assert (["Bearer number-2"], 2) == (got, grant.count)


async def test_an_early_renewal_does_not_wait_for_another_process(
    connect: Connect,
    app: OAuthApp,
    token: Token,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A call waits for it, and the token still works."""
    monkeypatch.setattr("cleverreach_async.auth.renewal._EARLY_PATIENCE", 0.01)
    store = SharedStore(token)
    cr = connect(app.user(store=store))
    await cr.debug.ttl()
    clock.elapsed = 801.0
    store.is_held = True
    with anyio.fail_after(5), caplog.at_level(logging.WARNING, "cleverreach_async"):
        await cr.debug.ttl()
        await cr.debug.ttl()
    shown = [it.getMessage() for it in caplog.records]
    assert ["the token could not be renewed early: APITimeoutError"] == shown


class Scripted:
    """A server that accepts tokens by a script, and can renew before it answers."""

    def __init__(self, answers: list[int]) -> None:
        self.answers = answers
        self.used: list[str] = []
        self.issued = 0
        self.before: Callable[[str], Any] = lambda token: anyio.lowlevel.checkpoint()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Issue a token, or answer by the script."""
        if request.url.path == "/oauth/token.php":
            self.issued += 1
            return httpx.Response(200, json={"access_token": f"t{self.issued}"})
        token = request.headers["authorization"].removeprefix("Bearer ")
        self.used.append(token)
        status = self.answers.pop(0)
        await self.before(token)
        return httpx.Response(status, json=[] if status == 200 else {})


async def call_with(server: Scripted, *, renewed_by_another: bool) -> None:
    """List groups with a client whose second token another call renews, if asked to."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as http_client:
        cr = CleverReach(OAuthApp("id", "secret").client_credentials(), http_client=http_client)
        tokens = cr._transport.own_account().tokens  # pyright: ignore[reportPrivateUsage]

        async def renew(token: str) -> None:
            if token == "t2" and renewed_by_another:
                await tokens.renew((await tokens.credential()).generation)

        server.before = renew
        await cr.groups.list()


async def test_a_token_that_another_call_has_renewed_is_tried() -> None:
    """The token of the second attempt was used up by others: a third attempt has a newer one."""
    server = Scripted([401, 401, 200])
    await call_with(server, renewed_by_another=True)
    assert (["t1", "t2", "t3"], 3) == (server.used, server.issued)


@pytest.mark.parametrize(("renewed", "used"), [(False, ["t1", "t2"]), (True, ["t1", "t2", "t3"])])
async def test_a_401_is_raised_after_that(renewed: bool, used: list[str]) -> None:
    """Without another renewal after the second attempt, with one after the third."""
    server = Scripted([401, 401, 401, 200])
    with pytest.raises(AuthenticationError):
        await call_with(server, renewed_by_another=renewed)
    assert used == server.used


async def test_a_burst_of_calls_with_short_tokens_passes() -> None:
    """Eight at once, with tokens of five uses each."""
    uses: dict[str, int] = {}
    issued = 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal issued
        await anyio.lowlevel.checkpoint()
        if request.url.path == "/oauth/token.php":
            issued += 1
            return httpx.Response(200, json={"access_token": f"t{issued}"})
        token = request.headers["authorization"]
        uses[token] = uses.get(token, 0) + 1
        await anyio.lowlevel.checkpoint()
        return httpx.Response(401 if uses[token] > 5 else 200, json=[])

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http_client:
        cr = CleverReach(OAuthApp("id", "secret").client_credentials(), http_client=http_client)

        async def call() -> None:
            await cr.groups.list()

        for _ in range(10):
            async with anyio.create_task_group() as tasks:
                for _ in range(8):
                    tasks.start_soon(call)
    assert issued <= 20


async def test_a_store_that_returns_something_else_is_named() -> None:
    """The message says what it returned and what it should."""

    class Wrong(MemoryTokenStore):
        """A store that returns what it has stored, as text."""

        async def load(self) -> Any:
            return NEW.to_json()

    with pytest.raises(TokenStoreError, match=r"^Wrong\.load\(\) returned an object of type str"):
        await GuardedStore(Wrong()).load()


async def test_a_store_that_hangs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewal cannot be cancelled, so nothing in it may hang."""
    monkeypatch.setattr("cleverreach_async.auth.guarded_store._PATIENCE", 0.01)

    class Hanging(MemoryTokenStore):
        """A store whose database does not answer."""

        async def load(self) -> Token | None:
            await anyio.sleep_forever()
            return None

        async def save(self, token: Token) -> None:
            await anyio.sleep_forever()

    store = GuardedStore(Hanging())
    with anyio.fail_after(5):
        with pytest.raises(TokenStoreError, match=r"Hanging cannot load the token within 0\.01 s"):
            await store.load()
        with pytest.raises(TokenStoreError, match="Hanging cannot save the token within"):
            await store.save(NEW)


async def test_a_commit_that_fails_at_the_release_is_repeated(clock: FakeClock) -> None:
    """A store may save in a transaction that ends with its lock."""

    class Transaction(MemoryTokenStore):
        """A store that commits at the release, and fails once."""

        commits = 0
        draft: Token | None = None

        async def save(self, token: Token) -> None:
            self.draft = token

        @asynccontextmanager
        async def lock(self) -> AsyncGenerator[None, None]:
            yield
            self.commits += 1
            if self.commits == 1:
                raise LookupError("the database is down")
            if self.draft is not None:
                await super().save(self.draft)

    grant, store = Gated(), Transaction()
    source = RenewingTokens(grant, store, no_call, clock)
    with pytest.raises(TokenStoreError, match="Transaction cannot unlock the token: LookupError"):
        await source.credential()
    assert "Bearer number-1" == (await source.credential()).authorization
    stored = await store.load()
    assert (1, Secret("number-1")) == (grant.count, stored and stored.access_token)


async def test_a_newer_token_of_another_process_replaces_an_unsaved_one(clock: FakeClock) -> None:
    """It was requested later, with the token that ours replaced or a newer one."""

    class Failing(MemoryTokenStore):
        """A store that cannot save at first."""

        broken = True

        async def save(self, token: Token) -> None:
            if self.broken:
                raise LookupError("down")
            await super().save(token)

    grant, store = Gated(), Failing(OLD)
    source = RenewingTokens(grant, store, no_call, clock)
    first = await source.credential()
    with pytest.raises(TokenStoreError):
        await source.renew(first.generation)
    store.broken = False
    await store.save(NEW)
    await source.renew(first.generation)
    assert "Bearer new" == (await source.credential()).authorization
    assert (NEW, 1) == (await store.load(), grant.count)


async def test_an_import_goes_on_after_an_outage_of_the_store(
    connect: Connect, app: OAuthApp, token: Token, sandbox: Sandbox
) -> None:
    """It waits as for the server, instead of stopping at night for a restart of a database."""

    class Flaky(MemoryTokenStore):
        """A store that fails a few times."""

        failures = 3

        async def load(self) -> Token | None:
            self.failures -= 1
            if self.failures >= 0:
                raise LookupError("restarting")
            return await super().load()

    store = Flaky(token)
    cr = connect(app.user(store=store))
    group = await connect(app.client_credentials()).groups.create(name="new")
    report = await cr.bulk.upsert(
        [{"email": f"{number}@example.org"} for number in range(3)],
        group_id=group.id,
        attributes="ignore",
    )
    assert (3, True) == (report.accepted, store.failures < 0)


async def test_tokens_adopted_are_saved_to_the_end(clock: FakeClock) -> None:
    """The old one is invalid already, so cancelling must not interrupt it."""
    begun, gate = anyio.Event(), anyio.Event()

    class Slow(MemoryTokenStore):
        """A store that saves when a gate opens."""

        async def save(self, token: Token) -> None:
            begun.set()
            await gate.wait()
            await super().save(token)

    grant, store = Gated(), Slow(OLD)
    source = RenewingTokens(grant, store, no_call, clock)
    await source.credential()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.adopt, NEW)
        await begun.wait()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await wait_all_tasks_blocked()
            gate.set()
    stored = await store.load()
    assert (NEW.access_token, OLD.refresh_token) == (
        stored and stored.access_token,
        stored and stored.refresh_token,
    )
    async with store.lock():
        pass


@pytest.mark.parametrize("kind", ["on_refresh", "store"])
async def test_a_token_is_in_memory_only_after_it_was_stored(
    connect: Connect, app: OAuthApp, sandbox: Sandbox, token: Token, kind: str
) -> None:
    """Neither this client nor another one of the same credentials uses an unsaved token."""
    seen: list[tuple[bool, bool]] = []

    class Watched(MemoryTokenStore):
        """A store of a user's."""

        async def save(self, token: Token) -> None:
            await look(token)
            await super().save(token)

    async def look(new: Token) -> None:
        stored = await auth.store.load()
        current = (await cr._transport.own_account().tokens.credential()).authorization  # pyright: ignore[reportPrivateUsage]
        seen.append((stored == token, current.endswith(token.access_token.reveal())))
        raise LookupError("no room")

    auth = (
        app.user(token, on_refresh=look) if kind == "on_refresh" else app.user(store=Watched(token))
    )
    cr = connect(auth)
    await cr.debug.ttl()
    # Stale, so that the old token stays usable while the new one is stored.
    tokens: Any = cr._transport.own_account().tokens  # pyright: ignore[reportPrivateUsage]
    tokens._stale_at = 0.0
    await cr.debug.ttl()
    assert [(True, True)] == seen
    assert token == await auth.store.load()
    assert (await tokens.credential()).authorization.endswith(token.access_token.reveal())
