"""The rate that is learned from refusals, one refusal at a time."""

from math import isclose, sqrt

import attrs
import pytest

from cleverreach_async.bulk.pacing.learned_rate import (
    FIRST_PERIOD,
    LEAST_ACCEPTED,
    LONGEST_PERIOD,
    LOWEST,
    SAMPLE,
    LearnedRate,
)

ROUND_TRIP = 0.1


@attrs.define
class Server:
    """Accepts and refuses requests, two at a time.

    Attributes:
        rate: The rate under test.
        now: Clock reading.
    """

    rate: LearnedRate = attrs.field(factory=LearnedRate)
    now: float = 100.0

    def accept(self, count: int, *, per_second: float = 10.0) -> None:
        """Accept requests, each after a tenth of a second; they come evenly."""
        for _ in range(count):
            wait = self.rate.reserve(self.now)
            self.now += max(1 / per_second, wait)
            self.rate.succeeded(sent_at=self.now - ROUND_TRIP, now=self.now)

    def refuse(self) -> None:
        """Refuse one request."""
        self.rate.refused(in_flight=2, now=self.now)

    @property
    def per_second(self) -> float | None:
        """The rate now."""
        return self.rate.per_second(self.now)

    def known(self) -> float:
        """The rate now, which must be known."""
        assert self.per_second is not None
        return self.per_second


@pytest.fixture
def server() -> Server:
    """A server of which nothing is known."""
    return Server()


def test_nothing_is_delayed_before_a_refusal(server: Server) -> None:
    """As long as all is accepted there is no rate."""
    server.accept(1000)

    assert server.per_second is None
    assert [0.0] * 3 == [server.rate.reserve(server.now) for _ in range(3)]


def test_the_rate_is_between_what_was_accepted_and_what_was_tried(server: Server) -> None:
    """It begins a tenth below, is there after a period, and then grows faster and faster."""
    server.rate.restart(server.now)
    server.accept(100, per_second=10.0)
    server.refuse()
    # Two in flight, each for a tenth of a second: 20 per second were tried.
    mean = sqrt(10.0 * 20.0)
    assert isclose(0.9 * mean, server.known())

    factors = list[float]()
    for _ in range(4):
        server.now += FIRST_PERIOD
        factors.append(round(server.known() / mean, 3))
    assert [1.0, 1.1, 1.8, 3.7] == factors


def test_turns_follow_each_other_at_the_rate(server: Server) -> None:
    """The waits of requests that come at once are one turn apart."""
    server.accept(100)
    server.refuse()
    turn = 1 / server.known()
    waits = [server.rate.reserve(server.now) for _ in range(3)]

    assert [0.0, turn, 2 * turn] == pytest.approx(waits)


def test_few_accepted_requests_say_nothing(server: Server) -> None:
    """Those that are refused together with the first count with it."""
    server.accept(LEAST_ACCEPTED - 1)
    server.refuse()
    assert server.per_second is None

    server.accept(1)
    server.refuse()
    learned = server.known()
    server.refuse()
    server.refuse()
    assert learned == server.known()


def test_the_period_gets_longer_while_the_rate_is_about_right(server: Server) -> None:
    """So that refusals get rare; it is doubled up to its maximum."""
    server.accept(30, per_second=20.0)
    server.refuse()
    periods = list[int]()
    for _ in range(4):
        while server.known() < 20.0:
            server.accept(1, per_second=1000.0)
        server.refuse()
        base, start = server.known(), server.now
        while server.known() < base / 0.9 * 0.999999:
            server.now += 0.01
        periods.append(round(server.now - start))
        server.now = start

    assert [8, 16, LONGEST_PERIOD, LONGEST_PERIOD] == periods


def test_refusals_that_do_not_get_rarer_are_chance(server: Server) -> None:
    """The rate is forgotten, and the next one is learned after a few refusals."""
    for _ in range(SAMPLE):
        server.accept(50, per_second=1000.0)
        server.refuse()
        assert server.per_second is not None
    server.accept(50, per_second=1000.0)
    server.refuse()
    assert server.per_second is None

    for _ in range(SAMPLE):
        server.accept(50)
        server.refuse()
        assert server.per_second is None
    server.accept(50)
    server.refuse()
    assert server.per_second is not None


def test_a_rate_that_makes_refusals_rare_is_kept(server: Server) -> None:
    """However many refusals there are in the end."""
    server.accept(20, per_second=1000.0)
    server.refuse()
    for _ in range(20):
        server.accept(200, per_second=1000.0)
        server.refuse()
        assert server.per_second is not None


def test_a_limit_that_begins_late_is_learned(server: Server) -> None:
    """An hour without refusals does not make a limit look like chance."""
    server.accept(40_000)
    server.refuse()
    for _ in range(20):
        server.accept(300, per_second=1000.0)
        server.refuse()
        assert server.per_second is not None


@pytest.mark.parametrize("idle", [3600.0, 1e6])
def test_an_idle_source_is_no_low_limit(server: Server, idle: float) -> None:
    """One refusal leads to a quarter of what was tried at least."""
    server.accept(1)
    server.now += idle
    server.accept(20)
    server.refuse()

    assert isclose(0.9 * LOWEST * 20.0, server.known(), rel_tol=1e-6)


def test_the_rate_does_not_grow_during_a_pause(server: Server) -> None:
    """The account's gate was closed, so nothing was tried."""
    server.accept(100)
    server.refuse()
    before = server.known()
    server.now += 60.0
    server.rate.reopened(server.now)

    assert before == server.known()


def test_answers_without_duration_are_no_error(server: Server) -> None:
    """A clock may be coarse."""
    for _ in range(LEAST_ACCEPTED):
        server.rate.succeeded(sent_at=server.now, now=server.now)
    server.refuse()

    assert server.known() > 0
