"""Bring one batch to its outcome: send, judge the answer, repeat or split where that is safe.

The importer's batches are retried here and nowhere else: each attempt is a single call through the
account's gate and budget.
"""

import enum
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import anyio
import attrs

from cleverreach_async.bulk.encoding import EncodedRow, join_rows, without_orders
from cleverreach_async.bulk.outcomes import match_rows, read_items, refusal
from cleverreach_async.bulk.rows import Outcome, RowResult
from cleverreach_async.errors import (
    APIStatusError,
    BadRequestError,
    CleverReachError,
    ConflictError,
    PayloadTooLargeError,
    UnprocessableEntityError,
)
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.retry import (
    Fault,
    RetryPolicy,
    classify,
    is_of_another_call,
    pushes_back,
    wait_before,
)
from cleverreach_async.transport.transport import Transport
from cleverreach_async.transport.wire import Response, build_request, mask_emails

__all__ = ["Delivery", "Tally", "Verdict", "judge"]

UPSERTPLUS: Final = "upsertplus"
UPSERT: Final = "upsert"

_PATH: Final = "/groups/{group_id}/receivers"
_PARTS: Final = 4
_MOST_SPLITS: Final = 64
_UNREADABLE_ANSWERS: Final = 3


_REFUSALS: Final = (BadRequestError, ConflictError, UnprocessableEntityError)


class Verdict(enum.Enum):
    """What a failed attempt means for the batch."""

    REPEAT = "repeat"
    """The server or the way to it is in trouble; the rows are not to blame."""
    SHRINK = "shrink"
    """The body is too large; smaller ones will do."""
    SPLIT = "split"
    """The batch as it is was refused; parts of it may be fine."""
    STOP = "stop"
    """No batch can succeed: credentials, rights, or a group that is not there."""


def judge(error: CleverReachError) -> Verdict:
    """Return what an error means for the batch that met it."""
    if classify(error) is not None:
        return Verdict.REPEAT
    if isinstance(error, PayloadTooLargeError):
        return Verdict.SHRINK
    answered_false = isinstance(error, APIStatusError) and error.status_code == HTTPStatus.OK
    return Verdict.SPLIT if answered_false or isinstance(error, _REFUSALS) else Verdict.STOP


@attrs.define
class Tally:
    """What has become of a batch so far.

    Attributes:
        accepted: Number of rows that the server shows as stored.
        results: The other rows that arrived at their outcome.
        requests: Requests sent.
        retries: Requests that repeated an earlier one.
        splits: Requests that splitting has cost.
    """

    accepted: int = 0
    results: list[RowResult] = attrs.field(factory=list[RowResult])
    requests: int = 0
    retries: int = 0
    splits: int = 0

    @property
    def done(self) -> int:
        """Rows that arrived at their outcome."""
        return self.accepted + len(self.results)


@attrs.define(eq=False)
class Ceiling:
    """The largest body that the server takes, learned from its refusals.

    Whether the server counts rows or bytes is not known; halving the bytes serves for both.

    Attributes:
        max_bytes: Most bytes of a body; ``None`` until a refusal has told.
    """

    max_bytes: int | None = None

    def learn(self, rows: Sequence[EncodedRow]) -> None:
        """Take note that a body of these rows was too large."""
        half = sum(len(row.body) for row in rows) // 2
        self.max_bytes = half if self.max_bytes is None else min(half, self.max_bytes)

    def parts(self, rows: Sequence[EncodedRow]) -> Sequence[Sequence[EncodedRow]]:
        """Cut rows into bodies below the ceiling; a larger row makes a body of its own."""
        if self.max_bytes is None:
            return [rows]
        parts: list[list[EncodedRow]] = []
        room = 0
        for row in rows:
            if not parts or len(row.body) > room:
                parts.append([])
                room = self.max_bytes
            parts[-1].append(row)
            room -= len(row.body)
        return parts


@attrs.frozen(kw_only=True, eq=False)
class Delivery:
    """Delivers batches into one group.

    Attributes:
        transport: Sends single attempts.
        group_id: The group.
        permits: Limits the requests on the wire; sleeping retries hold none.
        timeout: Seconds that one attempt may take.
        max_outage: Seconds of failures after which the import stops.
        policy: Backoff between attempts; their number is not limited.
        ceiling: What is known of the largest body that the server takes.
    """

    transport: Transport
    group_id: int
    permits: anyio.Semaphore
    timeout: float
    max_outage: float
    policy: RetryPolicy
    ceiling: Ceiling = attrs.field(factory=Ceiling)

    async def deliver(self, rows: Sequence[EncodedRow], tally: Tally) -> None:
        """Bring every row to an outcome.

        Args:
            rows: The batch; its keys are unique.
            tally: Filled as outcomes arrive, so that it is true also when this raises.

        Raises:
            CleverReachError: The import cannot go on; rows not in the tally were not stored, as
                far as anyone can know.
        """
        missing = await self._send(rows, UPSERTPLUS, tally)
        if missing:
            await self._second_look(missing, tally)

    async def _send_parts(
        self, parts: Sequence[Sequence[EncodedRow]], verb: str, tally: Tally
    ) -> list[EncodedRow]:
        """Send parts one after the other; returns the rows that their answers do not show."""
        missing: list[EncodedRow] = []
        for part in parts:
            missing += await self._send(part, verb, tally)
        return missing

    async def _send(self, rows: Sequence[EncodedRow], verb: str, tally: Tally) -> list[EncodedRow]:
        """Send rows until they are answered; returns those that the answer does not show."""
        parts = self.ceiling.parts(rows)
        if len(parts) > 1:
            return await self._send_parts(parts, verb, tally)
        outage = _Outage(self.transport.clock, self.max_outage)
        unreadable = 0
        while rows:
            try:
                response = await self._attempt(rows, verb, tally)
            except CleverReachError as error:
                match judge(error):
                    case Verdict.STOP:
                        raise
                    case Verdict.SHRINK if len(rows) > 1:
                        self.ceiling.learn(rows)
                        return await self._send(rows, verb, tally)
                    case Verdict.SHRINK | Verdict.SPLIT:
                        return await self._split(rows, verb, error, tally)
                    case Verdict.REPEAT:
                        rows = _still_to_send(rows, error, f"{_PATH}/{verb}", tally)
                        outage.check(error)
                        await self._back_off(error, outage.failures)
                        tally.retries += bool(rows)
                        continue
            missing = self._match(rows, response, tally)
            if missing is not None:
                return missing
            unreadable += 1
            if unreadable >= _UNREADABLE_ANSWERS:
                tally.results += [_doubtful(row, "the answers are no JSON") for row in rows]
                return []
            rows = _set_aside_doubtful(rows, tally)
            tally.retries += bool(rows)
        return []

    async def _attempt(self, rows: Sequence[EncodedRow], verb: str, tally: Tally) -> Response:
        request = build_request("POST", f"{_PATH}/{verb}", path={"group_id": self.group_id})
        request = attrs.evolve(request, content=join_rows(rows))
        async with self.permits:
            tally.requests += 1
            return await self.transport.call_once(
                request, timeout=self.timeout, max_wait=self.max_outage
            )

    def _match(
        self, rows: Sequence[EncodedRow], response: Response, tally: Tally
    ) -> list[EncodedRow] | None:
        """Tally what the answer shows; returns the rows it does not, ``None`` if unreadable."""
        items = read_items(response)
        if items is None:
            return None
        matched = match_rows(rows, items)
        tally.accepted += len(matched.accepted)
        tally.results += [refusal(row, words) for row, words in matched.refused]
        return matched.missing

    async def _second_look(self, missing: Sequence[EncodedRow], tally: Tally) -> None:
        """Ask about rows that an answer left out, by the call that says of each row what it did.

        Orders stay at home: if the first call stored them, they would be stored twice. So such a
        row is refused for a reason or remains unknown.
        """
        looks = Tally()
        by_number = {row.number: row for row in missing}
        try:
            gone = await self._send([without_orders(row) for row in missing], UPSERT, looks)
        finally:
            tally.requests += looks.requests
            tally.retries += looks.retries + 1
        refused = {result.row: result for result in looks.results}
        absent = {row.number for row in gone}
        for number, row in by_number.items():
            if number in refused:
                result = refused[number]
                tally.results.append(attrs.evolve(result, receiver=row.body))
            elif number in absent:
                tally.results.append(_not_returned(row))
            elif row.repeatable:
                tally.accepted += 1
            else:
                tally.results.append(_doubtful(row, "the answer does not show its orders"))

    async def _split(
        self, rows: Sequence[EncodedRow], verb: str, error: CleverReachError, tally: Tally
    ) -> list[EncodedRow]:
        """Send the parts of a refused batch, so that one row does not take the others down."""
        if len(rows) == 1 or tally.splits >= _MOST_SPLITS:
            code = "refused" if len(rows) == 1 else "refused_with_batch"
            words = mask_emails(getattr(error, "message", str(error)))
            tally.results += [
                RowResult(row.number, row.line, Outcome.REJECTED, code, words, receiver=row.body)
                for row in rows
            ]
            return []
        tally.splits += _PARTS
        size = -(-len(rows) // _PARTS)
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        return await self._send_parts(parts, verb, tally)

    async def _back_off(self, error: CleverReachError, failures: int) -> None:
        """Wait before the next attempt; longer when the account's retry budget is spent."""
        fault = classify(error) or Fault.THROTTLED
        transport = self.transport
        if getattr(error, "retry_after", None) is not None:
            return  # the gate keeps this wait, for everybody
        wait = wait_before(
            self.policy,
            Fault.THROTTLED if pushes_back(error) else fault,
            attempt=failures,
            retry_after=None,
            rng=transport.rng,
        )
        if not transport.spend(fault):
            wait = max(wait, self.policy.cap / 2)
        await transport.clock.sleep(wait)


class _Outage:
    """Counts the failures of one batch and ends the import when they last too long."""

    def __init__(self, clock: Clock, max_outage: float) -> None:
        self._clock = clock
        self._max_outage = max_outage
        self._since = 0.0
        self.failures = 0

    def check(self, error: CleverReachError) -> None:
        """Count a failure.

        Raises:
            CleverReachError: The same error, when failures last for ``max_outage``, or the server
                asks for a longer wait than that.
        """
        now = self._clock.monotonic()
        if not self.failures:
            self._since = now
        self.failures += 1
        told: float = getattr(error, "retry_after", None) or 0.0
        if max(now - self._since, told) >= self._max_outage:
            error.add_note(f"waiting longer than {self._max_outage:g} s is not allowed for")
            raise error


def _still_to_send(
    rows: Sequence[EncodedRow], error: CleverReachError, path: str, tally: Tally
) -> Sequence[EncodedRow]:
    """Return the rows that may be sent again after the call of ``path`` failed."""
    if classify(error) is not Fault.AMBIGUOUS or is_of_another_call(error, path):
        return rows
    return _set_aside_doubtful(rows, tally)


def _set_aside_doubtful(rows: Sequence[EncodedRow], tally: Tally) -> Sequence[EncodedRow]:
    """Return the rows that may be sent again after an answer was lost; the others are unknown."""
    doubt = "no usable answer came, and sending its orders again could store them twice"
    tally.results += [_doubtful(row, doubt) for row in rows if not row.repeatable]
    return [row for row in rows if row.repeatable]


def _doubtful(row: EncodedRow, message: str) -> RowResult:
    return RowResult(
        row.number, row.line, Outcome.UNKNOWN, "unknown_outcome", message, receiver=row.body
    )


def _not_returned(row: EncodedRow) -> RowResult:
    return RowResult(
        row.number,
        row.line,
        Outcome.REJECTED,
        "not_returned",
        "the server's answers do not show this receiver",
        receiver=row.body,
    )
