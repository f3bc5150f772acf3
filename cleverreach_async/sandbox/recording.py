"""The record of received requests."""

import re
from collections import Counter, deque
from collections.abc import Callable, Mapping
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


_PLAIN = re.compile(r"[A-Za-z_-]{0,30}(?:\.php)?|v?\d{1,15}")


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request as it was received.

    Attributes:
        method: The HTTP method.
        path: The decoded path without the query and without the legacy ``.json``.
        route: Its template, e.g. ``/v3/groups/{group}``; empty for an unknown operation.
        account: The name of the account, None without a valid token.
        status_code: The status of the response, None without a response.
        milliseconds: How long it took, by the clock of the sandbox.
        fault: What was injected: the kind of fault, the limit that was reached (``rate``,
            ``in_flight`` or ``outage``), or empty.
        query: The query parameters, except the token.
        headers: Some headers; names are in lower case.
        body_size: The length of the body in bytes.
        body_sha256: Its digest in hex; identical bodies have the same one.
    """

    method: str
    path: str
    route: str
    account: str | None
    status_code: int | None
    milliseconds: float
    fault: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body_size: int
    body_sha256: str

    @property
    def line(self) -> str:
        """A line for a log, without addresses and secrets: ids in the path are left out."""
        path = self.route or _masked(self.path)
        parts = (
            f"{self.method} {path}",
            str(self.status_code or "no response"),
            f"account={self.account or '-'}",
            f"{self.milliseconds:.1f} ms",
            self.fault and f"fault={self.fault}",
        )
        return "  ".join(filter(None, parts))


def _masked(path: str) -> str:
    """Return the path of an unknown operation with nothing but its plain words and numbers."""
    segments = path.removeprefix("/").split("/")
    return "/" + "/".join(it if _PLAIN.fullmatch(it) else "{}" for it in segments)


@dataclass(slots=True)
class PendingRequest:
    """What is known about a request that has no response yet.

    Attributes:
        method: The HTTP method.
        path: The decoded path.
        started: When it was received, in unix seconds.
        account: The name of the account of its token, if any.
        route: The template of the path, once it is known.
        status_code: The status of the response, once it is known.
        fault: What was injected.
    """

    method: str
    path: str
    started: float
    account: str | None
    route: str = ""
    status_code: int | None = None
    fault: str = ""


def _query(request: Request) -> dict[str, str]:
    """Return the query parameters, except the token."""
    return {name: value for name, value in request.query_params.items() if name != "token"}


class RequestLog:
    """Stores the last requests and counts all requests.

    Attributes:
        on_completed: Called with each request that was completed; None calls nothing.
    """

    def __init__(self, keep: int = 10_000) -> None:
        self._last: deque[RecordedRequest] = deque(maxlen=keep)
        self._counts: Counter[tuple[str | None, str, str]] = Counter()
        self._completed = 0
        self.on_completed: Callable[[RecordedRequest], None] | None = None

    def received(self, pending: PendingRequest) -> None:
        """Count a request."""
        self._counts[pending.account, pending.method, pending.path] += 1

    def completed(
        self,
        pending: PendingRequest,
        request: Request,
        body: bytes,
        now: float,
        account: str | None,
    ) -> None:
        """Store a request that was completed, with or without a response.

        Args:
            pending: What is known about it.
            request: The request.
            body: Its body.
            now: The time in unix seconds.
            account: The name of its account, which a token request has only now.
        """
        method, path = pending.method, pending.path
        if account != pending.account:
            self._counts[pending.account, method, path] -= 1
            self._counts[account, method, path] += 1
        recorded = RecordedRequest(
            method=method,
            path=path,
            route=pending.route,
            account=account,
            status_code=pending.status_code,
            milliseconds=max(0.0, now - pending.started) * 1000,
            fault=pending.fault,
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
        self._completed += 1
        if self.on_completed is not None:
            self.on_completed(recorded)

    def requests(self, account: str | None = None) -> list[RecordedRequest]:
        """Return the last requests, of one account or of all, in the order of their completion."""
        return [it for it in self._last.copy() if account in {None, it.account}]

    def since(self, number: int) -> tuple[int, list[RecordedRequest]]:
        """Return how many requests were completed, and the stored ones after a number of them.

        A number that was never reached is of an earlier sandbox; then all are returned.
        """
        completed = self._completed
        new = completed - number if number <= completed else completed
        return completed, list(self._last.copy())[-new:] if new else []

    def count(self, method: str | None, path_prefix: str | None, account: str | None = None) -> int:
        """Return how many requests were received in total, of one account or of all."""
        return sum(
            number
            for (owner, verb, path), number in self._counts.copy().items()
            if account in {None, owner}
            and method in {None, verb}
            and (path_prefix is None or path.startswith(path_prefix))
        )
