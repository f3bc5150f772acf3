"""Send one batch and decide the result of every row.

A batch that fails is resent, sent in parts, or looked up, whichever is safe for its rows.
"""

import logging
from collections.abc import Sequence
from typing import Final

import anyio
import attrs

from cleverreach_async.bulk.delivery.attempts import UNREADABLE_RESPONSES, Attempts, Failure
from cleverreach_async.bulk.delivery.look_up import LookUps
from cleverreach_async.bulk.delivery.lost_values import lost_values
from cleverreach_async.bulk.delivery.matching import Matched, code_of, match_rows
from cleverreach_async.bulk.delivery.response_items import read_in_steps
from cleverreach_async.bulk.journal.rowset import RowSet
from cleverreach_async.bulk.outcomes.batch_result import BatchResult
from cleverreach_async.bulk.rows import (
    EncodedRow,
    failed,
    not_shown,
    receiver_json,
    rejected,
    repeatable_part,
    unknown,
)
from cleverreach_async.bulk.strategies import UPSERT, UPSERTPLUS, Strategy
from cleverreach_async.errors import ResponseDecodeError
from cleverreach_async.transport.hiding import hide
from cleverreach_async.transport.wire import Response

__all__ = ["Delivery"]

_log: Final = logging.getLogger("cleverreach_async")

_PARTS: Final = 4
_MOST_SPLITS_OF_A_BATCH: Final = 64
_FREE_SPLITS: Final = 256
_SPLIT_SHARE: Final = 0.05


@attrs.frozen(kw_only=True, eq=False)
class Delivery:
    """Delivers batches to one group.

    Attributes:
        attempts: Sends single requests.
        group_id: The group.
        strategy: The batch call.
        doubtful: Rows that an earlier run may have stored.
        notes_lost_values: Whether responses are searched for values that were not stored.
    """

    attempts: Attempts
    group_id: int
    strategy: Strategy = UPSERTPLUS
    doubtful: RowSet = attrs.field(factory=RowSet)
    notes_lost_values: bool = False

    def begin(self, rows: Sequence[EncodedRow], result: BatchResult) -> None:
        """Record which rows of a batch an earlier run may have stored, before it is sent."""
        if self.doubtful:
            result.doubt(row for row in rows if row.number in self.doubtful)

    async def deliver(self, rows: Sequence[EncodedRow], result: BatchResult) -> None:
        """Send one batch and decide the result of every row.

        Args:
            rows: The batch; its keys are unique.
            result: What :meth:`begin` has prepared; filled as responses arrive.

        Raises:
            StopRequestedError: The import is to stop.
            CleverReachError: The import cannot continue. In both cases rows without a result were
                not stored, except those in doubt.
        """
        if result.in_doubt:
            rows = await self._look_ups.settle_doubts(rows, result)
        missing = await self._send(rows, self.strategy, result) if rows else []
        if missing:
            await self._ask_again(missing, result)

    async def _send_parts(
        self, parts: Sequence[Sequence[EncodedRow]], call: Strategy, result: BatchResult
    ) -> list[EncodedRow]:
        """Send parts one after the other; returns the rows that the responses do not show."""
        missing: list[EncodedRow] = []
        for part in parts:
            missing += await self._send(part, call, result)
        return missing

    async def _send_suspects(
        self, parts: Sequence[Sequence[EncodedRow]], call: Strategy, result: BatchResult
    ) -> list[EncodedRow]:
        """Send parts concurrently: those that succeed show that others contain the bad row."""
        missing: list[EncodedRow] = []
        errors: list[BaseException] = []
        before = self.attempts.state.succeeded

        async def send(part: Sequence[EncodedRow]) -> None:
            try:
                missing.extend(await self._send(part, call, result, suspected_at=before))
            except BaseException as error:  # noqa: BLE001 - raised below; must not cancel the others
                # Cancellations too, which code of the caller may raise.
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
        result: BatchResult,
        *,
        suspected_at: int | None = None,
    ) -> list[EncodedRow]:
        """Send rows until there is a response; returns the rows that it does not show."""
        parts = self.attempts.body_size.parts(rows)
        if len(parts) > 1:
            return await self._send_parts(parts, call, result)
        streak = self.attempts.new_streak(suspected_at)
        unreadable = refused = 0
        while rows:
            outcome = await self.attempts.send(rows, call, self.group_id, result)
            if isinstance(outcome, Failure):
                refused += outcome.diagnosis.body_too_large
                if self._is_refused(rows, outcome, refused, result):
                    return await self._divide(rows, call, outcome, result)
                if not outcome.is_unreadable:
                    await self.attempts.wait_after(outcome, streak)
                    rows = await self._to_resend(rows, result)
                    if rows and self.attempts.suspects_rows(streak):
                        return await self._split(rows, call, outcome, result)
                    continue
            else:
                missing = await self._match(rows, call, outcome, result)
                await self.attempts.turns.take()  # to count the results takes as long
                if missing is not None:
                    return missing
            unreadable += 1
            rows = await self._after_unreadable(rows, unreadable, result)
        return []

    def _is_refused(
        self, rows: Sequence[EncodedRow], failure: Failure, times: int, result: BatchResult
    ) -> bool:
        """Return whether rows are refused as a whole, so that parts of them may be accepted.

        Args:
            rows: The rows.
            failure: The last failure.
            times: How often they were too large so far.
            result: The result of the batch.

        Raises:
            CleverReachError: No batch can succeed.
        """
        diagnosis = failure.diagnosis
        if diagnosis.body_too_large:
            return self._is_too_large(rows, failure, times, result)
        if isinstance(failure.error, ResponseDecodeError):  # it is unreadable
            self.attempts.proved_nothing(failure.error)
            return False
        if diagnosis.stops_import:
            raise failure.error
        return diagnosis.fault is None

    def _is_too_large(
        self, rows: Sequence[EncodedRow], failure: Failure, times: int, result: BatchResult
    ) -> bool:
        body_size, succeeded = self.attempts.body_size, self.attempts.state.succeeded
        if result.refused_at is None:
            result.refused_at = succeeded
        if not body_size.is_blamed(rows, times):
            return False
        if body_size.is_small_row(rows) and succeeded == result.refused_at:
            raise failure.error  # the server refuses everything
        return True

    async def _match(
        self, rows: Sequence[EncodedRow], call: Strategy, response: Response, result: BatchResult
    ) -> list[EncodedRow] | None:
        """Record what a response shows; returns the rows it does not, ``None`` if unreadable.

        Raises:
            ResponseDecodeError: It is one of many that show nothing.
        """
        if call.true_is_all and response.content.strip() == b"true":
            matched = Matched(accepted=list(rows))
        else:
            items = await read_in_steps(response, self.attempts.turns)
            if items is None:
                size = len(response.content)
                self._proved_nothing(call, f"not JSON ({response.kind}, {size} bytes)")
                return None
            matched = match_rows(rows, items, with_ids=result.ids is not None)
        self._record(matched, call, response, result)
        if matched.is_foreign:
            self._proved_nothing(call, "results of rows that were not sent")
        elif len(matched.missing) < len(rows):
            self.attempts.state.without_proof = 0
        return matched.missing

    def _record(
        self, matched: Matched, call: Strategy, response: Response, result: BatchResult
    ) -> None:
        """Record the results of rows; the others stay in doubt until the server is asked again."""
        result.accepted += matched.accepted
        for row, words in matched.refused:
            if call.shows_earlier_execution(words) and row.number in result.resent:
                result.accepted.append(row)
            else:
                shown = hide(words, response.secrets)
                result.results.append(rejected(row, code_of(words), shown))
        if result.ids is not None:
            result.ids |= matched.ids
        if self.notes_lost_values and call is UPSERTPLUS:
            result.remarks += lost_values(matched.accepted, response)
        if matched.unexpected:
            result.unexpected += matched.unexpected
            # A look-up tells which of the rows an item without an address means.
            if matched.foreign or (call.repeatable and matched.nameless):
                result.perhaps_shown.update(row.number for row in matched.missing)
            _log.warning("%d items of a response match no row sent", matched.unexpected)

    def _proved_nothing(self, call: Strategy, problem: str) -> None:
        error = ResponseDecodeError([problem], method=call.method, path=call.path)
        self.attempts.proved_nothing(error)

    async def _after_unreadable(
        self, rows: Sequence[EncodedRow], times: int, result: BatchResult
    ) -> Sequence[EncodedRow]:
        """Treat a response that cannot be read like none, and give up after several of them."""
        # It may be from a gateway, while the server behind it is still working.
        await self.attempts.sleep(self.attempts.settle)
        if times >= UNREADABLE_RESPONSES:
            result.results += [unknown(row, "the responses are not JSON") for row in rows]
            return []
        return await self._to_resend(rows, result)

    async def _to_resend(
        self, rows: Sequence[EncodedRow], result: BatchResult
    ) -> Sequence[EncodedRow]:
        """Return the rows that may be sent again, after looking up those in doubt."""
        rows = await self._look_ups.settle_doubts(rows, result)
        result.retries += bool(rows)
        return rows

    async def _divide(
        self,
        rows: Sequence[EncodedRow],
        call: Strategy,
        failure: Failure,
        result: BatchResult,
    ) -> list[EncodedRow]:
        """Send a batch that was refused as a whole in smaller ones."""
        if len(rows) == 1 or not failure.diagnosis.body_too_large:
            return await self._split(rows, call, failure, result)
        body_size = self.attempts.body_size
        body_size.refused(rows)
        return await self._send_parts(body_size.smaller_parts(rows), call, result)

    @property
    def _look_ups(self) -> LookUps:
        return LookUps(self.attempts, self.group_id)

    async def _split(
        self, rows: Sequence[EncodedRow], call: Strategy, failure: Failure, result: BatchResult
    ) -> list[EncodedRow]:
        """Send the parts of a failing batch, so that one bad row does not fail the others."""
        state = self.attempts.state
        may_split = state.splits < _FREE_SPLITS + _SPLIT_SHARE * state.requests
        if len(rows) == 1 or result.splits >= _MOST_SPLITS_OF_A_BATCH or not may_split:
            result.results += failed(rows, failure.error)
            return []
        result.splits += _PARTS
        state.splits += _PARTS
        size = -(-len(rows) // _PARTS)
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        if failure.diagnosis.server_error:
            return await self._send_suspects(parts, call, result)
        return await self._send_parts(parts, call, result)

    async def _ask_again(self, missing: Sequence[EncodedRow], result: BatchResult) -> None:
        """Send rows that a response left out by the call that reports on each row.

        Orders and relative values are not resent: the first call may have stored them already.
        """
        if not self.strategy.repeatable:
            await self._look_ups.resolve_missing(missing, result)
            return
        call = UPSERT if self.strategy is UPSERTPLUS else self.strategy
        again = BatchResult(resent={row.number for row in missing}, ids={})
        try:
            gone = await self._send([repeatable_part(row) for row in missing], call, again)
        finally:
            result.requests += again.requests
            result.retries += again.retries + 1
            result.unexpected += again.unexpected
        rows = {row.number: row for row in missing}
        perhaps_shown = result.perhaps_shown | again.perhaps_shown
        found = [rows[row.number] for row in again.accepted]
        result.results += [
            attrs.evolve(refusal, receiver=receiver_json(rows[refusal.row]))
            for refusal in again.results
        ]
        result.results += [
            not_shown(rows[row.number], perhaps=row.number in perhaps_shown) for row in gone
        ]
        result.accepted += [row for row in found if row.repeatable]
        in_part = [row for row in found if not row.repeatable]
        if in_part:
            await self._look_ups.resolve_missing(in_part, result, again.ids)
