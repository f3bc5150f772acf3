"""Imports from servers whose responses prove nothing, or that refuse good tokens."""

import asyncio
import itertools
import json
from typing import Any

import anyio
import pytest
from support.clocks import FakeClock
from support.model_server import (
    ModelServer,
    Reply,
    Row,
    always,
    at,
    counts,
    receivers,
    transport_to,
    upsert,
)

from cleverreach_async import (
    ImportFailedError,
    ImportReport,
    OAuthApp,
    OrderInput,
    ReceiverInput,
    ResponseDecodeError,
)
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.rows import RowResult
from cleverreach_async.transport.wire import Response

pytestmark = pytest.mark.anyio

PAGE = Reply(executed=False, headers={"content-type": "text/html"}, content=b"<html>Welcome</html>")
FOREIGN = Reply(executed=False, content=b'[{"id": 1, "email": "x@example.org"}]')


def order(number: int, email: str | None = None) -> ReceiverInput:
    """Return a row that must not be sent twice."""
    email = email or f"p{number}@example.org"
    return ReceiverInput(email, orders=[OrderInput(f"A-{number}", "Lamp")])


@pytest.mark.parametrize("reply", [PAGE, FOREIGN], ids=["a web page", "results of other rows"])
async def test_a_server_that_responds_with_anything_else_stops_the_import(reply: Reply) -> None:
    """After a few batches, with the reason, and no row is rejected."""
    server = ModelServer(always(reply))
    with pytest.raises(ImportFailedError, match="check base_url") as caught:
        await upsert(server, receivers(30_000), canary=True, max_reject_share=1)

    assert {"read", "pending", "unknown"} >= counts(caught.value.report).keys()
    assert 50 > len(server.requests)
    assert isinstance(caught.value.__cause__, ResponseDecodeError)


async def test_a_page_between_good_responses_does_not_stop_the_import() -> None:
    """Only many in a row mean that somebody else responds."""
    server = ModelServer(lambda n, _: PAGE if n % 3 else None)
    report = await upsert(server, receivers(2000), batch_size=50, concurrency=1)

    assert (2000, "") == (report.accepted + report.unknown, report.stopped)
    assert 15 < sum(n % 3 > 0 for n in range(len(server.requests)))


async def test_look_ups_that_get_a_page_stop_the_import() -> None:
    """The rows stay in doubt, since a later run may look them up."""

    class PortalServer(ModelServer):
        """Loses the answer to each batch and shows a page to each look-up."""

        async def send(self, method: str, url: str, **rest: Any) -> Response:
            """Handle one request."""
            response = await super().send(method, url, **rest)
            is_look_up = method == "GET" and "email_list" in url
            return Response(200, {}, b"<html>") if is_look_up else response

    server = PortalServer(always(Reply(502)))
    rows = [order(n) for n in range(400)]
    with pytest.raises(ImportFailedError, match="check base_url"):
        await upsert(server, rows, batch_size=10, concurrency=1)

    assert len(server.order_ids) == len(set(server.order_ids))


async def test_rows_beside_a_foreign_item_are_unknown() -> None:
    """The item may mean the row that the response leaves out."""
    foreign = {"id": "9", "email": "somebody@example.org", "status": "update success"}
    server = ModelServer(always(Reply(reshape=lambda items: [*items[1:], foreign])))
    report = await upsert(server, receivers(3))

    assert {"read": 3, "accepted": 2, "unknown": 1} == counts(report)
    assert [1] == [sample.row for sample in report.samples]


@pytest.mark.parametrize(
    "fields",
    [
        {"success": False},
        {"errors": ["no"]},
        {"code": 422, "message": "no"},
        {"status": 0},
        {"status": "no success"},
        {"status": "insert success", "error": "no"},
    ],
    ids=str,
)
async def test_an_echo_is_not_accepted(fields: dict[str, Any]) -> None:
    """Every response repeats the address; none proves that the row is stored."""

    def script(number: int, rows: list[Row]) -> Reply:
        del number
        items = [{"id": "7", "email": row["email"], **fields} for row in rows]
        return Reply(executed=False, content=json.dumps(items).encode())

    report = await upsert(ModelServer(script), receivers(5), max_reject_share=1)

    assert 0 == report.accepted
    assert 5 == report.rejected + report.unknown


async def test_requests_of_the_second_look_are_counted() -> None:
    """The batch, the second call, and the look-up."""
    server = ModelServer(at(Reply(content=b"[]"), 0))
    report = await upsert(server, [order(1)])

    assert {"read": 1, "accepted": 1} == counts(report)
    assert (3, 1, 2) == (report.requests, report.retries, len(server.requests))


async def test_a_long_error_is_written_once_per_row_and_cut() -> None:
    """A response of 1 MB does not make the results of many rows large."""
    content = json.dumps({"error": {"code": 422, "message": "bad row " * 100_000}}).encode()
    server = ModelServer(always(Reply(422, executed=False, content=content)))
    results: list[RowResult] = []
    async with Bulk(transport_to(server)).open(group_id=7, max_reject_share=1) as run:
        for row in receivers(10):
            await run.put(row)
        results = [result async for result in run.results()]

    assert 10 == len(results)
    assert 2048 >= max(len(result.message.encode()) for result in results)


class ShortTokens(ModelServer):
    """Issues tokens that end after a number of requests.

    Args:
        uses: Requests for which a token is good.
        refuses: Requests that are refused whatever their token, from one number to another.
    """

    def __init__(self, uses: int = 10**9, *, refuses: range = range(0), script: Any = None) -> None:
        super().__init__(script, steps=3)
        self.uses = uses
        self.refuses = refuses
        self.left: dict[str, int] = {}
        self.calls = 0

    async def send(self, method: str, url: str, **rest: Any) -> Response:
        """Handle one request."""
        if "oauth" in url or url.endswith("/attributes"):
            return await super().send(method, url, **rest)
        self.calls += 1
        token = dict(rest["headers"])["authorization"]
        left = self.left[token] = self.left.get(token, self.uses) - 1
        if left < 0 or self.calls in self.refuses:
            await anyio.lowlevel.checkpoint()
            return Response(401, {}, b'{"error": {"code": 401, "message": "token expired"}}')
        return await super().send(method, url, **rest)


async def renewing(server: ModelServer, rows: Any, **options: Any) -> ImportReport:
    """Import rows with tokens that can be renewed."""
    transport = transport_to(server, clock=FakeClock())
    transport = transport.with_auth(OAuthApp("id", "secret").client_credentials())
    return await Bulk(transport).upsert(rows, group_id=7, **options)


@pytest.mark.parametrize("concurrency", ["auto", 8, 32])
async def test_tokens_that_end_after_a_few_requests(concurrency: Any) -> None:
    """A 401 after a renewal is push-back: the import ends with every row accepted."""
    server = ShortTokens(5)
    report = await renewing(server, receivers(5000), concurrency=concurrency, batch_size=25)

    assert {"read": 5000, "accepted": 5000} == counts(report)


@pytest.mark.parametrize("refuses", [range(3, 8), range(3, 12)], ids=["five", "nine"])
async def test_a_burst_of_refused_tokens(refuses: range) -> None:
    """The import waits and goes on."""
    server = ShortTokens(refuses=refuses)
    report = await renewing(server, receivers(1000), concurrency=1, batch_size=100)

    assert {"read": 1000, "accepted": 1000} == counts(report)


async def test_tokens_that_are_never_accepted_stop_the_import() -> None:
    """After a bounded number of renewals: six for each of the five batches in progress."""
    server = ShortTokens(refuses=range(3, 10**6))
    with pytest.raises(ImportFailedError, match="401") as caught:
        await renewing(server, receivers(5000), concurrency=1, batch_size=100)

    assert {"read", "accepted", "pending"} == counts(caught.value.report).keys()
    assert 5 * 6 * 2 >= server.calls - 2
    assert 5 * 6 + 1 >= server.tokens


async def test_a_token_that_cannot_be_renewed_stops_the_import_at_once() -> None:
    """Waiting does not make it valid."""
    server = ModelServer(always(Reply(401, executed=False)))
    with pytest.raises(ImportFailedError, match="401"):
        await upsert(server, receivers(10))

    assert 1 == len(server.requests)


async def test_refused_tokens_of_a_look_up_are_no_outcome() -> None:
    """The token is renewed, and the look-up is repeated."""
    server = ShortTokens(refuses=range(2, 6), script=at(Reply(502), 0))
    report = await renewing(server, [order(1)])

    assert {"read": 1, "accepted": 1} == counts(report)
    assert ["A-1"] == server.order_ids


CANCELLATIONS = pytest.mark.parametrize(
    "error", [asyncio.CancelledError, RuntimeError], ids=lambda it: it.__name__
)


@CANCELLATIONS
async def test_a_cancellation_out_of_a_callback_ends_the_import(error: type[BaseException]) -> None:
    """It would end one worker, and its rows would have no result."""

    def on_accepted(addresses: object) -> None:
        del addresses
        raise error

    server = ModelServer()
    with pytest.raises(ImportFailedError, match=error.__name__) as caught:
        await upsert(server, receivers(1000), batch_size=10, on_accepted=on_accepted)

    caught.value.report.assert_balanced()
    assert caught.value.report.pending > 0


@CANCELLATIONS
async def test_a_cancellation_out_of_on_progress_is_reported(error: type[BaseException]) -> None:
    """Like any error of it, at the end."""

    def on_progress(event: object) -> None:
        del event
        raise error

    server = ModelServer()
    with pytest.raises(ImportFailedError, match=f"on_progress failed.*{error.__name__}") as caught:
        await upsert(server, receivers(100), batch_size=10, on_progress=on_progress)

    assert {"read": 100, "accepted": 100} == counts(caught.value.report)


async def test_a_cancellation_among_suspects_ends_the_import() -> None:
    """The parts of a failing batch are sent in tasks of their own."""
    turns = itertools.count()

    class CancelledServer(ModelServer):
        """Fails on one row, and raises a cancellation when its batch is sent in parts."""

        async def send(self, method: str, url: str, **rest: Any) -> Response:
            """Handle one request."""
            if b'"p3@' in rest["content"]:
                if next(turns) > 2:
                    raise asyncio.CancelledError
                return Response(500, {}, b"{}")
            return await super().send(method, url, **rest)

    with pytest.raises(ImportFailedError, match="CancelledError") as caught:
        await upsert(CancelledServer(), receivers(400), batch_size=20, concurrency=2)

    assert caught.value.report.pending > 0
