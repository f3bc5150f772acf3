"""The database, the record of requests, and ASGI details."""

import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from cleverreach_async.sandbox import Sandbox
from cleverreach_async.sandbox.call import Call
from cleverreach_async.sandbox.recording import PendingRequest, RequestLog
from cleverreach_async.sandbox.store import Store


@pytest.mark.anyio
async def test_a_file_survives(tmp_path: Path) -> None:
    """A database file keeps groups, receivers and tokens."""
    path = str(tmp_path / "sandbox.sqlite")
    for first in (True, False):
        with Sandbox(path) as sandbox:
            if first:
                sandbox.add_token("kept")
            transport = httpx.ASGITransport(app=sandbox.app)
            headers = {"authorization": "Bearer kept"}
            async with httpx.AsyncClient(
                transport=transport, base_url="http://sandbox.example/v3", headers=headers
            ) as api:
                if first:
                    await api.post("/groups", json={"name": "Kept"})
                    group = sandbox.store.group_id("Kept")
                    await api.post(f"/groups/{group}/receivers", json={"email": "a@example.org"})
                group = int((await api.get("/groups")).json()[0]["id"])
                assert sandbox.store.emails(group) == ["a@example.org"]


def test_a_file_of_an_earlier_version(tmp_path: Path) -> None:
    """It gets the columns that it lacks, and keeps its tokens for the first account."""
    path = str(tmp_path / "old.sqlite")
    with sqlite3.connect(path) as old:
        old.executescript("""
            CREATE TABLE access_tokens (
                token TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, refresh_token TEXT);
            CREATE TABLE refresh_tokens (
                token TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, used INTEGER DEFAULT 0);
            CREATE TABLE codes (
                code TEXT PRIMARY KEY, redirect_uri TEXT NOT NULL, expires_at INTEGER NOT NULL);
            CREATE TABLE hook_events (
                seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL,
                group_id INTEGER NOT NULL, receiver_id INTEGER, email TEXT, form_id INTEGER,
                shared INTEGER NOT NULL DEFAULT 0);
            INSERT INTO access_tokens VALUES ('kept', 9000000000, NULL);
        """)
    old.close()
    for _ in range(2):
        with Sandbox(path) as sandbox:
            owner = sandbox.account.accounts.with_token("kept")
            assert (owner, None) == (sandbox.account, sandbox.store.one("SELECT * FROM codes"))
            assert 129_001 <= sandbox.add_account("shop-42").id


@pytest.mark.parametrize("version", [0, 1])
def test_a_database_of_another_program_is_left_alone(tmp_path: Path, version: int) -> None:
    """It is refused by name, and not one byte of it changes, whatever its version number is."""
    path = tmp_path / "shop.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE orders (number)")
        other.execute(f"PRAGMA user_version = {version}")
    other.close()
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"shop\.sqlite: .*another program"):
        Sandbox(str(path))
    assert before == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    """It is refused, and keeps its version number, so that the later version can still use it."""
    path = str(tmp_path / "later.sqlite")
    Sandbox(path).close()
    with sqlite3.connect(path) as later:
        later.execute("PRAGMA user_version = 99")
    later.close()
    with pytest.raises(ValueError, match=r"later\.sqlite: .*later version, 99"):
        Sandbox(path)
    with sqlite3.connect(path) as later:
        assert (99,) == later.execute("PRAGMA user_version").fetchone()
    later.close()


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """The error names the database, also that of a further account or of a scenario."""
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_text("no database")
    with pytest.raises(ValueError, match=r"damaged\.sqlite: cannot be used"):
        Sandbox(str(damaged))
    with Sandbox(str(tmp_path / "good.sqlite")) as sandbox:
        damaged.rename(tmp_path / "good.shop-42.sqlite")
        with pytest.raises(ValueError, match=r"good\.shop-42\.sqlite: cannot be used"):
            sandbox.add_account("shop-42")
    scenario = tmp_path / "scenario.toml"
    scenario.write_text("path = 'missing/data.sqlite'")
    with pytest.raises(ValueError, match=r"scenario\.toml: .*data\.sqlite: cannot be used"):
        Sandbox.from_toml(scenario)


def test_transaction_is_all_or_nothing() -> None:
    """A failed block is rolled back, with its inner blocks."""
    store = Store()
    insert = "INSERT INTO forms (group_id, name) VALUES (1, 'x')"

    def fail_outside_the_inner_block() -> None:
        """Write inside, fail outside."""
        with store.transaction():
            with store.transaction():
                store.run(insert)
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail_outside_the_inner_block()
    assert store.value("SELECT count(*) FROM forms") == 0
    with store.transaction():
        store.run(insert)
    assert store.value("SELECT count(*) FROM forms") == 1
    store.close()
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store.value("SELECT 1")


@pytest.mark.anyio
async def test_helpers(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """Tests can read what is stored."""
    row = {"email": "Ann@example.org", "orders": [{"order_id": "1", "product": "x"}]}
    await api.post(f"groups/{group}/receivers", json=row | {"tags": ["a"]})
    stored = sandbox.store.receiver(group, "ann@EXAMPLE.org")
    assert stored is not None
    assert (stored["email"], stored["tags"], stored["active"]) == ("Ann@example.org", ["a"], True)
    assert [order["order_id"] for order in stored["orders"]] == ["1"]
    assert sandbox.store.receiver(group, "bob@example.org") is None
    assert sandbox.store.group_id("Newsletter") == group
    assert sandbox.store.group_id("Other") is None


@pytest.mark.anyio
async def test_requests_are_recorded(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Equal bodies have equal digests; paths lose their legacy ending."""
    headers = {"user-agent": "test/1", "x-secret": "no"}
    for _ in range(2):
        await api.post("groups.json", content=b'{"name":"x"}', headers=headers)
    first, second = sandbox.requests
    assert (first.method, first.path, first.status_code) == ("POST", "/v3/groups", 200)
    assert first.body_sha256 == second.body_sha256
    assert (first.body_size, first.headers["user-agent"]) == (12, "test/1")
    assert "x-secret" not in first.headers
    assert "authorization" not in first.headers
    assert (sandbox.count(), sandbox.count("POST"), sandbox.count("GET")) == (2, 2, 0)
    assert (sandbox.count(path_prefix="/v3/gr"), sandbox.count(path_prefix="/x")) == (2, 0)


def test_no_secret_in_a_repr(sandbox: Sandbox) -> None:
    """Secrets and tokens are not in any repr."""
    query = {"token": "hidden-token"}
    call = Call(sandbox.account, {}, query, {"authorization": "hidden"}, b"", "hidden-token")
    shown = repr([call, sandbox.account, sandbox, sandbox.app])
    assert "hidden" not in shown
    assert "sandbox-secret" not in shown


def test_dropped_requests_are_counted() -> None:
    """Old requests are dropped but remain counted."""
    log = RequestLog(keep=2)
    request = Request({"type": "http", "method": "GET", "query_string": b"", "headers": []})
    for number in range(5):
        pending = PendingRequest("GET", f"/{number}", 0.0, None)
        log.received(pending)
        log.completed(pending, request, b"", 0.0, None)
    assert [request.path for request in log.requests()] == ["/3", "/4"]
    assert log.count(None, None) == 5


@pytest.mark.anyio
async def test_lifespan(sandbox: Sandbox) -> None:
    """The application supports the lifespan protocol."""
    messages = iter(["lifespan.startup", "lifespan.shutdown"])
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        """Return the next message."""
        return {"type": next(messages)}

    async def send(message: Any) -> None:
        """Store the type of a message."""
        sent.append(message["type"])

    await sandbox.app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.anyio
async def test_client_disconnects_early(sandbox: Sandbox) -> None:
    """A request with an incomplete body is ignored and not counted."""
    sent: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]
    messages = iter(sent)

    async def receive() -> dict[str, Any]:
        """Return the next message."""
        return next(messages)

    async def send(message: Any) -> None:
        """Fail on any message."""
        raise AssertionError(message)

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/v3/groups"}
    await sandbox.app(scope | {"query_string": b"", "headers": []}, receive, send)
    assert sandbox.count() == 0
