"""Mistaken arguments: refused with a sentence, and nothing is changed."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.outbox_server import GROUP, LAMP, OutboxServer, receiver
from support.virtual_time import VirtualClock

from cleverreach_async import (
    CleverReach,
    ConfigurationError,
    FileTokenStore,
    OAuthApp,
    OrderInput,
    OrderResult,
    Outbox,
)

pytestmark = pytest.mark.anyio

HALF = "\ud800"
"""Half of a surrogate pair, which neither a file name nor a database can hold."""
REFUSED = (400, {"error": {"code": 400, "message": "bad"}})
NUMBERS: list[Any] = ["17", 17, [2**70], [True], [1.0], [None], [b"1"], [-1], ["x"]]


async def no_client(account: str) -> Any:
    """Return nothing that could be sent with."""


async def states(outbox: Outbox) -> list[str]:
    """Return the states of all entries."""
    return [it.state for it in await outbox.entries()]


async def put_and_refuse(outbox: Outbox, server: OutboxServer, number: int) -> None:
    """Put orders that all are dead then."""
    server.script = lambda _: REFUSED
    for order_id in range(number):
        await outbox.put(receiver(LAMP | {"order_id": order_id}), group_id=GROUP)
        await server.send_due(outbox)


@pytest.mark.parametrize("ids", NUMBERS, ids=str)
async def test_numbers_of_entries_are_a_list_of_numbers(
    outbox: Outbox, server: OutboxServer, ids: Any
) -> None:
    """The text ``17`` is not the entries 1 and 7."""
    await put_and_refuse(outbox, server, 7)
    calls: list[Callable[[Any], Awaitable[int]]] = [outbox.retry, outbox.drop]
    for call in calls:
        with pytest.raises(ConfigurationError, match="ids is"):
            await call(ids)
    assert ["dead"] * 7 == await states(outbox)


@pytest.mark.parametrize("account", [HALF, "a\0"])
async def test_an_account_that_no_database_can_hold(outbox: Outbox, account: str) -> None:
    """It is refused wherever it is passed."""
    for work in (
        outbox.put(receiver(), group_id=GROUP, account=account),
        outbox.put_order("ann@example.org", LAMP, account=account),
        outbox.entries(account=account),
    ):
        with pytest.raises(ConfigurationError, match="account is no name"):
            await work


@pytest.mark.parametrize("limit", [-1, 2**70, None, True, 1.5, "5"])
async def test_a_limit_that_is_none(outbox: Outbox, limit: Any) -> None:
    """SQLite would take -1 for no limit, and PostgreSQL would fail."""
    with pytest.raises(ConfigurationError, match="limit is"):
        await outbox.entries(limit=limit)


@pytest.mark.parametrize("path", ["orders\0.db", f"{HALF}.db"])
def test_a_path_that_no_file_can_have(path: str) -> None:
    """It is refused before an order is put."""
    with pytest.raises(ConfigurationError, match="path is no file"):
        Outbox(path)


OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"accounts": "shop"}, "pass a list"),
    ({"accounts": 5}, "pass a list"),
    ({"accounts": [None]}, "account is no name"),
    ({"accounts": [HALF]}, "account is no name"),
    ({"on_dead": 5}, "on_dead is of type int"),
    ({"on_dead": no_client}, "on_dead is an async function"),
]


@pytest.mark.parametrize(("options", "words"), OPTIONS)
async def test_options_that_would_send_or_report_nothing(
    outbox: Outbox, server: OutboxServer, options: dict[str, Any], words: str
) -> None:
    """They are refused before the block begins."""
    await outbox.put(receiver(), group_id=GROUP)
    with pytest.raises(ConfigurationError, match=words):
        await server.send_due(outbox, **options)


async def test_accounts_are_read_once(outbox: Outbox, server: OutboxServer) -> None:
    """A generator would be empty at the second look."""
    for number in range(3):
        await outbox.put(receiver(LAMP | {"order_id": number}), group_id=GROUP)
    await server.send_due(outbox, accounts=(name for name in ["default"]))
    assert ["done"] * 3 == await states(outbox)


async def test_a_function_that_returns_no_client(outbox: Outbox) -> None:
    """An async one is refused; of another one the reason says what it returns."""
    await outbox.put(receiver(), group_id=GROUP)
    with pytest.raises(ConfigurationError, match="client_of is an async function"):
        await outbox.send_due(no_client)  # type: ignore[arg-type]
    await outbox.send_due(lambda _: None)  # type: ignore[arg-type, return-value]
    [entry] = await outbox.entries()
    assert "the client is None; pass a CleverReach" in entry.reason


async def test_an_entry_in_doubt_of_an_account_that_is_gone_can_be_dropped(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """Nobody looks it up any more. One that a sender has now stays."""
    server.script = lambda _: "lost"
    await outbox.put(receiver(), group_id=GROUP)
    await server.send_due(outbox)
    assert (["sent"], 0) == (await states(outbox), await outbox.drop())

    dropped: list[int] = []

    async def drop() -> None:
        dropped.append(await outbox.drop([2]))

    async with server.client() as cr:
        await outbox.put(receiver(email="bob@example.org"), group_id=GROUP)
        server.during = drop
        await outbox.send_due(lambda _: cr)
    assert [0] == dropped
    assert 1 == await outbox.drop([1])
    assert 1 == await outbox.put(receiver(), group_id=GROUP)


async def test_an_order_that_the_outbox_refuses_is_refused(
    outbox: Outbox, server: OutboxServer
) -> None:
    """It would never be kept, so ``failed`` would be wrong: that says to try again."""
    failed: list[OrderResult] = []
    async with (
        server.client() as cr,
        cr.orders.background(on_error=failed.append, outbox=outbox) as orders,
    ):
        orders.send("ann@example.org", OrderInput("A-1", " "))
    assert ["refused"] == [it.status for it in failed]
    assert "product of an order is empty" in failed[0].reason


async def test_a_file_name_is_no_outbox(server: OutboxServer, tmp_path: Path) -> None:
    """Every order would fail, one by one."""
    async with server.client() as cr:
        with pytest.raises(ConfigurationError, match=r"pass an Outbox\('orders\.db'\)"):
            cr.orders.background(on_error=print, outbox=str(tmp_path))  # type: ignore[arg-type]


async def test_a_damaged_token_does_not_make_orders_dead(outbox: Outbox, tmp_path: Path) -> None:
    """They wait, until somebody has mended what has nothing to do with them."""
    path = tmp_path / "token.json"
    path.write_text('{"nonsense": 1}')
    for number in range(3):
        await outbox.put(receiver(LAMP | {"order_id": f"{number}"}), group_id=GROUP)
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(500)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http_client:
        auth = OAuthApp("id", "secret").user(store=FileTokenStore(path))
        cr = CleverReach(auth, http_client=http_client)
        await outbox.send_due(lambda account: cr)
    assert ["waiting"] * 3 == await states(outbox)
    assert any("authorise again" in entry.reason for entry in await outbox.entries())
    assert [] == requests
