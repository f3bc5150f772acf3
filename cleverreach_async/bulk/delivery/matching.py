"""Match the items of a response to the rows of its request: pure functions.

Items are matched by e-mail address. Position counts only if the lengths agree and no address
contradicts it, because the calls that return whole receivers leave refused rows out. A row that the
response does not show never counts as accepted.
"""

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final

import attrs
import msgspec

from cleverreach_async.bulk.rows import EncodedRow, email_key
from cleverreach_async.resources.receiver_models import BatchItem, read_batch_item
from cleverreach_async.transport.json_text import parse_json
from cleverreach_async.transport.wire import Response, as_list

__all__ = ["Matched", "code_of", "match_rows", "read_items"]


class _CompactItem(msgspec.Struct, gc=False):
    """The fields of an item that are needed here; decoding the others would take time."""

    email: str | None = None
    status: str | None = None
    error: str | None = None


_decode_fast: Final = msgspec.json.Decoder(list[_CompactItem]).decode
_CODES: Final = {
    "invalid address": "invalid_email",
    "duplicate": "duplicate",
    "invalid receiver": "not_found",
    "blacklist": "blacklisted",
}
_AROUND: Final = ".,:;!?()[]"
_QUOTED: Final = re.compile(r"['\"<]([^'\"<>\s]+@[^'\"<>\s]+)['\">]")

ResponseItem = BatchItem | _CompactItem


@attrs.define
class Matched:
    """What a response says about the rows of its request.

    Attributes:
        accepted: Rows that it shows as stored.
        refused: Rows that it refuses, each with the server's message.
        missing: Rows that it does not show.
        unexpected: Number of items that match no row sent.
    """

    accepted: list[EncodedRow] = attrs.field(factory=list[EncodedRow])
    refused: list[tuple[EncodedRow, str]] = attrs.field(factory=list[tuple[EncodedRow, str]])
    missing: list[EncodedRow] = attrs.field(factory=list[EncodedRow])
    unexpected: int = 0


def read_items(response: Response) -> Sequence[ResponseItem] | None:
    """Return the items of a response; ``None`` if it is not JSON.

    Typed decoding is much faster and covers the usual response; other shapes (bare strings, a
    single object, a list with gaps, unexpected types) are decoded generically.
    """
    with suppress(ValueError, RecursionError):
        return _decode_fast(response.content)
    try:
        value = parse_json(response.content)
    except ValueError:
        return None
    return [read_batch_item(item) for item in as_list(value)] if value else []


def match_rows(rows: Sequence[EncodedRow], items: Sequence[ResponseItem]) -> Matched:
    """Match the items of a response to the rows that were sent, whose keys are unique."""
    if _is_usual(rows, items):
        return Matched(accepted=list(rows))
    keys = {row.key for row in rows}
    if len(items) == len(rows) and all(
        _key(item, keys) in (None, row.key) for row, item in zip(rows, items, strict=True)
    ):
        matched = Matched()
        for row, item in zip(rows, items, strict=True):
            _sort(matched, row, item)
        return matched
    return _match_by_key(rows, items)


def _is_usual(rows: Sequence[EncodedRow], items: Sequence[ResponseItem]) -> bool:
    """Whether a response shows a stored receiver per row, in their order, and nothing else."""
    if [item.email for item in items] != [row.key for row in rows]:
        return False
    # No call for each item, which would take most of the time.
    texts = [item.status or getattr(item, "error", None) for item in items]
    return not any(texts)


def _match_by_key(rows: Sequence[EncodedRow], items: Sequence[ResponseItem]) -> Matched:
    matched = Matched()
    open_rows = {row.key: row for row in rows}
    for item in items:
        key = _key(item, open_rows.keys())
        row = open_rows.pop(key, None) if key is not None else None
        if row is None:
            matched.unexpected += 1
        else:
            _sort(matched, row, item)
    matched.missing.extend(open_rows.values())
    return matched


def _key(item: ResponseItem, keys: Collection[str]) -> str | None:
    """Return the address in an item; one without quotes has to be among ``keys``."""
    if item.email:
        return email_key(item.email)
    message = _message(item)
    if not message or "@" not in message:
        return None
    quoted = _QUOTED.search(message)
    if quoted:
        return email_key(quoted[1])
    bare = (email_key(word.strip(_AROUND)) for word in message.split())
    return next((word for word in bare if word in keys), None)


def _message(item: ResponseItem) -> str | None:
    return item.status or (item.error if isinstance(item, _CompactItem) else None)


def _sort(matched: Matched, row: EncodedRow, item: ResponseItem) -> None:
    message = _message(item)
    if not message:
        # A whole receiver has no status; being shown proves that it is stored.
        (matched.accepted if item.email else matched.missing).append(row)
    elif message.lower().endswith("success"):
        matched.accepted.append(row)
    else:
        matched.refused.append((row, message))


def code_of(message: str) -> str:
    """Return the stable code for a refusal message of the server."""
    lowered = message.lower()
    return next((code for part, code in _CODES.items() if part in lowered), "refused")
