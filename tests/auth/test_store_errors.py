"""Whatever a token store raises, wherever a token is needed, is an error of the library."""

import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.clocks import FakeClock
from support.virtual_time import VirtualClock

from cleverreach_async import (
    CleverReach,
    CleverReachError,
    ConfigurationError,
    FileTokenStore,
    ImportFailedError,
    MemoryTokenStore,
    OAuthApp,
    OrderInput,
    OrderStatus,
    ReceiverInput,
    RedisTokenStore,
    Secret,
    Token,
    TokenStoreError,
)
from cleverreach_async.transport.retry import Fault, diagnose

pytestmark = pytest.mark.anyio

OLD = Token(access_token=Secret("old-4711"), refresh_token=Secret("refresh-4711"))


class OwnError(Exception):
    """An error of the user's database."""


ERRORS = [
    OwnError("geheim"),
    ConnectionError("redis://:geheim@host"),
    TimeoutError(),
    KeyError("access_token"),
    ExceptionGroup("tasks", [OwnError("geheim")]),
]


class BrokenStore(MemoryTokenStore):
    """A store whose method raises.

    Args:
        method: load, save, lock or unlock.
        error: What it raises.
    """

    def __init__(self, method: str, error: Exception) -> None:
        super().__init__(OLD)
        self.method = method
        self.error = error

    def _fail(self, method: str) -> None:
        if method == self.method:
            raise self.error

    async def load(self) -> Token | None:
        """Return the token."""
        self._fail("load")
        return await super().load()

    async def save(self, token: Token) -> None:
        """Replace the token."""
        self._fail("save")
        await super().save(token)

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None, None]:
        """Hold the lock."""
        self._fail("lock")
        async with super().lock():
            yield
        self._fail("unlock")


def answer(request: httpx.Request) -> httpx.Response:
    """Refuse the old token, and issue others."""
    if request.url.path.endswith("/oauth/token.php"):
        new = {"access_token": "new-4711", "refresh_token": "next-4711"}
        return httpx.Response(200, json=new)
    is_old = request.headers["authorization"].endswith("old-4711")
    return httpx.Response(401 if is_old else 200, json=[])


@asynccontextmanager
async def client(store: Any) -> AsyncGenerator[CleverReach]:
    """A client of a user whose token is in the store."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http_client:
        auth = OAuthApp("id", "secret").user(store=store)
        yield CleverReach(auth, http_client=http_client, clock=FakeClock())


async def import_one(cr: CleverReach) -> None:
    """Import a row; the import gives up soon."""
    await cr.bulk.upsert(
        [ReceiverInput("mia@example.org")], group_id=7, max_outage=0.01, attributes="ignore"
    )


async def list_groups(cr: CleverReach) -> None:
    """Make a call."""
    await cr.groups.list()


USES: list[Callable[[CleverReach], Awaitable[None]]] = [list_groups, import_one]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("method", ["load", "save", "lock", "unlock"])
async def test_each_error_of_a_store_is_ours(
    method: str, use: Callable[[CleverReach], Awaitable[None]]
) -> None:
    """Its own is the cause, and its text, which may quote a password, is not in the message."""
    for error in ERRORS[: 1 if use is import_one else None]:
        async with client(BrokenStore(method, error)) as cr:
            with pytest.raises(CleverReachError) as caught:
                await use(cr)
        found = caught.value.__cause__ if use is import_one else caught.value
        assert isinstance(caught.value, ImportFailedError if use is import_one else TokenStoreError)
        assert f"TokenStoreError BrokenStore cannot {method} the token: {type(error).__name__}" == (
            f"{type(found).__name__} {found}"
        )


class QuotingStore(BrokenStore):
    """A store whose error quotes the token: at once, or when its lock is released.

    Args:
        method: save or unlock.
    """

    def __init__(self, method: str) -> None:
        super().__init__("", OwnError())
        self.fails_in = method

    async def save(self, token: Token) -> None:
        """Fail from now on."""
        self.method = self.fails_in
        self.error = OwnError({"parameters": (token.to_json(),)})
        await super().save(token)


@pytest.mark.parametrize("method", ["save", "unlock"])
async def test_an_error_of_a_store_quotes_no_token(method: str) -> None:
    """Databases quote the parameters that they could not store, or commit."""
    async with client(QuotingStore(method)) as cr:
        with pytest.raises(TokenStoreError) as caught:
            await list_groups(cr)
    shown = "".join(traceback.format_exception(caught.value))
    assert ("OwnError", False) == (type(caught.value.__cause__).__name__, "4711" in shown)


async def test_an_error_that_is_its_own_cause_ends() -> None:
    """As by ``raise error from error``; the event loop is not blocked for ever."""
    error = OwnError("full")
    error.__cause__ = error
    async with client(BrokenStore("save", error)) as cr:
        with pytest.raises(TokenStoreError, match="cannot save the token: OwnError"):
            await list_groups(cr)


async def refuse_at_once(store: Any, said: str) -> None:
    """Expect that an import stops without the wait for an outage."""
    clock = VirtualClock()
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http_client:
        auth = OAuthApp("id", "secret").user(store=store)
        cr = CleverReach(auth, http_client=http_client, clock=clock)
        async with clock.flowing():
            with pytest.raises(ImportFailedError, match=said) as caught:
                await cr.bulk.upsert(
                    [ReceiverInput("mia@example.org")], group_id=7, attributes="ignore"
                )
    assert isinstance(caught.value.__cause__, TokenStoreError)
    assert 60 > clock.elapsed


async def test_a_file_that_cannot_be_one_stops_an_import_at_once(tmp_path: Path) -> None:
    """A folder, or a file where its folder should be, does not change by waiting."""
    (tmp_path / "file").write_text("")
    await refuse_at_once(FileTokenStore(tmp_path), str(tmp_path))
    await refuse_at_once(FileTokenStore(tmp_path / "file" / "token.json"), "token.json")


async def test_a_redis_that_refuses_the_login_stops_an_import_at_once(
    open_redis: Callable[..., Any], anyio_backend_name: str
) -> None:
    """And says what to do. What it gets over is waited for."""
    if anyio_backend_name == "trio":
        pytest.skip("the client runs on asyncio")
    store = RedisTokenStore(open_redis(username="nobody", password="geheim"), "token")
    await refuse_at_once(store, "pass a client with the right user name and password")


async def test_a_token_that_a_store_refuses_to_save_is_not_given_up(
    open_redis: Callable[..., Any], anyio_backend_name: str
) -> None:
    """The import waits, in which somebody may mend it: the old token is not valid any more."""
    if anyio_backend_name == "trio":
        pytest.skip("the client runs on asyncio")
    store = RedisTokenStore(open_redis(username="nobody", password="geheim"), "token")
    with pytest.raises(TokenStoreError) as caught:
        await store.save(OLD)
    assert diagnose(caught.value, "/groups").fault is Fault.NOT_SENT
    with pytest.raises(TokenStoreError) as caught:
        await store.load()
    assert diagnose(caught.value, "/groups").fault is None


async def test_a_background_order_reports_it() -> None:
    """It never raises; the order was not sent."""
    results: list[tuple[OrderStatus, str]] = []
    async with (
        client(BrokenStore("load", OwnError("geheim"))) as cr,
        cr.orders.background(
            on_error=lambda it: results.append((it.status, it.reason)), max_wait=60
        ) as orders,
    ):
        orders.send("mia@example.org", OrderInput("A-1", "Lamp"), group_id=7)
    assert [(OrderStatus.FAILED, "BrokenStore cannot load the token: OwnError")] == results


@pytest.mark.parametrize("store", ["redis://localhost", OLD, object(), httpx.Client])
def test_what_is_no_store_is_refused(store: Any) -> None:
    """When it is passed, by an error that names what to pass."""
    app = OAuthApp("id", "secret")
    for make in (app.user, app.client_credentials):
        with pytest.raises(ConfigurationError, match=r"has no load\(\); pass a store, such as"):
            make(store=store)
