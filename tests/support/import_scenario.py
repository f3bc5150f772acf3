"""A scenario of an import: how the server responds, and how each run is interrupted.

A scenario is plain data; :func:`play` executes it in virtual time.
"""

import json
import random
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

import anyio
import attrs

from cleverreach_async import (
    APIConnectionError,
    ConfigurationError,
    ImportFailedError,
    ImportReport,
    OAuthApp,
    OrderInput,
    ReceiverInput,
)
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.outcomes.results import Results
from cleverreach_async.bulk.run import ImportRun
from cleverreach_async.bulk.strategies import StrategyName
from cleverreach_async.transport.clock import SYSTEM_CLOCK
from cleverreach_async.transport.transport import Transport
from cleverreach_async.transport.wire import Response

from .model_server import ModelServer, Reply, transport_to

__all__ = ["Interruption", "Played", "Scenario", "SourceRow", "play"]

Kind = Literal["plain", "order", "broken", "refused", "bad_batch"]
SETTLE: Final = 5.0
DRAIN: Final = 30.0


@attrs.frozen
class SourceRow:
    """One row of the source.

    Attributes:
        key: Number of its address.
        kind: ``order`` has an order, ``broken`` an invalid address, ``refused`` is refused by the
            server, ``bad_batch`` makes the server refuse its whole batch.
    """

    key: int
    kind: Kind = "plain"


@attrs.frozen(kw_only=True)
class Interruption:
    """How a run ends early.

    Attributes:
        kind: ``stop`` waits for requests in flight, ``abort`` does not; ``cancel`` cancels the
            caller, ``crash`` kills the process.
        request: Number of the run's request, from 1, at which it happens.
        seconds: Seconds between that request and the interruption.
    """

    kind: Literal["stop", "abort", "cancel", "crash"]
    request: int
    seconds: float


@attrs.define(kw_only=True)
class Scenario:
    """What is imported, and which faults occur.

    Attributes:
        strategy: The batch call.
        rows: Rows of the source.
        existing: Numbers of the addresses that are in the group before the import.
        replies: Responses to the first requests.
        interruptions: How the first runs end.
        batch_size: Maximum rows of a batch, in every run.
        concurrency: Concurrent requests of each run; the last value is for all later runs.
        canary: Whether the first batch is sent alone.
        most_rows: Maximum rows of a batch; the server responds 413 to a larger one.
        refuses_look_ups: Whether the server refuses look-ups.
        seed: Seed of all random values.
    """

    strategy: StrategyName
    rows: list[SourceRow] = attrs.field(factory=list[SourceRow])
    existing: frozenset[int] = frozenset[int]()
    replies: list[Reply | None] = attrs.field(factory=list[Reply | None])
    interruptions: list[Interruption] = attrs.field(factory=list[Interruption])
    batch_size: int = 10
    concurrency: Sequence[int] = (2,)
    canary: bool = False
    most_rows: int | None = None
    refuses_look_ups: bool = False
    seed: int = 0

    def receiver(self, number: int) -> ReceiverInput:
        """Return the row of a number, from 1."""
        row = self.rows[number - 1]
        name = {"broken": "broken", "refused": f"refuse{row.key}@example.org"}.get(
            row.kind, f"p{row.key}@example.org"
        )
        if row.kind == "order":
            return ReceiverInput(name, orders=[OrderInput(f"A-{number}", "Lamp")])
        return ReceiverInput(
            name, source=f"bad_batch {number}" if row.kind == "bad_batch" else f"{number}"
        )

    def reply(self, number: int, rows: list[Any]) -> Reply | None:
        """Return the response to a request, by its number from 0."""
        if self.most_rows is not None and len(rows) > self.most_rows:
            return Reply(413, executed=False, content=b"{}")
        if any("bad_batch" in str(row) for row in rows):
            return Reply(422, executed=False, content=b"{}")
        return self.replies[number] if number < len(self.replies) else None


@attrs.define(kw_only=True)
class Played:
    """The result of a scenario.

    Attributes:
        server: The server at the end, after all delayed rows are stored.
        reports: The report of each run that was not killed; the last is complete.
        outcomes: Last outcome and code reported for each row.
        repeated: Rows reported again although their first result was final.
        rejects_rows: Row numbers in the rejects file.
        peaks: Maximum requests in flight in each run.
    """

    server: ModelServer
    reports: list[ImportReport] = attrs.field(factory=list[ImportReport])
    outcomes: dict[int, tuple[str, str]] = attrs.field(factory=dict[int, tuple[str, str]])
    repeated: list[int] = attrs.field(factory=list[int])
    rejects_rows: list[int] = attrs.field(factory=list[int])
    peaks: list[int] = attrs.field(factory=list[int])
    _unconfirmed: set[int] = attrs.field(factory=set[int])

    def add(self, results: dict[int, tuple[str, str]], *, killed: bool) -> None:
        """Add the results of a run; only those of a killed run may be reported again."""
        self.repeated += (self.outcomes.keys() & results.keys()) - self._unconfirmed
        self._unconfirmed -= results.keys()
        self.outcomes |= results
        if killed:
            self._unconfirmed |= results.keys()


class Connection:
    """The connection of one run to the server; it fails once the process is killed."""

    def __init__(self, server: ModelServer, interruption: Interruption | None) -> None:
        self._server = server
        self._interruption = interruption
        self.requests = 0
        self.reached = anyio.Event()
        self.killed = False

    async def send(self, method: str, url: str, **rest: Any) -> Response:
        """Forward a request."""
        if self.killed:
            raise APIConnectionError("the process was killed", sent=False)
        self.requests += method != "GET" and "oauth" not in url
        if self._interruption is not None and self.requests >= self._interruption.request:
            self.reached.set()
        return await self._server.send(method, url, **rest)

    async def aclose(self) -> None:
        """Do nothing."""


@attrs.define
class Run:
    """One run of the import, with its journal."""

    scenario: Scenario
    played: Played
    number: int
    folder: Path
    connection: Connection = attrs.field(init=False)
    results: dict[int, tuple[str, str]] = attrs.field(factory=dict[int, tuple[str, str]])
    report: ImportReport | None = None

    @property
    def interruption(self) -> Interruption | None:
        """How this run ends early."""
        interruptions = self.scenario.interruptions
        return interruptions[self.number] if self.number < len(interruptions) else None

    async def play(self) -> None:
        """Import until the end or until interrupted."""
        server, scenario = self.played.server, self.scenario
        server.reset_retry_after()
        server.peak = 0
        self.connection = Connection(server, self.interruption)
        transport = transport_to(
            self.connection,  # type: ignore[arg-type]
            clock=SYSTEM_CLOCK,
            rng=random.Random(scenario.seed + self.number),
        ).with_auth(OAuthApp("id", "secret").client_credentials())
        async with anyio.create_task_group() as tasks, anyio.create_task_group() as readers:
            scope = anyio.CancelScope()

            def begin(run: ImportRun) -> None:
                self.report = run.report
                readers.start_soon(self._read, run.results(until_end=True))
                if self.interruption is not None:
                    tasks.start_soon(self._interrupt, self.interruption, run, scope)

            with scope, suppress(ImportFailedError):
                await self._call(transport, begin)
            tasks.cancel_scope.cancel()

    async def _call(self, transport: Transport, begin: Callable[[ImportRun], None]) -> None:
        scenario = self.scenario
        name = _METHODS.get(scenario.strategy, "upsert")
        call: Any = getattr(Bulk(transport), name)
        options = {"strategy": scenario.strategy} if name == "upsert" else {}
        await call(
            [scenario.receiver(number + 1) for number in range(len(scenario.rows))],
            group_id=7,
            batch_size=scenario.batch_size,
            concurrency=scenario.concurrency[min(self.number, len(scenario.concurrency) - 1)],
            canary=scenario.canary,
            max_reject_share=1,
            settle=SETTLE,
            drain=DRAIN,
            journal=self.folder / "journal",
            rejects=self.folder / "rejects",
            resume=self.number > 0,
            on_start=begin,
            **options,
        )

    async def _read(self, results: Results) -> None:
        async for result in results:
            if not self.connection.killed:
                assert result.row not in self.results, "one row has two outcomes"
                self.results[result.row] = (result.outcome.value, result.code)

    async def _interrupt(
        self, interruption: Interruption, run: ImportRun, scope: anyio.CancelScope
    ) -> None:
        await self.connection.reached.wait()
        await anyio.sleep(interruption.seconds)
        if interruption.kind == "cancel":
            scope.cancel()
        elif interruption.kind == "stop":
            run.stop()
        elif interruption.kind == "abort":
            run.abort()
        else:
            kept = self.folder.with_name(f"after-{self.number}")
            shutil.copytree(self.folder, kept)
            self.folder = kept
            self.connection.killed = True
            run.abort()


_METHODS: Final = {"insert": "insert", "update": "update", "delete": "delete"}


async def play(scenario: Scenario, folder: Path) -> Played:
    """Run the import, and resume it after each interruption, until it is complete."""
    server = ModelServer(scenario.reply, clock=SYSTEM_CLOCK)
    server.refuses_look_ups = scenario.refuses_look_ups
    for key in scenario.existing:
        email = f"p{key}@example.org"
        server.stored[email] = {"email": email, "source": "old"}
    played = Played(server=server)
    folder = folder / "begin"
    folder.mkdir()
    number, is_complete = 0, False
    while not is_complete:
        run = Run(scenario, played, number, folder)
        try:
            await run.play()
        except ConfigurationError as error:
            # Killed after the last write to the journal.
            is_complete = "is complete" in str(error)
            if not is_complete:
                raise
        else:
            played.add(run.results, killed=run.connection.killed)
            played.peaks.append(server.peak)
            if run.report is not None and not run.connection.killed:
                played.reports.append(run.report)
                is_complete = not run.report.stopped
        folder = run.folder
        number += 1
    server.store_delayed(everything=True)
    rejects = (folder / "rejects").read_bytes().splitlines()
    played.rejects_rows = [json.loads(line)["row"] for line in rejects]
    return played
