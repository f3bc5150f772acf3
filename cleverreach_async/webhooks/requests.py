"""Requests and responses as plain values, and the checks before a body is read."""

import re
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import attrs

from cleverreach_async.transport.redaction import MaskedBytes

__all__ = [
    "Headers",
    "RefusedError",
    "WebhookResponse",
    "call_token",
    "check_type",
    "handshake_value",
    "read_body",
    "read_headers",
]

Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]
"""The headers of a request, in any case."""

_TOKEN: Final = "x-cr-calltoken"  # noqa: S105 - the name of a header
_TYPES: Final = {
    "",
    "application/json",
    "text/json",
    "text/plain",
    "application/x-www-form-urlencoded",
}
"""Which type the vendor sends is undocumented. The last is PHP's when a program names none."""
_CHARSETS: Final = {"", "utf-8", "utf8"}
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_VALUE: Final = re.compile(r"[!-~]{1,256}")


@attrs.frozen
class WebhookResponse:
    """What to answer.

    Attributes:
        status: HTTP status.
        body: The body, as ``text/plain``.
        headers: All headers but the length.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]


class RefusedError(Exception):
    """A request that is refused.

    Attributes:
        response: What to answer.
    """

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(f"{status} {reason}")
        self.response: WebhookResponse = plain(status, reason, headers)


def plain(status: int, text: str, headers: Mapping[str, str] | None = None) -> WebhookResponse:
    """Return a response with text. Browsers must not take it for anything else."""
    safe = {"content-type": "text/plain", "x-content-type-options": "nosniff"}
    return WebhookResponse(status, text.encode("utf-8"), safe | dict(headers or {}))


def read_headers(headers: Headers) -> dict[str, list[bytes]]:
    """Return the values of each header by its name in lower case.

    Raises:
        RefusedError: One of them is no text.
    """
    found: dict[str, list[bytes]] = {}
    for name, value in _pairs(headers):
        key = _octets(name).decode("latin-1").lower()
        found.setdefault(key, []).append(_octets(value))
    return found


def _pairs(values: Any) -> Iterable[tuple[Any, Any]]:
    """Return names and values of a mapping, or of what consists of pairs."""
    items: Any = getattr(values, "items", None)
    pairs: Iterable[tuple[Any, Any]] = values if items is None else items()
    return pairs


def _octets(value: Any) -> bytes:
    if isinstance(value, bytes | bytearray):
        return MaskedBytes(value)
    if not isinstance(value, str):
        raise RefusedError(400, "a header is no text")
    return MaskedBytes(value.encode("utf-8", "surrogatepass"))


def call_token(headers: Mapping[str, list[bytes]]) -> bytes:
    """Return the call token of a delivery; without one, or with two, a text that none has."""
    values = headers.get(_TOKEN, [])
    return values[0] if len(values) == 1 else MaskedBytes()


def handshake_value(query: Any) -> str:
    """Return the value that the vendor wants to read when a webhook is registered.

    Raises:
        RefusedError: There is none, or more than one, or it is no word of up to 256 characters.
    """
    values = [value for name, value in _parameters(query) if name == "secret"]
    if len(values) != 1 or not _VALUE.fullmatch(values[0]):
        raise RefusedError(400, "secret expected")
    return values[0]


def _parameters(query: Any) -> list[tuple[str, str]]:
    if isinstance(query, bytes | bytearray):
        query = query.decode("latin-1")
    if isinstance(query, str):
        try:
            return parse_qsl(query.removeprefix("?"), keep_blank_values=True, max_num_fields=20)
        except ValueError:
            raise RefusedError(400, "secret expected") from None
    if not isinstance(query, Mapping):
        raise RefusedError(400, "secret expected")
    pairs: list[tuple[str, str]] = []
    for name, value in _pairs(query):
        several: Any = value
        values: Iterable[Any] = several if isinstance(value, list | tuple) else [value]
        pairs += [(str(name), it) for it in values if isinstance(it, str)]
    return pairs


def check_type(headers: Mapping[str, list[bytes]]) -> None:
    """Check that the body can be JSON in UTF-8.

    Raises:
        RefusedError: 415, it is of another type, in another encoding, or compressed.
    """
    types, encodings = headers.get("content-type", [b""]), headers.get("content-encoding", [b""])
    if len(types) != 1 or len(encodings) != 1:
        raise RefusedError(415, "one content type expected")
    kind, *parameters = types[0].decode("latin-1").lower().split(";")
    pairs = (it.partition("=") for it in parameters)
    charsets = [value.strip(" \t\"'") for name, _, value in pairs if name.strip() == "charset"]
    is_json = kind.strip() in _TYPES and set(charsets) <= _CHARSETS
    if not is_json or encodings[0].strip().lower() not in {b"", b"identity"}:
        raise RefusedError(415, "JSON in UTF-8 expected")


async def read_body(
    headers: Mapping[str, list[bytes]], body: bytes | AsyncIterable[bytes], limit: int
) -> bytes:
    """Return the body. One that is too long is not read, or not further.

    Args:
        headers: The headers of the request.
        body: The body, or its parts.
        limit: Most bytes.

    Raises:
        RefusedError: 413, it is too long; 400, its length is none, or its end is missing.
    """
    _check_length(headers, limit)
    if isinstance(body, bytes | bytearray | memoryview):
        parts = bytes(body[: limit + 1])
    else:
        parts = await _read_parts(body, limit)
    if len(parts) > limit:
        raise RefusedError(413, "too long")
    return parts


def _check_length(headers: Mapping[str, list[bytes]], limit: int) -> None:
    for length in headers.get("content-length", []):
        text = length.decode("latin-1").strip()
        if not _LENGTH.fullmatch(text):
            raise RefusedError(400, "length expected")
        if int(text) > limit:
            raise RefusedError(413, "too long")


async def _read_parts(body: AsyncIterable[bytes], limit: int) -> bytes:
    """Return the parts up to the one that is too much."""
    parts = bytearray()
    try:
        async for part in body:
            parts += part
            if len(parts) > limit:
                break
    except Exception:  # noqa: BLE001 - of any framework, when the sender is gone
        raise RefusedError(400, "the end is missing") from None
    finally:
        # A generator that is not read to its end must be closed, or the event loop complains.
        close: Any = getattr(body, "aclose", None)
        if close is not None:
            await close()
    return bytes(parts)
