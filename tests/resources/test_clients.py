"""Clients: requests and responses."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from cleverreach_async.errors import (
    APIStatusError,
    CleverReachError,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    ResponseDecodeError,
)
from cleverreach_async.resources.clients import ClientAccount, ClientPlan, Clients, ClientUser
from cleverreach_async.transport.redaction import Secret
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Clients], Awaitable[object]]

DOMAIN = "129000.eu2.cleverreach.example"
RECORDED = {"id": "129000", "company": "Wayne", "login_domain": DOMAIN, "shard": 3}
ACCOUNT = ClientAccount(id=129000, company="Wayne", login_domain=DOMAIN, extra={"shard": 3})
TOKEN = "eyJ0eXAi.INVENTED.sig-_"
ONE = "/v3/clients/129000"

ROWS: dict[str, tuple[Act, str, str, object, object, object]] = {
    "list": (
        lambda it: it.list(),
        "GET",
        "/v3/clients?page=0&pagesize=50",
        None,
        [RECORDED],
        (ACCOUNT,),
    ),
    "list of one without its list": (
        lambda it: it.list(page_size=1),
        "GET",
        "/v3/clients?page=0&pagesize=1",
        None,
        RECORDED,
        (ACCOUNT,),
    ),
    "get": (lambda it: it.get(129000), "GET", ONE, None, [RECORDED], ACCOUNT),
    "by domain": (
        lambda it: it.by_domain(DOMAIN),
        "GET",
        f"/v3/clients/domain/{DOMAIN}",
        None,
        RECORDED,
        ACCOUNT,
    ),
    "receiver count": (
        lambda it: it.receiver_count(129000),
        "GET",
        f"{ONE}/receivercount",
        None,
        "12",
        12,
    ),
    "active receiver count": (
        lambda it: it.active_receiver_count(129000),
        "GET",
        f"{ONE}/activereceivercount",
        None,
        0,
        0,
    ),
    "contingent": (
        lambda it: it.contingent(129000),
        "GET",
        f"{ONE}/contingent",
        None,
        {"emails": 5},
        {"emails": 5},
    ),
    "contingent as a number": (
        lambda it: it.contingent(129000),
        "GET",
        f"{ONE}/contingent",
        None,
        5,
        5,
    ),
    "invoice address": (
        lambda it: it.invoice_address(129000),
        "GET",
        f"{ONE}/invoiceaddress",
        None,
        {"city": "Kiel"},
        {"city": "Kiel"},
    ),
    "limits": (
        lambda it: it.limits(129000),
        "GET",
        f"{ONE}/limits",
        None,
        {"receivers": 250},
        {"receivers": 250},
    ),
    "next invoice date": (
        lambda it: it.next_invoice_date(129000),
        "GET",
        f"{ONE}/nextinvoicedate",
        None,
        "1767225600",
        datetime(2026, 1, 1, tzinfo=UTC),
    ),
    "no next invoice": (
        lambda it: it.next_invoice_date(129000),
        "GET",
        f"{ONE}/nextinvoicedate",
        None,
        None,
        None,
    ),
    "no next invoice in the older words": (
        lambda it: it.next_invoice_date(129000),
        "GET",
        f"{ONE}/nextinvoicedate",
        None,
        False,
        None,
    ),
    "plan": (
        lambda it: it.plan(129000),
        "GET",
        f"{ONE}/plan",
        None,
        {
            "id": "1",
            "name": "Lite",
            "flatrate": 1,
            "emails": "1000",
            "receiver_cap": 250,
            "runtime": "1 month",
            "price": "9.90",
            "currency": "EUR",
            "trial": 0,
        },
        ClientPlan(
            id="1",
            name="Lite",
            flatrate=True,
            emails=1000,
            receiver_cap=250,
            runtime="1 month",
            price=9.9,
            currency="EUR",
            extra={"trial": 0},
        ),
    ),
    "users": (
        lambda it: it.users(129000),
        "GET",
        f"{ONE}/users",
        None,
        [{"lang": "de", "login": "mia"}, {"id": "7"}],
        (ClientUser(lang="de", extra={"login": "mia"}), ClientUser(id=7)),
    ),
    "payment methods": (
        lambda it: it.payment_methods(),
        "GET",
        "/v3/clients/paymentmethods",
        None,
        ["invoice"],
        ["invoice"],
    ),
    "update payment options": (
        lambda it: it.update_payment_options(129000, {"type": "invoice"}),
        "PUT",
        f"{ONE}/paymentoptions",
        {"type": "invoice"},
        True,
        None,
    ),
    "update payment source": (
        lambda it: it.update_payment_source(129000, {"iban": "x"}),
        "PUT",
        f"{ONE}/paymentsource",
        {"iban": "x"},
        {"success": True},
        None,
    ),
    "create account": (
        lambda it: it.create_account({"company": "Wayne"}),
        "POST",
        "/v3/clients/createAccount",
        {"company": "Wayne"},
        {"id": "129001", "success": True},
        {"id": "129001", "success": True},
    ),
    "token": (
        lambda it: it.token(129000),
        "GET",
        f"{ONE}/token",
        None,
        f" {TOKEN}\n",
        Secret(TOKEN),
    ),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "body", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_client_calls(
    act: Act,
    method: str,
    target: str,
    body: object,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request and reads the response."""
    assert (method, target, body, expected) == await exchange(Clients, act, answer)


async def test_accounts_come_in_pages(serve: Callable[..., Call], sent: list[Request]) -> None:
    """The first page that is not full is the last."""
    clients = Clients(serve([{"id": 1}, {"id": 2}], [{"id": 3}]))
    assert [1, 2, 3] == [it.id async for it in clients.list(page_size=2)]
    assert [f"/v3/clients?page={n}&pagesize=2" for n in (0, 1)] == [it.target for it in sent]
    clients = Clients(serve([{"id": 4}], [], []))
    listing = clients.list(page_size=1, page=3, prefetch=1)
    assert [4] == [it.id async for it in listing]
    pages = [it.target.partition("page=")[2][0] for it in sent[2:]]
    assert ["3", "4", "5"] == sorted(pages)


@pytest.mark.parametrize("page_size", [0, -1, 101])
def test_page_size_of_accounts_out_of_range(page_size: int, serve: Callable[..., Call]) -> None:
    """A larger page than the server returns would look like the last one."""
    with pytest.raises(ConfigurationError, match="from 1 to 100"):
        Clients(serve()).list(page_size=page_size)


NO_TOKENS: list[object] = [
    *(None, True, 7, "", "short", "Not authorised", "<html>12345678</html>", "a" * 5000 + "\n b"),
    *([TOKEN], {"access_token": TOKEN}, "höhöhöhöhöhö", b"<html>token</html>"),
]


@pytest.mark.parametrize("answer", NO_TOKENS)
async def test_what_is_no_token(answer: object, serve: Callable[..., Call]) -> None:
    """The error does not show it, since it may be half of one."""
    with pytest.raises(ResponseDecodeError) as caught:
        await Clients(serve(answer)).token(129000)
    assert "INVENTED" not in str(caught.value)


async def test_a_token_is_masked(serve: Callable[..., Call]) -> None:
    """It can be given to a client, and no log shows it."""
    token = await Clients(serve(TOKEN)).token(129000)
    assert TOKEN == token.reveal()
    assert TOKEN not in f"{token!r} {token}"


COUNTS = [ROWS["receiver count"][0], ROWS["active receiver count"][0]]


@pytest.mark.parametrize("answer", [None, "", "many", [], [1, 2], {"count": 1}, 1.5, True])
@pytest.mark.parametrize("act", COUNTS, ids=["all", "active"])
async def test_what_is_no_number_of_receivers(
    act: Act, answer: object, serve: Callable[..., Call]
) -> None:
    """It raises instead of being 0 or 1."""
    with pytest.raises(CleverReachError):
        await act(Clients(serve(answer)))


@pytest.mark.parametrize("answer", ["2026-02-01", True, [], {}, 1767225600000, "soon"])
async def test_what_is_no_date_of_an_invoice(answer: object, serve: Callable[..., Call]) -> None:
    """Nothing is guessed: a date as text has no time zone."""
    with pytest.raises(ResponseDecodeError):
        await Clients(serve(answer)).next_invoice_date(129000)


@pytest.mark.parametrize("answer", [False, b"<html></html>", {"error": "no"}])
async def test_a_contingent_that_is_a_failure(answer: object, serve: Callable[..., Call]) -> None:
    """What the API sends is returned, except for failures."""
    with pytest.raises(CleverReachError):
        await Clients(serve(answer)).contingent(129000)


@pytest.mark.parametrize("fields", [None, {}, [], "type=invoice", 7, {1: "x"}])
async def test_writes_need_fields(
    fields: Any, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """They are not documented, but they have names."""
    clients = Clients(serve(True))
    with pytest.raises(ConfigurationError, match=r"^options is "):
        await clients.update_payment_options(129000, fields)
    with pytest.raises(ConfigurationError, match=r"^source is "):
        await clients.update_payment_source(129000, fields)
    with pytest.raises(ConfigurationError, match=r"^account is "):
        await clients.create_account(fields)
    assert [] == sent


@pytest.mark.parametrize("domain", [None, "", "..", "a/../../groups", "\n", True, 1.5])
async def test_what_is_no_domain(
    domain: Any, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """It would address something else."""
    with pytest.raises(ConfigurationError, match=r"^domain is "):
        await Clients(serve(RECORDED)).by_domain(domain)
    assert [] == sent


async def test_an_account_is_created_once(serve: Callable[..., Call], sent: list[Request]) -> None:
    """The call is not repeated, and its failures are errors."""
    with pytest.raises(APIStatusError):
        await Clients(serve({"success": False})).create_account({"company": "Wayne"})
    answer = {"error": {"code": 403, "message": "Forbidden: no agency"}}
    with pytest.raises(PermissionDeniedError):
        await Clients(serve(answer)).create_account({"company": "Wayne"})
    assert [False, False] == [it.idempotent for it in sent]


async def test_an_unknown_domain(serve: Callable[..., Call]) -> None:
    """The response may be an empty list."""
    with pytest.raises(NotFoundError):
        await Clients(serve([])).by_domain(DOMAIN)


def test_the_repr_of_an_account_has_no_address() -> None:
    """It identifies the account."""
    account = ClientAccount(id=1, email="mia@mail.example", login_domain="x.example")
    assert "ClientAccount(id=1, login_domain='x.example')" == repr(account)
