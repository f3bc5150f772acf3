"""Read the error that a response reports, whatever it looks like.

Error bodies come in four shapes, some of them with HTTP 200. Only this file knows them.
"""

import math
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from cleverreach_async.errors import APIStatusError, DuplicateReceiverError, status_error
from cleverreach_async.transport.json_text import parse_json
from cleverreach_async.transport.redaction import excerpt, mask_emails
from cleverreach_async.transport.wire import Request, Response, as_list, as_object

__all__ = ["MAX_MESSAGE", "error_in", "parse_retry_after", "refusal", "shown_headers", "words_in"]

MAX_MESSAGE: Final = 2000
"""Most characters of an error's message, which may be logged or stored once per row."""
MAX_BODY: Final = 64 * 1024
"""Most characters of an error's body."""

_MAX_HEADER: Final = 1000
_MAX_WORDS: Final = 20
_HIDDEN_HEADERS: Final = frozenset({"authorization", "set-cookie", "www-authenticate"})

_ERROR_STATUSES: Final = range(400, 600)
_STATUS_OF_PHRASE: Final = {s.phrase.lower(): int(s) for s in HTTPStatus if s in _ERROR_STATUSES}

_DUPLICATE: Final = re.compile(r"\bduplicate (?:address|data)\b", re.IGNORECASE)
_FAILED: Final = re.compile(rb'false|\{\s*"success"\s*:\s*false\s*\}')
_LONGEST_FAILED: Final = 100


def error_in(response: Response, request: Request, *, now: float) -> APIStatusError | None:
    """Return the error that a response reports, or ``None`` for a success.

    Args:
        response: The response.
        request: Its request.
        now: Unix time, for a ``Retry-After`` date in a response without ``Date``.
    """
    status = response.status_code
    content = response.content
    is_success = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    if is_success:
        says_no = len(content) < _LONGEST_FAILED and _FAILED.fullmatch(content)
        if says_no and not request.accepts_false:
            return _error(response, request, status, None, "the server reports a failure")
        # Only an object can hold an error. Checking this first saves parsing large responses twice.
        if content[:1] != b"{" or b'"error"' not in content:
            return None
    body = _json_object(content)
    code, message = _read_error(body)
    if is_success:
        if not body.get("error"):
            return None
        status = _status_of(code, message)
    elif HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        message = "the server redirects, and API calls do not follow redirects: check base_url"
    return _error(
        response,
        request,
        status,
        code,
        message or _status_text(status),
        retry_after=parse_retry_after(response.headers, now=now),
    )


def refusal(response: Response, request: Request, body: Any, words: str) -> APIStatusError:
    """Return the error of a response with a 2xx status which shows that the call failed.

    Args:
        response: The response.
        request: Its request.
        body: The part of the decoded response that shows it.
        words: What it says.
    """
    code, message = _read_error(as_object(body))
    status = _status_of(code, message or words)
    if status == HTTPStatus.BAD_REQUEST != code:
        status = response.status_code  # nothing says which one it is
    return _error(response, request, status, code, words)


def words_in(value: Any) -> str:
    """Return what a part of an error says: a text, several of them, or an object's message."""
    if isinstance(value, list):
        return "; ".join(filter(None, map(words_in, as_list(value)[:_MAX_WORDS])))
    if isinstance(value, dict):
        fields = as_object(value)
        return words_in(next((fields[it] for it in ("message", "error") if fields.get(it)), ""))
    is_text = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value).strip() if is_text else ""


def _error(
    response: Response,
    request: Request,
    status: int,
    code: int | None,
    message: str,
    *,
    retry_after: float | None = None,
) -> APIStatusError:
    return _class_of(status, message, request)(
        excerpt(message, MAX_MESSAGE, secrets=response.secrets),
        status_code=status,
        code=code,
        method=request.method,
        path=mask_emails(request.template),
        headers=shown_headers(response),
        # A character has up to four bytes, and masking makes a text shorter.
        body=excerpt(
            response.content[: 8 * MAX_BODY].decode("utf-8", "replace"),
            MAX_BODY,
            lines=True,
            secrets=response.secrets,
        ),
        retry_after=retry_after,
    )


def shown_headers(response: Response) -> dict[str, str]:
    """Return the headers of a response without credentials and e-mail addresses."""
    return {
        excerpt(name, _MAX_HEADER, secrets=response.secrets): excerpt(
            value, _MAX_HEADER, secrets=response.secrets
        )
        for name, value in response.headers.items()
        if name not in _HIDDEN_HEADERS
    }


def _class_of(status: int, message: str, request: Request) -> type[APIStatusError]:
    """Return the class of an error. The status of a duplicate is not known for certain."""
    creates = request.method == "POST" and request.template.endswith("/receivers")
    is_refusal = status < HTTPStatus.INTERNAL_SERVER_ERROR
    if creates and is_refusal and _DUPLICATE.search(message[:MAX_MESSAGE]):
        return DuplicateReceiverError
    return status_error(status)


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        return as_object(parse_json(content))
    except ValueError:
        return {}


def _read_error(body: Mapping[str, Any]) -> tuple[int | None, str]:
    """Return code and message of an error body: nested, OAuth, or one of two flat shapes."""
    error = body.get("error")
    nested = as_object(error)
    if nested:
        return _as_int(nested.get("code")), words_in(nested.get("message"))
    description = words_in(body.get("error_description"))
    if isinstance(error, str | list) and error:
        words = words_in(error)
        return None, f"{words}: {description}" if description else words
    return _as_int(body.get("code")), description or words_in(body.get("message"))


def _status_of(code: int | None, message: str) -> int:
    """Return the status of an error with a 2xx status: its code, or what its message begins with.

    The message is as in ``Not Found: invalid receiver``.
    """
    if code in _ERROR_STATUSES and code is not None:
        return code
    phrase = message.partition(":")[0].strip().lower()
    return _STATUS_OF_PHRASE.get(phrase, HTTPStatus.BAD_REQUEST)


def _as_int(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _status_text(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "unknown status"


def parse_retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return ``Retry-After`` in seconds.

    A date is compared with the response's own ``Date``, so a wrong local clock does not matter.
    Invalid, negative and infinite values are ignored.
    """
    value = headers.get("retry-after", "").strip()
    if not value or "_" in value:
        return None  # float() would read 1_0
    try:
        seconds = float(value)
    except ValueError:
        then = _http_date(value)
        if then is None:
            return None
        seconds = max(0.0, then - (_http_date(headers.get("date", "")) or now))
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _http_date(value: str) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - takes long, and is rarely needed

    try:
        return parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
