"""Bring one batch to its outcome: send, judge the answer, repeat or split where that is safe.

The importer's batches are retried here and nowhere else: each attempt is a single call through the
account's gate and budget.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Final

import anyio
import attrs

from cleverreach_async.bulk.delivery.answers import code_of, match_rows, read_items
from cleverreach_async.bulk.delivery.batch_result import Tally
from cleverreach_async.bulk.delivery.body_size import Ceiling
from cleverreach_async.bulk.delivery.failure_streak import Trouble, Verdict, judge, throttles
from cleverreach_async.bulk.delivery.look_up import judge_missing, settle_doubts
from cleverreach_async.bulk.journal.rowset import RowSet
from cleverreach_async.bulk.pacing.limiter import Hold, Permits
from cleverreach_async.bulk.rows import (
    EncodedRow,
    blamed,
    join_rows,
    not_returned,
    receiver_json,
    rejected,
    unknown,
    without_orders,
)
from cleverreach_async.bulk.strategies import UPSERT, UPSERTPLUS, Strategy
from cleverreach_async.errors import CleverReachError, InternalServerError
from cleverreach_async.transport.retry import (
    Fault,
    RetryPolicy,
    classify,
    is_of_another_call,
    pushes_back,
    wait_before,
)
from cleverreach_async.transport.stop import Stop, StopRequestedError
from cleverreach_async.transport.transport import Transport, Watch
from cleverreach_async.transport.wire import Request, Response, build_request

__all__ = ["Delivery", "Lessons"]

_log: Final = logging.getLogger("cleverreach_async")

_PARTS: Final = 4
_MOST_SPLITS: Final = 64
_FREE_SPLITS: Final = 256
_SPLIT_SHARE: Final = 0.05
_UNREADABLE_ANSWERS: Final = 3


@attrs.define(eq=False)
class Lessons:
    """What the batches of an import learn from one another.

    Attributes:
        ceiling: The largest body that the server takes.
        closings: How often the account's gate had closed when last looked at.
        answered: Batches answered well so far.
        requests: Requests sent so far.
        splits: Requests that splitting has cost so far.
    """

    ceiling: Ceiling = attrs.field(factory=Ceiling)
    closings: int = 0
    answered: int = 0
    requests: int = 0
    splits: int = 0

    @property
    def may_split(self) -> bool:
        """Whether the import as a whole can afford further splitting."""
        return self.splits < _FREE_SPLITS + _SPLIT_SHARE * self.requests


@attrs.frozen(kw_only=True, eq=False)
class Delivery:
    """Delivers batches into one group.

    Attributes:
        transport: Sends single attempts.
        group_id: The group.
        strategy: The batch call.
        permits: Limits the requests on the wire; sleeping retries hold none.
        stop: Ends waits when the import is to stop.
        timeout: Seconds that one attempt may take.
        max_outage: Seconds of failures after which the import stops.
        settle: Seconds after which a request without an answer has surely ended on the server.
        policy: Backoff between attempts; their number is not limited.
        doubtful: Rows that an earlier run may have stored.
        lessons: What batches learn from one another.
    """

    transport: Transport
    group_id: int
    strategy: Strategy = UPSERTPLUS
    permits: Permits
    stop: Stop
    timeout: float
    max_outage: float
    settle: float
    policy: RetryPolicy
    doubtful: RowSet = attrs.field(factory=RowSet)
    lessons: Lessons = attrs.field(factory=Lessons)

    async def deliver(self, rows: Sequence[EncodedRow], tally: Tally) -> None:
        """Bring every row to an outcome.

        Args:
            rows: The batch; its keys are unique.
            tally: Filled as outcomes arrive.

        Raises:
            StopRequestedError: The import is to stop.
            CleverReachError: The import cannot go on. Either way rows without outcome were not
                stored, except those in doubt.
        """
        if self.doubtful:
            tally.doubt(row for row in rows if row.number in self.doubtful)
            rows = await settle_doubts(self._ask, self.group_id, rows, tally)
        missing = await self._send(rows, self.strategy, tally) if rows else []
        if missing:
            await self._second_look(missing, tally)

    async def _send_parts(
        self, parts: Sequence[Sequence[EncodedRow]], call: Strategy, tally: Tally
    ) -> list[EncodedRow]:
        """Send parts one after the other; returns the rows that their answers do not show."""
        missing: list[EncodedRow] = []
        for part in parts:
            missing += await self._send(part, call, tally)
        return missing

    async def _send_beside(
        self, parts: Sequence[Sequence[EncodedRow]], call: Strategy, tally: Tally
    ) -> list[EncodedRow]:
        """Send suspects at the same time: those that succeed show that the others are to blame."""
        missing: list[EncodedRow] = []
        errors: list[Exception] = []
        before = self.lessons.answered

        async def send(part: Sequence[EncodedRow]) -> None:
            try:
                missing.extend(await self._send(part, call, tally, suspected_at=before))
            except Exception as error:  # noqa: BLE001 - raised below; the others are not broken off
                errors.append(error)

        async with anyio.create_task_group() as tasks:
            for part in parts:
                tasks.start_soon(send, part)
        if errors:
            raise errors[0]
        return missing

    async def _send(
        self,
        rows: Sequence[EncodedRow],
        call: Strategy,
        tally: Tally,
        *,
        suspected_at: int | None = None,
    ) -> list[EncodedRow]:
        """Send rows until they are answered; returns those that the answer does not show."""
        parts = self.lessons.ceiling.parts(rows)
        if len(parts) > 1:
            return await self._send_parts(parts, call, tally)
        trouble = Trouble(self.max_outage, suspected_at)
        unreadable = 0
        while rows:
            try:
                response = await self._attempt(rows, call, tally)
            except CleverReachError as error:
                verdict = judge(error)
                if verdict is Verdict.STOP:
                    raise
                if verdict is not Verdict.REPEAT:
                    return await self._divide(rows, call, error, tally)
                rows = await self._try_again(rows, call, error, trouble, tally)
                if rows and self._suspects(trouble):
                    return await self._split(rows, call, error, tally)
                continue
            missing = self._match(rows, call, response, tally)
            if missing is not None:
                return missing
            unreadable += 1
            rows = await self._after_unreadable(rows, unreadable, tally)
        return []

    async def _attempt(self, rows: Sequence[EncodedRow], call: Strategy, tally: Tally) -> Response:
        if self.stop.requested:
            raise StopRequestedError
        request = build_request(call.method, call.path, path={"group_id": self.group_id})
        request = attrs.evolve(request, content=join_rows(rows))
        async with self.permits.hold(len(rows), self.stop) as hold:
            started = self.transport.clock.monotonic()
            watch = Watch(partial(self._note_sent, hold, rows, tally), self.stop)
            try:
                response = await self.transport.call_once(
                    request, timeout=self.timeout, max_wait=self.max_outage, watch=watch
                )
            except CleverReachError as error:
                status: int | None = getattr(error, "status_code", None)
                self.transport.tell(request, status, tally.requests, started, None)
                if throttles(error):
                    hold.pushed_back()
                if not _is_lost(error, call):
                    tally.trust(rows)
                raise
            tally.trust(rows)
            self.transport.tell(request, response.status_code, tally.requests, started, None)
            self._note_answered(hold, len(rows))
        return response

    def _note_sent(self, hold: Hold, rows: Sequence[EncodedRow], tally: Tally) -> None:
        hold.sent()
        tally.doubt(rows)
        tally.requests += 1
        self.lessons.requests += 1

    def _note_answered(self, hold: Hold, rows: int) -> None:
        lessons, gate = self.lessons, self.transport.own_account().gate
        if gate.closings != lessons.closings:
            lessons.closings = gate.closings
            self.permits.reopened()
        hold.succeeded(rows)
        lessons.answered += 1
        lessons.ceiling.accepted()

    def _match(
        self, rows: Sequence[EncodedRow], call: Strategy, response: Response, tally: Tally
    ) -> list[EncodedRow] | None:
        """Tally what the answer shows; returns the rows it does not, ``None`` if unreadable."""
        if call.true_is_all and response.content.strip() == b"true":
            tally.accepted += rows
            return []
        items = read_items(response)
        if items is None:
            return None
        matched = match_rows(rows, items)
        tally.accepted += matched.accepted
        if matched.unexpected:
            tally.unexpected += matched.unexpected
            _log.warning("%d items of an answer belong to no row sent", matched.unexpected)
        for row, words in matched.refused:
            if _was_done_before(call, words) and row.number in tally.replayed:
                tally.accepted.append(row)
            else:
                tally.results.append(rejected(row, code_of(words), words))
        # Until the second look has told, nobody knows whether they are stored.
        tally.doubt(matched.missing)
        return matched.missing

    async def _try_again(
        self,
        rows: Sequence[EncodedRow],
        call: Strategy,
        error: CleverReachError,
        trouble: Trouble,
        tally: Tally,
    ) -> Sequence[EncodedRow]:
        """Wait until the rows may be sent again; returns those for which that is safe."""
        trouble.count(error, now=self.transport.clock.monotonic(), answered=self.lessons.answered)
        wait = self._wait_after(error, trouble.failures)
        with self.stop.ending_waits():
            least = self.settle if _is_lost(error, call) else 0.0
            await self.transport.clock.sleep(max(wait, least))
        return await self._again(rows, tally)

    async def _after_unreadable(
        self, rows: Sequence[EncodedRow], times: int, tally: Tally
    ) -> Sequence[EncodedRow]:
        """An answer that is no JSON is as good as none; so many of them are no accident."""
        tally.doubt(rows)
        # It may be a gateway's, and the server behind it still at work.
        with self.stop.ending_waits():
            await self.transport.clock.sleep(self.settle)
        if times >= _UNREADABLE_ANSWERS:
            tally.results += [unknown(row, "the answers are no JSON") for row in rows]
            return []
        return await self._again(rows, tally)

    async def _again(self, rows: Sequence[EncodedRow], tally: Tally) -> Sequence[EncodedRow]:
        """Return the rows that are sent again, after those in doubt were looked up."""
        rows = await settle_doubts(self._ask, self.group_id, rows, tally)
        tally.retries += bool(rows)
        return rows

    async def _ask(self, request: Request) -> Response:
        """Send a look-up, as patiently as the rows themselves, and ended by a stop as they are."""
        trouble = Trouble(self.max_outage)
        watch = Watch(stop=self.stop)
        while True:
            try:
                return await self.transport.call_once(
                    request, timeout=self.timeout, max_wait=self.max_outage, watch=watch
                )
            except CleverReachError as error:
                if self.stop.aborted:
                    raise StopRequestedError from error
                if judge(error) is not Verdict.REPEAT:
                    raise
                now, answered = self.transport.clock.monotonic(), self.lessons.answered
                trouble.count(error, now=now, answered=answered)
                wait = self._wait_after(error, trouble.failures)
            with self.stop.ending_waits():
                await self.transport.clock.sleep(wait)

    def _wait_after(self, error: CleverReachError, failures: int) -> float:
        """Seconds before the next attempt; more when the account's retry budget is spent."""
        fault = classify(error) or Fault.THROTTLED
        if getattr(error, "retry_after", None) is not None:
            return 0.0  # the gate keeps this wait, for everybody
        wait = wait_before(
            self.policy,
            Fault.THROTTLED if pushes_back(error) else fault,
            attempt=failures,
            retry_after=None,
            rng=self.transport.rng,
        )
        return wait if self.transport.spend(fault) else max(wait, self.policy.cap / 2)

    def _suspects(self, trouble: Trouble) -> bool:
        """Whether the rows seem to be to blame; behind a closed gate the server is."""
        gate = self.transport.own_account().gate
        return not gate.closed and trouble.suspects_rows(self.lessons.answered)

    async def _divide(
        self,
        rows: Sequence[EncodedRow],
        call: Strategy,
        error: CleverReachError,
        tally: Tally,
    ) -> list[EncodedRow]:
        """Send a batch that was refused as a whole in smaller ones."""
        if judge(error) is Verdict.SHRINK and len(rows) > 1:
            self.lessons.ceiling.refused(rows)
            return await self._send(rows, call, tally)
        return await self._split(rows, call, error, tally)

    async def _split(
        self,
        rows: Sequence[EncodedRow],
        call: Strategy,
        error: CleverReachError,
        tally: Tally,
    ) -> list[EncodedRow]:
        """Send the parts of a refused batch, so that one row does not take the others down."""
        lessons = self.lessons
        is_last = len(rows) == 1
        if is_last or tally.splits >= _MOST_SPLITS or not lessons.may_split:
            tally.results += [blamed(row, error, alone=is_last) for row in rows]
            return []
        tally.splits += _PARTS
        lessons.splits += _PARTS
        size = -(-len(rows) // _PARTS)
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        if isinstance(error, InternalServerError):
            return await self._send_beside(parts, call, tally)
        return await self._send_parts(parts, call, tally)

    async def _second_look(self, missing: Sequence[EncodedRow], tally: Tally) -> None:
        """Ask about rows that an answer left out, by the call that says of each row what it did.

        Orders stay at home: if the first call stored them, they would be stored twice.
        """
        if not self.strategy.repeatable:
            await judge_missing(self._ask, self.group_id, missing, tally)
            return
        call = UPSERT if self.strategy is UPSERTPLUS else self.strategy
        looks = Tally(replayed={row.number for row in missing})
        try:
            gone = await self._send([without_orders(row) for row in missing], call, looks)
        finally:
            tally.requests += looks.requests
            tally.retries += looks.retries + 1
        rows = {row.number: row for row in missing}
        tally.results += [
            attrs.evolve(result, receiver=receiver_json(rows[result.row]))
            for result in looks.results
        ]
        tally.results += [not_returned(rows[row.number]) for row in gone]
        found = [rows[row.number] for row in looks.accepted]
        tally.accepted += [row for row in found if row.repeatable]
        with_orders = [row for row in found if not row.repeatable]
        if with_orders:
            await judge_missing(self._ask, self.group_id, with_orders, tally)


def _is_lost(error: CleverReachError, call: Strategy) -> bool:
    """Whether the call itself may have been executed although no answer came."""
    return classify(error) is Fault.AMBIGUOUS and not is_of_another_call(error, call.path)


def _was_done_before(call: Strategy, words: str) -> bool:
    return bool(call.done_before) and call.done_before in words.lower()
