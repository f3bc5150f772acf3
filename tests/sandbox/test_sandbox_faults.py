"""Faults: choosing, parsing and injecting them."""

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from cleverreach_async.sandbox import Fault, Faults, Sandbox
from cleverreach_async.sandbox.faults import parse_fault

GROUPS = ("GET", "/v3/groups")


def applied(faults: Faults, number: int) -> list[bool]:
    """Return for some equal requests whether the fault applies."""
    return [faults.decide(*GROUPS)[1] is not None for _ in range(number)]


def test_seed_decides() -> None:
    """One seed always selects the same requests; another seed selects others."""
    first, same, other = (Faults([Fault("status", 0.3)], seed=seed) for seed in (1, 1, 2))
    selected = applied(first, 200)
    assert selected == applied(same, 200)
    assert selected != applied(other, 200)
    assert 30 < sum(selected) < 90


def test_times_and_after() -> None:
    """A fault can start late and end early."""
    faults = Faults([Fault("reset", times=2, after=1)])
    assert applied(faults, 5) == [False, True, True, False, False]


def test_a_limit_does_not_change_other_faults() -> None:
    """A fault at its limit does not change when another fault applies."""
    codes: list[list[int]] = []
    for times in (1, None):
        faults = Faults([Fault("latency", 0.5, times=times), Fault("status", 0.5)], seed=3)
        codes.append([int(hit) for hit in applied(faults, 50)])
    assert codes[0] == codes[1]


def test_latencies_add_up_and_the_first_other_fault_wins() -> None:
    """Latencies combine with another fault; other faults do not combine."""
    faults = Faults(
        [
            Fault("latency", seconds=0.2),
            Fault("status", code=429),
            Fault("reset"),
            Fault("latency", seconds=0.1),
        ]
    )
    wait, fault = faults.decide(*GROUPS)
    assert wait == pytest.approx(0.3)
    assert fault is not None
    assert (fault.kind, fault.code) == ("status", 429)


@pytest.mark.parametrize(
    ("fault", "method", "path", "matches"),
    [
        (Fault("reset"), "GET", "/v3/groups", True),
        (Fault("reset"), "GET", "/v3/debug/ping", False),
        (Fault("reset"), "POST", "/oauth/token.php", False),
        (Fault("reset", path_prefix="/oauth"), "POST", "/oauth/token.php", True),
        (Fault("reset", path_prefix="/v3/debug"), "GET", "/v3/debug/ping", True),
        (Fault("reset", method="POST"), "GET", "/v3/groups", False),
        (Fault("reset", path_suffix="/upsertplus"), "POST", "/v3/groups/1/receivers/upsert", False),
        (Fault("reset", path_suffix="/upsert"), "POST", "/v3/groups/1/receivers/upsert", True),
    ],
)
def test_matching(fault: Fault, method: str, path: str, matches: bool) -> None:
    """Faults match their method and path; by default not OAuth and ping."""
    assert fault.matches(method, path) is matches


def test_clear() -> None:
    """Cleared faults no longer apply."""
    faults = Faults([Fault("reset")])
    faults.clear()
    assert faults.decide(*GROUPS) == (0.0, None)


@pytest.mark.parametrize(("kind", "rate"), [("odd", 1.0), ("reset", 0.0), ("reset", 1.5)])
def test_impossible_faults(kind: str, rate: float) -> None:
    """An unknown kind and a rate out of range are refused."""
    with pytest.raises(ValueError, match=r"Unknown fault|rate"):
        Fault(kind, rate)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("name", "number"), [("times", 0), ("after", -1), ("items", 0)])
def test_faults_of_no_request(name: str, number: int) -> None:
    """A fault that never applies is a mistake."""
    with pytest.raises(ValueError, match=f"The {name} of a fault must be at least {number + 1}"):
        Fault("short_answer", **{name: number})  # type: ignore[arg-type]
    Fault("short_answer", **{name: number + 1})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("429=5%", Fault("status", 0.05, code=429)),
        ("502=0.02", Fault("status", 0.02, code=502, body="html")),
        ("503", Fault("status", code=503)),
        ("503=", Fault("status", code=503)),
        ("503:html", Fault("status", code=503, body="html")),
        ("502=2%:committed:json", Fault("status", 0.02, code=502, committed=True)),
        ("429=1%:retry-after=2", Fault("status", 0.01, code=429, retry_after="2")),
        ("latency=200ms", Fault("latency", seconds=0.2)),
        ("latency=1.5s@10%", Fault("latency", 0.1, seconds=1.5)),
        ("hang=30s@1%:times=2", Fault("hang", 0.01, seconds=30.0, times=2)),
        ("reset=1%", Fault("reset", 0.01)),
        (" cut ", Fault("cut")),
        ("expire-token=1%", Fault("expire_token", 0.01)),
        ("short_answer=100%", Fault("short_answer")),
    ],
)
def test_parse(spec: str, fault: Fault) -> None:
    """Faults are parsed from the command line."""
    assert parse_fault(spec) == fault


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "flood=5%",
        "status=5%",
        "999",
        "100=5%",
        "429=0%",
        "429=101%",
        "429=often",
        "latency",
        "latency=5%",
        "latency=200",
        "latency=200ms@never",
        "reset=1%:gently",
        "429:retry-after",
        "429:times=x",
    ],
)
def test_parse_errors_name_the_fault(spec: str) -> None:
    """The error contains the invalid specification."""
    with pytest.raises(ValueError, match=r"use|needs") as caught:
        Faults.parse("latency=1ms", spec)
    assert repr(spec) in str(caught.value)


# In process.


@pytest.mark.anyio
async def test_a_mounted_sandbox(sandbox: Sandbox) -> None:
    """Faults, limits, counts and records do not depend on where an application has it."""
    sandbox.faults = Faults([Fault("status", code=502, times=1, path_prefix="/v3/groups")])
    sandbox.limits.max_in_flight = 1
    sandbox.limits.rate = 2
    mounted = Starlette(routes=[Mount("/a/cr", sandbox.app)])
    headers = {"authorization": f"Bearer {sandbox.add_token()}"}
    transport = httpx.ASGITransport(app=mounted)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://localhost/a/cr/", headers=headers
    ) as api:
        answers = [await api.get("v3/groups.json/a%2Fb") for _ in range(3)]
        page = await api.get("")
    assert [502, 404, 429] == [it.status_code for it in answers]
    assert (200, 3) == (page.status_code, sandbox.count("GET", "/v3/groups"))
    assert {("/v3/groups/a/b", "/v3/groups/{group}")} == {
        (it.path, it.route) for it in sandbox.requests
    }


@pytest.mark.anyio
@pytest.mark.parametrize("code", [204, 304])
async def test_statuses_without_a_body(api: httpx.AsyncClient, sandbox: Sandbox, code: int) -> None:
    """A server refuses to send a body with them."""
    sandbox.faults = Faults([Fault("status", code=code)])
    answer = await api.get("groups")
    assert (code, b"") == (answer.status_code, answer.content)


@pytest.mark.anyio
async def test_status_with_retry_after(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """An error response has the vendor's shape and the header, and is recorded."""
    sandbox.faults = Faults([Fault("status", code=429, retry_after=7, times=1)])
    answer = await api.get("groups")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json() == {"error": {"code": 429, "message": "Too Many Requests"}}
    assert (await api.get("groups")).status_code == 200
    assert [request.status_code for request in sandbox.requests] == [429, 200]


@pytest.mark.anyio
async def test_html_and_unusual_status(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A gateway error is HTML; a non-standard status works too."""
    sandbox.faults = Faults.parse("502:times=1", "599")
    answer = await api.get("groups")
    assert (answer.text, answer.headers["content-type"]) == (
        "<html>Bad Gateway</html>",
        "text/html; charset=utf-8",
    )
    assert "retry-after" not in answer.headers
    assert (await api.get("groups")).json()["error"] == {"code": 599, "message": "Error"}


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["status", "reset"])
@pytest.mark.parametrize("committed", [True, False])
async def test_committed(
    api: httpx.AsyncClient, group: int, sandbox: Sandbox, kind: str, committed: bool
) -> None:
    """A fault happens before or after the request is applied."""
    word = "503" if kind == "status" else kind
    sandbox.faults = Faults.parse(f"{word}{':committed' if committed else ''}")
    body = [{"email": "ann@example.org"}]
    if kind == "reset":
        with pytest.raises(ConnectionResetError):
            await api.post(f"groups/{group}/receivers/upsert", json=body)
    else:
        await api.post(f"groups/{group}/receivers/upsert", json=body)
    assert sandbox.store.count(group) == int(committed)
    assert sandbox.requests[-1].status_code == (None if kind == "reset" else 503)


@pytest.mark.anyio
async def test_cut(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A cut body is shorter than its Content-Length."""
    sandbox.faults = Faults([Fault("cut", at=10)])
    answer = await api.get("debug/whoami")
    assert answer.content == b'{"id":"129'
    assert int(answer.headers["content-length"]) > 10


@pytest.mark.anyio
async def test_expire_token(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Only the token of the request expires."""
    other = sandbox.add_token()
    sandbox.faults = Faults([Fault("expire_token", times=1)])
    assert (await api.get("groups")).json()["error"]["message"] == "Unauthorized: token expired"
    headers = {"authorization": f"Bearer {other}"}
    assert (await api.get("groups", headers=headers)).status_code == 200


@pytest.mark.anyio
async def test_short_answer(api: httpx.AsyncClient, group: int, sandbox: Sandbox) -> None:
    """A list response lacks items that were stored; other responses are complete."""
    sandbox.faults = Faults([Fault("short_answer", items=2)])
    rows = [{"email": f"u{i}@example.org"} for i in range(5)]
    answer = await api.post(f"groups/{group}/receivers/upsertplus", json=rows)
    assert len(answer.json()) == 3
    assert sandbox.store.count(group) == 5
    assert (await api.get(f"groups/{group}")).json()["name"] == "Newsletter"
    assert (await api.get("groups/1")).status_code == 404
    assert (await api.get("groups")).json() == []


@pytest.mark.anyio
@pytest.mark.parametrize("committed", [True, False])
async def test_hang(api: httpx.AsyncClient, group: int, sandbox: Sandbox, committed: bool) -> None:
    """When the client gives up on a hanging request, it was applied or not."""
    sandbox.faults = Faults([Fault("hang", seconds=3600, committed=committed, times=1)])
    path = f"groups/{group}/receivers"
    with anyio.move_on_after(0) as scope:
        await api.post(path, json={"email": "ann@example.org"})
    assert scope.cancelled_caught
    assert sandbox.store.count(group) == int(committed)
    assert sandbox.requests[-1].status_code is None


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["hang", "latency"])
async def test_request_after_a_delay(api: httpx.AsyncClient, sandbox: Sandbox, kind: str) -> None:
    """After the delay the request gets its normal response."""
    sandbox.faults = Faults.parse(f"{kind}=1ms")
    assert (await api.get("groups")).json() == []
