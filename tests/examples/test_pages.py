"""Every code block of every page of the documentation runs, from top to bottom, on the sandbox."""

import inspect
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from support.pages import DOCS, PageRun, blocks_of, missing_imports, pages_with_code

from cleverreach_async import CleverReach, OAuthApp, ReceiverInput, WebhookEndpoint
from cleverreach_async.sandbox import Sandbox
from cleverreach_async.sandbox.hook_queue import HookQueue
from cleverreach_async.sandbox.server import running

pytestmark = pytest.mark.socket

CUSTOMERS = """\
E-Mail;Vorname;Nachname;Registriert am
ada@example.org;Ada;Müller;31.12.2025
ben@example.org;Ben;Weiß;01.02.2026
cleo@example.org;Cleo;Şahin;
"""


@attrs.frozen
class Stage:
    """What a page takes for granted.

    Attributes:
        sandbox: An account with one group, one form, and the attributes of the file.
        url: Its server.
        portal: The event loop of the page.
        names: The names that its code may use.
    """

    sandbox: Sandbox
    url: str
    portal: BlockingPortal
    names: dict[str, Any]


async def furnish(cr: CleverReach) -> dict[str, Any]:
    """Create what the pages use without creating it."""
    await cr.attributes.ensure({"firstname": "text", "lastname": "text"})
    group_id = (await cr.groups.create(name="Newsletter")).id
    form_id = await cr.forms.create_from_template(group_id, name="Sign-up")
    return {"group_id": group_id, "form_id": form_id}


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """An account with its server, and a folder with a file of customers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "customers.csv").write_text(CUSTOMERS, "utf-8")
    for name in [it for it in os.environ if it.startswith("CLEVERREACH_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    # Webhooks are delivered when a page asks for it, and not by the server beside it.
    monkeypatch.setattr(HookQueue, "run", lambda *_: anyio.sleep_forever())
    with Sandbox() as sandbox, running(sandbox) as url, start_blocking_portal() as portal:
        monkeypatch.setenv("CLEVERREACH_BASE_URL", url)
        monkeypatch.setenv("CLEVERREACH_CLIENT_ID", "sandbox")
        monkeypatch.setenv("CLEVERREACH_CLIENT_SECRET", "sandbox-secret")
        # What a page does with the vendor's server happens here.
        monkeypatch.setattr("cleverreach_async.client.DEFAULT_BASE_URL", url)
        monkeypatch.setattr("cleverreach_async.auth.app.DEFAULT_BASE_URL", url)
        sandbox.deliver = None
        auth = OAuthApp("sandbox", "sandbox-secret").client_credentials()
        with portal.wrap_async_context_manager(CleverReach(auth)) as cr:
            names = {
                "__name__": "page",
                "cr": cr,
                "sandbox": sandbox,
                "client_id": "sandbox",
                "client_secret": "sandbox-secret",
                **portal.call(furnish, cr),
            }
            yield Stage(sandbox, url, portal, names)


async def add(stage: Stage, email: str, **fields: Any) -> None:
    """Add a receiver to the group."""
    receiver = ReceiverInput(email, **fields)
    await stage.names["cr"].receivers.create(receiver, group_id=stage.names["group_id"])


def before_api_quirks(stage: Stage) -> None:
    """The server stores a time that is none in seconds."""
    add_ann(stage)
    stage.sandbox.store.run("UPDATE members SET registered = ?", 1767225600000)


def before_importing(stage: Stage) -> None:
    """One row of a file has no valid address."""
    Path("prospects.csv").write_text(CUSTOMERS + "eve@example;Eve;;\n", "utf-8")


def repair(path: Path) -> None:
    """Do what somebody does with an editor."""
    text = path.read_text("utf-8")
    assert '"eve@example"' in text
    path.write_text(text.replace('"eve@example"', '"eve@example.org"'), "utf-8")


def add_ann(stage: Stage) -> None:
    """The page is about somebody who is in the group."""
    stage.portal.call(add, stage, "ann@example.org")


def before_authentication(stage: Stage) -> None:
    """A visitor comes back from the vendor's page, which the code asked for."""

    class Visit:
        @property
        def query_params(self) -> dict[str, str]:
            answer = httpx.get(stage.names["url"])
            return dict(httpx.URL(answer.headers["location"]).params)

    stage.names["request"] = Visit()


def before_exporting(stage: Stage) -> None:
    """Somebody is in the group."""
    fields = {"global_attributes": {"firstname": "Ada"}}
    stage.portal.call(partial(add, stage, "ada@example.org", **fields))


def before_sources(stage: Stage) -> None:
    """There is a database, and a file with names of its own."""
    Path("customers.csv").write_text("Kontakt;Filiale;Notiz\nada@example.org;Kiel;\n", "utf-8")
    with closing(sqlite3.connect("shop.db")) as connection:
        connection.execute("CREATE TABLE customers (id INTEGER, email TEXT, city TEXT)")


def after_live_orders(stage: Stage) -> None:
    """The three valid orders are stored."""
    stored = {line["order_id"] for line in stage.sandbox.store.orders("ann@example.org")}
    assert {"A-17", "A-18", "A-20"} == stored


def after_sign_up(stage: Stage) -> None:
    """Ann got two mails, and is not active."""
    assert ["ann@example.org"] * 2 == [mail.email for mail in stage.sandbox.mails]
    stored = stage.sandbox.store.receiver(stage.names["group_id"], "ann@example.org") or {}
    assert ("0", {"firstname": "Ann"}) == (str(stored["activated"]), stored["global_attributes"])


def after_set_up(stage: Stage) -> None:
    """The values are stored."""
    store = stage.sandbox.store
    stored = store.receiver(store.group_id("Newsletter") or 0, "ann@example.org") or {}
    assert {"branch": "Kiel"} == stored["attributes"]
    assert "1990-05-17" == stored["global_attributes"]["birthday"]


def after_webhooks(stage: Stage) -> None:
    """A receiver who is deleted leaves the table of consent."""
    names = stage.names

    async def leave() -> None:
        await names["cr"].receivers.delete("bruce@wayne.example", group_id=names["group_id"])
        await stage.sandbox.deliver_webhooks()

    stage.portal.call(leave)
    assert ({}, 1) == (names["consent"], len(names["urlpatterns"]))


BEFORE: dict[str, Callable[[Stage], None]] = {
    "api-quirks.md": before_api_quirks,
    "authentication.md": before_authentication,
    "exporting.md": before_exporting,
    "importing.md": before_importing,
    "live-orders.md": add_ann,
    "sources.md": before_sources,
}
AFTER: dict[str, Callable[[Stage], None]] = {
    "live-orders.md": after_live_orders,
    "set-up.md": after_set_up,
    "sign-up.md": after_sign_up,
    "webhooks.md": after_webhooks,
}


@pytest.mark.parametrize("page", pages_with_code())
def test_the_code_of_the_page_runs(
    page: str,
    stage: Stage,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It prints what the page says."""
    BEFORE.get(page, bool)(stage)
    run = PageRun(
        DOCS / page,
        stage.portal,
        stage.url,
        stage.names,
        printed=lambda: capsys.readouterr().out,
        environ=monkeypatch.setenv,
        edit=repair,
    )
    run.run(blocks_of((DOCS / page).read_text("utf-8")))
    AFTER.get(page, bool)(stage)


@pytest.mark.parametrize("page", pages_with_code())
def test_every_block_has_its_imports(page: str) -> None:
    """It can be copied alone."""
    assert [] == missing_imports(blocks_of((DOCS / page).read_text("utf-8")))


def test_the_page_about_webhooks_names_the_defaults() -> None:
    """Its numbers are those of the code."""
    text = (DOCS / "webhooks.md").read_text("utf-8")
    defaults = {
        name: it.default for name, it in inspect.signature(WebhookEndpoint).parameters.items()
    }
    assert (10.0, 60.0, 65_536) == (defaults["window"], defaults["lease"], defaults["max_body"])
    for words in ("`window` seconds (10 by default)", "`lease` seconds (60 by default)", "65,536"):
        assert words in text.replace("\n", " ")
