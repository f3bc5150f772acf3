"""The client's lifetime: opening, closing, one event loop, siblings that share connections."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from cleverreach_async import (
    BearerToken,
    CleverReach,
    ClientClosedError,
    OAuthApp,
    RequestEvent,
    RetryPolicy,
)
from cleverreach_async.transport.gate import AccountGate
from cleverreach_async.transport.transport import Auth

if TYPE_CHECKING:
    from engine.conftest import ScriptedSender

Make = Callable[..., CleverReach]


USES: dict[str, Callable[[CleverReach], Awaitable[object]]] = {
    "resource": lambda cr: cr.groups.list(),
    "request": lambda cr: cr.request("GET", "/groups"),
    "enter": lambda cr: cr.__aenter__(),
    "with_options": lambda cr: cr.with_options(timeout=1).groups.list(),
    "with_auth": lambda cr: cr.with_auth("other").groups.list(),
}


@pytest.fixture
def make(sender: ScriptedSender, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return the client's class, with the scripted sender."""

    def make_sender(http_client: Any, *, base_url: str, max_connections: int) -> ScriptedSender:
        del http_client, base_url, max_connections
        return sender

    monkeypatch.setattr("cleverreach_async.client.make_sender", make_sender)
    return CleverReach


@pytest.mark.anyio
async def test_leaving_the_block_closes(make: Make, sender: ScriptedSender) -> None:
    """The connections are closed once; closing again does nothing."""
    async with make("token") as cr:
        await cr.groups.list()
        assert 0 == sender.closed
    await cr.aclose()
    assert 1 == sender.closed


@pytest.mark.anyio
async def test_a_client_needs_no_block(make: Make, sender: ScriptedSender) -> None:
    """It opens at the first call and is closed by ``aclose``."""
    cr = make("token")
    assert "<CleverReach https://rest.cleverreach.com unopened>" == repr(cr)
    await cr.groups.list()
    assert "<CleverReach https://rest.cleverreach.com open>" == repr(cr)
    await cr.aclose()
    assert "<CleverReach https://rest.cleverreach.com closed>" == repr(cr)
    assert 1 == sender.closed


@pytest.mark.anyio
@pytest.mark.parametrize(
    "use",
    USES.values(),
    ids=USES,
)
async def test_a_closed_client_raises(
    make: Make, sender: ScriptedSender, use: Callable[[CleverReach], Awaitable[object]]
) -> None:
    """No method uses the connections again."""
    async with make("token") as cr:
        pass
    with pytest.raises(ClientClosedError, match="is closed; make a new one"):
        await use(cr)
    assert [] == sender.sent


@pytest.mark.anyio
@pytest.mark.parametrize("derive", ["with_options", "with_auth"])
async def test_a_sibling_closes_nothing_and_is_closed_with_its_owner(
    make: Make, sender: ScriptedSender, derive: str
) -> None:
    """Leaving its block keeps the owner open; closing the owner closes the sibling."""
    cr = make("token")
    sibling = cr.with_auth("other") if derive == "with_auth" else cr.with_options(timeout=5)
    async with sibling:
        await sibling.groups.list()
    await sibling.aclose()
    assert 0 == sender.closed
    await sibling.groups.list()
    await cr.aclose()
    with pytest.raises(ClientClosedError):
        await sibling.groups.list()


@pytest.mark.anyio
async def test_options_change_the_sibling_only(
    make: Make, sender: ScriptedSender, events: list[RequestEvent]
) -> None:
    """Timeout and events differ; token, gate and budget are shared."""
    cr = make("token", timeout=30.0)
    slow = cr.with_options(timeout=120, on_event=events.append, retry=RetryPolicy(attempts=1))
    endless = slow.with_options(timeout=None)
    for client in (cr, slow, endless):
        await client.groups.list()
    assert [30.0, 120, None] == [it.timeout for it in sender.sent]
    assert 2 == len(events)
    assert {"Bearer token"} == {it.headers["authorization"] for it in sender.sent}
    assert cr._transport.account is slow._transport.account
    assert (4, 1, 1) == tuple(it._transport.retry.attempts for it in (cr, slow, endless))


@pytest.mark.anyio
async def test_another_account_has_its_own_gate(make: Make, sender: ScriptedSender) -> None:
    """``Retry-After`` for one tenant does not delay another."""
    cr = make("token")
    tenant = cr.with_auth(BearerToken("other"))
    account = cr._transport.own_account()
    assert isinstance(account.gate, AccountGate)
    account.gate.push_back(1000.0, probe=False)
    await tenant.groups.list()
    assert ["Bearer other"] == [it.headers["authorization"] for it in sender.sent]
    assert account.budget is not (tenant._transport.account or account).budget
    assert account.tokens is not (tenant._transport.account or account).tokens


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_second_event_loop_is_refused(make: Make, sender: ScriptedSender, backend: str) -> None:
    """A client belongs to the event loop of its first use; the message says what to do."""
    cr = make("token")

    async def use() -> None:
        await cr.groups.list()

    async def enter() -> None:
        async with cr:
            pytest.fail("the block must not be entered")

    anyio.run(use, backend=backend)
    for again in (use, enter):
        with pytest.raises(ClientClosedError, match=r"make one inside each asyncio\.run"):
            anyio.run(again, backend=backend)
    assert 1 == len(sender.sent)


def test_creating_a_client_needs_no_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """It opens no socket, reads no certificate and starts no task."""

    def forbidden(*_args: object, **_kwargs: object) -> None:
        pytest.fail("the constructor does I/O")

    for name in ("socket.socket", "socket.getaddrinfo", "ssl.create_default_context"):
        monkeypatch.setattr(name, forbidden)
    monkeypatch.setattr("httpx.AsyncHTTPTransport", forbidden)
    app = OAuthApp("id", "top-secret")
    auths: tuple[Auth | str, ...] = (app.client_credentials(), BearerToken("t"), "t")
    for auth in auths:
        cr = CleverReach(auth).with_auth(auth).with_options(timeout=1)
        assert "<CleverReach https://rest.cleverreach.com unopened>" == repr(cr)


@pytest.mark.anyio
async def test_closing_during_a_call_ends_the_call(make: Make, sender: ScriptedSender) -> None:
    """A retry after the closing raises, because the client is closed."""
    cr = make("token")

    async def close_and_fail() -> None:
        await cr.aclose()
        raise ConnectionError

    sender.script(close_and_fail)
    with pytest.raises(ConnectionError):
        await cr.groups.list()
    with pytest.raises(ClientClosedError):
        await cr.groups.list()
    assert 1 == len(sender.sent)
