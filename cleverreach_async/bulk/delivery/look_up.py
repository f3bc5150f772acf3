"""After a lost response: look up rows that must not be sent twice in the group itself."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote_plus

import attrs

from cleverreach_async.bulk.delivery.attempts import UNREADABLE_RESPONSES, Attempts
from cleverreach_async.bulk.delivery.evidence import Evidence, Profile, evidence_of
from cleverreach_async.bulk.outcomes.batch_result import BatchResult
from cleverreach_async.bulk.rows import EncodedRow, email_key, not_shown, unknown
from cleverreach_async.bulk.spellings import mailbox_of, spellings_of
from cleverreach_async.errors import APIStatusError, AuthenticationError, ResponseDecodeError
from cleverreach_async.resources.receiver_models import Detail
from cleverreach_async.transport.retry import diagnose
from cleverreach_async.transport.wire import (
    Request,
    as_list,
    as_object,
    build_request,
    decode_json,
)

__all__ = ["LookUps"]

_PATH: Final = "/groups/{group_id}/receivers"
# Addresses are part of the query, and a URL of a few thousand characters works everywhere.
_PER_QUERY: Final = 50
_MOST_CHARACTERS: Final = 3500


@attrs.frozen(eq=False)
class _Found:
    """Receivers that were found for rows, by number of the row.

    Attributes:
        certain: Those of the row's own address.
        similar: Those whose address may be another spelling of it.
    """

    certain: dict[int, Profile] = attrs.field(factory=dict[int, Profile])
    similar: dict[int, Profile] = attrs.field(factory=dict[int, Profile])

    def add(self, rows: Sequence[EncodedRow], profiles: Sequence[Profile]) -> None:
        """Match receivers to rows by address.

        Raises:
            ResponseDecodeError: There is a receiver that no row is meant for.
        """
        by_key: dict[str, Profile] = {}
        by_mailbox: dict[str, Profile] = {}
        mailboxes = {row.number: mailbox_of(row.key) for row in rows}
        wanted = {*mailboxes.values()}
        for profile in profiles:
            email = profile.get("email")
            key = email_key(email) if isinstance(email, str) else ""
            if mailbox_of(key) not in wanted:
                # If the server ignored email_list, every row would look absent.
                raise _foreign()
            by_key[key] = by_mailbox[mailbox_of(key)] = profile
        for row in rows:
            if row.key in by_key:
                self.certain[row.number] = by_key[row.key]
            elif mailboxes[row.number] in by_mailbox:
                self.similar[row.number] = by_mailbox[mailboxes[row.number]]

    def evidence_of(self, row: EncodedRow) -> Evidence:
        """Return what was found about a row."""
        if row.number in self.certain:
            return evidence_of(row, self.certain[row.number])
        return evidence_of(row, self.similar.get(row.number), is_certain=False)


@attrs.frozen(eq=False)
class LookUps:
    """Looks up rows in their group.

    Attributes:
        attempts: Sends single requests.
        group_id: The group.
    """

    attempts: Attempts
    group_id: int

    async def settle_doubts(
        self, rows: Sequence[EncodedRow], result: BatchResult
    ) -> list[EncodedRow]:
        """Look up rows in doubt; returns those that may be sent (again).

        Rows that may be sent any number of times need no look-up. Of the others, those that the
        server has are accepted, those that it does not have are returned, and the rest are unknown.

        Raises:
            StopRequestedError: The import is to stop; all rows stay in doubt.
            CleverReachError: The look-up failed; all rows stay in doubt.
        """
        again: list[EncodedRow] = []
        doubtful: list[EncodedRow] = []
        for row in rows:
            is_safe = row.repeatable or row.number not in result.in_doubt
            (again if is_safe else doubtful).append(row)
        for row, evidence in await self._collect_evidence(doubtful, result):
            if evidence is Evidence.STORED:
                result.accepted.append(row)
            elif evidence is Evidence.ABSENT:
                again.append(row)
            else:
                doubt = "no usable response arrived, and resending could store something twice"
                result.results.append(unknown(row, doubt))
        result.resent |= result.in_doubt & {row.number for row in again}
        result.clear_doubt(rows)
        return again

    async def resolve_missing(
        self,
        rows: Sequence[EncodedRow],
        result: BatchResult,
        ids: Mapping[int, int] | None = None,
    ) -> None:
        """Look up rows that a response does not show and that must not be sent again.

        Args:
            rows: The rows.
            result: Gets their results.
            ids: The server's ids of receivers, by number of the row, as far as they are known.
        """
        for row, evidence in await self._collect_evidence(rows, result, ids):
            if evidence is Evidence.STORED:
                result.accepted.append(row)
            elif evidence is Evidence.ABSENT:
                is_perhaps = row.number in result.perhaps_shown
                result.results.append(not_shown(row, perhaps=is_perhaps))
            else:
                result.results.append(unknown(row, "the responses do not show what was stored"))

    async def _collect_evidence(
        self,
        rows: Sequence[EncodedRow],
        result: BatchResult,
        ids: Mapping[int, int] | None = None,
    ) -> list[tuple[EncodedRow, Evidence]]:
        if not rows:
            return []
        try:
            found = await self._find(rows, result, ids or {})
        except (APIStatusError, ResponseDecodeError) as error:
            is_temporary = diagnose(error, error.path).fault is not None
            is_temporary = is_temporary or self.attempts.gets_no_proof
            if isinstance(error, AuthenticationError) or is_temporary:
                raise  # this says nothing about the rows; a later run may look them up
            return [(row, Evidence.UNCLEAR) for row in rows]
        return [(row, found.evidence_of(row)) for row in rows]

    async def _find(
        self, rows: Sequence[EncodedRow], result: BatchResult, ids: Mapping[int, int]
    ) -> _Found:
        """Return the receivers of the group that rows are meant for.

        One that is not found by its address is asked for by its id, if that is known: the server
        may have stored the address in a spelling of its own.

        Raises:
            ResponseDecodeError: A response contains other receivers, so it proves nothing.
            CleverReachError: A look-up failed.

        ``GET /groups/{group_id}/receivers``
        """
        found = _Found()
        for part in _parts([(row, spellings_of(row.key)) for row in rows]):
            wanted = [spelling for _, spellings in part for spelling in spellings]
            listed = await self._list(result, email_list=wanted)
            found.add([row for row, _ in part], listed)
        # Several rows with one id would say that the server does not tell.
        once = {number for number, times in Counter(ids.values()).items() if times == 1}
        others = [
            row for row in rows if row.number not in found.certain and ids.get(row.number) in once
        ]
        for part in _parts([(row, [str(ids[row.number])]) for row in others]):
            by_id = {values[0]: row for row, values in part}
            for profile in await self._list(result, id_list=list(by_id)):
                row = by_id.get(str(profile.get("id")))
                if row is None:
                    raise _foreign()
                found.certain[row.number] = profile
        return found

    async def _list(self, result: BatchResult, **wanted: Sequence[str]) -> list[Profile]:
        count = sum(map(len, wanted.values()))
        request = build_request(
            "GET",
            _PATH,
            path={"group_id": self.group_id},
            query={**wanted, "detail": int(Detail.ORDERS), "pagesize": 2 * count},
        )
        return [as_object(item) for item in as_list(await self._ask(request, result))]

    async def _ask(self, request: Request, result: BatchResult) -> Any:
        """Return the decoded response; one that is not JSON is treated like none."""
        unreadable = 0
        while True:
            result.requests += 1
            response = await self.attempts.query(request)
            try:
                return decode_json(response, request)
            except ResponseDecodeError as error:
                self.attempts.proved_nothing(error)
                unreadable += 1
                if unreadable >= UNREADABLE_RESPONSES:
                    raise
            await self.attempts.sleep(self.attempts.settle)


def _parts(
    wanted: Sequence[tuple[EncodedRow, list[str]]],
) -> Iterator[list[tuple[EncodedRow, list[str]]]]:
    """Divide rows into queries whose URLs are not too long."""
    part: list[tuple[EncodedRow, list[str]]] = []
    size = 0
    for row, values in wanted:
        length = sum(len(quote_plus(value)) + len("%2C") for value in values)
        if part and (len(part) >= _PER_QUERY or size + length > _MOST_CHARACTERS):
            yield part
            part, size = [], 0
        part.append((row, values))
        size += length
    if part:
        yield part


def _foreign() -> ResponseDecodeError:
    return ResponseDecodeError(["receivers that were not requested"], method="GET", path=_PATH)
