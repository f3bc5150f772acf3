"""The token source: generations, lifetimes, failures, cancelled callers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from cleverreach_async import BearerToken, ConfigurationError, Secret, Token, TokenError
from cleverreach_async.auth.renewal import RenewingTokens
from cleverreach_async.auth.stores import MemoryTokenStore
from cleverreach_async.auth.tokens import read_token
from cleverreach_async.transport.token_source import Credential, Renewal
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request, Response

if TYPE_CHECKING:
    from support.clocks import FakeClock

pytestmark = pytest.mark.anyio


class CountingGrant:
    """A grant whose tokens are numbers, fetched when ``gate`` opens."""

    def __init__(self, lifetime: float | None = 1000.0) -> None:
        self.fetched = 0
        self.lifetime = lifetime
        self.failure: Exception | None = None
        self.gate: anyio.Event | None = None
        self.during_fetch: Callable[[], None] = lambda: None

    async def fetch(self, call: Call, previous: Token | None, *, now: float) -> Token:
        """Return the next number."""
        del call, previous
        self.fetched += 1
        if self.gate is not None:
            await self.gate.wait()
        self.during_fetch()
        if self.failure is not None:
            raise self.failure
        expires_at = None if self.lifetime is None else datetime.fromtimestamp(now, UTC)
        if expires_at is not None and self.lifetime is not None:
            expires_at = datetime.fromtimestamp(now + self.lifetime, UTC)
        return Token(access_token=Secret(f"number-{self.fetched}"), expires_at=expires_at)


async def no_call(request: Request) -> Response:
    """Replace the network, which these tests never use."""
    raise NotImplementedError(request)


@pytest.fixture
def grant() -> CountingGrant:
    """A grant of tokens with a lifetime of 1000 s."""
    return CountingGrant()


@pytest.fixture
def source(grant: CountingGrant, clock: FakeClock) -> RenewingTokens:
    """The source under test."""
    return RenewingTokens(grant, MemoryTokenStore(), no_call, clock)


async def test_a_token_is_fetched_once_and_kept(
    source: RenewingTokens, grant: CountingGrant
) -> None:
    """The second caller gets the same token."""
    first, second = await source.credential(), await source.credential()
    assert ("Bearer number-1", 1) == (first.authorization, first.generation)
    assert first == second
    assert 1 == grant.fetched


async def test_a_stale_renewal_keeps_the_newer_token(
    source: RenewingTokens, grant: CountingGrant
) -> None:
    """A 401 for a token that was renewed already causes no token request."""
    old = await source.credential()
    assert Renewal.OWN is await source.renew(old.generation)
    newer = await source.credential()
    assert Renewal.SHARED is await source.renew(old.generation)
    assert newer == await source.credential()
    assert 2 == grant.fetched


@pytest.mark.parametrize(
    ("lifetime", "usable"), [(1000.0, 940.0), (100.0, 90.0), (None, 10.0**9)], ids=str
)
async def test_a_token_is_replaced_shortly_before_it_ends(
    source: RenewingTokens,
    grant: CountingGrant,
    clock: FakeClock,
    lifetime: float | None,
    usable: float,
) -> None:
    """The margin is a minute, or a tenth of a short lifetime; some tokens do not expire."""
    grant.lifetime = lifetime
    await source.credential()
    clock.elapsed += usable - 0.5
    await source.credential()
    assert 1 == grant.fetched
    clock.elapsed += 1.0
    await source.credential()
    assert (1 if lifetime is None else 2) == grant.fetched


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
async def test_a_jump_of_the_wall_clock_changes_no_lifetime(
    source: RenewingTokens, grant: CountingGrant, clock: FakeClock, jump: float
) -> None:
    """Expiry is measured with the monotonic clock."""
    await source.credential()
    clock.jump = jump
    clock.elapsed += 939.0
    await source.credential()
    assert 1 == grant.fetched
    clock.elapsed += 2.0
    await source.credential()
    assert 2 == grant.fetched


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
async def test_a_jump_during_the_fetch_changes_no_lifetime(
    source: RenewingTokens, grant: CountingGrant, clock: FakeClock, jump: float
) -> None:
    """The same applies if the wall clock jumps before the response arrives."""

    def jump_once() -> None:
        clock.jump = jump
        grant.during_fetch = lambda: None

    grant.during_fetch = jump_once
    await source.credential()
    clock.elapsed += 939.0
    await source.credential()
    assert 1 == grant.fetched
    clock.elapsed += 2.0
    await source.credential()
    assert 2 == grant.fetched


async def test_a_slow_fetch_shortens_the_life_it_brings(
    source: RenewingTokens, grant: CountingGrant, clock: FakeClock
) -> None:
    """A lifetime counts from the request, so that it never ends earlier on the server."""

    def delay_once() -> None:
        clock.elapsed += 100.0
        grant.during_fetch = lambda: None

    grant.during_fetch = delay_once
    await source.credential()
    clock.elapsed += 840.0
    await source.credential()
    assert 2 == grant.fetched


async def test_a_failure_is_not_kept(source: RenewingTokens, grant: CountingGrant) -> None:
    """The next caller fetches again."""
    grant.failure = TokenError("invalid_client")
    with pytest.raises(TokenError):
        await source.credential()
    grant.failure = None
    assert "Bearer number-2" == (await source.credential()).authorization


async def test_a_failed_renewal_keeps_the_old_token(
    source: RenewingTokens, grant: CountingGrant
) -> None:
    """Without a new token the old one is kept, including its generation."""
    before = await source.credential()
    grant.failure = TokenError("invalid_client")
    with pytest.raises(TokenError):
        await source.renew(before.generation)
    assert before == await source.credential()


async def test_a_cancelled_fetch_still_brings_its_token(
    source: RenewingTokens, grant: CountingGrant
) -> None:
    """The fetching caller is cancelled: the token is stored and the lock is released."""
    grant.gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.credential)
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
        grant.gate.set()
    assert "Bearer number-1" == (await source.credential()).authorization
    assert 1 == grant.fetched


async def test_a_cancelled_waiter_does_not_block_the_others(
    source: RenewingTokens, grant: CountingGrant
) -> None:
    """One waiting caller is cancelled; the others get the token."""
    grant.gate = anyio.Event()
    got: list[Credential] = []
    leaver = anyio.CancelScope()

    async def take() -> None:
        got.append(await source.credential())

    async def leave() -> None:
        with leaver:
            await take()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        await wait_all_tasks_blocked()
        tasks.start_soon(leave)
        tasks.start_soon(take)
        await wait_all_tasks_blocked()
        leaver.cancel()
        await wait_all_tasks_blocked()
        grant.gate.set()
    assert ["Bearer number-1"] * 2 == [it.authorization for it in got]
    assert 1 == grant.fetched


async def test_a_static_token_is_returned_unchanged(clock: FakeClock) -> None:
    """It cannot be renewed."""
    source = BearerToken("abc").bind(no_call, clock)
    assert "Bearer abc" == (await source.credential()).authorization
    assert Renewal.IMPOSSIBLE is await source.renew(0)
    assert "Bearer abc" == (await source.credential()).authorization


async def test_the_response_of_the_token_endpoint_is_read() -> None:
    """Expiry is relative to the time of the request; a list of scopes is joined."""
    response = {"access_token": "a", "refresh_token": "r", "expires_in": "60", "scope": ["x", "y"]}
    assert Token(
        access_token=Secret("a"),
        refresh_token=Secret("r"),
        expires_at=datetime(2026, 1, 1, 0, 1, tzinfo=UTC),
        scope="x y",
    ) == read_token(response, now=1_767_225_600.0)


@pytest.mark.parametrize("response", [None, [], {}, {"access_token": ""}, {"access_token": 7}])
async def test_a_response_without_a_token_is_refused(response: object) -> None:
    """A 200 without a token is a TokenError, not a token named None."""
    with pytest.raises(TokenError, match="no access_token"):
        read_token(response, now=0.0)


@pytest.mark.parametrize("expires_in", [None, "soon", [], 1e300, float("nan")])
async def test_an_invalid_lifetime_means_no_known_expiry(expires_in: object) -> None:
    """The token is used until it is refused."""
    token = read_token({"access_token": "a", "expires_in": expires_in}, now=0.0)
    assert token.expires_at is None


@pytest.mark.parametrize("token", ["", "  ", "a b", "a\nb", "schlüssel"])
async def test_a_token_that_is_invalid_in_a_header_is_refused(token: str) -> None:
    """It is detected when the client is created; the message does not contain the token."""
    with pytest.raises(ConfigurationError, match=r"^token ") as caught:
        BearerToken(token)
    assert not token.strip() or token not in str(caught.value)
