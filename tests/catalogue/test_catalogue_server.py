"""Catalogue, family S: more load on a server in trouble."""

import random
from itertools import pairwise
from typing import Any

import pytest
from support.model_server import ModelServer, Reply, always, counts, receivers, transport_to, upsert
from support.virtual_time import VirtualClock

from cleverreach_async import ImportFailedError, ReceiverInput, TooManyRejectsError
from cleverreach_async.bulk.importer import Bulk

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("reply", [Reply(503, executed=False), Reply(None, executed=False)])
async def test_s1_a_minute_of_outage_costs_an_import_a_dozen_requests(reply: Reply) -> None:
    """After the requests in flight at its start only probes are sent, less and less often."""
    clock = VirtualClock()
    server = ModelServer(lambda _n, _rows: reply if clock.elapsed < 60 else None, clock=clock)
    async with clock.flowing():
        report = await Bulk(transport_to(server, clock=clock)).upsert(
            receivers(500), group_id=7, batch_size=10, concurrency=8, canary=False
        )

    assert {"read": 500, "accepted": 500} == counts(report)
    assert sum(at < 5060.0 for at in server.arrivals) <= 8 + 12


async def test_s2_after_retry_after_batches_are_not_sent_together() -> None:
    """One is sent first; after its success the others follow, spread over half a second."""
    clock = VirtualClock()
    throttled = Reply(429, executed=False, headers={"retry-after": "5"}, delay=0.1)
    server = ModelServer(lambda n, _: throttled if n < 8 else Reply(delay=0.1), clock=clock)
    transport = transport_to(server, clock=clock, rng=random.Random(7))
    async with clock.flowing():
        report = await Bulk(transport).upsert(
            receivers(80), group_id=7, batch_size=10, concurrency=8, canary=False
        )

    assert {"read": 80, "accepted": 80} == counts(report)
    first, *others = server.arrivals[8:]
    assert (0, 7) == (server.too_early, len(others))
    assert others[0] >= first + 0.1
    assert others[-1] - others[0] > 0.2
    assert len(set(others)) == len(others)
    assert max(after - before for before, after in pairwise(others)) < 0.5


@pytest.mark.parametrize("failures", [1, 5, 20])
async def test_s5_one_attempt_of_a_batch_is_one_request(failures: int) -> None:
    """No lower layer retries what the importer retries: server and report count the same."""
    server = ModelServer(lambda n, _: Reply(504) if n < failures else None)
    report = await upsert(server, receivers(10))

    assert {"read": 10, "accepted": 10} == counts(report)
    assert (failures + 1, failures) == (report.requests, report.retries)
    assert failures + 1 == len(server.requests)


async def test_s7_refusing_every_batch_stops_the_import_soon() -> None:
    """Splitting has a budget, and the reject limit stops the import."""
    server = ModelServer(always(Reply(422, executed=False, content=b"{}")))
    with pytest.raises(TooManyRejectsError) as caught:
        await upsert(server, receivers(10**6), canary=True)

    assert caught.value.report.read < 20_000
    assert len(server.requests) < 300


@pytest.mark.parametrize("share", [0.6, 1.0])
async def test_s8_a_mistake_in_all_rows_is_found_in_the_first_hundred(share: float) -> None:
    """A wrong mapping is not applied to a million rows: the first rows are sent alone."""
    words = ["refuse" if n % 10 < share * 10 else "fine" for n in range(10)]
    rows = (ReceiverInput(f"{words[n % 10]}{n}@example.org") for n in range(10**6))
    server = ModelServer()
    with pytest.raises(TooManyRejectsError, match=r"of the first 100 rows sent are rejected"):
        await upsert(server, rows, canary=True)

    assert 100 >= len({row["email"] for _, sent in server.requests for row in sent})


async def test_s8_later_rejects_stop_the_import_too() -> None:
    """When more than the allowed share of the last 5000 rows is rejected."""
    words = ["fine"] * 1000 + ["refuse", "fine", "fine", "fine"] * 10_000
    rows = (ReceiverInput(f"{word}{n}@example.org") for n, word in enumerate(words))
    with pytest.raises(ImportFailedError, match="are rejected") as caught:
        await upsert(ModelServer(), rows, canary=True)

    report: Any = caught.value.report
    assert report.rejected < 4000
