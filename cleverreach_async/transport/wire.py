"""Build requests and read responses, as plain values: no event loop, no HTTP library."""

import codecs
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter, methodcaller
from typing import Any, Final, TypedDict, TypeGuard, cast
from urllib.parse import urlencode

import attrs
import msgspec

from cleverreach_async.errors import ConfigurationError, ResponseDecodeError
from cleverreach_async.transport.json_text import parse_json
from cleverreach_async.transport.paths import fill_path
from cleverreach_async.transport.redaction import excerpt, mask_emails
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
    "encode_body",
    "encode_json",
    "encode_json_lines",
    "is_numbered",
    "to_unix",
]

DEFAULT_BASE_URL: Final = "https://rest.cleverreach.com"
USER_AGENT: Final = f"cleverreach-async/{__version__}"
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"

_AREAS_OF_THE_SERVER: Final = frozenset({"flow", "gomailer", "hooks"})
"""First segments of the paths that are not below ``/v3``."""

_LONGEST_TARGET: Final = 60_000
"""Servers take much less, but the HTTP library cannot send more."""
_PLAIN: Final = frozenset({str, int, float, bool, type(None), type(msgspec.UNSET)})
_BYTES: Final = (bytes, bytearray, memoryview)
_MAX_KIND: Final = 100
_MAX_PROBLEM: Final = 200


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
        secrets: Credentials in headers and body, which no error may show.
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
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)


def _stripped(content: bytes) -> bytes:
    # Once for all readers, since stripping megabytes of blanks takes time.
    return content.removeprefix(codecs.BOM_UTF8).strip()


@attrs.frozen
class Response:
    """A response.

    Attributes:
        status_code: HTTP status.
        headers: Headers, with lower-case names.
        content: Body bytes after content decoding such as gzip, without a byte-order mark and
            blanks around them.
        secrets: Credentials that it may quote, and that no message may show. The content is not
            changed, since it may be a token that was asked for.
    """

    status_code: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    content: bytes = attrs.field(repr=False, converter=_stripped)
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False, eq=False)

    def quoting(self, secrets: tuple[str, ...]) -> "Response":
        """Return the same response, which may quote these credentials."""
        return Response(self.status_code, self.headers, self.content, secrets)

    @property
    def kind(self) -> str:
        """The media type that it says it has, for a message."""
        told = self.headers.get("content-type", "no content type")
        return excerpt(told, _MAX_KIND, secrets=self.secrets)


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
        template: Path below ``/v3``, such as ``/groups/{group_id}``, or one of those beside it:
            ``/hooks/…``, ``/flow/…``, ``/gomailer/…`` and ``/oauth/….php``.
        path: Values for the placeholders; see :func:`fill_path`.
        query: Query parameters. ``None`` and ``UNSET`` are left out.
        json: Body. ``UNSET`` means no body, ``None`` sends ``null``.
        idempotent: Whether the request may be repeated; by default any but a POST may.
        accepts_false: Whether ``false`` is a valid response rather than a failure.

    Raises:
        ConfigurationError: A value of the path is missing or not an id, the path would address
            something else, a time has no time zone, or a value cannot be sent.
    """
    if idempotent is None:
        idempotent = method != "POST"
    target = _below_root(fill_path(template, path or {})) + encode_query(query or {})
    if len(target) > _LONGEST_TARGET:
        raise ConfigurationError(
            f"{mask_emails(template)}: the URL would have {len(target)} characters; send less at a"
            " time"
        )
    return Request(
        method=method,
        target=target,
        template=mask_emails(template),
        content=b"" if json is msgspec.UNSET else encode_body(json),
        idempotent=idempotent,
        accepts_false=accepts_false,
    )


def _below_root(path: str) -> str:
    """Return a path with ``/v3`` before it, except for the areas of the server beside that."""
    area = path.split("/", 2)[1]
    is_token_page = area == "oauth" and path.endswith(".php")
    return path if area in _AREAS_OF_THE_SERVER or is_token_page else f"/v3{path}"


def encode_query(values: Mapping[str, Any]) -> str:
    """Return the query string with its ``?``, or an empty string without parameters.

    Raises:
        ConfigurationError: A value is no text, number, time or list of them, or no valid text.
    """
    pairs = [
        (name, _query_value(name, value))
        for name, value in values.items()
        if value is not None and value is not msgspec.UNSET
    ]
    try:
        return f"?{urlencode(pairs)}" if pairs else ""
    except UnicodeEncodeError:
        names = ", ".join(name for name, value in pairs if not _is_valid(value))
    # Not raised while the other error is handled, because that holds the text.
    raise ConfigurationError(f"{names or 'a name'} in the query is not valid Unicode text")


def _query_value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float | datetime):
        return str(to_unix(value))
    kind: type[Any] = value.__class__
    if issubclass(kind, Iterable) and not issubclass(kind, bytes | Mapping):
        return ",".join(str(item) for item in value)
    raise ConfigurationError(
        f"{name} in the query is of type {kind.__name__}; pass text, a number, a time or a list"
    )


def _is_valid(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= it <= "\udfff" for it in text)


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


_encoder: Final = msgspec.json.Encoder(decimal_format="number")
encode_json: Final = _encoder.encode
"""Encode attrs classes and plain values to JSON. ``UNSET`` fields are left out, and a ``Decimal``
is a number."""


def encode_json_lines(values: Sequence[Any]) -> bytes:
    """Encode values as :func:`encode_json` does, each with a line feed behind it."""
    return _encoder.encode_lines(values)


def encode_body(value: Any) -> bytes:
    """Encode the body of a request.

    Raises:
        ConfigurationError: A value has no form in JSON.
    """
    try:
        content = encode_json(value)
        problem = _problem_in(value, content)
    except UnicodeEncodeError:
        problem = "a text in it is not valid Unicode (it has half a surrogate pair)"
    except RecursionError:
        problem = "it is nested too deeply, or contains itself"
    except (TypeError, ValueError, OverflowError) as error:
        problem = excerpt(str(error), _MAX_PROBLEM)
    else:
        if problem is None:
            return content
    # Not raised while the other error is handled, because the variables of that hold the value.
    raise ConfigurationError(f"the body cannot be sent as JSON: {problem}")


def _problem_in(value: Any, content: bytes) -> str | None:
    """Return what the encoder has changed, of which it says nothing."""
    if _has_bytes(value):
        return "it has bytes, which would be stored as Base64; decode them to text"
    if b"null" in content and _has_odd_number(value):
        return "a number in it is infinite or not a number"
    return None


def _has_bytes(value: Any) -> bool:
    if type(value) in _PLAIN:
        return False
    if isinstance(value, _BYTES):
        return True
    parts = _parts_of(value)
    return not _PLAIN.issuperset(map(type, parts)) and any(map(_has_bytes, parts))


def _has_odd_number(value: Any) -> bool:
    """Whether there is a number that the encoder has written as ``null``."""
    if isinstance(value, float):
        return not math.isfinite(value)
    return any(map(_has_odd_number, _parts_of(value)))


def _parts_of(value: Any) -> Iterable[Any]:
    parts: Iterable[Any] = _reader_of(value.__class__)(value)
    return parts


@lru_cache(maxsize=256)
def _reader_of(kind: type[Any]) -> Callable[[Any], Any]:
    """Return what returns the parts of an object of a type."""
    if issubclass(kind, Mapping):
        return methodcaller("values")
    if issubclass(kind, list | tuple | set | frozenset):
        return lambda value: value
    names = [it.name for it in attrs.fields(kind)] if attrs.has(kind) else []
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: [getattr(value, name) for name in names]


def decode_json(response: Response, request: Request) -> Any:
    """Decode a response. An empty body is ``None``.

    Raises:
        ResponseDecodeError: The body is not JSON.
    """
    if not response.content:
        return None
    try:
        return parse_json(response.content)
    except ValueError as error:
        reason = "" if isinstance(error, msgspec.DecodeError) else f" {error},"
    # Not raised while the other error is handled, because the variables of that hold the content.
    raise ResponseDecodeError(
        [f"not JSON ({response.kind},{reason} {len(response.content)} bytes)"],
        method=request.method,
        path=request.template,
    )


def as_object(value: Any) -> dict[str, Any]:
    """Return a decoded JSON object, or an empty one for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return a decoded JSON list, or a list of one for anything else.

    PHP sends a list with gaps as an object with numbers or ids as keys; its list are the values.
    """
    if is_numbered(value):
        return [*value.values()]
    return value if _is_list(value) else [value]


def is_numbered(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether decoded JSON is an object that stands for a list, and not empty.

    Its keys are numbers, or the ids of its items.
    """
    fields = as_object(value)
    if not fields:
        return False
    return all(map(str.isdecimal, fields)) or all(
        str(as_object(item).get("id")) == key for key, item in fields.items()
    )


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
