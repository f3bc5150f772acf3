"""Send one batch and decide the result of every row.

A batch that fails is resent, sent in parts, or looked up, whichever is safe for its rows.
"""

import logging
from collections.abc import Sequence
from typing import Final

import anyio
import attrs

from cleverreach_async.bulk.delivery.attempts import Attempts, Failure
from cleverreach_async.bulk.delivery.look_up import resolve_missing, settle_doubts
from cleverreach_async.bulk.delivery.lost_values import lost_values
from cleverreach_async.bulk.delivery.matching import code_of, match_rows, read_items
from cleverreach_async.bulk.journal.rowset import RowSet
from cleverreach_async.bulk.outcomes.batch_result import BatchResult
from cleverreach_async.bulk.rows import (
    EncodedRow,
    failed,
    not_returned,
    receiver_json,
    rejected,
    repeatable_part,
    unknown,
)
from cleverreach_async.bulk.strategies import UPSERT, UPSERTPLUS, Strategy
from cleverreach_async.transport.wire import Response

__all__ = ["Delivery"]

_log: Final = logging.getLogger("cleverreach_async")

_PARTS: Final = 4
_MOST_SPLITS_OF_A_BATCH: Final = 64
_FREE_SPLITS: Final = 256
_SPLIT_SHARE: Final = 0.05
_UNREADABLE_RESPONSES: Final = 3


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

    async def deliver(self, rows: Sequence[EncodedRow], result: BatchResult) -> None:
        """Send one batch and decide the result of every row.

        Args:
            rows: The batch; its keys are unique.
            result: Filled as responses arrive.

        Raises:
            StopRequestedError: The import is to stop.
            CleverReachError: The import cannot continue. In both cases rows without a result were
                not stored, except those in doubt.
        """
        if self.doubtful:
            result.doubt(row for row in rows if row.number in self.doubtful)
            rows = await self._settle_doubts(rows, result)
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
        errors: list[Exception] = []
        before = self.attempts.state.succeeded

        async def send(part: Sequence[EncodedRow]) -> None:
            try:
                missing.extend(await self._send(part, call, result, suspected_at=before))
            except Exception as error:  # noqa: BLE001 - raised below; must not cancel the others
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
        unreadable = 0
        while rows:
            outcome = await self.attempts.send(rows, call, self.group_id, result)
            if isinstance(outcome, Failure):
                if outcome.diagnosis.stops_import:
                    raise outcome.error
                if outcome.diagnosis.fault is None:
                    return await self._divide(rows, call, outcome, result)
                await self.attempts.wait_after(outcome, streak)
                rows = await self._to_resend(rows, result)
                if rows and self.attempts.suspects_rows(streak):
                    return await self._split(rows, call, outcome, result)
                continue
            missing = self._match(rows, call, outcome, result)
            if missing is not None:
                return missing
            unreadable += 1
            rows = await self._after_unreadable(rows, unreadable, result)
        return []

    def _match(
        self, rows: Sequence[EncodedRow], call: Strategy, response: Response, result: BatchResult
    ) -> list[EncodedRow] | None:
        """Record what a response shows; returns the rows it does not, ``None`` if unreadable."""
        if call.true_is_all and response.content.strip() == b"true":
            result.accepted += rows
            return []
        items = read_items(response)
        if items is None:
            return None
        matched = match_rows(rows, items)
        result.accepted += matched.accepted
        if self.notes_lost_values and call is UPSERTPLUS:
            result.remarks += lost_values(matched.accepted, response)
        if matched.unexpected:
            result.unexpected += matched.unexpected
            _log.warning("%d items of a response match no row sent", matched.unexpected)
        for row, words in matched.refused:
            if call.shows_earlier_execution(words) and row.number in result.resent:
                result.accepted.append(row)
            else:
                result.results.append(rejected(row, code_of(words), words))
        # It is unknown whether these are stored until the server was asked again.
        result.doubt(matched.missing)
        return matched.missing

    async def _after_unreadable(
        self, rows: Sequence[EncodedRow], times: int, result: BatchResult
    ) -> Sequence[EncodedRow]:
        """Treat a response that is not JSON like none, and give up after several of them."""
        result.doubt(rows)
        # It may be from a gateway, while the server behind it is still working.
        await self.attempts.sleep(self.attempts.settle)
        if times >= _UNREADABLE_RESPONSES:
            result.results += [unknown(row, "the responses are not JSON") for row in rows]
            return []
        return await self._to_resend(rows, result)

    async def _to_resend(
        self, rows: Sequence[EncodedRow], result: BatchResult
    ) -> Sequence[EncodedRow]:
        """Return the rows that may be sent again, after looking up those in doubt."""
        rows = await self._settle_doubts(rows, result)
        result.retries += bool(rows)
        return rows

    async def _settle_doubts(
        self, rows: Sequence[EncodedRow], result: BatchResult
    ) -> list[EncodedRow]:
        return await settle_doubts(self.attempts.query, self.group_id, rows, result)

    async def _divide(
        self, rows: Sequence[EncodedRow], call: Strategy, failure: Failure, result: BatchResult
    ) -> list[EncodedRow]:
        """Send a batch that was refused as a whole in smaller ones."""
        if failure.diagnosis.body_too_large and len(rows) > 1:
            self.attempts.body_size.refused(rows)
            return await self._send(rows, call, result)
        return await self._split(rows, call, failure, result)

    async def _split(
        self, rows: Sequence[EncodedRow], call: Strategy, failure: Failure, result: BatchResult
    ) -> list[EncodedRow]:
        """Send the parts of a failing batch, so that one bad row does not fail the others."""
        state = self.attempts.state
        is_last = len(rows) == 1
        may_split = state.splits < _FREE_SPLITS + _SPLIT_SHARE * state.requests
        if is_last or result.splits >= _MOST_SPLITS_OF_A_BATCH or not may_split:
            result.results += [failed(row, failure.error, alone=is_last) for row in rows]
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
            await resolve_missing(self.attempts.query, self.group_id, missing, result)
            return
        call = UPSERT if self.strategy is UPSERTPLUS else self.strategy
        again = BatchResult(resent={row.number for row in missing})
        try:
            gone = await self._send([repeatable_part(row) for row in missing], call, again)
        finally:
            result.requests += again.requests
            result.retries += again.retries + 1
        rows = {row.number: row for row in missing}
        result.results += [
            attrs.evolve(refusal, receiver=receiver_json(rows[refusal.row]))
            for refusal in again.results
        ]
        result.results += [not_returned(rows[row.number]) for row in gone]
        found = [rows[row.number] for row in again.accepted]
        result.accepted += [row for row in found if row.repeatable]
        in_part = [row for row in found if not row.repeatable]
        if in_part:
            await resolve_missing(self.attempts.query, self.group_id, in_part, result)
