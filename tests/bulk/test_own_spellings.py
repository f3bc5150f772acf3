"""Addresses that the server stores and shows in a form of its own, and two spellings of one."""

import json
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest
from support.model_server import (
    ModelServer,
    Reply,
    at,
    counts,
    transport_to,
    upsert,
)

from cleverreach_async import (
    OrderInput,
    ReceiverInput,
)
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.transport.wire import Response

pytestmark = pytest.mark.anyio


def order(number: int, email: str | None = None) -> ReceiverInput:
    """Return a row that must not be sent twice."""
    email = email or f"p{number}@example.org"
    return ReceiverInput(email, orders=[OrderInput(f"A-{number}", "Lamp")])


class OwnFormServer(ModelServer):
    """Stores and shows addresses in a form of its own, and knows receivers by their ids.

    Args:
        form: Returns its form of an address.
        finds_others: Whether look-ups find an address in another form.
        script: Replies to requests.
    """

    def __init__(
        self, form: Callable[[str], str], *, finds_others: bool = True, script: Any = None
    ) -> None:
        super().__init__(script)
        self.form = form
        self.finds_others = finds_others
        self.numbers: dict[str, int] = {}

    def _execute(self, verb: str, rows: list[Any]) -> list[Any]:
        changed = [{**row, "email": self.form(row["email"])} for row in rows]
        items = super()._execute(verb, changed)
        for item, row in zip(items, changed, strict=True):
            number = self.numbers.setdefault(row["email"], len(self.numbers) + 1)
            item["id"] = str(number)
        return items

    async def send(self, method: str, url: str, **rest: Any) -> Response:
        """Find receivers by id too."""
        query = parse_qs(urlsplit(url).query)
        if method != "GET" or not {"id_list", "email_list"} & query.keys():
            return await super().send(method, url, **rest)
        await anyio.lowlevel.checkpoint()
        form = self.form if self.finds_others else str
        wanted = {form(it) for it in query.get("email_list", [""])[0].split(",")}
        ids = set(query.get("id_list", [""])[0].split(","))
        found = [
            {**row, "id": self.numbers[key], "orders": self.orders.get(key, [])}
            for key, row in self.stored.items()
            if key in wanted or str(self.numbers[key]) in ids
        ]
        return Response(200, {}, json.dumps(found).encode())


def as_gmail(email: str) -> str:
    """Leave out dots and what follows a plus."""
    name, _, domain = email.partition("@")
    return f"{name.partition('+')[0].replace('.', '')}@{domain}"


def as_punycode(email: str) -> str:
    """Encode the domain."""
    name, _, domain = email.partition("@")
    return f"{name}@{domain.encode('idna').decode()}"


FORMS: dict[str, tuple[Callable[[str], str], str]] = {
    "Punycode": (as_punycode, "ann@b\u00fccher.example"),
    "composed": (lambda it: unicodedata.normalize("NFC", it), "ju\u0308rgen@example.org"),
    "decomposed": (lambda it: unicodedata.normalize("NFD", it), "j\u00fcrgen@example.org"),
    "compatible letters": (lambda it: unicodedata.normalize("NFKC", it), "\uff41nn@example.org"),
    "case folded": (str.casefold, "stra\u00dfe@example.org"),
    "Gmail": (as_gmail, "an.n+news@gmail.com"),
    "lower case": (str.lower, "Ann@Example.ORG"),
}
forms = pytest.mark.parametrize(("form", "email"), FORMS.values(), ids=FORMS)


@forms
@pytest.mark.parametrize("strategy", ["upsertplus", "upsert"])
async def test_addresses_that_the_server_shows_in_a_form_of_its_own(
    form: Callable[[str], str], email: str, strategy: Any
) -> None:
    """They are accepted."""
    server = OwnFormServer(form)
    rows = [ReceiverInput("a@example.org"), ReceiverInput(email), ReceiverInput("z@example.org")]
    report = await upsert(server, rows, strategy=strategy)

    assert {"read": 3, "accepted": 3} == counts(report)
    assert 1 == len(server.requests)


@forms
@pytest.mark.parametrize("finds_others", [True, False])
@pytest.mark.parametrize("executed", [True, False])
async def test_orders_of_such_an_address_after_a_lost_response(
    form: Callable[[str], str], email: str, *, finds_others: bool, executed: bool
) -> None:
    """The look-up asks for all spellings, so no order is stored twice and none is lost."""
    lost = at(Reply(None if executed else 502, executed=executed), 0)
    server = OwnFormServer(form, finds_others=finds_others, script=lost)
    report = await upsert(server, [order(1, email)])

    assert {"read": 1, "accepted": 1} == counts(report)
    assert ["A-1"] == server.order_ids


async def test_the_second_look_asks_by_id() -> None:
    """It finds a receiver whose address has a spelling that nobody expects."""
    server = OwnFormServer(
        lambda it: f"the-{it}", finds_others=False, script=at(Reply(content=b"[]"), 0)
    )
    report = await upsert(server, [order(1), order(2)])

    assert {"read": 2, "accepted": 2} == counts(report)
    assert ["A-1", "A-2"] == server.order_ids


@pytest.mark.parametrize("strategy", ["upsertplus", "delete"])
async def test_both_spellings_of_an_international_domain_are_one_address(strategy: Any) -> None:
    """The later row supersedes the earlier one; both are sent as they are written."""
    spellings = ["ann@xn--bcher-kva.example", "ann@B\u00fccher.example", "bob@b\u00fccher.example"]
    seen: list[str] = []
    server = ModelServer()
    server.stored = {it.lower(): {} for it in spellings}
    async with Bulk(transport_to(server)).open(
        group_id=7, strategy=strategy, on_accepted=seen.extend
    ) as run:
        for email in spellings:
            await run.put(ReceiverInput(email))

    assert {"read": 3, "accepted": 2, "superseded": 1} == counts(run.report)
    assert ["ann@b\u00fccher.example", "bob@b\u00fccher.example"] == sorted(seen)


async def test_an_insert_is_not_proved_by_a_receiver_of_a_similar_address() -> None:
    """Not every server ignores what follows a plus."""
    server = ModelServer(at(Reply(502, executed=False), 0))
    server.stored["ann@example.org"] = {"email": "ann@example.org"}
    report = await Bulk(transport_to(server)).insert(
        [ReceiverInput("ann+news@example.org")], group_id=7
    )

    assert {"read": 1, "unknown": 1} == counts(report)
