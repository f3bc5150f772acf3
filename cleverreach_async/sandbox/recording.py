"""What the sandbox remembers of the requests it received."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from starlette.requests import Request

KEPT_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-type",
        "idempotency-key",
        "user-agent",
        "x-request-id",
    }
)
"""Headers that are recorded; never the one that carries the token."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request as it was received.

    Attributes:
        method: The HTTP method.
        path: The decoded path, the legacy ``.json`` taken off, without the query.
        status_code: The status of the answer, None when there was none.
        query: The query parameters but a token.
        headers: Some headers, names in lower case.
        body_size: The length of the body in bytes.
        body_sha256: Its digest in hex: a blind retry has the same one.
    """

    method: str
    path: str
    status_code: int | None
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body_size: int
    body_sha256: str


class RequestLog:
    """Keeps the last requests, and counters of all of them."""

    def __init__(self, keep: int = 10_000) -> None:
        self._last: deque[RecordedRequest] = deque(maxlen=keep)
        self._counts: Counter[tuple[str, str]] = Counter()

    def received(self, method: str, path: str) -> None:
        """Count a request."""
        self._counts[method, path] += 1

    def answered(self, request: Request, path: str, body: bytes, status_code: int | None) -> None:
        """Keep a request once its response was sent, or none was."""
        recorded = RecordedRequest(
            method=request.method,
            path=path,
            status_code=status_code,
            query={k: value for k, value in request.query_params.items() if k != "token"},
            headers={k: value for k, value in request.headers.items() if k in KEPT_HEADERS},
            body_size=len(body),
            body_sha256=sha256(body).hexdigest(),
        )
        self._last.append(recorded)

    @property
    def requests(self) -> list[RecordedRequest]:
        """The last requests, in the order in which they were answered."""
        return list(self._last)

    def count(self, method: str | None = None, path_prefix: str | None = None) -> int:
        """How many requests were received, since the beginning."""
        return sum(
            number
            for (verb, path), number in self._counts.items()
            if method in {None, verb} and (path_prefix is None or path.startswith(path_prefix))
        )
