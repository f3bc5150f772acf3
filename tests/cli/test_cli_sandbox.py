"""``cleverreach sandbox``: accounts, limits, switches and the access log."""

import shlex
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from typer.testing import Result

from cleverreach_async.sandbox import Sandbox

Run = Callable[..., Result]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Sandbox]:
    """The sandboxes that were served; each gets a few requests in process instead of a socket."""
    seen = list[Sandbox]()

    async def serve(
        sandbox: Sandbox, _host: str, _port: int, *, on_started: Callable[[int], None]
    ) -> None:
        seen.append(sandbox)
        on_started(8800)
        transport = httpx.ASGITransport(app=sandbox.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x.example") as api:
            for account in sandbox.accounts.values():
                api.headers["authorization"] = f"Bearer {account.add_token()}"
                for _repeat in range(2):
                    await api.get("/v3/receivers/mia@example.org")

    monkeypatch.setattr("cleverreach_async.sandbox.server.serve", serve)
    return seen


def test_accounts_with_limits(run: Run, served: list[Sandbox]) -> None:
    """Each is printed with its credentials, and the limits are of each alone."""
    words = ("--account", "shop-42", "--account", "shop-43", "--rate", "0.01", "--retry-after")
    result = run("sandbox", *words, "--max-in-flight", "3", "--outage", "10:30")

    assert 0 == result.exit_code
    lines = result.stdout.splitlines()
    start = lines.index("# account shop-42")
    assert [
        "export CLEVERREACH_CLIENT_ID=shop-42",
        "export CLEVERREACH_CLIENT_SECRET=shop-42-secret",
    ] == lines[start + 1 : start + 3]
    assert [404, 429] * 3 == [it.status_code for it in served[0].requests]
    assert [(0.01, 3, ((10.0, 30.0),), True)] * 3 == [
        (it.rate, it.max_in_flight, it.outages, it.retry_after)
        for it in (account.limits for account in served[0].accounts.values())
    ]


def test_the_access_log(run: Run, served: list[Sandbox]) -> None:
    """A line for each request on stderr, without addresses and tokens."""
    quiet = run("sandbox", "--fault", "503:times=1")
    result = run("sandbox", "--fault", "503:times=1", "--access-log", "--account", "shop")

    lines = [line for line in result.stderr.splitlines() if line.startswith("GET ")]
    assert [
        ["GET /v3/receivers/{receiver}", "503", "account=main", "fault=status"],
        ["GET /v3/receivers/{receiver}", "404", "account=main"],
        *[["GET /v3/receivers/{receiver}", "404", "account=shop"]] * 2,
    ] == [[part for part in line.split("  ") if not part.endswith(" ms")] for line in lines]
    assert "mia@example.org" not in result.output
    assert ("GET" in quiet.output, 2) == (False, len(served))


def test_switches(run: Run, served: list[Sandbox]) -> None:
    """They are written as the fields of Behaviour."""
    words = ("--behaviour", "webhook-retries=5, 30", "--behaviour", "error_shape=flat")
    run("sandbox", *words, "--behaviour", "contact_limit=3", "--behaviour", "agency=no")

    behaviour = served[0].behaviour
    assert ((5, 30), "flat", 3, False) == (
        behaviour.webhook_retries,
        behaviour.error_shape,
        behaviour.contact_limit,
        behaviour.agency,
    )


def test_a_file_with_options(run: Run, served: list[Sandbox], tmp_path: Path) -> None:
    """Options of the command line go first, and add to its lists."""
    file = tmp_path / "scenario.toml"
    file.write_text(
        "rate = 5\nclient_id = 'shop'\nfaults = ['503:times=1']\ntoken_lifetime = 60\n"
        "[behaviour]\nerror_shape = 'flat'\nagency = false\n[accounts.first]\nrate = 7\n"
    )
    words = ("--account", "second", "--fault", "404", "--behaviour", "agency=yes")
    result = run("sandbox", "--config", str(file), *words, "--max-in-flight", "9")

    assert 0 == result.exit_code
    [sandbox] = served
    assert {"main", "first", "second"} == sandbox.accounts.keys()
    assert [(5.0, 9), (7.0, 9), (None, 9)] == [
        (it.limits.rate, it.limits.max_in_flight) for it in sandbox.accounts.values()
    ]
    assert [503, 404] == [it.code for it in sandbox.faults.current]
    assert (60, "flat", True) == (
        sandbox.account.token_lifetime,
        sandbox.behaviour.error_shape,
        sandbox.behaviour.agency,
    )
    assert "export CLEVERREACH_CLIENT_ID=shop\n" in result.stdout
    assert "# account first" in result.stdout


def test_credentials_can_be_pasted(run: Run, served: list[Sandbox], tmp_path: Path) -> None:
    """A shell reads them as they are, whatever characters they have."""
    secret = "it's $HOME; `x` #1"
    (tmp_path / "s.toml").write_text(
        f'client_secret = "{secret}"\n[accounts.a]\nclient_id = "two words"\n'
    )
    result = run("sandbox", "--config", str(tmp_path / "s.toml"))

    assert 1 == len(served)
    words = shlex.split(result.stdout.replace("# account a", ""))
    assert {f"CLEVERREACH_CLIENT_SECRET={secret}", "CLEVERREACH_CLIENT_ID=two words"} < {*words}


def test_files_that_cannot_be_used(run: Run, served: list[Sandbox], tmp_path: Path) -> None:
    """The error names the file, and the key."""
    missing = run("sandbox", "--config", str(tmp_path / "none.toml"))
    (tmp_path / "wrong.toml").write_text("raet = 5")
    wrong = run("sandbox", "--config", str(tmp_path / "wrong.toml"))

    assert (1, 1, []) == (missing.exit_code, wrong.exit_code, served)
    assert "none.toml: No such file" in "".join(missing.stderr.splitlines())
    assert "did you mean rate" in " ".join(wrong.stderr.split())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--behaviour", "eror_shape=flat"), "did you mean error_shape"),
        (("--behaviour", "x=y"), "Unknown switch 'x'"),
        (("--behaviour", "error_shape"), "error_shape=VALUE"),
        (("--behaviour", "error_shape=round"), "needs nested, flat, string"),
        (("--behaviour", "agency=perhaps"), "needs yes or no"),
        (("--behaviour", "max_rows=many"), "needs a whole number"),
        (("--outage", "30:10"), "such as 10:30"),
        (("--rate", "0"), "above 0 requests per second"),
        (("--account", "mia@example.org"), "needs a name"),
        (("--account", "a", "--account", "a"), "already"),
        (("--fault", "503:account="), "account=NAME"),
        (("--fault", "503:account=shp", "--account", "shop"), "There is no account 'shp'"),
    ],
)
def test_options_that_are_not_valid(
    run: Run, served: list[Sandbox], words: tuple[str, ...], reason: str
) -> None:
    """Are refused before anything is served, in words."""
    result = run("sandbox", *words)

    assert (1, []) == (result.exit_code, served)
    assert reason in " ".join(result.stderr.split())
