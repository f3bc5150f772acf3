"""Five thousand rows over a connection with random faults: nothing is lost or duplicated."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.abc
import pytest
from chaos.chaos_proxy import (
    BLACK_HOLE,
    CLOSED_AS_WRITTEN,
    NO_RESPONSE,
    PASS,
    RESET_BEFORE,
    ChaosProxy,
    Ending,
    Exchange,
)
from support.clocks import FakeClock

from cleverreach_async import CleverReach, OrderInput, ReceiverInput
from cleverreach_async.sandbox import Sandbox
from cleverreach_async.sandbox.server import running

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.socket,
    # The library's generators cannot be closed from outside when an exchange ends early.
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]

ROWS = 5000
BATCH = 100
SILENCES = 2


class RandomFaults:
    """Injects a fault into two of five exchanges; silence, which takes time, only a few times."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._silences = 0
        self.count = 0

    def __call__(self) -> Exchange:
        """Choose what happens to one exchange."""
        chance = self._chance
        if chance.random() > 2 / 5:
            return PASS
        self.count += 1
        ending = chance.choice([Ending.FIN, Ending.RST])
        faults = [
            RESET_BEFORE,
            CLOSED_AS_WRITTEN,
            Exchange(request_bytes=chance.randrange(1, 5000), ending=ending),
            Exchange(response_bytes=0, ending=ending),
            Exchange(response_bytes=chance.randrange(1, 5000), ending=ending),
            Exchange(delay=0.01),
        ]
        if self._silences < SILENCES:
            faults += [BLACK_HOLE, NO_RESPONSE]
        fault = chance.choice(faults)
        self._silences += fault in (BLACK_HOLE, NO_RESPONSE)
        return fault


def person(number: int) -> ReceiverInput:
    """Return a receiver; every tenth has an order."""
    receiver = ReceiverInput(f"p{number}@example.org", source=f"row {number}")
    if has_order(number):
        receiver.orders = [OrderInput(f"A-{number}", "Lamp")]
    return receiver


def has_order(number: int) -> bool:
    """Whether a row has an order; only every second batch has some."""
    return number % 10 == 0 and number // BATCH % 2 == 0


def stored(sandbox: Sandbox, group_id: int) -> dict[str, str]:
    """The field ``source`` by address, as stored by the server."""
    sql = (
        "SELECT r.email, m.source FROM members m JOIN receivers r ON r.id = m.receiver_id"
        " WHERE m.group_id = ?"
    )
    return dict(sandbox.store.tuples(sql, group_id))


async def test_an_import_over_a_faulty_connection_adds_up(
    tasks: anyio.abc.TaskGroup, http_client: Any, tmp_path: Path
) -> None:
    """Accepted rows are stored, rows in doubt are reported, and no order is stored twice."""
    random_faults = RandomFaults(seed=1)
    rejects = tmp_path / "rejects.jsonl"
    with Sandbox() as sandbox, running(sandbox) as url:
        proxy = ChaosProxy(urlsplit(url).port or 0)
        proxy.listen(tasks)
        async with CleverReach(
            sandbox.add_token(), base_url=proxy.url, http_client=http_client, clock=FakeClock()
        ) as cr:
            group = await cr.groups.create(name="Newsletter")
            proxy.decide = random_faults
            with anyio.fail_after(60):
                report = await cr.bulk.upsert(
                    map(person, range(ROWS)),
                    group_id=group.id,
                    batch_size=BATCH,
                    rejects=rejects,
                    timeout=0.4,
                    max_outage=1e6,
                    settle=0.2,
                )
        proxy.close()
        report.assert_balanced()
        assert (ROWS, 0, 0) == (report.read, report.pending, report.rejected)
        assert ROWS == report.accepted + report.unknown

        doubtful = {json.loads(line)["row"] - 1 for line in rejects.read_bytes().splitlines()}
        assert report.unknown == len(doubtful)
        assert all(map(has_order, doubtful))

        held = stored(sandbox, group.id)
        sure = {f"p{n}@example.org": f"row {n}" for n in range(ROWS) if n not in doubtful}
        assert sure == {email: held.get(email) for email in sure}
        maybe = {f"p{number}@example.org" for number in doubtful}
        assert set(held) - set(sure) <= maybe

        orders = {n: len(sandbox.store.orders(f"p{n}@example.org")) for n in range(0, ROWS, 10)}
        assert {n: int(has_order(n)) for n in orders if n not in doubtful} == {
            n: count for n, count in orders.items() if n not in doubtful
        }
        assert {orders[n] for n in doubtful} <= {0, 1}
    assert random_faults.count >= 10
    assert report.replayed > 0
    assert report.requests >= sandbox_requests(sandbox)


def sandbox_requests(sandbox: Sandbox) -> int:
    """The number of batches that the server received completely."""
    return sum(request.path.endswith(("/upsertplus", "/upsert")) for request in sandbox.requests)
