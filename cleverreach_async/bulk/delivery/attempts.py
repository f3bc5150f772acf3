"""Single attempts of an import: through the limiter, the account's gate and its retry budget.

The importer's batches are retried by the importer and nowhere else, so each attempt is a single
call of the transport.
"""

from collections.abc import Sequence
from typing import Final

import attrs

from cleverreach_async.bulk.delivery.body_size import BodySizeLimit
from cleverreach_async.bulk.delivery.failure_streak import FailureStreak
from cleverreach_async.bulk.outcomes.batch_result import BatchResult
from cleverreach_async.bulk.pacing.limiter import ConcurrencyLimiter
from cleverreach_async.bulk.rows import EncodedRow, join_rows
from cleverreach_async.bulk.strategies import Strategy
from cleverreach_async.errors import CleverReachError
from cleverreach_async.transport.gate import AccountGate
from cleverreach_async.transport.retry import Diagnosis, Fault, RetryPolicy, diagnose, wait_before
from cleverreach_async.transport.stop import Stop, StopRequestedError
from cleverreach_async.transport.transport import Transport
from cleverreach_async.transport.wire import Request, Response, build_request

__all__ = ["Attempts", "DeliveryState", "Failure"]

_BACKOFF: Final = RetryPolicy(cap=30.0)


@attrs.define(eq=False)
class DeliveryState:
    """Counters that the batches of one import have in common.

    Attributes:
        succeeded: Requests that succeeded so far.
        requests: Requests sent so far.
        splits: Requests that splitting batches has cost so far.
    """

    succeeded: int = 0
    requests: int = 0
    splits: int = 0


@attrs.frozen(eq=False)
class Failure:
    """A failed attempt.

    Attributes:
        error: What was raised.
        diagnosis: What it means.
    """

    error: CleverReachError
    diagnosis: Diagnosis


@attrs.frozen(kw_only=True, eq=False)
class Attempts:
    """Sends single attempts, and waits between them.

    Attributes:
        transport: Sends each attempt.
        limiter: Limits the requests in flight; waiting retries do not count.
        stop: Ends waits when the import is to stop.
        timeout: Seconds that one attempt may take.
        max_outage: Seconds of failures after which the import stops.
        settle: Seconds after which a request without a response has surely ended on the server.
        body_size: The largest body that the server accepts.
        state: Counters that the batches of the import have in common.
    """

    transport: Transport
    limiter: ConcurrencyLimiter
    stop: Stop
    timeout: float
    max_outage: float
    settle: float
    body_size: BodySizeLimit = attrs.field(factory=BodySizeLimit)
    state: DeliveryState = attrs.field(factory=DeliveryState)

    async def send(
        self, rows: Sequence[EncodedRow], call: Strategy, group_id: int, result: BatchResult
    ) -> Response | Failure:
        """Send rows once.

        Args:
            rows: The rows of the request.
            call: The batch call.
            group_id: The group.
            result: The result of the batch; the rows are in doubt while their request is in flight.

        Raises:
            StopRequestedError: A stop was requested before the request was sent.
        """
        if self.stop.requested:
            raise StopRequestedError
        request = build_request(call.method, call.path, path={"group_id": group_id})
        request = attrs.evolve(request, content=join_rows(rows))
        async with self.limiter.permit(len(rows), self.stop) as permit:
            started: float | None = None

            def on_send() -> None:
                nonlocal started
                started = self.transport.clock.monotonic()
                permit.sent()
                result.doubt(rows)
                result.requests += 1
                self.state.requests += 1

            try:
                response = await self.transport.call_once(
                    request,
                    timeout=self.timeout,
                    max_wait=self.max_outage,
                    on_send=on_send,
                    stop=self.stop,
                )
            except CleverReachError as error:
                diagnosis = diagnose(error, call.path)
                status: int | None = getattr(error, "status_code", None)
                if started is not None:  # else it waited at the gate for too long
                    self.transport.log_attempt(request, status, result.requests, started, None)
                if not self.is_paused:  # the limit is lowered when the gate reopens
                    permit.failed(diagnosis)
                if not diagnosis.perhaps_executed:
                    result.clear_doubt(rows)
                return Failure(error, diagnosis)
            result.clear_doubt(rows)
            if started is not None:
                self.transport.log_attempt(
                    request, response.status_code, result.requests, started, None
                )
            permit.succeeded(len(rows))
            self.state.succeeded += 1
            self.body_size.accepted()
            return response

    async def query(self, request: Request) -> Response:
        """Send a look-up, retrying it for as long as batches are retried.

        Raises:
            StopRequestedError: The import is to stop.
            CleverReachError: The server refuses to respond, or fails for too long.
        """
        streak = self.new_streak()
        while True:
            try:
                return await self.transport.call_once(
                    request, timeout=self.timeout, max_wait=self.max_outage, stop=self.stop
                )
            except CleverReachError as error:
                if self.stop.aborted:
                    raise StopRequestedError from error
                diagnosis = diagnose(error, request.template)
                if diagnosis.fault is None:
                    raise
                wait = self._backoff(error, diagnosis, streak)
            await self.sleep(wait)

    def new_streak(self, suspected_at: int | None = None) -> FailureStreak:
        """Return an empty streak of failures, for one batch or one look-up."""
        return FailureStreak(self.max_outage, suspected_at)

    async def wait_after(self, failure: Failure, streak: FailureStreak) -> None:
        """Wait until the rows may be sent again.

        Raises:
            StopRequestedError: The import is to stop.
            CleverReachError: The failures last for ``max_outage``.
        """
        least = self.settle if failure.diagnosis.perhaps_executed else 0.0
        await self.sleep(max(self._backoff(failure.error, failure.diagnosis, streak), least))

    async def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            StopRequestedError: The import is to stop.
        """
        with self.stop.ending_waits():
            await self.transport.clock.sleep(seconds)

    @property
    def gate(self) -> AccountGate:
        """The account's gate."""
        return self.transport.own_account().gate

    @property
    def is_paused(self) -> bool:
        """Whether the account's gate is closed."""
        return self.gate.closed

    def suspects_rows(self, streak: FailureStreak) -> bool:
        """Return whether rows seem to cause their failures; not while the account is paused."""
        return not self.is_paused and streak.suspects_rows(self.state.succeeded)

    def _backoff(
        self, error: CleverReachError, diagnosis: Diagnosis, streak: FailureStreak
    ) -> float:
        """Return the seconds to wait; more when the account's retry budget is used up."""
        now = self.transport.clock.monotonic()
        streak.add(error, diagnosis, now=now, succeeded=self.state.succeeded)
        fault = Fault.THROTTLED if diagnosis.closes_gate else diagnosis.fault
        if diagnosis.retry_after is not None or fault is None:
            return 0.0  # the gate waits for as long as the server asked
        wait = wait_before(
            _BACKOFF, fault, attempt=streak.failures, retry_after=None, rng=self.transport.rng
        )
        return wait if self.transport.spend(diagnosis) else max(wait, _BACKOFF.cap / 2)
