"""The pages about flows: their blocks of Python run in order, in one function, on the sandbox."""

import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import cleverreach_async
from cleverreach_async import CleverReach, OAuthApp, ReceiverInput
from cleverreach_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An empty account."""
    with Sandbox() as sandbox:
        yield sandbox


async def nothing(cr: CleverReach, group_id: int) -> None:
    """Do nothing."""


async def run_page(
    name: str,
    sandbox: Sandbox,
    before: Callable[[CleverReach, int], Awaitable[None]] = nothing,
) -> int:
    """Run the blocks of a page with a client, a group and a form; return the id of the group."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS.joinpath(name).read_text("utf-8"), re.DOTALL)
    lines = "".join(f"    {line}\n" for block in blocks for line in block.splitlines())
    space: dict[str, Any] = {
        it: getattr(cleverreach_async, it) for it in cleverreach_async.__all__ if it[0].isupper()
    }
    exec(f"async def use(cr, group_id, form_id):\n{lines}", space)  # noqa: S102 - our own page
    auth = OAuthApp("sandbox", "sandbox-secret").client_credentials()
    transport = httpx.ASGITransport(app=sandbox.app)
    async with (
        httpx.AsyncClient(transport=transport) as http_client,
        CleverReach(auth, http_client=http_client) as cr,
    ):
        await cr.attributes.create(name="firstname", type="text")
        group_id = (await cr.groups.create(name="Customers")).id
        form_id = await cr.forms.create_from_template(group_id, name="Sign-up")
        await before(cr, group_id)
        await space["use"](cr, group_id, form_id)
    return group_id


async def test_the_page_about_sign_ups(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ann gets two mails, and is not active."""
    group_id = await run_page("sign-up.md", sandbox)
    assert "mailed\n" == capsys.readouterr().out
    assert ["ann@example.org"] * 2 == [mail.email for mail in sandbox.mails]
    stored = sandbox.store.receiver(group_id, "ann@example.org") or {}
    assert ("0", {"firstname": "Ann"}) == (str(stored["activated"]), stored["global_attributes"])


async def test_the_page_about_set_up(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """The values are stored, and the conflict is printed."""
    await run_page("set-up.md", sandbox)
    group_id = sandbox.store.group_id("Newsletter") or 0
    stored = sandbox.store.receiver(group_id, "ann@example.org") or {}
    assert {"branch": "Kiel"} == stored["attributes"]
    assert "1990-05-17" == stored["global_attributes"]["birthday"]
    assert "firstname is text, not number" in capsys.readouterr().out


async def test_the_page_about_live_orders(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The orders are stored, and the invalid one is printed."""

    async def add_ann(cr: CleverReach, group_id: int) -> None:
        await cr.receivers.create(ReceiverInput("ann@example.org"), group_id=group_id)

    await run_page("live-orders.md", sandbox, before=add_ann)
    orders = {line["order_id"] for line in sandbox.store.orders("ann@example.org")}
    assert {"A-17", "A-18", "A-20"} == orders
    assert capsys.readouterr().out.startswith("A-19 refused receiver_id is another text")


async def test_the_page_about_the_outbox(
    sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The orders are stored once; the one that was rolled back is not put."""
    monkeypatch.chdir(tmp_path)
    await run_page("outbox.md", sandbox)
    first, second = capsys.readouterr().out.splitlines()
    assert ("'waiting': 0", "'waiting': 1") == (first[1:13], second[1:13])
    orders = [line["order_id"] for line in sandbox.store.orders("ann@example.org")]
    assert ["A-17", "A-18", "A-19"] == sorted(orders)
    assert 1 == len(sandbox.store.orders("bob@example.org"))


async def test_the_page_about_synchronisation(
    sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It prints what the comments say."""
    monkeypatch.chdir(tmp_path)
    await run_page("sync.md", sandbox)
    lines = capsys.readouterr().out.splitlines()
    assert ["2 added", "2 unchanged, 0 requests", "1 deactivated"] == lines[:3]
    assert "the source lacks 19 of 39 receivers" in lines[3]
    assert ["0 deleted"] == lines[4:]


async def test_the_page_about_shared_journals(
    sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The repeated import stores no order twice, and it prints what the comments say."""
    monkeypatch.chdir(tmp_path)
    await run_page("shared-journal.md", sandbox)
    assert ["2500 2500", "1 ['one']"] == capsys.readouterr().out.splitlines()
    assert 1 == len(sandbox.store.orders("p2499@shop.example"))
