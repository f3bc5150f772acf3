"""Single attempts: the effect of a failure on the concurrency limit."""

import attrs
import pytest
from support.clocks import FakeClock
from support.model_server import ModelServer, Reply, at, transport_to

from cleverreach_async.bulk.delivery.attempts import Attempts
from cleverreach_async.bulk.delivery.delivery import Delivery
from cleverreach_async.bulk.outcomes.batch_result import BatchResult
from cleverreach_async.bulk.pacing.limiter import ConcurrencyLimiter
from cleverreach_async.bulk.rows import EncodedRow
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
        (Reply(429, headers={"retry-after": "1"}, executed=False), ["reopened gate"]),
        (Reply(429, executed=False), ["push-back"]),
        (Reply(500, executed=False), []),
    ],
    ids=["429 that closes the gate", "429 that does not", "500"],
)
async def test_one_failure_lowers_the_limit_at_most_once(reply: Reply, expected: list[str]) -> None:
    """A 429 that closes the gate lowers the limit when the gate reopens, not a second time."""
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
