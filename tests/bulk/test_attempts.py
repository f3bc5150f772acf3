"""Single attempts: the effect of a failure on the concurrency limit, times, and pauses."""

import attrs
import pytest
from support.clocks import FakeClock
from support.model_server import ModelServer, Reply, at, transport_to

from cleverreach_async import ImportFailedError, RequestEvent
from cleverreach_async.bulk.delivery.attempts import Attempts
from cleverreach_async.bulk.delivery.delivery import Delivery
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.outcomes.batch_result import BatchResult
from cleverreach_async.bulk.pacing.limiter import ConcurrencyLimiter
from cleverreach_async.bulk.rows import EncodedRow
from cleverreach_async.transport.gate import AccountGate
from cleverreach_async.transport.stop import Stop

pytestmark = pytest.mark.anyio


@attrs.define
class LimitLog:
    """A constant limit that logs why it would have been lowered.

    Attributes:
        limit: The limit.
        lowered_by: The events.
    """

    limit: int = 4
    lowered_by: list[str] = attrs.field(factory=list[str])

    def reserve(self, now: float) -> float:
        """Return 0: there is no rate."""
        return 0.0

    def started(self, in_flight: int) -> None:
        """Do nothing."""

    def succeeded(self, *, rows: int, sent_at: float, now: float) -> None:
        """Do nothing."""

    def pushed_back(self, *, sent_at: float, now: float) -> None:
        """Log the event."""
        self.lowered_by.append("push-back")

    def reopened(self, now: float) -> None:
        """Log the event."""
        self.lowered_by.append("reopened gate")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(429, headers={"retry-after": "1"}, executed=False), ["push-back", "reopened gate"]),
        (Reply(429, executed=False), ["push-back"]),
        (Reply(500, executed=False), []),
    ],
    ids=["429 that closes the gate", "429 that does not", "500"],
)
async def test_the_limit_is_told_of_refusals_and_pauses(reply: Reply, expected: list[str]) -> None:
    """A 429 that closes the gate is a refusal too: a rate can be learned from it."""
    clock = FakeClock()
    transport = transport_to(ModelServer(at(reply, 0)), clock=clock)
    limit = LimitLog()
    limiter = ConcurrencyLimiter(limit, clock)
    attempts = Attempts(
        transport=transport,
        limiter=limiter,
        stop=Stop(),
        timeout=30.0,
        max_outage=600.0,
        settle=5.0,
    )
    row = EncodedRow("a@example.org", b'{"email":"a@example.org"}', 1, None, repeatable=True)
    result = BatchResult()
    with transport.own_account().gate.on_reopened(limiter.reopened):
        await Delivery(attempts=attempts, group_id=7).deliver([row], result)

    assert (expected, [row]) == (limit.lowered_by, result.accepted)


@pytest.mark.parametrize("probes", [1, 5])
async def test_the_limit_is_not_told_of_refused_probes(probes: int) -> None:
    """They say that the server is still in trouble, not that the limit is too high."""
    clock = FakeClock()
    reply = Reply(429, headers={"retry-after": "1"}, executed=False)
    transport = transport_to(ModelServer(at(reply, *range(probes + 1))), clock=clock)
    limit = LimitLog()
    limiter = ConcurrencyLimiter(limit, clock)
    attempts = Attempts(
        transport=transport,
        limiter=limiter,
        stop=Stop(),
        timeout=30.0,
        max_outage=600.0,
        settle=5.0,
    )
    row = EncodedRow("a@example.org", b'{"email":"a@example.org"}', 1, None, repeatable=True)
    result = BatchResult()
    with transport.own_account().gate.on_reopened(limiter.reopened):
        await Delivery(attempts=attempts, group_id=7).deliver([row], result)

    assert (["push-back", "reopened gate"], [row]) == (limit.lowered_by, result.accepted)


async def test_the_time_of_an_attempt_begins_when_it_is_sent() -> None:
    """Not when it begins to wait for a permit, or for the account's gate."""
    clock, events = FakeClock(), list[RequestEvent]()
    reply = Reply(429, headers={"retry-after": "20"}, executed=False)
    transport = attrs.evolve(
        transport_to(ModelServer(at(reply, 0)), clock=clock), on_event=events.append
    )
    report = await Bulk(transport).upsert(["a@example.org"], group_id=7, canary=False)

    sent = [event for event in events if event.path.endswith("/upsertplus")]
    assert [(429, 0.0), (200, 0.0)] == [(event.status_code, event.elapsed) for event in sent]
    assert clock.monotonic() >= 20
    assert (1, 1) == (report.accepted, report.pauses)


async def test_a_request_that_was_not_sent_is_no_event() -> None:
    """The gate stays closed for longer than the import may wait."""
    events: list[RequestEvent] = []
    reply = Reply(429, headers={"retry-after": "500"}, executed=False)
    transport = attrs.evolve(transport_to(ModelServer(at(reply, 0))), on_event=events.append)
    with pytest.raises(ImportFailedError):
        await Bulk(transport).upsert(["a@example.org"], group_id=7, max_outage=60)

    sent = [event for event in events if event.path.endswith("/upsertplus")]
    assert [429] == [event.status_code for event in sent]


async def test_every_pause_is_counted() -> None:
    """Also one that began before the import, and the events say so while it lasts."""
    seen: list[tuple[bool, int]] = []
    reply = Reply(429, headers={"retry-after": "2"}, executed=False)
    transport = transport_to(ModelServer(at(reply, 0, 2)))
    report = await Bulk(transport).upsert(
        [f"a{number}@example.org" for number in range(3)],
        group_id=7,
        batch_size=1,
        concurrency=1,
        on_progress=lambda event: seen.append((event.paused, event.pauses)),
    )

    assert (3, 2) == (report.accepted, report.pauses)
    assert {(True, 1), (False, 1), (True, 2), (False, 2)} <= {*seen}

    gate = transport.own_account().gate
    assert isinstance(gate, AccountGate)
    gate.push_back(2.0, probe=False)
    later = await Bulk(transport).upsert(["b@example.org"], group_id=7, canary=False)
    assert (1, 1) == (later.accepted, later.pauses)
