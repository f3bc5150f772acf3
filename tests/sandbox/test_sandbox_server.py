"""The sandbox behind a real socket."""

import logging
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import anyio
import httpx
import pytest

from cleverreach_async.sandbox import Fault, Faults, Sandbox
from cleverreach_async.sandbox.server import running, serve

pytestmark = pytest.mark.socket


def test_requests_and_broken_connections(sandbox: Sandbox) -> None:
    """Requests get responses; resets and cut bodies break the connection."""
    headers = {"authorization": f"Bearer {sandbox.add_token()}"}
    with running(sandbox) as url, httpx.Client(base_url=url, headers=headers) as client:
        assert client.get("/v3/debug/whoami.json").json()["id"] == "129000"
        sandbox.faults = Faults([Fault("reset", times=1)])
        with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
            client.get("/v3/groups")
        sandbox.faults = Faults([Fault("cut", times=1, at=10)])
        with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without sending complete"):
            client.get("/v3/debug/whoami")
        assert client.get("/v3/groups").json() == []
    assert [request.status_code for request in sandbox.requests] == [200, None, 200, 200]


@pytest.mark.parametrize(("committed", "groups"), [(True, 1), (False, 0)])
def test_hang_over_a_socket(sandbox: Sandbox, committed: bool, groups: int) -> None:
    """A hanging request that was not committed is not applied when the client disconnects."""
    headers = {"authorization": f"Bearer {sandbox.add_token()}"}
    sandbox.faults = Faults([Fault("hang", seconds=3600, committed=committed)])
    with (
        running(sandbox) as url,
        httpx.Client(base_url=url, headers=headers, timeout=0.2) as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        client.post("/v3/groups", json={"name": "x"})
    assert sandbox.store.value("SELECT count(*) FROM recipient_groups") == groups


def test_stopping_drops_requests_that_wait(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """The end of a server is neither a response with 500 nor a traceback."""
    token = sandbox.add_token()
    waits = Event()
    sandbox.faults = Faults([Fault("latency", seconds=3600)])
    decide = sandbox.faults.decide

    def decide_and_tell(method: str, path: str, account: str | None = None) -> object:
        """Tell that the request is about to wait."""
        waits.set()
        return decide(method, path, account)

    sandbox.faults.decide = decide_and_tell  # type: ignore[method-assign, assignment]
    headers = {"authorization": f"Bearer {token}"}
    with ThreadPoolExecutor() as threads, caplog.at_level(logging.ERROR):
        with running(sandbox) as url:
            request = threads.submit(httpx.get, f"{url}/v3/groups", headers=headers, timeout=60)
            assert waits.wait(30)
        with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
            request.result(30)
    assert [] == caplog.records


def test_stopping_ends_a_webhook_that_is_not_answered(sandbox: Sandbox) -> None:
    """No thread goes on to wait for the response, which would keep the process alive."""
    headers = {"authorization": f"Bearer {sandbox.add_token()}"}
    with (
        ThreadPoolExecutor() as threads,
        socket.create_server(("127.0.0.1", 0)) as silent,
    ):
        hook = {
            "url": f"http://127.0.0.1:{silent.getsockname()[1]}/",
            "event": "receiver.created",
            "verify": "a word to repeat",
        }
        with running(sandbox) as url:
            address = f"{url}/hooks/eventhook"
            request = threads.submit(httpx.post, address, json=hook, headers=headers, timeout=60)
            connection, _ = silent.accept()
            assert connection.recv(3) == b"GET"
        with connection:
            connection.settimeout(5)  # less than the time-out of a delivery
            while connection.recv(1000):
                pass
        with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
            request.result(30)


def test_a_failure_of_webhooks_does_not_stop_the_server(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and requests get responses as before."""
    tried = Event()

    async def fail() -> None:
        """Fail like a switch whose library is missing."""
        tried.set()
        raise ModuleNotFoundError("webhooks need a library")

    sandbox.account.hooks.is_used = True
    sandbox.account.hooks.send_due = lambda *_: fail()  # type: ignore[method-assign, assignment]
    with running(sandbox) as url:
        assert tried.wait(30)
        assert 200 == httpx.get(f"{url}/v3/debug/ping").status_code
    assert "webhooks need a library" in caplog.text


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_serve_in_a_task(sandbox: Sandbox, anyio_backend: str) -> None:
    """The server reports its port, and cancellation frees the port."""
    assert anyio_backend == "asyncio"
    ports: list[int] = []
    listening = anyio.Event()

    def on_started(port: int) -> None:
        """Store the port."""
        ports.append(port)
        listening.set()

    async def run(on_started: Callable[[int], None]) -> None:
        """Serve on any port."""
        await serve(sandbox, port=0, on_started=on_started)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, on_started)
        await listening.wait()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports[0]}") as client:
            assert (await client.get("/v3/debug/ping")).status_code == 200
        tasks.cancel_scope.cancel()
    with socket.create_server(("127.0.0.1", ports[0])) as again:
        assert again.getsockname()[1] == ports[0]


def test_a_server_without_stdout(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service manager may give it none; and the logging of a test suite stays as it is."""
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    handlers = list(logging.getLogger("uvicorn").handlers)
    with running(sandbox) as url:
        assert 200 == httpx.get(f"{url}/v3/debug/ping").status_code
    assert handlers == logging.getLogger("uvicorn").handlers


def test_port_in_use(sandbox: Sandbox) -> None:
    """A port in use is an error."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"), running(sandbox, port=port):
            pass
