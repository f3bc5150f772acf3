"""A simulated server and importer in virtual time, to compare rules of pacing.

It gives no absolute numbers: it has no network, no bodies and one client. The importer always has
a batch ready, so that only pacing decides how many requests are in flight. ``Retry-After`` closes
the account's gate as in ``transport/gate.py``; its rule of three push-backs in a row is left out,
because the other rules have no such rule and would profit from it.

``python tests/support/pacing_simulation.py`` prints the table of ``docs/pacing.md``.
"""

import enum
import heapq
import math
import random
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Final

import attrs

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from cleverreach_async.bulk.pacing.limits import AdaptiveLimit, ConcurrencyLimit
from support.rival_pacing import Gradient2, NetflixAimd, VectorArc

__all__ = [
    "OURS",
    "RULES",
    "SCENARIOS",
    "Measured",
    "Scenario",
    "measure",
    "row",
    "simulate",
    "table",
]

CEILING: Final = 64
"""Maximum requests in flight for every rule; well above what any of the servers can use."""

ROWS: Final = 1000
SECONDS: Final = 600.0
SEEDS: Final = range(3)
REFUSAL_SECONDS: Final = 0.1
"""Seconds until a response 429."""


@attrs.frozen(kw_only=True)
class Scenario:
    """A server, and how many processes send to it.

    Attributes:
        title: Short description.
        best: Maximum requests per second that succeed with an ideal client.
        service: Mean service time of a request, in seconds.
        sigma: Sigma of its lognormal distribution.
        places: Requests that it handles at a time.
        refuses: Whether it responds 429 when all places are busy; otherwise the request is queued.
        dip: Start and end, in seconds, of a period with only three places.
        rate: Requests per second above which it responds 429.
        burst: Requests that may come at once under the rate.
        by_second: Whether the rate is that of each second by the clock, without a burst.
        retry_after: ``Retry-After`` of a 429, in seconds.
        knee: Requests at a time above which the server gets slower.
        chance: Share of requests with a response 429, whatever the load.
        chance_ends: When that ends, in seconds.
        processes: Number of processes that send, each with its own rule and gate.
    """

    title: str
    best: float
    service: float = 0.8
    sigma: float = 0.3
    places: int = 1000
    refuses: bool = False
    dip: tuple[float, float] | None = None
    rate: float | None = None
    burst: float = 6.0
    by_second: bool = False
    retry_after: float | None = None
    knee: int | None = None
    chance: float = 0.0
    chance_ends: float = math.inf
    processes: int = 1

    def places_at(self, now: float) -> int:
        """Requests that it handles at a time, at an instant."""
        return 3 if self.dip and self.dip[0] <= now < self.dip[1] else self.places

    def slowdown(self, busy: int) -> float:
        """Factor on the service time when ``busy`` requests are handled.

        Above the knee throughput falls with every additional request: four times as many requests
        give half of the throughput.
        """
        return 1.0 if self.knee is None or busy <= self.knee else (busy / self.knee) ** 1.5


_FAST: Final = Scenario(title="", best=20.0, service=0.1, rate=20.0, burst=4.0)
"""A plain limit of 20 requests per second."""

_QUEUES: Final = Scenario(title="8 places, queues silently", best=10.0, places=8)

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "A": _QUEUES,
    "B": Scenario(title="8 places, 429 at once", best=10.0, places=8, refuses=True),
    "C": Scenario(title="6 requests/s, Retry-After 1 s", best=6.0, rate=6.0, retry_after=1.0),
    "D": Scenario(
        title="10 places, 3 for a while, 429",
        best=(500 * 12.5 + 100 * 3.75) / SECONDS,
        places=10,
        refuses=True,
        dip=(200.0, 300.0),
    ),
    "E": Scenario(title="24 places, noisy, queues", best=30.0, places=24, sigma=0.6),
    "F": Scenario(title="contention above 6", best=7.5, knee=6),
    "G": Scenario(title="8 s batches, 6 places, queues", best=0.75, places=6, service=8.0),
    "H": attrs.evolve(_FAST, title="20 requests/s, Retry-After 1 s", retry_after=1.0),
    "I": attrs.evolve(_FAST, title="20 requests/s"),
    "J": attrs.evolve(
        _FAST, title="20 in each second, Retry-After 1 s", by_second=True, retry_after=1.0
    ),
    "K": attrs.evolve(_QUEUES, title="as A, 2% are refused by chance", chance=0.02),
    "L": attrs.evolve(_QUEUES, title="as A, 10% are refused by chance", chance=0.1),
    "M": attrs.evolve(_FAST, title="as H, 4 processes", retry_after=1.0, processes=4),
    "N": Scenario(title="as B, 4 processes", best=10.0, places=8, refuses=True, processes=4),
}

OURS: Final = "ours"
RULES: Final[Mapping[str, Callable[[], ConcurrencyLimit]]] = {
    OURS: lambda: AdaptiveLimit(max_limit=CEILING),
    "Vector ARC": lambda: VectorArc(CEILING),
    "Netflix AIMD": lambda: NetflixAimd(CEILING),
    "Netflix Gradient2": lambda: Gradient2(CEILING),
}


COMPARED: Final = frozenset("ABCDEFG")
"""Servers of which the table shows all rules. With the others they would send too much."""


@attrs.define
class Measured:
    """The result of a simulation.

    Attributes:
        seconds: Length of the simulation.
        taken: Instants at which requests succeeded.
        refusals: Instants of responses 429.
        round_trips: Seconds of each request that succeeded.
        limit_seconds: Integral of the limit over time.
    """

    seconds: float
    taken: list[float] = attrs.field(factory=list[float])
    refusals: list[float] = attrs.field(factory=list[float])
    round_trips: list[float] = attrs.field(factory=list[float])
    limit_seconds: float = 0.0

    def throughput(self, start: float = 0.0, end: float = math.inf) -> float:
        """Successful requests per second, between two instants."""
        end = min(end, self.seconds)
        return sum(start <= instant < end for instant in self.taken) / (end - start)

    def refused_share(self, start: float = 0.0) -> float:
        """Share of requests with a response 429, from an instant."""
        refused = sum(instant >= start for instant in self.refusals)
        return refused / max(1, refused + sum(instant >= start for instant in self.taken))

    @property
    def p95(self) -> float:
        """95th percentile of the round trips, in seconds."""
        return sorted(self.round_trips)[int(0.95 * len(self.round_trips))]

    @property
    def mean_limit(self) -> float:
        """Mean limit over time."""
        return self.limit_seconds / self.seconds


class _Event(enum.Enum):
    DONE = enum.auto()
    REFUSED = enum.auto()
    GATE = enum.auto()
    TURN = enum.auto()


class _Gate(enum.Enum):
    OPEN = enum.auto()
    CLOSED = enum.auto()
    HALF_OPEN = enum.auto()
    PROBING = enum.auto()


@attrs.define(eq=False)
class _Process:
    """A process that sends, with its gate.

    Attributes:
        pacing: Its rule.
        permits: Requests that wait for their turn or the gate, or are in flight.
        ready: Requests whose turn has come.
        in_flight: Requests in flight.
        gate: State of its gate.
        reopens_at: When the gate is half open.
        probe: When the probe was sent.
    """

    pacing: ConcurrencyLimit
    permits: int = 0
    ready: int = 0
    in_flight: int = 0
    gate: _Gate = _Gate.OPEN
    reopens_at: float = 0.0
    probe: float = -1.0

    def passes(self) -> bool:
        """Whether a request may pass the gate."""
        return self.gate in {_Gate.OPEN, _Gate.HALF_OPEN}


class _Simulation:
    """Server and clients; time jumps from event to event."""

    def __init__(
        self, pacings: Sequence[ConcurrencyLimit], scenario: Scenario, seed: int, seconds: float
    ) -> None:
        self.processes = [_Process(pacing) for pacing in pacings]
        self.scenario = scenario
        self.rng = random.Random(seed)
        self.measured = Measured(seconds)
        self.now = 0.0
        self.events: list[tuple[float, int, _Event, _Process, float]] = []
        self.number = 0
        self.busy = 0
        self.queue: deque[tuple[_Process, float]] = deque()
        self.tokens = scenario.burst
        self.tokens_at = 0.0
        self.mu = math.log(scenario.service) - scenario.sigma**2 / 2

    def run(self) -> Measured:
        """Process events until the end of the simulation."""
        self._send_allowed()
        while self.events:
            instant, _, event, process, sent_at = heapq.heappop(self.events)
            self.measured.limit_seconds += sum(it.pacing.limit for it in self.processes) * (
                min(instant, self.measured.seconds) - self.now
            )
            if instant >= self.measured.seconds:
                break
            self.now = instant
            match event:
                case _Event.TURN:
                    process.ready += 1
                case _Event.DONE:
                    self._done(process, sent_at)
                case _Event.REFUSED:
                    self._refused(process, sent_at)
                case _Event.GATE if self.now >= process.reopens_at:
                    process.gate = _Gate.HALF_OPEN
                case _Event.GATE:
                    pass  # the gate was closed for longer; another event follows
            self._send_allowed()
        return self.measured

    def _schedule(self, seconds: float, event: _Event, process: _Process, sent_at: float) -> None:
        self.number += 1
        heapq.heappush(self.events, (self.now + seconds, self.number, event, process, sent_at))

    def _send_allowed(self) -> None:
        for process in self.processes:
            while process.ready and process.passes():
                process.ready -= 1
                self._send(process)
            while process.permits < process.pacing.limit and process.passes():
                process.permits += 1
                wait = process.pacing.reserve(self.now)
                if wait > 0:
                    self._schedule(wait, _Event.TURN, process, self.now)
                else:
                    self._send(process)

    def _send(self, process: _Process) -> None:
        if process.gate is _Gate.HALF_OPEN:
            process.gate = _Gate.PROBING
            process.probe = self.now
        process.in_flight += 1
        process.pacing.started(process.in_flight)
        scenario = self.scenario
        chance = scenario.chance if self.now < scenario.chance_ends else 0.0
        refused = chance > 0 and self.rng.random() < chance
        if refused or not self._take_token():
            self._schedule(REFUSAL_SECONDS, _Event.REFUSED, process, self.now)
        elif self.busy < scenario.places_at(self.now):
            self._serve(process, self.now)
        elif scenario.refuses:
            self._schedule(REFUSAL_SECONDS, _Event.REFUSED, process, self.now)
        else:
            self.queue.append((process, self.now))

    def _take_token(self) -> bool:
        scenario = self.scenario
        if scenario.rate is None:
            return True
        if scenario.by_second:
            if int(self.now) > int(self.tokens_at) or not self.now:
                self.tokens = scenario.rate
        else:
            earned = scenario.rate * (self.now - self.tokens_at)
            self.tokens = min(scenario.burst, self.tokens + earned)
        self.tokens_at = self.now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def _serve(self, process: _Process, sent_at: float) -> None:
        self.busy += 1
        seconds = self.rng.lognormvariate(self.mu, self.scenario.sigma)
        seconds *= self.scenario.slowdown(self.busy)
        self._schedule(seconds, _Event.DONE, process, sent_at)

    def _done(self, process: _Process, sent_at: float) -> None:
        self.busy -= 1
        if self.queue and self.busy < self.scenario.places_at(self.now):
            self._serve(*self.queue.popleft())
        process.in_flight -= 1
        process.permits -= 1
        self.measured.taken.append(self.now)
        self.measured.round_trips.append(self.now - sent_at)
        process.pacing.succeeded(rows=ROWS, sent_at=sent_at, now=self.now)
        if process.gate is _Gate.PROBING and sent_at == process.probe:
            process.gate = _Gate.OPEN
            process.pacing.reopened(self.now)

    def _refused(self, process: _Process, sent_at: float) -> None:
        process.in_flight -= 1
        process.permits -= 1
        self.measured.refusals.append(self.now)
        process.pacing.pushed_back(sent_at=sent_at, now=self.now)
        wait = self.scenario.retry_after
        if wait is not None:
            wait += self.rng.random() * max(0.25, wait / 10)
            process.gate = _Gate.CLOSED
            process.reopens_at = max(process.reopens_at, self.now + wait)
            self._schedule(process.reopens_at - self.now, _Event.GATE, process, self.now)


def simulate(
    make: Callable[[], ConcurrencyLimit],
    scenario: Scenario,
    *,
    seed: int,
    seconds: float = SECONDS,
) -> Measured:
    """Simulate an import to a server.

    Args:
        make: Returns a new limit, one for each process.
        scenario: The server.
        seed: Seed of the random values.
        seconds: Length of the simulation.
    """
    pacings = [make() for _ in range(scenario.processes)]
    return _Simulation(pacings, scenario, seed, seconds).run()


def measure(rule: str, name: str, *, seeds: range = SEEDS) -> list[Measured]:
    """Simulate a rule of ``RULES`` against a server of ``SCENARIOS``, once per seed."""
    return [simulate(RULES[rule], SCENARIOS[name], seed=seed) for seed in seeds]


def row(rule: str, name: str, runs: list[Measured]) -> str:
    """Return one row of the table: means over the runs."""
    scenario = SCENARIOS[name]
    throughput = fmean(run.throughput() for run in runs)
    return (
        f"| {name} {scenario.title} | {rule} | {throughput:.2f} of {scenario.best:.2f} "
        f"| {throughput / scenario.best:.0%} | {fmean(run.refused_share() for run in runs):.1%} "
        f"| {fmean(run.p95 for run in runs):.1f} | {fmean(run.mean_limit for run in runs):.0f} |"
    )


def table() -> str:
    """Return all measurements as a Markdown table."""
    head = "| server | rule | requests/s | of the best | 429 | p95 s | limit |"
    rows = [
        row(rule, name, measure(rule, name))
        for name in SCENARIOS
        for rule in (RULES if name in COMPARED else [OURS])
    ]
    return "\n".join([head, "| --- " * 7 + "|", *rows])


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
