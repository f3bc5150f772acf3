"""Many accounts in one process: one client per key, and which are dropped."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
import httpx
import pytest

from cleverreach_async import (
    Accounts,
    AuthenticationError,
    CleverReach,
    ClientClosedError,
    ConfigurationError,
    OAuthApp,
    RateLimitError,
    RetryPolicy,
)

pytestmark = pytest.mark.anyio

Answer = Callable[[httpx.Request], Any]


class Server:
    """Answers requests; ``answer`` may be replaced.

    Attributes:
        tokens: The token of each request, in order.
        held: Requests wait for this event, if it is set.
    """

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.renewals = 0
        self.held: anyio.Event | None = None
        self.answer: Callable[[str], httpx.Response] = lambda token: httpx.Response(200, json=[])

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        if request.url.path == "/oauth/token.php":
            self.renewals += 1
            return httpx.Response(200, json={"access_token": f"new-{self.renewals}"})
        self.tokens.append(request.headers["authorization"].removeprefix("Bearer "))
        if self.held is not None:
            await self.held.wait()
        return self.answer(self.tokens[-1])


@pytest.fixture
def server() -> Server:
    """A server."""
    return Server()


@pytest.fixture
async def cr(server: Server) -> AsyncGenerator[CleverReach]:
    """A client of that server, which does not wait for long."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as http_client:
        retry = RetryPolicy(attempts=1, max_retry_after=0)
        async with CleverReach("own", http_client=http_client, retry=retry) as cr:
            yield cr


async def list_groups(tenants: Accounts[CleverReach]) -> None:
    """Look a client up and call."""
    await tenants["a"].groups.list()


def pausing(token: str) -> httpx.Response:
    """Ask all to wait for a minute, but for the tenant ``well``."""
    return httpx.Response(200 if token == "well" else 429, headers={"retry-after": "60"}, json=[])


async def test_a_key_has_one_client(cr: CleverReach, server: Server) -> None:
    """Its token is used; the function is called once per key."""
    made: list[str] = []

    def auth_of(key: str) -> str:
        made.append(key)
        return f"token-of-{key}"

    tenants = cr.accounts(auth_of)
    for key in ("a", "b", "a"):
        await tenants[key].groups.list()
    assert ["a", "b"] == made
    assert ["token-of-a", "token-of-b", "token-of-a"] == server.tokens
    assert tenants["a"] is tenants["a"]
    assert (2, True, False) == (len(tenants), "a" in tenants, "c" in tenants)


async def test_one_told_pause_holds_all_calls_of_the_account(
    cr: CleverReach, server: Server
) -> None:
    """However often its client is looked up: one of forty requests reaches the server."""
    tenants = cr.accounts(lambda key: key)
    server.answer = pausing
    for _ in range(40):
        with pytest.raises(RateLimitError):
            await tenants["a"].groups.list()
    await tenants["well"].groups.list()
    assert ["a", "well"] == server.tokens


async def test_fifty_calls_share_one_token(cr: CleverReach, server: Server) -> None:
    """Each looks its client up; the token is requested once."""
    app = OAuthApp("id", "secret")
    tenants = cr.accounts(lambda key: app.client_credentials())
    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(list_groups, tenants)
    assert (1, 50) == (server.renewals, len(server.tokens))


async def test_the_accounts_used_longest_ago_are_dropped(cr: CleverReach) -> None:
    """As many as ``keep`` stay; a look-up counts as a use."""
    tenants = cr.accounts(lambda key: key, keep=2)
    for key in "abac":
        tenants[key]
    assert ["a", "c"] == [key for key in "abc" if key in tenants]
    assert 2 == len(tenants)


async def test_an_account_with_a_call_in_flight_is_not_made_twice(
    cr: CleverReach, server: Server
) -> None:
    """Dropped meanwhile, it comes back with the pause that its call was told."""
    tenants = cr.accounts(lambda key: key, keep=1)
    server.held, server.answer = anyio.Event(), pausing
    errors: list[Exception] = []
    later: list[CleverReach] = []

    async def call() -> None:
        try:
            await tenants["a"].groups.list()
        except RateLimitError as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        tenants["b"]
        gc.collect()
        assert "a" not in tenants
        later.append(tenants["a"])
        server.held.set()
    with pytest.raises(RateLimitError, match="calls of the account are paused"):
        await later[0].groups.list()
    assert (["a"], 1) == (server.tokens, len(errors))


async def test_a_paused_account_is_kept_and_another_dropped(
    cr: CleverReach, server: Server
) -> None:
    """Otherwise its pause would be forgotten. If all are paused, the oldest goes."""
    tenants = cr.accounts(lambda key: key, keep=2)
    server.answer = pausing
    with pytest.raises(RateLimitError):
        await tenants["a"].groups.list()
    for key in "bcdefg":
        tenants[key]
    assert ["a", "g"] == [key for key in "abcdefg" if key in tenants]
    with pytest.raises(RateLimitError):
        await tenants["g"].groups.list()
    tenants["h"]
    assert (2, True) == (len(tenants), "h" in tenants)


async def test_dropped_accounts_are_freed(cr: CleverReach) -> None:
    """Nothing holds them but what uses them."""
    tenants = cr.accounts(lambda key: key, keep=3)
    for number in range(100):
        tenants[f"tenant-{number}"]
    first = weakref.ref(tenants["first"])
    for number in range(3):
        tenants[f"later-{number}"]
    gc.collect()
    assert (3, None) == (len(tenants), first())


async def test_a_function_that_raises_keeps_nothing(cr: CleverReach, server: Server) -> None:
    """Its error passes, and the next use of the key calls it again."""
    known: dict[str, str] = {}
    tenants = cr.accounts(lambda key: known[key])
    with pytest.raises(KeyError):
        tenants["a"]
    assert 0 == len(tenants)
    known["a"] = "token-a"
    await tenants["a"].groups.list()
    assert ["token-a"] == server.tokens


async def test_a_forgotten_account_is_made_anew(cr: CleverReach, server: Server) -> None:
    """Also while a call of the earlier client is in flight; an unknown key does nothing."""
    tokens = iter(["old", "new"])
    tenants = cr.accounts(lambda key: next(tokens))
    server.held = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(list_groups, tenants)
        await anyio.wait_all_tasks_blocked()
        tenants.forget("a")
        tenants.forget("unknown")
        tasks.start_soon(list_groups, tenants)
        await anyio.wait_all_tasks_blocked()
        server.held.set()
    assert ["old", "new"] == server.tokens


async def test_an_asynchronous_function_is_refused(cr: CleverReach) -> None:
    """With what to do instead, and without a warning that nobody awaited it."""

    async def auth_of(key: str) -> str:
        return key

    tenants: Accounts[CleverReach] = cr.accounts(auth_of)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="is asynchronous; return the credentials at once"):
        tenants["a"]


def test_what_is_no_function_is_refused() -> None:
    """Before the first account is used."""
    token: Any = "token"
    with pytest.raises(ConfigurationError, match=r"auth_of is .*; pass a function of a key"):
        CleverReach("own").accounts(token)
    with pytest.raises(ConfigurationError, match=r"shared is .*; pass a function of a key"):
        CleverReach("own").accounts(lambda key: key, shared=token)


@pytest.mark.parametrize("key", ["", 42, None, b"shop", "a\nb"])
def test_a_key_is_a_text(key: Any) -> None:
    """42 and "42" would be two clients of one account."""
    tenants = CleverReach("own").accounts(lambda key: key)
    with pytest.raises(ConfigurationError, match="the key of an account "):
        tenants[key]


@pytest.mark.parametrize("keep", [0, -1, True, 1.5, "10"])
def test_keep_is_a_whole_number_above_0(keep: Any) -> None:
    """Otherwise no client could be kept."""
    with pytest.raises(ConfigurationError, match="keep is "):
        CleverReach("own").accounts(lambda key: key, keep=keep)


async def test_closing_the_client_ends_all(cr: CleverReach) -> None:
    """Those of before and those that are made later: they have its connections."""
    tenants = cr.accounts(lambda key: key)
    tenants["a"]
    await cr.aclose()
    for key in ("a", "b"):
        with pytest.raises(ClientClosedError):
            await tenants[key].groups.list()


async def test_options_of_the_client_apply_to_all(cr: CleverReach, server: Server) -> None:
    """As everywhere: those of the client that made them."""
    seen: list[str] = []
    tenants = cr.with_options(on_event=lambda event: seen.append(event.path)).accounts(
        lambda key: key
    )
    await tenants["a"].groups.list()
    assert ["/groups"] == seen


async def test_no_secret_and_no_key_is_shown(cr: CleverReach, server: Server) -> None:
    """A key may be an address. A refused token is not in the error."""
    tenants = cr.accounts(lambda key: "geheim-4711")
    server.answer = lambda token: httpx.Response(
        401, json={"error": {"code": 401, "message": token}}
    )
    with pytest.raises(AuthenticationError) as caught:
        await tenants["mia@example.org"].groups.list()
    shown = f"{tenants!r} {tenants['mia@example.org']!r} {caught.value} {caught.value!r}"
    assert "<Accounts: 1 kept, at most 10000>" in shown
    assert ("geheim" in shown, "mia" in shown) == (False, False)


async def _later(key: str) -> Any:
    """Return a shared account too late."""


def _nothing(key: str) -> Any:
    """Return no shared account."""


@pytest.mark.parametrize(("shared_of", "kind"), [(_nothing, "NoneType"), (_later, "coroutine")])
async def test_a_function_that_returns_no_shared_account_is_refused(
    shared_of: Any, kind: str
) -> None:
    """Without it, each process would keep limits of its own in silence."""
    async with CleverReach("a-token") as cr:
        tenants = cr.accounts(lambda _: "a-token", shared=shared_of)
        with pytest.raises(ConfigurationError, match=f"shared is of type {kind}; use RedisAccount"):
            tenants["a"]
    assert 0 == len(tenants)


@pytest.mark.parametrize("wrong", [7, "redis://localhost"])
def test_what_is_no_shared_account_is_refused(wrong: Any) -> None:
    """When the client is made."""
    with pytest.raises(ConfigurationError, match=r"shared is of type .*; use RedisAccount"):
        CleverReach("a-token", shared=wrong)
