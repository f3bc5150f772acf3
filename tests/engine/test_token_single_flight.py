"""One token request, however many calls need the token, counted by the server."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from cleverreach_async import (
    AuthenticationError,
    CleverReach,
    InternalServerError,
    OAuthApp,
    PermissionDeniedError,
    RequestEvent,
    TokenError,
)
from cleverreach_async.sandbox import Fault, Sandbox
from cleverreach_async.transport.transport import Auth

if TYPE_CHECKING:
    from support.clocks import FakeClock

pytestmark = pytest.mark.anyio

Connect = Callable[["Auth | str"], CleverReach]


async def together(call: Callable[[], Coroutine[Any, Any, object]], times: int) -> None:
    """Start the same call many times at once."""
    async with anyio.create_task_group() as tasks:
        for _ in range(times):
            tasks.start_soon(call)


def token_requests(sandbox: Sandbox) -> int:
    """The number of requests to the token endpoint."""
    return sandbox.count("POST", "/oauth/token.php")


async def test_fifty_calls_without_a_token_fetch_one(
    connect: Connect, sandbox: Sandbox, app: OAuthApp
) -> None:
    """The first call fetches the token; the others wait for it."""
    cr = connect(app.client_credentials())
    await together(cr.debug.ttl, 50)
    assert (1, 50) == (token_requests(sandbox), sandbox.count("GET", "/v3/debug/ttl"))


async def test_fifty_calls_after_its_lifetime_fetch_one_more(
    connect: Connect, sandbox: Sandbox, app: OAuthApp, clock: FakeClock
) -> None:
    """A token that is about to expire is renewed once, before any call uses it."""
    cr = connect(app.client_credentials())
    await cr.debug.ttl()
    clock.elapsed += 2_592_000 - 60
    await together(cr.debug.ttl, 50)
    assert (2, 51) == (token_requests(sandbox), sandbox.count("GET", "/v3/debug/ttl"))


async def test_fifty_calls_that_get_401_renew_once(
    connect: Connect, sandbox: Sandbox, app: OAuthApp
) -> None:
    """The first call with a 401 renews; the others see a newer token and only resend."""
    cr = connect(app.client_credentials())
    await cr.debug.ttl()
    sandbox.expire_tokens()
    await together(cr.debug.ttl, 50)
    assert (2, 101) == (token_requests(sandbox), sandbox.count("GET", "/v3/debug/ttl"))


async def test_a_second_401_ends_the_call(
    connect: Connect, sandbox: Sandbox, app: OAuthApp, events: list[RequestEvent]
) -> None:
    """A token that is refused directly after its renewal is not renewed again."""
    cr = connect(app.client_credentials())
    sandbox.faults.add(Fault("status", code=401, path_prefix="/v3/debug/ttl"))
    with pytest.raises(AuthenticationError):
        await cr.debug.ttl()
    assert (2, 2) == (token_requests(sandbox), sandbox.count("GET", "/v3/debug/ttl"))
    ttl_events = [(it.path, it.status_code, it.wait) for it in events if "ttl" in it.path]
    assert [("/debug/ttl", 401, None)] == ttl_events


async def test_a_static_token_is_not_renewed(connect: Connect, sandbox: Sandbox) -> None:
    """The 401 of a bearer token is raised immediately, because it cannot be renewed."""
    cr = connect("unknown-token")
    with pytest.raises(AuthenticationError):
        await cr.debug.ttl()
    assert (0, 1) == (token_requests(sandbox), sandbox.count("GET", "/v3/debug/ttl"))


async def test_403_neither_renews_nor_retries(
    connect: Connect, sandbox: Sandbox, app: OAuthApp, clock: FakeClock
) -> None:
    """A new token or another attempt cannot add a missing permission."""
    cr = connect(app.client_credentials())
    sandbox.faults.add(Fault("status", code=403, path_prefix="/v3/debug/ttl"))
    with pytest.raises(PermissionDeniedError):
        await cr.debug.ttl()
    assert (1, 1) == (token_requests(sandbox), sandbox.count("GET", "/v3/debug/ttl"))
    assert [] == clock.sleeps


async def test_a_refusal_of_the_token_endpoint_is_raised(
    connect: Connect, sandbox: Sandbox
) -> None:
    """A wrong client secret is a TokenError with the server's message, and is not retried."""
    cr = connect(OAuthApp("sandbox", "wrong").client_credentials())
    with pytest.raises(TokenError) as caught:
        await cr.debug.ttl()
    error = caught.value
    assert ("invalid_client", "The client credentials are invalid", 400) == (
        error.error,
        error.description,
        error.status_code,
    )
    assert (1, 0) == (token_requests(sandbox), sandbox.count("GET"))


async def test_token_requests_have_their_own_retries(
    connect: Connect, sandbox: Sandbox, app: OAuthApp, clock: FakeClock
) -> None:
    """The call that needs the token does not multiply them."""
    cr = connect(app.client_credentials())
    sandbox.faults.add(Fault("status", code=502, path_prefix="/oauth/"))
    with pytest.raises(InternalServerError) as caught:
        await cr.debug.ttl()
    assert "/oauth/token.php" == caught.value.path
    assert (3, 0) == (token_requests(sandbox), sandbox.count("GET"))
    assert [0.1, 0.2] == clock.sleeps


async def test_a_token_endpoint_that_recovers_costs_only_a_wait(
    connect: Connect, sandbox: Sandbox, app: OAuthApp
) -> None:
    """The call succeeds after a temporary failure of the token endpoint."""
    cr = connect(app.client_credentials())
    sandbox.faults.add(Fault("status", code=503, times=2, path_prefix="/oauth/"))
    await cr.debug.ttl()
    assert (3, 1) == (token_requests(sandbox), sandbox.count("GET"))


async def test_a_failed_fetch_is_not_kept(
    connect: Connect, sandbox: Sandbox, app: OAuthApp
) -> None:
    """The next call after the endpoint recovers succeeds."""
    cr = connect(app.client_credentials())
    sandbox.faults.add(Fault("status", code=400, times=1, path_prefix="/oauth/"))
    with pytest.raises(TokenError):
        await cr.debug.ttl()
    await cr.debug.ttl()
    assert (2, 1) == (token_requests(sandbox), sandbox.count("GET"))


async def test_accounts_have_their_own_tokens(
    connect: Connect, sandbox: Sandbox, app: OAuthApp
) -> None:
    """A sibling for another account fetches its own token; one with other options does not."""
    cr = connect(app.client_credentials())
    await cr.debug.ttl()
    await cr.with_options(timeout=5).debug.ttl()
    assert 1 == token_requests(sandbox)
    await cr.with_auth(app.client_credentials()).debug.ttl()
    assert 2 == token_requests(sandbox)
