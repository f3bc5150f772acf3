"""``cleverreach blacklist`` and ``webhooks``."""

import json
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from support.webhook_answers import verifying
from typer.testing import Result

from cleverreach_async import CleverReach, OAuthApp
from cleverreach_async.sandbox import Sandbox

Run = Callable[..., Result]

WORD = "ten letters"


@pytest.fixture
def filled(run: Run, workdir: Path, sandbox: Sandbox, account: str) -> None:
    """An account with a group, three blacklisted addresses and a webhook."""
    (workdir / "k.csv").write_text("email\na@example.org\n", "utf-8")
    run("import", "k.csv", "--group", "Nord", "--create")
    sandbox.deliver = verifying(WORD)

    async def fill() -> None:
        app = OAuthApp("mia", "geheim-123", base_url=account)
        async with CleverReach(app.client_credentials(), base_url=account) as cr:
            await cr.blacklist.add("ann@example.org", comment="by phone")
            await cr.blacklist.add("bob@example.org", group_id=540001)
            await cr.webhooks.register(
                "https://shop.example/hook", "receiver.subscribed", verify=WORD, condition=540001
            )

    anyio.run(fill)


@pytest.mark.socket
@pytest.mark.usefixtures("filled")
def test_the_blacklist_of_the_account_and_of_a_group(run: Run) -> None:
    """With the reason; JSON has every field."""
    shown = run("blacklist").stdout.splitlines()
    of_group = json.loads(run("blacklist", "--group", "Nord", "--json").stdout)

    assert "ADDED       ADDRESS          COMMENT" == shown[0]
    assert "ann@example.org  by phone" in shown[1]
    assert 2 == len(shown)
    assert ["bob@example.org"] == [it["email"] for it in of_group]


@pytest.mark.socket
@pytest.mark.usefixtures("filled")
def test_webhooks_without_their_secrets(run: Run) -> None:
    """Only what they are for."""
    shown = run("webhooks").stdout.splitlines()
    fields = json.loads(run("webhooks", "--json").stdout)

    assert "receiver.subscribed  540001     https://shop.example/hook" == shown[1]
    expected = {"event": "receiver.subscribed", "condition": "540001"}
    assert [expected | {"url": "https://shop.example/hook"}] == fields


@pytest.mark.parametrize(
    ("command", "message"),
    [("blacklist", "the blacklist is empty\n"), ("webhooks", "there are no webhooks\n")],
)
def test_without_entries_there_is_no_table(run: Run, command: str, message: str) -> None:
    """And stdout is empty."""
    result = run(command, "--sandbox")

    assert (0, "", message) == (result.exit_code, result.stdout, result.stderr)
