"""Build requests and read responses, as plain values: no event loop, no HTTP library.

Error bodies come in four shapes, some of them with HTTP 200. Only this file knows them.
"""

import codecs
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, TypedDict, TypeGuard, cast
from urllib.parse import urlencode

import attrs
import msgspec

from cleverreach_async.errors import (
    APIStatusError,
    ConfigurationError,
    ResponseDecodeError,
    status_error,
)
from cleverreach_async.transport.json_text import parse_json
from cleverreach_async.transport.paths import fill_path
from cleverreach_async.transport.redaction import mask_emails
from cleverreach_async.version import __version__

__all__ = [
    "DEFAULT_BASE_URL",
    "FORM",
    "JSON",
    "USER_AGENT",
    "Request",
    "RequestParts",
    "Response",
    "as_list",
    "as_object",
    "build_request",
    "decode_json",
    "encode_json",
    "error_in",
    "is_numbered",
    "parse_retry_after",
    "server_root",
    "to_unix",
]

DEFAULT_BASE_URL: Final = "https://rest.cleverreach.com"
USER_AGENT: Final = f"cleverreach-async/{__version__}"
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"

_BODY_EXCERPT: Final = 200
_HIDDEN_HEADERS: Final = frozenset({"authorization", "set-cookie", "www-authenticate"})

_ERROR_STATUSES: Final = range(400, 600)
_STATUS_OF_PHRASE: Final = {s.phrase.lower(): int(s) for s in HTTPStatus if s in _ERROR_STATUSES}

_FAILED: Final = re.compile(rb'\s*(?:false|\{\s*"success"\s*:\s*false\s*\})\s*')


@attrs.frozen(kw_only=True)
class Request:
    """A request that can be sent any number of times.

    Attributes:
        method: HTTP method.
        target: Path and query on the server, such as ``/v3/groups/7?page=0``.
        template: The path with placeholders instead of ids; the only form that is logged.
        content: Body bytes; empty for no body.
        content_type: Media type of the body.
        headers: Further headers, with lower-case names.
        idempotent: Whether executing it twice leaves the same state as executing it once.
        authenticated: Whether it carries the account's token and passes the account's gate.
        accepts_false: Whether ``false`` is a valid response; otherwise it means failure.
    """

    method: str
    target: str = attrs.field(repr=False)
    template: str
    content: bytes = attrs.field(default=b"", repr=False)
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    idempotent: bool = False
    authenticated: bool = True
    accepts_false: bool = False


def _without_byte_order_mark(content: bytes) -> bytes:
    return content.removeprefix(codecs.BOM_UTF8)


@attrs.frozen
class Response:
    """A response.

    Attributes:
        status_code: HTTP status.
        headers: Headers, with lower-case names.
        content: Body bytes after content decoding such as gzip, without a byte-order mark.
    """

    status_code: int
    headers: Mapping[str, str]
    content: bytes = attrs.field(repr=False, converter=_without_byte_order_mark)


class RequestParts(TypedDict, total=False):
    """The optional arguments of :func:`build_request`."""

    path: Mapping[str, str | int] | None
    query: Mapping[str, Any] | None
    json: Any
    idempotent: bool | None
    accepts_false: bool


def build_request(
    method: str,
    template: str,
    *,
    path: Mapping[str, str | int] | None = None,
    query: Mapping[str, Any] | None = None,
    json: Any = msgspec.UNSET,
    idempotent: bool | None = None,
    accepts_false: bool = False,
) -> Request:
    """Build a request to the REST API.

    Args:
        method: HTTP method.
        template: Path below ``/v3``, such as ``/groups/{group_id}``.
        path: Values for the placeholders; see :func:`fill_path`.
        query: Query parameters. ``None`` and ``UNSET`` are left out.
        json: Body. ``UNSET`` means no body, ``None`` sends ``null``.
        idempotent: Whether the request may be repeated; by default any but a POST may.
        accepts_false: Whether ``false`` is a valid response rather than a failure.

    Raises:
        ConfigurationError: A value of the path is missing or not an id, the path would address
            something else, or a time has no time zone.
    """
    if idempotent is None:
        idempotent = method != "POST"
    return Request(
        method=method,
        target=f"/v3{fill_path(template, path or {})}{encode_query(query or {})}",
        template=mask_emails(template) if "@" in template or "%40" in template else template,
        content=b"" if json is msgspec.UNSET else encode_json(json),
        idempotent=idempotent,
        accepts_false=accepts_false,
    )


def server_root(base_url: str) -> str:
    """Return a server's root without a trailing slash or ``/v3``.

    Raises:
        ConfigurationError: It is not an HTTP address, or contains a user or password.
    """
    root = base_url.rstrip("/").removesuffix("/v3")
    if "@" in root:
        raise ConfigurationError("base_url contains a user or password; pass the server's root")
    if not root.startswith(("https://", "http://")):
        raise ConfigurationError(
            f"base_url is {base_url!r}; pass the server's root, such as {DEFAULT_BASE_URL}"
        )
    return root


def encode_query(values: Mapping[str, Any]) -> str:
    """Return the query string with its ``?``, or an empty string without parameters."""
    pairs = [
        (name, _query_value(value))
        for name, value in values.items()
        if value is not None and value is not msgspec.UNSET
    ]
    return f"?{urlencode(pairs)}" if pairs else ""


def _query_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float | datetime):
        return str(to_unix(value))
    return ",".join(str(item) for item in value)


def to_unix(value: Any) -> Any:
    """Return an aware ``datetime`` as Unix seconds, and anything else as it is.

    Raises:
        ConfigurationError: The ``datetime`` has no time zone.
    """
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise ConfigurationError(
            f"{value!r} has no time zone; pass an aware datetime, such as datetime.now(UTC)"
        )
    return int(value.timestamp())


encode_json: Final = msgspec.json.Encoder(decimal_format="number").encode
"""Encode attrs classes and plain values to JSON. ``UNSET`` fields are left out, and a ``Decimal``
is a number."""


def decode_json(response: Response, request: Request) -> Any:
    """Decode a response. An empty body is ``None``.

    Raises:
        ResponseDecodeError: The body is not JSON.
    """
    if not response.content.strip():
        return None
    with suppress(ValueError):
        return parse_json(response.content)
    # Not raised while the other error is handled, because the variables of that hold the content.
    kind = response.headers.get("content-type", "no content type")
    raise ResponseDecodeError(
        [f"not JSON ({kind}, {len(response.content)} bytes)"],
        method=request.method,
        path=request.template,
    )


def error_in(response: Response, request: Request, *, now: float) -> APIStatusError | None:
    """Return the error that a response reports, or ``None`` for a success.

    Args:
        response: The response.
        request: Its request.
        now: Unix time, for a ``Retry-After`` date in a response without ``Date``.
    """
    status = response.status_code
    content = response.content
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        if _FAILED.fullmatch(content) and not request.accepts_false:
            return _error(response, request, status, None, "the server reports a failure", now)
        # Only an object can hold an error. Checking this first saves parsing large responses twice.
        if content[:64].lstrip()[:1] != b"{" or b'"error"' not in content:
            return None
    body = _json_object(content)
    code, message = _read_error(body)
    if status < HTTPStatus.MULTIPLE_CHOICES:
        if not body.get("error"):
            return None
        status = code if code and code in _ERROR_STATUSES else _status_in(message)
    elif status < HTTPStatus.BAD_REQUEST:
        message = "the server redirects, and API calls do not follow redirects: check base_url"
    return _error(response, request, status, code, message or _status_text(status), now)


def _error(
    response: Response,
    request: Request,
    status: int,
    code: int | None,
    message: str,
    now: float,
) -> APIStatusError:
    text = response.content[: 4 * _BODY_EXCERPT].decode("utf-8", "replace")
    return status_error(status)(
        mask_emails(message),
        status_code=status,
        code=code,
        method=request.method,
        path=mask_emails(request.template),
        headers={k: v for k, v in response.headers.items() if k not in _HIDDEN_HEADERS},
        body=mask_emails(text)[:_BODY_EXCERPT],
        retry_after=parse_retry_after(response.headers, now=now),
    )


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        return as_object(parse_json(content))
    except ValueError:
        return {}


def as_object(value: Any) -> dict[str, Any]:
    """Return a decoded JSON object, or an empty one for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return a decoded JSON list, or a list of one for anything else.

    PHP sends a list with gaps as an object with numbers as keys; its list are the values.
    """
    if is_numbered(value):
        return [*value.values()]
    return value if _is_list(value) else [value]


def is_numbered(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether decoded JSON is an object with numbers as keys, and not empty."""
    fields = as_object(value)
    return bool(fields) and all(map(str.isdecimal, fields))


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _read_error(body: Mapping[str, Any]) -> tuple[int | None, str]:
    """Return code and message of an error body: nested, OAuth, or one of two flat shapes."""
    error = body.get("error")
    nested = as_object(error)
    if nested:
        return _as_int(nested.get("code")), str(nested.get("message") or "")
    description = body.get("error_description")
    if isinstance(error, str) and error:
        return None, f"{error}: {description}" if description else error
    return _as_int(body.get("code")), str(description or body.get("message") or "")


def _status_in(message: str) -> int:
    """Return the status that a message such as ``Not Found: invalid receiver`` begins with."""
    return _STATUS_OF_PHRASE.get(message.partition(":")[0].strip().lower(), HTTPStatus.BAD_REQUEST)


def _as_int(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
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
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        then = _http_date(value)
        if then is None:
            return None
        seconds = max(0.0, then - (_http_date(headers.get("date", "")) or now))
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _http_date(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
