"""``cleverreach outbox``: send, list, retry and drop orders."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from typer.testing import Result

from cleverreach_async import CleverReach, OAuthApp, Outbox
from cleverreach_async.sandbox import Sandbox

Run = Callable[..., Result]


def put(path: Path, *order_ids: str, account: str = "default") -> None:
    """Put orders of an existing customer."""

    async def work() -> None:
        outbox = Outbox(path)
        for order_id in order_ids:
            order = {"order_id": order_id, "product": "Lamp"}
            await outbox.put_order("ann@example.org", order, account=account)
        outbox.close()

    anyio.run(work)


def add_ann(account: str) -> None:
    """Create a customer."""

    async def work() -> None:
        app = OAuthApp("mia", "geheim-123", base_url=account)
        async with CleverReach(app.client_credentials(), base_url=account) as cr:
            group = await cr.groups.create(name="Nord")
            await cr.receivers.create({"email": "ann@example.org"}, group_id=group.id)

    anyio.run(work)


@pytest.mark.socket
def test_orders_are_sent_listed_retried_and_dropped(
    run: Run, workdir: Path, sandbox: Sandbox, account: str
) -> None:
    """An order of somebody unknown is given up, and sent again when they exist. No address."""
    put(workdir / "orders.db", "A-1", "A-2")
    waiting = run("outbox", "list", "orders.db", "--json")
    assert [["A-1"], ["A-2"]] == [it["order_ids"] for it in json.loads(waiting.stdout)]

    ended = run("outbox", "run", "orders.db", "--once")
    assert 2 == ended.exit_code
    assert "warning: 1 (A-1): POST /receivers/{receiver_id}/orders: 404" in ended.stderr
    assert "0 waiting, 0 sent, 0 done, 2 dead" in ended.stderr
    listed = run("outbox", "list", "orders.db", "--state", "dead").stdout
    assert ["ID", "1", "2"] == [line.split()[0] for line in listed.splitlines()]
    assert "404 Not Found" in listed

    assert "add --yes" in run("outbox", "drop", "orders.db", "2").stderr
    assert "1 deleted" in run("outbox", "drop", "orders.db", "2", "--yes").stderr
    add_ann(account)
    again = run("outbox", "retry", "orders.db", "1", "7").stderr
    assert "1 to be sent again; 1 of the numbers are of no such order" in again
    assert 0 == run("outbox", "run", "orders.db", "--once").exit_code
    assert ["A-1"] == [it["order_id"] for it in sandbox.store.orders("ann@example.org")]
    nothing = run("outbox", "list", "orders.db")
    assert ("", True) == (nothing.stdout, "there are no such orders" in nothing.stderr)
    assert "@" not in ended.stderr + listed + again + waiting.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["list", "nothing.db"], "there is no outbox nothing.db"),
        (["list", "orders.db", "--state", "new"], "use one of waiting, sent, done, dead"),
        (["retry", "orders.db"], "name the numbers of entries, or --all"),
        (["drop", "orders.db", "1", "--all"], "name the numbers of entries, or --all"),
        (["run", "orders.db"], "no credentials"),
        (["lst", "orders.db"], "Did you mean 'list'?"),
    ],
    ids=" ".join,
)
def test_mistakes(run: Run, workdir: Path, words: list[str], expected: str) -> None:
    """They end with status 1 and a sentence, and create no file."""
    put(workdir / "orders.db", "A-1")
    ended = run("outbox", *words)
    assert (1, True) == (ended.exit_code, expected.lower() in ended.stderr.lower())
    assert not (workdir / "nothing.db").exists()


def test_another_database_is_no_outbox(run: Run, workdir: Path) -> None:
    """It is not changed: neither its tables, nor its journal mode. An empty file neither."""
    with closing(sqlite3.connect(workdir / "shop.db")) as shop:
        shop.execute("CREATE TABLE orders (id)")
        shop.commit()
    (workdir / "empty.db").touch()
    before = (workdir / "shop.db").read_bytes()
    for name in ("shop.db", "empty.db"):
        ended = run("outbox", "list", name)
        assert (1, True) == (ended.exit_code, f"there is no outbox {name}" in ended.stderr)
    assert (before, b"") == (
        (workdir / "shop.db").read_bytes(),
        (workdir / "empty.db").read_bytes(),
    )


@pytest.mark.socket
@pytest.mark.usefixtures("account")
def test_orders_of_other_accounts_are_named(run: Run, workdir: Path) -> None:
    """A mistyped account would send nothing, and say nothing."""
    put(workdir / "orders.db", "A-1", account="shop-42")
    ended = run("outbox", "run", "orders.db", "--once")
    assert (0, True) == (ended.exit_code, "those of shop-42 stay until" in ended.stderr)
    same = run("outbox", "run", "orders.db", "--once", "--account", "shop-42")
    assert "stay until" not in same.stderr


def test_a_list_that_is_cut_says_so(run: Run, workdir: Path) -> None:
    """As JSON too, beside it."""
    put(workdir / "orders.db", "A-1", "A-2")
    shown = run("outbox", "list", "orders.db", "--json", "--limit", "1")
    assert 1 == len(json.loads(shown.stdout))
    assert "these are the first 1; --limit shows more" in shown.stderr


def test_the_help_names_the_commands(run: Run) -> None:
    """With a sentence for each."""
    shown = run("outbox", "--help").stdout
    for name in ("run", "list", "retry", "drop"):
        assert f"  {name} " in shown
    assert "[ID]..." in run("outbox", "retry", "--help").stdout
