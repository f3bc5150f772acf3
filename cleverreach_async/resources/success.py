"""Whether a response to a write shows that the write was done: pure functions.

Success has to be shown. Seen in responses are ``true``, ``{"success": true}``, an id, an object
with one, the object that was written, words such as ``update success``, and nothing at all.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from cleverreach_async.transport.error_bodies import words_in
from cleverreach_async.transport.wire import as_list, as_object, is_numbered

__all__ = ["failure_in", "is_word_of_success", "looks_like_trouble", "says_success"]

_SUCCESS: Final = re.compile(
    r"(?:(?:insert|update|upsert|delete|remove|activate|deactivate)d? )?success(?:ful(?:ly)?)?"
    r"|ok|yes|true|done|1|inserted|updated|deleted|created|removed|activated|deactivated",
    re.IGNORECASE,
)
_TROUBLE: Final = re.compile(
    r"error|fail|invalid|no success|unsuccessful|\bnot?\b|refus|reject|denied|duplicate|forbidden"
    r"|unauthori|unknown|missing|exception|blacklist|exceed|expired|\bfalse\b",
    re.IGNORECASE,
)
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MOST_READ: Final = 2000
_MOST_LEVELS: Final = 10
_MOST_SHOWN: Final = 10
_MOST_DIGITS: Final = 40
_NOTHING: Final = "the response does not show that it was done"


def is_word_of_success(text: str) -> bool:
    """Whether a status is a word of success, such as ``insert success``; ``no success`` is none."""
    return bool(_SUCCESS.fullmatch(text.strip().rstrip(".!")))


def says_success(flag: Any) -> bool:
    """Whether a flag, a status or a code is a word or a number of success: ``true``, 1 or 2xx."""
    if isinstance(flag, str):
        if flag.isdecimal():
            return says_success(int(flag[:_MOST_DIGITS]))
        return is_word_of_success(flag)
    return flag is True or flag == 1 or _is_status(flag, HTTPStatus.OK)


def looks_like_trouble(text: str) -> bool:
    """Whether a text has a word of an error."""
    return bool(_TROUBLE.search(text[:_MOST_READ]))


def failure_in(value: Any) -> str | None:
    """Return why a decoded response shows no success, or ``None`` if it does.

    Args:
        value: The response to a write, or one item of a response to several.
    """
    return _failure_in(value, _MOST_LEVELS)


def _failure_in(value: Any, levels: int) -> str | None:
    if value is None or value is True:
        return None
    if isinstance(value, str):
        return None if _is_id(value) or is_word_of_success(value) else value.strip() or _NOTHING
    if isinstance(value, int | float):
        return None if _is_id(value) else f"the response is {value}".lower()
    if isinstance(value, list) or is_numbered(value):
        if not levels:
            return "the response is nested too deeply"
        items = as_list(value)
        found = (_failure_in(item, levels - 1) for item in items)
        problems = dict.fromkeys(filter(None, found))
        return "; ".join([*problems][:_MOST_SHOWN]) or (None if items else _NOTHING)
    return _failure_in_object(as_object(value))


def _failure_in_object(fields: Mapping[str, Any]) -> str | None:
    flags = [fields[name] for name in ("success", "ok") if name in fields]
    status, message = fields.get("status"), words_in(fields.get("message"))
    says_so = bool(flags) or says_success(status)
    problems = (
        (any(fields.get(it) for it in ("error", "errors")), "it has an error"),
        (not all(map(says_success, flags)), "success is not true"),
        (_is_bad_status(status), "its status is no success"),
        (_is_code_of_error(fields.get("code"), message), "it has the code of an error"),
        (not says_so and looks_like_trouble(message), "its message is an error"),
        ("id" in fields and not (fields["id"] is None or _is_id(fields["id"])), "its id is none"),
    )
    problem = next((text for is_so, text in problems if is_so), None)
    if problem is None:
        others = (value for name, value in fields.items() if name.endswith("_id"))
        shows_it = says_so or _is_id(fields.get("id")) or any(map(_is_other_id, others))
        return None if shows_it else message or _NOTHING
    texts = [words_in(fields.get(it)) for it in ("error", "errors", "message", "status")]
    words = next((it for it in texts if it and not is_word_of_success(it)), "")
    return words or f"the response shows a failure: {problem}"


def _is_bad_status(status: Any) -> bool:
    if status is None or says_success(status):
        return False
    if isinstance(status, str):
        text = status.strip()
        if text.isdecimal():
            return _is_bad_status(int(text[:_MOST_DIGITS]))
        return not text or looks_like_trouble(text)
    return not status or not isinstance(status, int | float) or status >= HTTPStatus.BAD_REQUEST


def _is_code_of_error(code: Any, message: str) -> bool:
    """Whether there is a code that is not one of success, and a message or a status of an error."""
    is_number = isinstance(code, str) and code.isdecimal()
    number = int(code[:_MOST_DIGITS]) if is_number else code
    if not number or _is_status(number, HTTPStatus.OK):
        return False
    return bool(message) or not isinstance(number, int) or number >= HTTPStatus.BAD_REQUEST


def _is_status(value: Any, family: int) -> bool:
    return type(value) is int and family <= value < family + 100


def _is_id(value: Any) -> bool:
    """Whether something is the id of an object that exists: a number above 0, or a text."""
    if isinstance(value, str):
        text = value.strip()
        return int(text[:_MOST_DIGITS]) > 0 if text.isdecimal() else bool(_UUID.fullmatch(text))
    return not isinstance(value, bool) and isinstance(value, int | float) and value > 0


def _is_other_id(value: Any) -> bool:
    """Whether something is an id of the user's, such as an order number, or of another object."""
    return bool(value.strip()) if isinstance(value, str) else _is_id(value)
