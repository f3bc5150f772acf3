"""The record of received requests."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from starlette.requests import Request

KEPT_HEADERS = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"connection",
        b"content-encoding",
        b"content-type",
        b"idempotency-key",
        b"user-agent",
        b"x-request-id",
    }
)
"""The headers that are recorded; the one with the token is not."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request as it was received.

    Attributes:
        method: The HTTP method.
        path: The decoded path without the query and without the legacy ``.json``.
        status_code: The status of the response, None without a response.
        query: The query parameters, except the token.
        headers: Some headers; names are in lower case.
        body_size: The length of the body in bytes.
        body_sha256: Its digest in hex; identical bodies have the same one.
    """

    method: str
    path: str
    status_code: int | None
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body_size: int
    body_sha256: str


def _query(request: Request) -> dict[str, str]:
    """Return the query parameters, except the token."""
    return {name: value for name, value in request.query_params.items() if name != "token"}


class RequestLog:
    """Stores the last requests and counts all requests."""

    def __init__(self, keep: int = 10_000) -> None:
        self._last: deque[RecordedRequest] = deque(maxlen=keep)
        self._counts: Counter[tuple[str, str]] = Counter()

    def received(self, method: str, path: str) -> None:
        """Count a request."""
        self._counts[method, path] += 1

    def completed(self, request: Request, path: str, body: bytes, status_code: int | None) -> None:
        """Store a request that was completed, with or without a response."""
        recorded = RecordedRequest(
            method=request.method,
            path=path,
            status_code=status_code,
            query=_query(request) if request.scope["query_string"] else {},
            headers={
                name.decode("latin-1"): value.decode("latin-1")
                for name, value in request.headers.raw
                if name in KEPT_HEADERS
            },
            body_size=len(body),
            body_sha256=sha256(body).hexdigest(),
        )
        self._last.append(recorded)

    @property
    def requests(self) -> list[RecordedRequest]:
        """The last requests, in the order in which they were completed."""
        return list(self._last)

    def count(self, method: str | None = None, path_prefix: str | None = None) -> int:
        """Return how many requests were received in total."""
        return sum(
            number
            for (verb, path), number in self._counts.items()
            if method in {None, verb} and (path_prefix is None or path.startswith(path_prefix))
        )
