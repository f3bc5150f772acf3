"""After a lost response: look up rows that must not be sent twice in the group itself."""

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from cleverreach_async.bulk.outcomes.batch_result import BatchResult
from cleverreach_async.bulk.rows import EncodedRow, email_key, not_returned, unknown
from cleverreach_async.errors import APIStatusError, AuthenticationError, ResponseDecodeError
from cleverreach_async.resources.receiver_models import Detail
from cleverreach_async.resources.values import read_attributes
from cleverreach_async.transport.retry import diagnose
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import (
    as_list,
    as_object,
    build_request,
    decode_json,
    is_numbered,
)

__all__ = ["Evidence", "evidence_of", "look_up", "resolve_missing", "settle_doubts"]

Profile = Mapping[str, Any]

# Addresses are part of the query, and a URL of a few thousand characters works everywhere.
_PER_QUERY: Final = 50


class Evidence(enum.Enum):
    """What a look-up shows about a row."""

    STORED = "stored"
    """The server has the data of the row."""
    ABSENT = "absent"
    """The server does not have it; the row can be sent again."""
    UNCLEAR = "unclear"
    """The server has other data, or does not say."""


async def settle_doubts(
    query: Call, group_id: int, rows: Sequence[EncodedRow], result: BatchResult
) -> list[EncodedRow]:
    """Look up rows in doubt; returns those that may be sent (again).

    Rows that may be sent any number of times need no look-up. Of the others, those that the server
    has are accepted, those that it does not have are returned, and the rest are unknown.

    Raises:
        StopRequestedError: The import is to stop; all rows stay in doubt.
        CleverReachError: The look-up failed; all rows stay in doubt.
    """
    again: list[EncodedRow] = []
    doubtful: list[EncodedRow] = []
    for row in rows:
        is_safe = row.repeatable or row.number not in result.in_doubt
        (again if is_safe else doubtful).append(row)
    for row, evidence in await _collect_evidence(query, group_id, doubtful, result):
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
    query: Call, group_id: int, rows: Sequence[EncodedRow], result: BatchResult
) -> None:
    """Look up rows that a response does not show and that must not be sent again."""
    for row, evidence in await _collect_evidence(query, group_id, rows, result):
        if evidence is Evidence.STORED:
            result.accepted.append(row)
        elif evidence is Evidence.ABSENT:
            result.results.append(not_returned(row))
        else:
            result.results.append(unknown(row, "the responses do not show what was stored"))


async def _collect_evidence(
    query: Call, group_id: int, rows: Sequence[EncodedRow], result: BatchResult
) -> list[tuple[EncodedRow, Evidence]]:
    if not rows:
        return []
    try:
        result.requests += -(-len(rows) // _PER_QUERY)
        found = await look_up(query, group_id, rows)
    except (APIStatusError, ResponseDecodeError) as error:
        is_temporary = diagnose(error, error.path).fault is not None
        if isinstance(error, AuthenticationError) or is_temporary:
            raise  # this says nothing about the rows; a later run may look them up
        return [(row, Evidence.UNCLEAR) for row in rows]
    return [(row, evidence_of(row, found.get(row.key))) for row in rows]


async def look_up(query: Call, group_id: int, rows: Sequence[EncodedRow]) -> dict[str, Profile]:
    """Return the receivers of a group that have the rows' addresses, by key.

    Raises:
        ResponseDecodeError: The response contains other receivers, so it proves nothing.
        CleverReachError: The look-up failed.

    ``GET /groups/{group_id}/receivers``
    """
    found: dict[str, Profile] = {}
    for start in range(0, len(rows), _PER_QUERY):
        wanted = [row.key for row in rows[start : start + _PER_QUERY]]
        request = build_request(
            "GET",
            "/groups/{group_id}/receivers",
            path={"group_id": group_id},
            query={"email_list": wanted, "detail": int(Detail.ORDERS), "pagesize": 2 * len(wanted)},
        )
        response = await query(request)
        for item in as_list(decode_json(response, request)):
            profile = as_object(item)
            email = profile.get("email")
            if not isinstance(email, str) or email_key(email) not in wanted:
                # If the server ignored email_list, every row would look absent.
                raise ResponseDecodeError(
                    ["receivers that were not requested"], method="GET", path=request.template
                )
            found[email_key(email)] = profile
    return found


def evidence_of(row: EncodedRow, profile: Profile | None) -> Evidence:
    """Compare a receiver as read back with its row."""
    if profile is None:
        return Evidence.ABSENT
    sent = cast("dict[str, Any]", msgspec.json.decode(row.body))
    if sent.get("orders"):
        return _evidence_of_orders(sent["orders"], profile.get("orders"))
    if row.relative:
        return Evidence.UNCLEAR  # what the number was before is not known
    return Evidence.STORED if _has_values_of(sent, profile) else Evidence.UNCLEAR


def _evidence_of_orders(sent: Sequence[Any], stored: Any) -> Evidence:
    if not isinstance(stored, list) and not is_numbered(stored):
        return Evidence.UNCLEAR  # a response without orders says nothing about them
    missing = Counter(map(_order_line, sent)) - Counter(map(_order_line, as_list(stored)))
    if not missing:
        return Evidence.STORED
    return Evidence.ABSENT if missing.total() == len(sent) else Evidence.UNCLEAR


def _order_line(order: Any) -> tuple[str, str]:
    fields = as_object(order)
    return str(fields.get("order_id")), str(fields.get("product"))


def _has_values_of(sent: Mapping[str, Any], profile: Profile) -> bool:
    """Whether the receiver has all values of the row."""
    for field in ("registered", "activated", "deactivated", "source"):
        if field in sent and str(sent[field]) != str(profile.get(field)):
            return False
    for field in ("attributes", "global_attributes"):
        stored = _attributes_in(profile.get(field))
        for name, value in as_object(sent.get(field)).items():
            if str("" if value is None else value) != str(stored.get(name) or ""):
                return False
    return True


def _attributes_in(value: Any) -> Mapping[str, Any]:
    try:
        return read_attributes(value)
    except (ValueError, TypeError):
        return {}
