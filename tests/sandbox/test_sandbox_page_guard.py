"""Who may see the sandbox's page and use its forms."""

from typing import Any

import anyio
import httpx
import pytest

from cleverreach_async.sandbox import Sandbox
from cleverreach_async.sandbox.page.live import stream
from cleverreach_async.sandbox.page_access import PageAccess
from cleverreach_async.sandbox.server import running

pytestmark = pytest.mark.anyio


async def ask(
    sandbox: Sandbox,
    *,
    method: str = "GET",
    path: str = "/",
    host: str = "127.0.0.1:8800",
    client: tuple[str, int] | None = ("127.0.0.1", 50000),
    server: tuple[str, int] = ("127.0.0.1", 8800),
    **headers: Any,
) -> tuple[int, str]:
    """Send a request as a server does, and return status and body."""
    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        "client": client,
        "server": server,
    }
    sent = list[dict[str, Any]]()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await sandbox.app(scope, receive, send)
    return sent[0]["status"], b"".join(it.get("body", b"") for it in sent[1:]).decode()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8800", 200),
        ("localhost:8800", 200),
        ("sandbox.localhost", 200),
        ("[::1]:8800", 200),
        ("192.168.1.5:8800", 200),
        ("evil.example", 403),
        ("evil.example:8800", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
async def test_the_host_of_the_browser(sandbox: Sandbox, host: str, status: int) -> None:
    """A name that somebody points at this computer is not ours; an address cannot be pointed."""
    assert status == (await ask(sandbox, host=host))[0]


async def test_the_name_that_a_server_listens_on(sandbox: Sandbox) -> None:
    """It is ours while the server listens."""
    with sandbox.app.access.listening("Box.Home.Example"):
        assert 200 == (await ask(sandbox, host="box.home.example:8800"))[0]
    assert 403 == (await ask(sandbox, host="box.home.example:8800"))[0]


@pytest.mark.parametrize("path", ["/", "/sandbox/requests", "/sandbox/page.css"])
async def test_other_computers(sandbox: Sandbox, path: str) -> None:
    """They see nothing, unless a server was told to listen for them; then the page says so."""
    client = ("192.168.1.7", 50000)
    status, text = await ask(sandbox, path=path, client=client, host="192.168.1.5")
    assert (403, True) == (status, "--host ADDRESS" in text)
    if path != "/":
        return
    with sandbox.app.access.listening("127.0.0.1"):
        assert 403 == (await ask(sandbox, client=client))[0]
    with sandbox.app.access.listening("0.0.0.0"):  # noqa: S104 - nothing listens
        status, text = await ask(sandbox, client=client, host="192.168.1.5")
        assert (200, True) == (status, "Other computers can open this page" in text)
        assert "0.0.0.0" in text  # noqa: S104 - see above
    assert "Other computers" not in (await ask(sandbox))[1]


@pytest.mark.parametrize("client", [None, ("testclient", 50000), ("::1", 50000)])
async def test_clients_in_process(sandbox: Sandbox, client: tuple[str, int] | None) -> None:
    """They have no address, or any name."""
    assert (
        200 == (await ask(sandbox, client=client, host="testserver", server=("testserver", 80)))[0]
    )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"sec_fetch_site": "same-origin", "origin": "http://127.0.0.1:8800"}, 303),
        ({"sec_fetch_site": "none"}, 303),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"origin": "http://127.0.0.1:8800"}, 303),
        ({"origin": "http://127.0.0.1:3000"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
    ],
)
async def test_forms_of_other_sites(sandbox: Sandbox, headers: dict[str, Any], status: int) -> None:
    """They are refused before anything happens; another port is another site."""
    token = sandbox.add_token()
    answer = await ask(sandbox, method="POST", path="/sandbox/expire-tokens", **headers)

    called = await ask(sandbox, path="/v3/groups", authorization=f"Bearer {token}")
    assert (status, 401 if status == 303 else 200) == (answer[0], called[0])


async def test_the_api_has_no_such_checks(sandbox: Sandbox) -> None:
    """Programs reach it under any name, such as that of a container."""
    answer = await ask(sandbox, path="/v3/debug/ping", host="cleverreach:8800")
    assert 200 == answer[0]


async def test_the_stream_of_requests(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    """It has what follows a number, for one account and for nobody, until a server ends."""
    shop = sandbox.add_account("shop-42")
    await api.get("groups")
    access = PageAccess()
    log = sandbox._log  # pyright: ignore[reportPrivateUsage]
    events = stream(log, access, after=1, account="main")
    assert "retry: 1000\n\n" == await anext(events)

    await api.get("forms")
    await api.get("groups", headers={"authorization": f"Bearer {shop.add_token()}"})
    await api.get("tags", headers={"authorization": "Bearer nonsense"})
    first = await anext(events)
    await api.get("mailings")
    second = await anext(events)

    assert ["id: 4", "id: 5"] == [it.splitlines()[0] for it in (first, second)]
    assert [True, False, True] == [f"/v3/{it}" in first for it in ("forms", "groups", "tags")]
    assert "/v3/mailings" in second
    with access.listening("127.0.0.1") as end:
        end()
    with pytest.raises(StopAsyncIteration):
        await anext(events)


async def test_a_stream_of_an_earlier_sandbox(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    """Its number was never reached: the browser gets all requests."""
    await api.get("groups")
    log = sandbox._log  # pyright: ignore[reportPrivateUsage]
    events = stream(log, PageAccess(), after=4711, account="main")
    await anext(events)
    assert "/v3/groups" in await anext(events)
    await events.aclose()


async def test_a_stream_over_asgi_ends_with_its_client(sandbox: Sandbox) -> None:
    """A closed browser leaves nothing running; wrong numbers are the start."""
    for after in ("0", "x", "", "9" * 5000):
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/sandbox/requests",
            "query_string": f"after={after}".encode(),
            "headers": [(b"host", b"localhost")],
            "client": None,
            "server": None,
        }
        sent = list[dict[str, Any]]()

        async def receive(sent: list[dict[str, Any]] = sent) -> dict[str, Any]:
            while len(sent) < 2:
                await anyio.lowlevel.checkpoint()
            return {"type": "http.disconnect"}

        async def send(message: Any, sent: list[dict[str, Any]] = sent) -> None:
            sent.append(message)

        with anyio.fail_after(5):
            await sandbox.app(scope, receive, send)
        assert (200, b"retry: 1000\n\n") == (sent[0]["status"], sent[1]["body"])


@pytest.mark.socket
def test_a_server_does_not_wait_for_open_pages(sandbox: Sandbox) -> None:
    """Their streams end with it, in order; uvicorn would cut them after a second."""
    with httpx.Client() as browser:
        with running(sandbox) as url:
            request = browser.build_request("GET", f"{url}/sandbox/requests")
            lines = browser.send(request, stream=True).iter_lines()
            assert "retry: 1000" == next(lines)
        assert [""] == list(lines)
