"""An answer to one outcome per row: pure functions.

The answer's items are matched by e-mail address. Position counts only where the lengths agree and
no address contradicts it, because the calls that return whole receivers leave refused rows out. A
row that the answer does not show is never taken for accepted.
"""

import re
from collections.abc import Collection, Sequence
from typing import Any, Final

import attrs
import msgspec

from cleverreach_async.bulk.rows import EncodedRow, email_key
from cleverreach_async.resources.receiver_models import BatchItem, read_batch_item
from cleverreach_async.transport.wire import Response, as_list

__all__ = ["Matched", "code_of", "match_rows", "read_items"]


class _Item(msgspec.Struct, gc=False):
    """The fields of an answer's item that matter here; decoding the rest would be waste."""

    email: str | None = None
    status: str | None = None
    error: str | None = None


_decode_fast: Final = msgspec.json.Decoder(list[_Item]).decode
_decode_any: Final = msgspec.json.Decoder().decode
_CODES: Final = {
    "invalid address": "invalid_email",
    "duplicate": "duplicate",
    "invalid receiver": "not_found",
    "blacklist": "blacklisted",
}
_AROUND: Final = ".,:;!?()[]"
_QUOTED: Final = re.compile(r"['\"<]([^'\"<>\s]+@[^'\"<>\s]+)['\">]")

Item = BatchItem | _Item


@attrs.define
class Matched:
    """What an answer says.

    Attributes:
        accepted: Rows that it shows as stored.
        refused: Rows that it refuses, each with the server's words.
        missing: Rows that it does not show.
        unexpected: Number of items that belong to no row sent.
    """

    accepted: list[EncodedRow] = attrs.field(factory=list[EncodedRow])
    refused: list[tuple[EncodedRow, str]] = attrs.field(factory=list[tuple[EncodedRow, str]])
    missing: list[EncodedRow] = attrs.field(factory=list[EncodedRow])
    unexpected: int = 0


def read_items(response: Response) -> Sequence[Item] | None:
    """Read the items of an answer; ``None`` when it is no JSON at all.

    The typed decoding covers the usual case at a fraction of the cost; whatever does not fit it
    (bare strings, a lone object, odd types) is read the patient way.
    """
    try:
        return _decode_fast(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        value: Any = _decode_any(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return [read_batch_item(item) for item in as_list(value)] if value else []


def match_rows(rows: Sequence[EncodedRow], items: Sequence[Item]) -> Matched:
    """Match an answer's items to the rows that were sent, whose keys are unique."""
    # The usual answer, a stored receiver per row in their order, is told by two comparisons.
    if [item.email for item in items] == [row.key for row in rows] and not any(map(_words, items)):
        return Matched(accepted=list(rows))
    keys = {row.key for row in rows}
    if len(items) == len(rows) and all(
        _key(item, keys) in (None, row.key) for row, item in zip(rows, items, strict=True)
    ):
        matched = Matched()
        for row, item in zip(rows, items, strict=True):
            _judge(matched, row, item)
        return matched
    return _match_by_key(rows, items)


def _match_by_key(rows: Sequence[EncodedRow], items: Sequence[Item]) -> Matched:
    matched = Matched()
    open_rows = {row.key: row for row in rows}
    for item in items:
        key = _key(item, open_rows.keys())
        row = open_rows.pop(key, None) if key is not None else None
        if row is None:
            matched.unexpected += 1
        else:
            _judge(matched, row, item)
    matched.missing.extend(open_rows.values())
    return matched


def _key(item: Item, keys: Collection[str]) -> str | None:
    """Return the address that an item is about; without quotes one of ``keys`` only."""
    if item.email:
        return email_key(item.email)
    words = _words(item)
    if not words or "@" not in words:
        return None
    quoted = _QUOTED.search(words)
    if quoted:
        return email_key(quoted[1])
    bare = (email_key(word.strip(_AROUND)) for word in words.split())
    return next((word for word in bare if word in keys), None)


def _words(item: Item) -> str | None:
    return item.status or (item.error if isinstance(item, _Item) else None)


def _judge(matched: Matched, row: EncodedRow, item: Item) -> None:
    words = _words(item)
    if not words:
        # A whole receiver carries no status: that it is shown is the proof.
        (matched.accepted if item.email else matched.missing).append(row)
    elif words.lower().endswith("success"):
        matched.accepted.append(row)
    else:
        matched.refused.append((row, words))


def code_of(words: str) -> str:
    """Return the stable word for a refusal in the server's words."""
    lowered = words.lower()
    return next((code for part, code in _CODES.items() if part in lowered), "refused")
