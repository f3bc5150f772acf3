"""Partitions of a data engine: what all sinks share, without an engine."""

import json
import pickle
from collections import Counter
from collections.abc import Generator, Sequence
from datetime import datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import anyio
import httpx
import pytest
from support.journal_stores import MemoryJournal

from cleverreach_async import (
    CleverReach,
    ConfigurationError,
    ImportFailedError,
    JournalStore,
    OAuthApp,
)
from cleverreach_async.integrations.partition import PartitionJob
from cleverreach_async.integrations.results import PartitionResult, ResultFolder
from cleverreach_async.sandbox import Sandbox

pa: Any = import_module("pyarrow")  # brings no types

ROWS = 600


class Shop:
    """A sandbox with a group, clients of it, and journals by key.

    Attributes:
        posts: Batches that arrived.
        most: Batches that are answered; the next ones are forbidden.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.posts = 0
        self.most = 1000
        self.journals: dict[str, MemoryJournal] = {}

    def client(self) -> CleverReach:
        """Return a client, as a worker would."""
        app = httpx.ASGITransport(app=self.sandbox.app)
        http_client = httpx.AsyncClient(transport=Counted(self, app))
        auth = OAuthApp("sandbox", "sandbox-secret").client_credentials()
        return CleverReach(auth, http_client=http_client)

    def journal(self, key: str) -> JournalStore:
        """Return the journal with a key."""
        return self.journals.setdefault(key, MemoryJournal())

    @property
    def orders(self) -> Counter[str]:
        """How often each order is stored."""
        return Counter(it for (it,) in self.sandbox.store.tuples("SELECT order_id FROM orders"))


class Counted(httpx.AsyncBaseTransport):
    """Counts batches, and forbids those that are too many."""

    def __init__(self, shop: Shop, inner: httpx.AsyncBaseTransport) -> None:
        self.shop, self.inner = shop, inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on."""
        if request.method in {"POST", "PUT"} and "/receivers/" in request.url.path:
            self.shop.posts += 1
            if self.shop.posts > self.shop.most:
                return httpx.Response(403, json={"error": {"code": 403, "message": "stop"}})
        return await self.inner.handle_async_request(request)


@pytest.fixture
def shop() -> Generator[Shop]:
    """A shop."""
    with Sandbox() as sandbox:
        yield Shop(sandbox)


@pytest.fixture
def group_id(shop: Shop) -> int:
    """The id of a group, in an account that has the attribute of the rows."""

    async def create() -> int:
        async with shop.client() as cr:
            await cr.attributes.create(name="firstname", type="text")
            return (await cr.groups.create(name="Customers")).id

    return anyio.run(create)


def job_of(shop: Shop, group_id: int, /, **options: Any) -> PartitionJob:
    """Return a job with the shop's functions."""
    usual: dict[str, Any] = {"connect": shop.client, "journal": shop.journal, "settle": 0.0}
    usual |= {"strategy": "upsertplus", "job": "nightly", "remedy": "Sort the rows"}
    usual |= {"canary": False}
    usual |= {"group_id": group_id, "batch_size": 100}
    return PartitionJob.of(**{**usual, **options})


def table_of(rows: Sequence[dict[str, Any]]) -> Any:
    """Return rows as an engine would."""
    return pa.Table.from_pylist(rows)


def customer(number: int, **fields: Any) -> dict[str, Any]:
    """Return a row with one order."""
    order = {"order_id": f"A-{number}", "product": "Lamp", "price": 49.9}
    return {"email": f"c{number:04}@shop.example", "firstname": "Ann", "orders": [order], **fields}


WRONG_ORDERS = ("0", "false", '""', "{}", '"A-1"')
"""JSON that is no list; what is false in Python is not nothing."""

CUSTOMERS = [customer(number) for number in range(ROWS)]


def shuffled(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows in another order."""
    return Random(1).sample(rows, len(rows))


def test_a_partition_that_is_repeated_sends_nothing(shop: Shop, group_id: int) -> None:
    """The second attempt returns what the first one did, with the data of the rejects."""
    rows = [*CUSTOMERS[:200], customer(900, email="nobody")]
    first = job_of(shop, group_id).load(3, table_of(rows))
    posts = shop.posts
    second = job_of(shop, group_id).load(3, table_of(shuffled(rows)))

    assert ["nightly/3"] == list(shop.journals)
    assert (201, 200, 1) == (first.report.read, first.report.accepted, first.report.rejected)
    assert {"invalid_email": 1} == first.report.reasons == second.report.reasons
    assert posts == shop.posts
    for result in (first, second):
        assert [("rejected", "invalid_email", "nobody")] == [
            (it["reject_outcome"], it["reject_code"], it["email"])
            for it in result.rejects.to_pylist()
        ]
    assert {1} == set(shop.orders.values())


def test_a_partition_continues_although_its_rows_come_in_another_order(
    shop: Shop, group_id: int
) -> None:
    """They are sorted by address before they are numbered; each order is stored once."""
    shop.most = 3
    with pytest.raises(ImportFailedError):
        job_of(shop, group_id, concurrency=1).load(0, table_of(CUSTOMERS))
    assert 300 == len(shop.orders)
    shop.most = 1000
    result = job_of(shop, group_id).load(0, table_of(shuffled(CUSTOMERS)))

    assert (ROWS, ROWS) == (result.report.read, result.report.accepted)
    assert ROWS == len(shop.orders) == sum(shop.orders.values())


@pytest.mark.parametrize("change", ["another row", "a row less", "another value", "another order"])
def test_other_rows_are_refused_before_any_is_sent(shop: Shop, group_id: int, change: str) -> None:
    """The error says what to do, and shows no address."""
    rows = [customer(1), customer(2), customer(2, firstname="Ben")]
    job_of(shop, group_id).load(0, table_of(rows))
    changed = {
        "another row": [*rows, customer(4)],
        "a row less": rows[1:],
        "another value": [customer(1, firstname="Eve"), *rows[1:]],
        "another order": [rows[0], rows[2], rows[1]],
    }[change]
    posts = shop.posts
    with pytest.raises(ConfigurationError, match=r"partition 0 of .* Sort the rows") as caught:
        job_of(shop, group_id).load(0, table_of(changed))
    assert posts == shop.posts
    assert "@" not in str(caught.value)


def test_rows_of_one_address_keep_their_order(shop: Shop, group_id: int) -> None:
    """Also if it is written in two ways: the later row wins."""
    rows = [customer(1, email="ann@shop.example"), customer(2, email="Ann@Shop.example ")]
    rows[0]["firstname"], rows[1]["firstname"] = "old", "new"
    job_of(shop, group_id).load(0, table_of(rows))
    receiver = shop.sandbox.store.receiver(group_id, "ann@shop.example")
    assert receiver is not None
    assert {"firstname": "new"} == receiver["global_attributes"]
    assert 2 == len(shop.orders)


def test_a_column_that_is_left_out_may_change(shop: Shop, group_id: int) -> None:
    """Such as the time at which an engine has read the row."""
    options = {"mapping": {"read_at": "-"}}
    for moment in ("1", "2"):
        rows = table_of([customer(1, read_at=moment)])
        result = job_of(shop, group_id, **options).load(0, rows)
    assert 1 == result.report.accepted == len(shop.orders)


def test_orders_may_be_json_and_bad_ones_reject_their_row(shop: Shop, group_id: int) -> None:
    """Times without time zone are in that of the options, as in columns."""
    naive = datetime(2026, 1, 2, 13, 0)  # noqa: DTZ001 - that is the point
    orders = [
        '[{"order_id": "A-1", "product": "Lamp", "stamp": "2026-01-02T13:00:00"}]',
        '[{"order_id": "A-2"}]',
        "{no json",
        "",
        None,
        "null",
        "[]",
        *WRONG_ORDERS,
    ]
    rows = [customer(number, orders=text) for number, text in enumerate(orders, 1)]
    result = job_of(shop, group_id, max_reject_share=1.0).load(0, table_of(rows))
    dated = [{"order_id": "A-9", "product": "Lamp", "stamp": naive}]
    job_of(shop, group_id).load(1, table_of([customer(9, orders=dated)]))

    assert (12, 5, 7) == (result.report.read, result.report.accepted, result.report.rejected)
    assert {"invalid_value": 6, "invalid_json": 1} == result.report.reasons
    stored = shop.sandbox.store.tuples("SELECT data FROM orders")
    assert {1767355200} == {int(json.loads(data)["stamp"]) for (data,) in stored}


def test_orders_and_inserts_need_a_journal(shop: Shop, group_id: int) -> None:
    """An engine may repeat a partition; nothing is sent before that is known to be safe."""
    with pytest.raises(ConfigurationError, match="insert rejects what an earlier attempt"):
        job_of(shop, group_id, journal=None, strategy="insert")
    with pytest.raises(ConfigurationError, match="relative numbers would be added twice"):
        job_of(shop, group_id, journal=None, relative=True)
    job = job_of(shop, group_id, journal=None)
    with pytest.raises(ConfigurationError, match="column 'Orders' contains orders"):
        job.check_columns(["email", "Orders"])
    with pytest.raises(ConfigurationError, match="'orders', 'Orders' contain orders; leave all"):
        job_of(shop, group_id).check_columns(["email", "orders", "Orders"])
    with pytest.raises(ConfigurationError, match="column 'orders' contains orders"):
        job.load(0, table_of(CUSTOMERS))
    assert 0 == shop.posts


def test_plain_rows_need_no_journal(shop: Shop, group_id: int) -> None:
    """Orders may be left out by name."""
    job = job_of(shop, group_id, journal=None, mapping={"orders": "-"})
    result = job.load(0, table_of(CUSTOMERS[:10]))
    assert 10 == result.report.accepted
    assert 0 == len(shop.orders)


@pytest.mark.parametrize("strategy", ["insert", "update", "upsert"])
def test_each_strategy_is_repeatable(shop: Shop, group_id: int, strategy: Any) -> None:
    """With a journal an insert, too, is answered as the first time."""
    rows = table_of([{"email": "ann@shop.example"}])
    if strategy == "update":
        job_of(shop, group_id, job="before").load(0, rows)
    for _ in range(2):
        result = job_of(shop, group_id, strategy=strategy).load(0, rows)
        assert (1, 1) == (result.report.read, result.report.accepted)


def test_a_partition_without_rows_is_not_begun(shop: Shop, group_id: int) -> None:
    """Engines make empty partitions, some without columns."""
    nothing: list[Any] = [[], pa.table({"email": pa.array([], pa.string())})]
    for data in nothing:
        assert PartitionResult.empty(5) == job_of(shop, group_id).load(5, data)
    assert {} == shop.journals


def test_a_client_or_a_journal_is_refused(shop: Shop, group_id: int) -> None:
    """They cannot travel to a worker; the error says what can."""
    with pytest.raises(ConfigurationError, match=r"pass a function that returns one there"):
        job_of(shop, group_id, connect=shop.client())
    with pytest.raises(ConfigurationError, match=r'such as "shop.cr:open_journal"'):
        job_of(shop, group_id, journal=MemoryJournal())
    for wrong in ("shop.cr", 7):
        with pytest.raises(ConfigurationError, match=r"connect is a .* pass a function"):
            job_of(shop, group_id, connect=wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"connect": str}, "connect returned a str"),
        ({"journal": str}, "journal returned a str"),
        ({"connect": "no_such_shop:make"}, "no_such_shop:make.* install the module"),
        ({"connect": "json:make"}, "json:make.* is not found"),
        ({"connect": "os:environ"}, "os:environ.* is a _Environ"),
    ],
)
def test_functions_are_checked_in_the_worker(
    shop: Shop, group_id: int, options: dict[str, Any], message: str
) -> None:
    """Where they are first called."""
    with pytest.raises(ConfigurationError, match=message):
        job_of(shop, group_id, **options).load(0, table_of(CUSTOMERS[:1]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "delete"}, "strategy is 'delete'"),
        ({"rejects": "file"}, "unknown option rejects"),
        ({"resume": True}, "unknown option resume"),
        ({"batch_size": 0}, "batch_size"),
        ({"group_id": 0}, "group_id"),
        ({"job": ""}, "key is ''"),
        ({"timezone": "Moon"}, "Moon"),
    ],
)
def test_arguments_are_checked_before_the_engine_begins(
    shop: Shop, group_id: int, options: dict[str, Any], message: str
) -> None:
    """Not hours later, in a worker."""
    with pytest.raises(ConfigurationError, match=message):
        job_of(shop, group_id, **options)


def test_a_job_travels_without_secrets(shop: Shop, group_id: int) -> None:
    """By names of functions; one that contains a client cannot be pickled."""
    job = job_of(shop, group_id, connect="shop.cr:make", journal="shop.cr:open")
    assert job == pickle.loads(pickle.dumps(job))  # noqa: S301 - our own
    with pytest.raises(TypeError, match="cannot"):
        pickle.dumps(job_of(shop, group_id, connect=partial(id, shop.client())))


def test_a_result_that_cannot_be_written_is_known_before_anything_is_sent(
    shop: Shop, group_id: int, tmp_path: Path
) -> None:
    """Such as into a folder whose name a file has."""
    place = tmp_path / "results"
    place.write_text("a file")
    job, folder, table = job_of(shop, group_id), ResultFolder(place, "nightly"), table_of(CUSTOMERS)
    with pytest.raises(OSError, match="results"):
        job.load_into(folder, 3, table)
    assert (0, {}) == (shop.posts, shop.orders)
    place.unlink()
    assert job.load_into(folder, 3, table).report == folder.report()
    assert ROWS == folder.report().accepted
