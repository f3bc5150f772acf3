"""The items of a response to a batch call, and what each of them proves.

Success is shown by an exact word of success, or by an address with an id and nothing that looks
like an error. Anything else is no proof.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from cleverreach_async.bulk.delivery.response_parts import parts_of
from cleverreach_async.bulk.rows import cut_message
from cleverreach_async.bulk.turns import Turns
from cleverreach_async.resources.success import says_success
from cleverreach_async.transport.json_text import parse_json
from cleverreach_async.transport.wire import Response, as_list, as_object

__all__ = [
    "SUCCESSES",
    "ResponseItem",
    "has_no_failure",
    "is_success",
    "read_in_steps",
    "read_items",
    "refusal_in",
]

SUCCESSES: Final = frozenset(
    {"success", "insert success", "update success", "upsert success", "delete success"}
)
"""The usual words, which are recognised fastest."""

_USUAL: Final = (None, *SUCCESSES)
_FAILED: Final = "the server reports a failure"
_MOST_WORDS: Final = 5
_MOST_DIGITS: Final = 18


class ResponseItem(msgspec.Struct, gc=False):
    """The fields of an item that are needed here; decoding the others would take time.

    Attributes:
        email: The address.
        id: The receiver's id, 0 if there is none.
        status: What was done, in words.
        success: Whether it succeeded.
        error: What is wrong; ``errors`` likewise.
        errors: What is wrong.
        code: Code of an error.
        message: Text of an error.
    """

    email: str | None = None
    id: int = 0
    status: Any = None
    success: Any = None
    error: Any = None
    errors: Any = None
    code: Any = None
    message: Any = None


# Ids are numbers or texts with digits.
_decode_fast: Final = msgspec.json.Decoder(list[ResponseItem], strict=False).decode


async def read_in_steps(response: Response, turns: Turns) -> Sequence[ResponseItem] | None:
    """Return what :func:`read_items` does; other tasks run while a long response is decoded."""
    items: list[ResponseItem] = []
    with suppress(ValueError, RecursionError):
        for part in parts_of(response.content):
            await turns.take()
            items += _decode_fast(part)
        return items
    return read_items(response)


def read_items(response: Response) -> Sequence[ResponseItem] | None:
    """Return the items of a response; ``None`` if it is not JSON, or cannot be decoded.

    Typed decoding is much faster and covers the usual response; other shapes (bare strings, a
    single object, a list with gaps, unexpected types) are decoded generically.
    """
    with suppress(ValueError, RecursionError):
        return _decode_fast(response.content)
    try:
        value = parse_json(response.content)
    except (ValueError, RecursionError):
        return None
    return list(map(_read_item, as_list(value))) if value else []


def _read_item(value: Any) -> ResponseItem:
    if isinstance(value, str):
        return ResponseItem(status=value)
    fields = as_object(value)
    known = {name: fields[name] for name in ResponseItem.__struct_fields__ if name in fields}
    email = known.pop("email", None)
    number = _read_id(known.pop("id", None))
    return ResponseItem(email=email if isinstance(email, str) else None, id=number, **known)


def _read_id(value: Any) -> int:
    text = "" if isinstance(value, bool) else str(value).strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else 0


def has_no_failure(items: Sequence[ResponseItem]) -> bool:
    """Whether no item has a field that may report a failure, apart from its status.

    One expression, because the usual response has a thousand items without such a field.
    """
    return not [
        1
        for item in items
        if item.success is not None
        or item.error is not None
        or item.errors is not None
        or item.code is not None
        or item.message is not None
    ]


def is_success(item: ResponseItem) -> bool:
    """Whether an item that contains no refusal proves that its row is stored."""
    if item.status is None or isinstance(item.status, int):
        return item.id > 0 and bool(item.email)
    return says_success(item.status)


def refusal_in(item: ResponseItem) -> str:
    """Return the words with which an item refuses its row, cut; empty if it does not."""
    if item.status in _USUAL and has_no_failure((item,)):
        return ""
    if item.error or item.errors:
        return _words(item.error) or _words(item.errors) or _FAILED
    words = "" if says_success(item.message) else _words(item.message)
    status = "" if says_success(item.status) else _words(item.status)
    if _reports_failure(item):
        return words or status or _FAILED
    return status or ("" if isinstance(item.status, str) and not status else words)


def _reports_failure(item: ResponseItem) -> bool:
    """Whether an item says that it is no success, without a text."""
    if item.success is not None and not says_success(item.success):
        return True
    if item.code and not says_success(item.code):
        return True
    return isinstance(item.status, int) and not says_success(item.status)


def _words(value: Any, depth: int = 3) -> str:
    """Return the text in a value: itself, the message of an object, or those of a list."""
    if isinstance(value, str):
        return cut_message(value.strip())
    if not depth or not isinstance(value, dict | list):
        return ""
    if isinstance(value, list):
        parts = as_list(value)
    else:
        fields = as_object(value)
        named = [fields[name] for name in ("message", "error", "description") if fields.get(name)]
        parts = named[:1] or [*fields.values()]
    found = [_words(part, depth - 1) for part in parts[:_MOST_WORDS]]
    return cut_message("; ".join(filter(None, found)))
