"""After a lost answer: what the server's own list says of rows that must not be sent twice."""

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from cleverreach_async.bulk.delivery.batch_result import Tally
from cleverreach_async.bulk.rows import EncodedRow, email_key, not_returned, unknown
from cleverreach_async.errors import APIStatusError, AuthenticationError, ResponseDecodeError
from cleverreach_async.resources.receiver_models import Detail
from cleverreach_async.transport.retry import classify
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import as_list, as_object, build_request, decode_json

__all__ = ["Evidence", "judge_missing", "look_up", "settle_doubts", "weigh"]

Profile = Mapping[str, Any]

# Addresses travel in the query, and a URL of a few thousand characters passes everywhere.
_AT_ONCE: Final = 50


class Evidence(enum.Enum):
    """What a look-up says of a row."""

    STORED = "stored"
    """The server has what the row says."""
    ABSENT = "absent"
    """It has not; the row can be sent again."""
    UNCLEAR = "unclear"
    """It has something else, or does not say."""


async def settle_doubts(
    ask: Call, group_id: int, rows: Sequence[EncodedRow], tally: Tally
) -> list[EncodedRow]:
    """Find out about rows in doubt; returns those that may be sent (again).

    Rows that end the same however often they are sent need no look-up. Of the others, what the
    server has is accepted, what it has not is sent again, and the rest is unknown.

    Raises:
        StopRequestedError: The import is to stop; all rows stay in doubt.
        CleverReachError: The server cannot be asked; all rows stay in doubt.
    """
    again: list[EncodedRow] = []
    doubtful: list[EncodedRow] = []
    for row in rows:
        is_safe = row.repeatable or row.number not in tally.in_doubt
        (again if is_safe else doubtful).append(row)
    for row, evidence in await _weigh_all(ask, group_id, doubtful, tally):
        if evidence is Evidence.STORED:
            tally.accepted.append(row)
        elif evidence is Evidence.ABSENT:
            again.append(row)
        else:
            doubt = "no usable answer came, and sending it again could store something twice"
            tally.results.append(unknown(row, doubt))
    tally.replayed |= tally.in_doubt & {row.number for row in again}
    tally.trust(rows)
    return again


async def judge_missing(ask: Call, group_id: int, rows: Sequence[EncodedRow], tally: Tally) -> None:
    """Find out about rows that an answer does not show and that must not be sent again."""
    for row, evidence in await _weigh_all(ask, group_id, rows, tally):
        if evidence is Evidence.STORED:
            tally.accepted.append(row)
        elif evidence is Evidence.ABSENT:
            tally.results.append(not_returned(row))
        else:
            tally.results.append(unknown(row, "the server's answers do not show what it stored"))


async def _weigh_all(
    ask: Call, group_id: int, rows: Sequence[EncodedRow], tally: Tally
) -> list[tuple[EncodedRow, Evidence]]:
    if not rows:
        return []
    try:
        tally.requests += -(-len(rows) // _AT_ONCE)
        found = await look_up(ask, group_id, rows)
    except (APIStatusError, ResponseDecodeError) as error:
        if isinstance(error, AuthenticationError) or classify(error) is not None:
            raise  # nothing was said of the rows; a later run may ask again
        return [(row, Evidence.UNCLEAR) for row in rows]
    return [(row, weigh(row, found.get(row.key))) for row in rows]


async def look_up(ask: Call, group_id: int, rows: Sequence[EncodedRow]) -> dict[str, Profile]:
    """Return the receivers of a group that have the rows' addresses, by key.

    Raises:
        ResponseDecodeError: The answer has others than asked for, so it proves nothing.
        CleverReachError: The server does not tell.

    ``GET /groups/{group_id}/receivers``
    """
    found: dict[str, Profile] = {}
    for start in range(0, len(rows), _AT_ONCE):
        wanted = [row.key for row in rows[start : start + _AT_ONCE]]
        request = build_request(
            "GET",
            "/groups/{group_id}/receivers",
            path={"group_id": group_id},
            query={"email_list": wanted, "detail": int(Detail.ORDERS), "pagesize": 2 * len(wanted)},
        )
        response = await ask(request)
        for item in as_list(decode_json(response, request)):
            profile = as_object(item)
            email = profile.get("email")
            if not isinstance(email, str) or email_key(email) not in wanted:
                # A server that passes over email_list would make every row look absent.
                raise ResponseDecodeError(
                    ["receivers that were not asked for"], method="GET", path=request.template
                )
            found[email_key(email)] = profile
    return found


def weigh(row: EncodedRow, profile: Profile | None) -> Evidence:
    """Judge by a receiver as read back whether a row was stored."""
    if profile is None:
        return Evidence.ABSENT
    sent = cast("dict[str, Any]", msgspec.json.decode(row.body))
    if sent.get("orders"):
        return _weigh_orders(sent["orders"], profile.get("orders"))
    return Evidence.STORED if _agrees(sent, profile) else Evidence.UNCLEAR


def _weigh_orders(sent: Sequence[Any], stored: Any) -> Evidence:
    if not isinstance(stored, list):
        return Evidence.UNCLEAR  # an answer without orders says nothing about them
    missing = Counter(map(_order_line, sent)) - Counter(map(_order_line, as_list(stored)))
    if not missing:
        return Evidence.STORED
    return Evidence.ABSENT if missing.total() == len(sent) else Evidence.UNCLEAR


def _order_line(order: Any) -> tuple[str, str]:
    fields = as_object(order)
    return str(fields.get("order_id")), str(fields.get("product"))


def _agrees(sent: Mapping[str, Any], profile: Profile) -> bool:
    """Whether the receiver has everything that the row says."""
    for field in ("registered", "activated", "deactivated", "source"):
        if field in sent and str(sent[field]) != str(profile.get(field)):
            return False
    for field in ("attributes", "global_attributes"):
        stored = as_object(profile.get(field))
        for name, value in as_object(sent.get(field)).items():
            if str("" if value is None else value) != str(stored.get(name) or ""):
                return False
    return True
