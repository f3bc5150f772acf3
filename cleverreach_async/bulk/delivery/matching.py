"""Match the items of a response to the rows of its request: pure functions.

Items are matched by e-mail address. Position counts only if the lengths agree and no address
contradicts it, because the calls that return whole receivers leave refused rows out. A row that the
response does not show never counts as accepted.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final

import attrs

from cleverreach_async.bulk.delivery.response_items import (
    SUCCESSES,
    ResponseItem,
    has_no_failure,
    is_success,
    refusal_in,
)
from cleverreach_async.bulk.rows import EncodedRow, email_key
from cleverreach_async.bulk.spellings import mailbox_of

__all__ = ["Matched", "code_of", "match_rows"]

_CODES: Final = {
    "invalid address": "invalid_email",
    "duplicate": "duplicate",
    "invalid receiver": "not_found",
    "blacklist": "blacklisted",
}
_AROUND: Final = ".,:;!?()[]"
# The name has no @, so that a text without an end of the quotation takes linear time.
_QUOTED: Final = re.compile(r"['\"<]([^'\"<>\s@]+@[^'\"<>\s]+)['\">]")


@attrs.define
class Matched:
    """What a response says about the rows of its request.

    Attributes:
        accepted: Rows that it shows as stored.
        refused: Rows that it refuses, each with the server's message.
        missing: Rows that it does not show.
        foreign: Number of items with an address that is not of a row sent.
        nameless: Number of items that show a success and do not tell of which row.
        unexpected: Number of items that match no row sent, of all kinds.
        ids: The server's ids of accepted rows, by number of the row, as far as they are known.
    """

    accepted: list[EncodedRow] = attrs.field(factory=list[EncodedRow])
    refused: list[tuple[EncodedRow, str]] = attrs.field(factory=list[tuple[EncodedRow, str]])
    missing: list[EncodedRow] = attrs.field(factory=list[EncodedRow])
    foreign: int = 0
    nameless: int = 0
    unexpected: int = 0
    ids: dict[int, int] = attrs.field(factory=dict[int, int])

    @property
    def is_foreign(self) -> bool:
        """Whether the response has items of other addresses, and none of a row sent."""
        return bool(self.foreign) and not (self.accepted or self.refused)


def match_rows(
    rows: Sequence[EncodedRow], items: Sequence[ResponseItem], *, with_ids: bool = False
) -> Matched:
    """Match the items of a response to the rows that were sent, whose keys are unique.

    Args:
        rows: The rows.
        items: The items.
        with_ids: Whether the ids of accepted rows are needed.
    """
    if not with_ids and _is_usual(rows, items):
        return Matched(accepted=list(rows))
    keys = {row.key for row in rows}
    if len(items) == len(rows) and all(
        _may_be(row, _key(item, keys), keys) for row, item in zip(rows, items, strict=True)
    ):
        matched = Matched()
        for row, item in zip(rows, items, strict=True):
            _sort(matched, row, item)
        return matched
    return _match_by_key(rows, items)


def _is_usual(rows: Sequence[EncodedRow], items: Sequence[ResponseItem]) -> bool:
    """Whether a response shows each row, in their order, as stored, and nothing else."""
    if len(items) != len(rows) or not has_no_failure(items):
        return False
    # No call for each item, which would take most of the time.
    emails = [item.email for item in items]
    if emails == [row.key for row in rows]:
        return not [1 for item in items if item.status is not None or item.id <= 0]
    if any(emails):
        return False
    try:
        return SUCCESSES.issuperset([item.status for item in items])
    except TypeError:
        return False


def _may_be(row: EncodedRow, key: str | None, keys: Collection[str]) -> bool:
    """Whether an item with a key, or without one, may be that of a row.

    Args:
        row: The row.
        key: The address in the item.
        keys: The keys of all rows.
    """
    if key is None or key == row.key:
        return True
    return key not in keys and mailbox_of(key) == mailbox_of(row.key)


def _match_by_key(rows: Sequence[EncodedRow], items: Sequence[ResponseItem]) -> Matched:
    matched = Matched()
    open_rows = {row.key: row for row in rows}
    others: list[tuple[str | None, ResponseItem]] = []
    for item in items:
        key = _key(item, open_rows.keys())
        row = open_rows.pop(key, None) if key is not None else None
        if row is None:
            others.append((key, item))
        else:
            _sort(matched, row, item)
    _match_by_mailbox(matched, open_rows, others)
    matched.missing.extend(open_rows.values())
    return matched


def _match_by_mailbox(
    matched: Matched,
    open_rows: dict[str, EncodedRow],
    items: Sequence[tuple[str | None, ResponseItem]],
) -> None:
    """Match items that the server shows in a spelling of its own, where only one row can be meant.

    Args:
        matched: Gets the result.
        open_rows: Rows that no item shows, by key; those that are matched are removed.
        items: Items of no such key, each with its key.
    """
    if not items:
        return
    by_mailbox: defaultdict[str, list[EncodedRow]] = defaultdict(list)
    for row in open_rows.values():
        by_mailbox[mailbox_of(row.key)].append(row)
    for key, item in items:
        meant = by_mailbox.get(mailbox_of(key), []) if key else []
        if len(meant) == 1:
            _sort(matched, open_rows.pop(meant.pop().key), item)
        else:
            matched.unexpected += 1
            matched.foreign += key is not None
            matched.nameless += key is None and not refusal_in(item) and is_success(item)


def _key(item: ResponseItem, keys: Collection[str]) -> str | None:
    """Return the address in an item; one without quotes has to be among ``keys``."""
    if item.email:
        return email_key(item.email)
    message = refusal_in(item)
    if not message or "@" not in message:
        return None
    quoted = _QUOTED.search(message)
    if quoted:
        return email_key(quoted[1])
    bare = (email_key(word.strip(_AROUND)) for word in message.split())
    return next((word for word in bare if word in keys), None)


def _sort(matched: Matched, row: EncodedRow, item: ResponseItem) -> None:
    message = refusal_in(item)
    if message:
        matched.refused.append((row, message))
    elif is_success(item):
        matched.accepted.append(row)
        if item.id > 0:
            matched.ids[row.number] = item.id
    else:
        matched.missing.append(row)


def code_of(message: str) -> str:
    """Return the stable code for a refusal message of the server."""
    lowered = message.lower()
    return next((code for part, code in _CODES.items() if part in lowered), "refused")
