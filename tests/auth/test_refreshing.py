"""Refreshing a user's token: order, rotation, lost responses and refusals."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from cleverreach_async import (
    APIConnectionError,
    CleverReach,
    CleverReachError,
    InternalServerError,
    OAuthApp,
    RateLimitError,
    ResponseDecodeError,
    Secret,
    Token,
    TokenError,
    TokenStoreError,
)
from cleverreach_async.auth.stores import MemoryTokenStore
from cleverreach_async.sandbox import Behaviour, Fault, Sandbox
from cleverreach_async.transport.transport import Auth
from cleverreach_async.transport.wire import Request, Response

if TYPE_CHECKING:
    from support.clocks import FakeClock

pytestmark = pytest.mark.anyio

Connect = Callable[["Auth | str"], CleverReach]
ENDPOINT = "/oauth/token.php"


class WatchedStore(MemoryTokenStore):
    """A store that records its calls, and fails on request."""

    def __init__(self, token: Token | None, order: list[str]) -> None:
        super().__init__(token)
        self.order = order
        self.failure: Exception | None = None
        self.next_load: Token | None = None
        self.loads_until_then = 0

    async def load(self) -> Token | None:
        """Load. After ``loads_until_then`` loads another process has replaced the token."""
        self.loads_until_then -= 1
        if self.next_load is not None and self.loads_until_then < 0:
            return self.next_load
        return await super().load()

    async def save(self, token: Token) -> None:
        """Save, or fail on request."""
        self.order.append("save")
        if self.failure is not None:
            raise self.failure
        await super().save(token)

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """Record that the lock is held."""
        async with super().lock():
            self.order.append("lock")
            yield
        self.order.append("unlock")


@pytest.fixture
def store(token: Token, order: list[str]) -> WatchedStore:
    """The store of the user's token."""
    return WatchedStore(token, order)


@pytest.fixture
async def cr(connect: Connect, app: OAuthApp, store: WatchedStore, order: list[str]) -> CleverReach:
    """A client that uses the store and has used its token once."""
    cr = connect(app.user(store=store))
    await cr.debug.ttl()
    order.clear()
    return cr


def revealed(token: Token | None) -> tuple[str | None, str | None]:
    """The two secrets of a token."""
    if token is None:
        return None, None
    refresh = token.refresh_token
    return token.access_token.reveal(), None if refresh is None else refresh.reveal()


def is_valid(sandbox: Sandbox, token: Token | None) -> bool:
    """Whether the sandbox accepts the refresh token."""
    query = "SELECT COUNT(*) FROM refresh_tokens WHERE used = 0 AND token = ?"
    return bool(sandbox.store.value(query, revealed(token)[1]))


async def test_a_new_token_is_stored_before_it_is_used(
    cr: CleverReach,
    sandbox: Sandbox,
    store: WatchedStore,
    token: Token,
    order: list[str],
) -> None:
    """The lock is held from before the request until the token is stored. Then the call is sent."""
    sandbox.expire_tokens()
    await cr.debug.ttl()
    assert ["lock", ENDPOINT, "save", "unlock", "/debug/ttl"] == order
    renewed = await store.load()
    assert renewed is not None
    assert not set(revealed(token)) & set(revealed(renewed))
    assert is_valid(sandbox, renewed)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_on_refresh_gets_each_token_before_it_is_used(
    connect: Connect, app: OAuthApp, sandbox: Sandbox, token: Token, order: list[str], kind: str
) -> None:
    """It may be a function or a coroutine function."""
    got: list[Token] = []

    def keep(token: Token) -> None:
        got.append(token)
        order.append("kept")

    async def keep_later(token: Token) -> None:
        await anyio.lowlevel.checkpoint()
        keep(token)

    cr = connect(app.user(token, on_refresh=keep if kind == "sync" else keep_later))
    await cr.debug.ttl()
    for _ in range(2):
        sandbox.expire_tokens()
        await cr.debug.ttl()
    assert ["/debug/ttl", *[ENDPOINT, "kept", "/debug/ttl"] * 2] == order
    assert [False, True] == [is_valid(sandbox, it) for it in got]


async def test_a_token_that_cannot_be_stored_is_not_lost(
    cr: CleverReach,
    sandbox: Sandbox,
    store: WatchedStore,
    order: list[str],
    refreshes: Callable[[], int],
) -> None:
    """Each call fails until the store works. Then the same token is stored and used."""
    sandbox.expire_tokens()
    store.failure = LookupError("the database is down")
    for _ in range(2):
        with pytest.raises(TokenStoreError, match="WatchedStore cannot save the token") as caught:
            await cr.debug.ttl()
        assert store.failure is caught.value.__cause__
    store.failure = None
    await cr.debug.ttl()
    assert 1 == refreshes()
    assert ["save"] * 3 == [it for it in order if it == "save"]
    assert is_valid(sandbox, await store.load())


async def test_on_refresh_that_raises_gets_the_token_again(
    connect: Connect,
    app: OAuthApp,
    sandbox: Sandbox,
    token: Token,
    refreshes: Callable[[], int],
) -> None:
    """The call raises its error, and the next call passes the same token."""
    got: list[Token] = []

    def keep(token: Token) -> None:
        got.append(token)
        if len(got) == 1:
            raise LookupError("no room")

    cr = connect(app.user(token, on_refresh=keep))
    sandbox.expire_tokens()
    with pytest.raises(TokenStoreError, match=r"^on_refresh failed: LookupError$") as caught:
        await cr.debug.ttl()
    assert "no room" == str(caught.value.__cause__)
    await cr.debug.ttl()
    assert (1, 2) == (refreshes(), len(got))
    assert got[0] == got[1]


LOST = {
    "reset": Fault("reset", times=1, path_prefix=ENDPOINT, committed=True),
    "cut": Fault("cut", times=1, path_prefix=ENDPOINT, at=-20),
    "502": Fault("status", times=1, path_prefix=ENDPOINT, code=502, committed=True),
    "html": Fault("status", times=1, path_prefix=ENDPOINT, code=200, body="html", committed=True),
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
async def test_after_a_lost_response_the_old_refresh_token_is_refused(
    cr: CleverReach,
    sandbox: Sandbox,
    store: WatchedStore,
    token: Token,
    refreshes: Callable[[], int],
    fault: Fault,
) -> None:
    """It is sent once more. Then the user has to authorise again, and the store keeps its token."""
    sandbox.expire_tokens()
    sandbox.faults.add(fault)
    with pytest.raises(TokenError, match="authorise again") as caught:
        await cr.debug.ttl()
    assert ("invalid_grant", 400) == (caught.value.error, caught.value.status_code)
    assert 2 == refreshes()
    bodies = [it.body_sha256 for it in sandbox.requests if it.path == ENDPOINT]
    assert bodies[-1] == bodies[-2]
    assert token == await store.load()


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
async def test_after_a_lost_response_the_old_refresh_token_may_work(
    cr: CleverReach,
    sandbox: Sandbox,
    store: WatchedStore,
    refreshes: Callable[[], int],
    fault: Fault,
) -> None:
    """If the server accepts it a second time, the call succeeds."""
    sandbox.behaviour = Behaviour(refresh_reuse="accept")
    sandbox.expire_tokens()
    sandbox.faults.add(fault)
    await cr.debug.ttl()
    assert 2 == refreshes()
    assert is_valid(sandbox, await store.load())


@pytest.mark.parametrize(
    ("fault", "kind", "requests"),
    [
        (Fault("reset", path_prefix=ENDPOINT), APIConnectionError, 2),
        (Fault("cut", path_prefix=ENDPOINT), ResponseDecodeError, 2),
        (Fault("status", path_prefix=ENDPOINT, code=500), InternalServerError, 2),
        (Fault("status", path_prefix=ENDPOINT, code=503), InternalServerError, 2),
        (Fault("status", path_prefix=ENDPOINT, code=503, retry_after=1), InternalServerError, 3),
        (Fault("status", path_prefix=ENDPOINT, code=429, retry_after=1), RateLimitError, 3),
        (Fault("status", path_prefix=ENDPOINT, code=429, retry_after=6), RateLimitError, 1),
    ],
    ids=["reset", "cut", "500", "503", "503 wait", "429 wait", "429 long wait"],
)
async def test_an_outage_keeps_the_token(
    cr: CleverReach,
    sandbox: Sandbox,
    store: WatchedStore,
    token: Token,
    refreshes: Callable[[], int],
    fault: Fault,
    kind: type[CleverReachError],
    requests: int,
) -> None:
    """The error is raised. A lost request is sent twice, one that was not sent three times."""
    sandbox.behaviour = Behaviour(refresh_reuse="accept")
    sandbox.expire_tokens()
    sandbox.faults.add(fault)
    with pytest.raises(CleverReachError) as caught:
        await cr.debug.ttl()
    assert (kind, requests) == (type(caught.value), refreshes())
    assert token == await store.load()
    sandbox.faults.clear()
    await cr.debug.ttl()
    assert is_valid(sandbox, await store.load())


async def test_a_refused_connection_is_raised_once(
    app: OAuthApp, store: WatchedStore, token: Token, clock: FakeClock, order: list[str]
) -> None:
    """Nothing was sent, so nothing was lost, and the grant does not repeat it."""
    calls: list[Request] = []

    async def refuse(request: Request) -> Response:
        calls.append(request)
        await anyio.lowlevel.checkpoint()
        raise APIConnectionError("cannot reach it", sent=False)

    clock.elapsed += 2000.0
    source = app.user(store=store).bind(refuse, clock)
    with pytest.raises(APIConnectionError, match="cannot reach it"):
        await source.credential()
    assert (1, token) == (len(calls), await store.load())
    assert "save" not in order


async def test_a_token_renewed_by_another_process_is_used(
    cr: CleverReach,
    sandbox: Sandbox,
    store: WatchedStore,
    clock: FakeClock,
    refreshes: Callable[[], int],
    order: list[str],
) -> None:
    """After a 401 the store is read first. Nothing is requested, and nothing is stored."""
    sandbox.expire_tokens()
    store.next_load = Token(
        access_token=Secret(sandbox.add_token()),
        refresh_token=Secret("other"),
        expires_at=datetime.fromtimestamp(clock.now(), UTC) + timedelta(seconds=500),
    )
    await cr.debug.ttl()
    assert (0, ["lock", "unlock", "/debug/ttl"]) == (refreshes(), order)


async def test_a_refused_refresh_reads_the_store_again(
    cr: CleverReach,
    sandbox: Sandbox,
    store: WatchedStore,
    refreshes: Callable[[], int],
    order: list[str],
) -> None:
    """A process without the lock was faster. Its token is used and not overwritten."""
    sandbox.revoke_tokens()
    store.next_load = Token(access_token=Secret(sandbox.add_token()), refresh_token=Secret("other"))
    store.loads_until_then = 1
    await cr.debug.ttl()
    assert (1, ["lock", ENDPOINT, "unlock", "/debug/ttl"]) == (refreshes(), order)


async def test_a_refused_refresh_of_an_unchanged_store_is_final(
    cr: CleverReach, sandbox: Sandbox, store: WatchedStore, token: Token
) -> None:
    """The message says what to do, and the store keeps its token."""
    sandbox.revoke_tokens()
    with pytest.raises(TokenError, match="authorise again: the refresh token is no longer valid"):
        await cr.debug.ttl()
    assert token == await store.load()


async def test_other_refusals_do_not_ask_to_authorise_again(
    connect: Connect, http_client: Any, store: WatchedStore, sandbox: Sandbox
) -> None:
    """With a wrong client secret that would not help."""
    sandbox.expire_tokens()
    cr = connect(OAuthApp("sandbox", "wrong").user(store=store))
    with pytest.raises(TokenError) as caught:
        await cr.debug.ttl()
    assert "invalid_client" == caught.value.error
    assert "authorise" not in str(caught.value)


@pytest.mark.parametrize("stored", ["nothing", "no refresh token"])
async def test_without_a_refresh_token_the_user_has_to_authorise(
    connect: Connect, app: OAuthApp, sandbox: Sandbox, order: list[str], stored: str
) -> None:
    """No request is sent, whether the store is empty or its token has no refresh token."""
    held = None if stored == "nothing" else Token(access_token=Secret("refused"))
    cr = connect(app.user(store=WatchedStore(held, order)))
    with pytest.raises(TokenError, match="authorise again: there is no refresh token"):
        await cr.debug.ttl()
    assert ENDPOINT not in order


async def test_a_refresh_token_that_is_not_rotated_is_kept(
    app: OAuthApp, store: WatchedStore, clock: FakeClock
) -> None:
    """A response without a refresh token does not erase that in the store."""

    async def answer(request: Request) -> Response:
        await anyio.lowlevel.checkpoint()
        return Response(200, {}, b'{"access_token": "fresh", "expires_in": 100}')

    before = await store.load()
    clock.elapsed += 2000.0
    await app.user(store=store).bind(answer, clock).credential()
    assert ("fresh", revealed(before)[1]) == revealed(await store.load())
