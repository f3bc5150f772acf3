"""Every code block of every page of the documentation runs, from top to bottom, on the sandbox."""

import inspect
import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import httpx
import psycopg
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.types import Receive, Scope, Send
from support.django_project import configured_settings
from support.mariadb import run_mariadb
from support.pages import DOCS, PageRun, blocks_of, missing_imports, pages_with_code
from support.postgres import run_postgres
from support.redis_server import run_redis
from support.workbooks import write_workbook

from cleverreach_async import CleverReach, OAuthApp, ReceiverInput, WebhookEndpoint
from cleverreach_async.sandbox import Sandbox
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
        given: The names that its code may use.
        names: The names that its code has defined.
        stack: Closes what is only there for one page.
    """

    sandbox: Sandbox
    url: str
    portal: BlockingPortal
    given: dict[str, Any]
    names: dict[str, Any]
    stack: ExitStack


async def furnish(cr: CleverReach) -> dict[str, Any]:
    """Create what the pages use without creating it."""
    await cr.attributes.ensure({"firstname": "text", "lastname": "text"})
    group_id = (await cr.groups.create(name="Newsletter")).id
    form_id = await cr.forms.create_from_template(group_id, name="Sign-up")
    return {"group_id": group_id, "form_id": form_id}


@attrs.define
class Server:
    """A server on a port, and an event loop, for all pages one after the other.

    Attributes:
        portal: Runs what awaits.
        account: What the server serves.
        access: Where it listens, for the page of the sandbox.
        url: Its root.
    """

    portal: BlockingPortal
    account: Sandbox
    access: Any
    url: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the account of the page respond."""
        await self.account.app(scope, receive, send)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The server of all pages. Webhooks are delivered when a page asks for it."""
    with (
        pytest.MonkeyPatch.context() as patch,
        Sandbox() as first,
        start_blocking_portal() as portal,
    ):
        server = Server(portal, first, first.app.access)
        patch.setattr(first, "app", server)
        with running(first) as server.url:
            yield server


@pytest.fixture
def stage(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """An account with its server, and a folder with a file of customers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "customers.csv").write_text(CUSTOMERS, "utf-8")
    for name in [it for it in os.environ if it.startswith(("CLEVERREACH_", "PYTEST_ADD"))]:
        monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    url, portal = server.url, server.portal
    with Sandbox() as sandbox:
        server.account = sandbox
        monkeypatch.setenv("CLEVERREACH_BASE_URL", url)
        monkeypatch.setenv("CLEVERREACH_CLIENT_ID", "sandbox")
        monkeypatch.setenv("CLEVERREACH_CLIENT_SECRET", "sandbox-secret")
        # What a page does with the vendor's server happens here.
        monkeypatch.setattr("cleverreach_async.client.DEFAULT_BASE_URL", url)
        monkeypatch.setattr("cleverreach_async.auth.app.DEFAULT_BASE_URL", url)
        auth = OAuthApp("sandbox", "sandbox-secret").client_credentials()
        with portal.wrap_async_context_manager(CleverReach(auth)) as cr:
            given = {
                "__name__": "page",
                "cr": cr,
                "sandbox": sandbox,
                "client_id": "sandbox",
                "client_secret": "sandbox-secret",
                **portal.call(furnish, cr),
            }
            with ExitStack() as stack:
                yield Stage(sandbox, url, portal, given, {}, stack)
    for name, module in [*sys.modules.items()]:
        if str(getattr(module, "__file__", None)).startswith(f"{tmp_path}{os.sep}"):
            del sys.modules[name]  # other pages have files of the same name


async def add(stage: Stage, email: str, **fields: Any) -> None:
    """Add a receiver to the group."""
    receiver = ReceiverInput(email, **fields)
    await stage.given["cr"].receivers.create(receiver, group_id=stage.given["group_id"])


def before_api_quirks(stage: Stage) -> None:
    """The server stores a time that is none in seconds."""
    add_ann(stage)
    stage.sandbox.store.run("UPDATE members SET registered = ?", 1767225600000)


def before_importing(stage: Stage) -> None:
    """One row of a file has no valid address."""
    Path("prospects.csv").write_text(CUSTOMERS + "eve@example;Eve;;\n", "utf-8")


def repair(path: Path) -> None:
    """Do what somebody does with an editor."""
    text, count = re.subn('@example"', '@example.org"', path.read_text("utf-8"))
    assert count
    path.write_text(text, "utf-8")


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

    stage.given["request"] = Visit()


def before_exporting(stage: Stage) -> None:
    """Somebody is in the group."""
    fields = {"global_attributes": {"firstname": "Ada"}}
    stage.portal.call(partial(add, stage, "ada@example.org", **fields))


def before_django(_: Stage) -> None:
    """There is a project."""
    configured_settings()


CUSTOMERS_TABLE = """
    CREATE TABLE customers (id int, email text, city text, opted_in_at timestamptz);
    INSERT INTO customers VALUES
        (1, 'ann@example.org', 'Kiel', now()),
        (2, 'ben@example.org', 'Ulm', NULL),
        (3, 'cleo@example.org', 'Bonn', now());
"""


MYSQL_TABLE = """
    CREATE DATABASE shop;
    CREATE TABLE shop.customers (id INT PRIMARY KEY, email VARCHAR(99), city VARCHAR(99),
        opted_in_at DATETIME, is_company BIT(1));
    INSERT INTO shop.customers VALUES
        (1, 'ann@example.org', 'Kiel', NOW(), 1),
        (2, 'ben@example.org', 'Ulm', NULL, 0),
        (3, 'cleo@example.org', 'Bonn', NOW(), 0)
"""


def before_postgresql(stage: Stage) -> None:
    """There is a database, where PostgreSQL is installed."""
    address = stage.stack.enter_context(run_postgres())
    url = f"postgresql://postgres@{address}/postgres"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CUSTOMERS_TABLE)
    stage.stack.enter_context(pytest.MonkeyPatch.context()).setenv("DATABASE_URL", url)


def before_mysql(stage: Stage) -> None:
    """There is a database, where MariaDB is installed."""
    host, _, port = stage.stack.enter_context(run_mariadb()).partition(":")
    connect: Any = import_module("pymysql").connect
    with connect(host=host, port=int(port), user="root", autocommit=True) as connection:
        cursor = connection.cursor()
        for statement in MYSQL_TABLE.split(";"):
            cursor.execute(statement)
    patch = stage.stack.enter_context(pytest.MonkeyPatch.context())
    for name, value in {"HOST": host, "PORT": port, "USER": "root", "PASSWORD": ""}.items():
        patch.setenv(f"MYSQL_{name}", value)


def before_frames(_: Stage) -> None:
    """There is a workbook."""
    rows = [["E-Mail", "Vorname"], ["dora@example.org", "Dora"]]
    write_workbook("customers.xlsx", {"Kunden": rows})


def before_tutorial(stage: Stage) -> None:
    """Nothing is there, as in the reader's folder."""
    Path("customers.csv").unlink()
    for table in ("recipient_groups", "attributes", "forms"):
        stage.sandbox.store.run(f"DELETE FROM {table}")  # noqa: S608 - our own words


def before_shared_account(stage: Stage) -> None:
    """There is a Redis, where it is installed."""
    port = stage.stack.enter_context(run_redis(Path.cwd()))
    stage.given["redis_url"] = f"redis://127.0.0.1:{port}"


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
    stored = stage.sandbox.store.receiver(stage.given["group_id"], "ann@example.org") or {}
    assert ("0", {"firstname": "Ann"}) == (str(stored["activated"]), stored["global_attributes"])


def after_outbox(stage: Stage) -> None:
    """The orders are stored once."""
    orders = [line["order_id"] for line in stage.sandbox.store.orders("ann@example.org")]
    assert ["A-17", "A-18", "A-19"] == sorted(orders)
    assert 1 == len(stage.sandbox.store.orders("bob@example.org"))


def after_shared_account(stage: Stage) -> None:
    """What the processes share is in Redis."""
    redis = stage.names["redis"]
    keys = sorted(stage.portal.call(partial(redis.keys, "{cr:shop-42}*")))
    stage.portal.call(redis.aclose)
    assert [b"{cr:shop-42}:gate", b"{cr:shop-42}:processes", b"{cr:shop-42}:token"] == keys


def after_shared_journal(stage: Stage) -> None:
    """The repeated import stored no order twice."""
    assert 1 == len(stage.sandbox.store.orders("p2499@shop.example"))


def after_set_up(stage: Stage) -> None:
    """The values are stored."""
    store = stage.sandbox.store
    stored = store.receiver(store.group_id("Newsletter") or 0, "ann@example.org") or {}
    assert {"branch": "Kiel"} == stored["attributes"]
    assert "1990-05-17" == stored["global_attributes"]["birthday"]


def after_webhooks(stage: Stage) -> None:
    """A receiver who is deleted leaves the table of consent."""
    names, given = stage.names, stage.given

    async def leave() -> None:
        await given["cr"].receivers.delete("bruce@wayne.example", group_id=given["group_id"])
        await stage.sandbox.deliver_webhooks()

    stage.portal.call(leave)
    assert ({}, 1) == (names["consent"], len(names["urlpatterns"]))


TESTED_ELSEWHERE = frozenset({"command.md", "pipelines.md"})
"""``test_command_page.py`` compares dates, ids and times too; pipelines need their engines."""

BEFORE: dict[str, Callable[[Stage], None]] = {
    "api-quirks.md": before_api_quirks,
    "authentication.md": before_authentication,
    "exporting.md": before_exporting,
    "how-to/django.md": before_django,
    "how-to/frames.md": before_frames,
    "how-to/mysql.md": before_mysql,
    "how-to/postgresql.md": before_postgresql,
    "importing.md": before_importing,
    "live-orders.md": add_ann,
    "shared-account.md": before_shared_account,
    "sources.md": before_sources,
    "tutorial.md": before_tutorial,
}
AFTER: dict[str, Callable[[Stage], None]] = {
    "live-orders.md": after_live_orders,
    "outbox.md": after_outbox,
    "shared-account.md": after_shared_account,
    "shared-journal.md": after_shared_journal,
    "set-up.md": after_set_up,
    "sign-up.md": after_sign_up,
    "webhooks.md": after_webhooks,
}


@pytest.mark.parametrize("page", [it for it in pages_with_code() if it not in TESTED_ELSEWHERE])
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
        stage.given,
        names=stage.names,
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
