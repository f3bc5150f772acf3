"""Single attempts of an import: through the limiter, the account's gate and its retry budget.

The importer's batches are retried by the importer and nowhere else, so each attempt is a single
call of the transport.
"""

from collections.abc import Sequence
from typing import Final

import attrs

from cleverreach_async.bulk.delivery.body_size import BodySizeLimit
from cleverreach_async.bulk.delivery.failure_streak import FailureStreak
from cleverreach_async.bulk.journal.hold import ALWAYS, Hold
from cleverreach_async.bulk.outcomes.batch_result import BatchResult
from cleverreach_async.bulk.pacing.limiter import ConcurrencyLimiter
from cleverreach_async.bulk.rows import EncodedRow, join_rows
from cleverreach_async.bulk.strategies import Strategy
from cleverreach_async.bulk.turns import Turns
from cleverreach_async.errors import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    CleverReachError,
    ClientClosedError,
    ConfigurationError,
    ResponseDecodeError,
    TokenError,
)
from cleverreach_async.transport.passage import Gate
from cleverreach_async.transport.retry import Diagnosis, Fault, RetryPolicy, diagnose, wait_before
from cleverreach_async.transport.stop import Stop, StopRequestedError
from cleverreach_async.transport.transport import Transport
from cleverreach_async.transport.wire import Request, Response, build_request

__all__ = ["UNREADABLE_RESPONSES", "Attempts", "DeliveryState", "Failure"]

UNREADABLE_RESPONSES: Final = 3
"""Unreadable responses to one batch or look-up, after which it is not sent again."""

_BACKOFF: Final = RetryPolicy(cap=30.0)
# A renewed token is refused: the server has not caught up, or tokens end after a few requests.
_TOKEN_TOO_NEW: Final = Diagnosis(fault=Fault.THROTTLED, lowers_limit=True)
_REFUSED_FOR_NOW: Final = Diagnosis(fault=Fault.THROTTLED)
_WITH_KNOWN_RESULT: Final = (
    APIConnectionError,
    APIStatusError,
    ClientClosedError,
    ConfigurationError,
    TokenError,
)


@attrs.define(eq=False)
class DeliveryState:
    """Counters that the batches of one import have in common.

    Attributes:
        succeeded: Requests that succeeded so far.
        requests: Requests sent so far.
        splits: Requests that splitting batches has cost so far.
        without_proof: Responses in a row that show nothing about the rows sent.
    """

    succeeded: int = 0
    requests: int = 0
    splits: int = 0
    without_proof: int = 0


@attrs.frozen(eq=False)
class Failure:
    """A failed attempt.

    Attributes:
        error: What was raised.
        diagnosis: What it means.
    """

    error: CleverReachError
    diagnosis: Diagnosis

    @property
    def perhaps_executed(self) -> bool:
        """Whether the server may have executed the request."""
        return _is_perhaps_executed(self.error, self.diagnosis)

    @property
    def is_unreadable(self) -> bool:
        """Whether there is a response that cannot be read."""
        return isinstance(self.error, ResponseDecodeError)


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
        turns: Gives each long step a pass of the event loop.
        state: Counters that the batches of the import have in common.
        most_without_proof: Responses in a row that show nothing, at which it gives up.
        hold: Whether this run may still send; another one may have taken the import over.
    """

    transport: Transport
    limiter: ConcurrencyLimiter
    stop: Stop
    timeout: float
    max_outage: float
    settle: float
    body_size: BodySizeLimit = attrs.field(factory=BodySizeLimit)
    turns: Turns = attrs.field(factory=Turns)
    state: DeliveryState = attrs.field(factory=DeliveryState)
    most_without_proof: int = 15
    hold: Hold = ALWAYS

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
            JournalError: Another run has taken the import over.
        """
        await self._take_turn()
        request = _request_of(rows, call, group_id)
        async with self.limiter.permit(len(rows), self.stop) as permit:
            started: float | None = None
            sent, is_probe = 0, False
            await self._confirm_hold(rows)

            def on_send() -> None:
                nonlocal started, sent, is_probe
                self.hold.check()
                result.doubt(rows)  # until they have a result, or are known not to be stored
                started = self.transport.clock.monotonic()
                sent += 1
                is_probe = self.is_paused
                permit.sent()
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
                diagnosis = _diagnose(error, call.path, sent)
                status: int | None = getattr(error, "status_code", None)
                if started is not None:  # else it waited at the gate for too long
                    self.transport.log_attempt(request, status, result.requests, started, None)
                if not is_probe:  # it says that the server is still in trouble, not why
                    permit.failed(diagnosis)
                # No variable holds the failure: its traceback and this frame would be a cycle.
                if not _is_perhaps_executed(error, diagnosis):
                    result.clear_doubt(rows)
                return Failure(error, diagnosis)
            if started is not None:
                self.transport.log_attempt(
                    request, response.status_code, result.requests, started, None
                )
            permit.succeeded(len(rows))
            self.state.succeeded += 1
            self.body_size.accepted(len(rows), len(request.content) - len(rows) - 1)
            return response

    async def _take_turn(self) -> None:
        if self.stop.requested:
            raise StopRequestedError
        await self.turns.take()

    async def _confirm_hold(self, rows: Sequence[EncodedRow]) -> None:
        """Make sure that no other run sends the rows: the wait for a permit may have been long."""
        await self.hold.confirm(strictly=not all(row.repeatable for row in rows))

    async def query(self, request: Request) -> Response:
        """Send a look-up, retrying it for as long as batches are retried.

        Raises:
            StopRequestedError: The import is to stop.
            CleverReachError: The server refuses to respond, or fails for too long.
        """
        streak = self.new_streak()
        while True:
            sent = 0

            def on_send() -> None:
                nonlocal sent
                sent += 1

            try:
                return await self.transport.call_once(
                    request,
                    timeout=self.timeout,
                    max_wait=self.max_outage,
                    on_send=on_send,
                    stop=self.stop,
                )
            except CleverReachError as error:
                if self.stop.aborted:
                    raise StopRequestedError from error
                diagnosis = _diagnose(error, request.template, sent)
                if diagnosis.fault is None:
                    raise
                wait = self._backoff(error, diagnosis, streak)
            await self.sleep(wait)

    def proved_nothing(self, error: ResponseDecodeError) -> None:
        """Count a response that shows nothing about its rows, such as a web page.

        Args:
            error: What is wrong with it.

        Raises:
            ResponseDecodeError: There were many in a row, so that no batch can succeed.
        """
        self.state.without_proof += 1
        if self.gets_no_proof:
            before = self.most_without_proof - 1
            reason = (
                f"{'; '.join(error.problems)}, and so were the {before} responses before: check"
                " base_url, and whether a proxy or a login page of the network responds instead of"
                " the API"
            )
            raise ResponseDecodeError([reason], method=error.method, path=error.path)

    @property
    def gets_no_proof(self) -> bool:
        """Whether so many responses in a row show nothing that no batch can succeed."""
        return self.state.without_proof >= self.most_without_proof

    def new_streak(self, suspected_at: int | None = None) -> FailureStreak:
        """Return an empty streak of failures, for one batch or one look-up."""
        return FailureStreak(self.max_outage, suspected_at)

    async def wait_after(self, failure: Failure, streak: FailureStreak) -> None:
        """Wait until the rows may be sent again.

        Raises:
            StopRequestedError: The import is to stop.
            CleverReachError: The failures last for ``max_outage``.
        """
        least = self.settle if failure.perhaps_executed else 0.0
        is_temporary = failure.diagnosis.fault is not None
        diagnosis = failure.diagnosis if is_temporary else _REFUSED_FOR_NOW
        await self.sleep(max(self._backoff(failure.error, diagnosis, streak), least))

    async def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            StopRequestedError: The import is to stop.
        """
        with self.stop.ending_waits():
            await self.transport.clock.sleep(seconds)

    @property
    def gate(self) -> Gate:
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


def _request_of(rows: Sequence[EncodedRow], call: Strategy, group_id: int) -> Request:
    request = build_request(call.method, call.path, path={"group_id": group_id})
    return attrs.evolve(request, content=join_rows(rows))


def _diagnose(error: CleverReachError, path: str, sent: int) -> Diagnosis:
    """Return what an error means for an import.

    Args:
        error: The error of one attempt.
        path: Path template of the call.
        sent: How often the request was sent; more than once after the token was renewed.
    """
    diagnosis = diagnose(error, path)
    if isinstance(error, AuthenticationError) and sent > 1 and not diagnosis.in_token_call:
        return _TOKEN_TOO_NEW
    return diagnosis


def _is_perhaps_executed(error: CleverReachError, diagnosis: Diagnosis) -> bool:
    # A response that cannot be read may report a success.
    return diagnosis.perhaps_executed or not isinstance(error, _WITH_KNOWN_RESULT)
