"""The page about the command: what it shows is what the commands print, on the sandbox."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner

from cleverreach_async import CleverReach, OAuthApp, ReceiverInput
from cleverreach_async.cli.app import app
from cleverreach_async.sandbox import Sandbox, WebhookAnswer, WebhookCall
from cleverreach_async.sandbox.server import running

PAGE = Path(__file__).parents[2] / "docs" / "command.md"
WORD = "ten letters"
CUSTOMERS = """email,firstname,city,attributes.plan
ann@example.org,Ann,Kiel,gold
ben@example.org,Ben,Ulm,
cleo@example.org,Cleo,Bonn,gold
"""
CHANGING = (
    (r"\d{4}-\d\d-\d\d(?= )", "DATE"),
    (r"\d{4}-\d\d-\d\dT[^\"]+", "MOMENT"),
    (r"\d\d:\d\d:\d\d", "TIME"),
    (r"in \d+\.\d s \([\d,]+ rows/s\)", "SPEED"),
)


def shown_on_the_page() -> list[tuple[str, str]]:
    """Each command of the page, and what it prints there."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    commands = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks), re.MULTILINE)
    return [(command, printed) for command, printed in commands]


def unchanging(text: str) -> str:
    """A text without what is different in every run."""
    for pattern, word in CHANGING:
        text = re.sub(pattern, word, text)
    return text


async def verified(call: WebhookCall) -> WebhookAnswer:
    """Answer the verification of a webhook."""
    value = call.url.partition("?secret=")[2]
    return WebhookAnswer(200, {"content-type": "text/plain"}, f"{WORD} {value}".encode())


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty account on a socket, its credentials in the environment, and a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    tmp_path.joinpath("customers.csv").write_text(CUSTOMERS, "utf-8")
    with Sandbox() as sandbox, running(sandbox) as url:
        sandbox.deliver = verified
        monkeypatch.setenv("CLEVERREACH_BASE_URL", url)
        monkeypatch.setenv("CLEVERREACH_CLIENT_ID", "sandbox")
        monkeypatch.setenv("CLEVERREACH_CLIENT_SECRET", "sandbox-secret")
        yield url


async def fill(url: str) -> None:
    """Add what no import creates: a second group, a form, blacklisted addresses, a webhook."""
    auth = OAuthApp("sandbox", "sandbox-secret", base_url=url).client_credentials()
    async with CleverReach(auth, base_url=url) as cr:
        newsletter = await cr.groups.ensure(name="Newsletter")
        fair = await cr.groups.create(name="Trade fair")
        await cr.receivers.create(ReceiverInput("ann@example.org"), group_id=fair.id)
        await cr.forms.create_from_template(newsletter.id, name="Sign-up")
        await cr.blacklist.add("dora@example.org", comment="by phone")
        await cr.blacklist.add("emil@example.org", group_id=fair.id)
        await cr.webhooks.register(
            "https://shop.example/hook",
            "receiver.subscribed",
            verify=WORD,
            condition=newsletter.id,
        )


@pytest.mark.socket
def test_the_page_shows_what_the_commands_print(account: str) -> None:
    """Dates, times and speeds aside, every character is that of the page."""
    for command, expected in shown_on_the_page():
        words = shlex.split(command)[1:]
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        assert (0, unchanging(expected)) == (result.exit_code, unchanging(result.stdout)), command
        if words[0] == "import" and "--dry-run" not in words:
            anyio.run(fill, account)


def test_the_page_has_every_command_that_shows_an_account() -> None:
    """A new one is added to it."""
    commands = {shlex.split(command)[1] for command, _ in shown_on_the_page()}

    assert {"attributes", "blacklist", "forms", "groups", "receiver", "webhooks", "whoami"} < (
        commands
    )
