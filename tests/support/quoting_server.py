"""A server that repeats the credentials it is sent, wherever a server may put a text."""

import html
import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from typing import Any
from urllib.parse import parse_qs, quote

import attrs

from cleverreach_async.transport.wire import as_object

__all__ = [
    "CORE",
    "DOMAIN",
    "Answer",
    "QuotingServer",
    "as_quoted",
    "secret",
    "serving",
    "traces_in",
]

CORE = "~WALK/"
"""A part of every credential."""
DOMAIN = "walk.example"
"""The domain of every address."""


def secret(name: str, *, filler: str = "a'b\\c%d+e=f") -> str:
    """Return a credential that no test mistakes for another."""
    return f"{name}{CORE}{filler}"


def in_base64(text: str) -> str:
    """Return a text in Base64."""
    return b64encode(text.encode()).decode()


SHAPES: list[Callable[[str], str]] = [
    str,
    json.dumps,
    lambda it: json.dumps(it).replace("/", r"\/"),
    lambda it: json.dumps(json.dumps({"said": it})),
    lambda it: quote(it, safe=""),
    lambda it: quote(quote(it, safe=""), safe=""),
    lambda it: "".join(f"%{ord(char):02x}" for char in it),
    html.escape,
    lambda it: "".join(f"&#{ord(char)};" for char in it),
    repr,
    lambda it: repr(it.encode()),
    in_base64,
    lambda it: in_base64(f"id:{it}"),
    lambda it: in_base64(f"Bearer {it}"),
    lambda it: it.encode().hex(),
    lambda it: it[:-3],
]


def as_quoted(text: str) -> str:
    """Return a text in every shape."""
    return " | ".join(shape(text) for shape in SHAPES)


def _cores() -> Iterator[str]:
    """The part of every credential, in each shape."""
    yield from {shape(CORE).strip("\"'b") for shape in SHAPES[:11]} - {CORE[:-3]}
    yield CORE.encode().hex()
    for before in ("", "x", "xx"):
        found = in_base64(f"{before}{CORE}xx")
        yield found[-(-8 * len(before) // 6) : 8 * (len(before) + len(CORE)) // 6]


CORES = [*_cores()]


def traces_in(shown: str | bytes, *, parts: tuple[str, ...] = tuple(CORES)) -> list[str]:
    """Return what stands around each trace of a credential, or of another part."""
    text = shown if isinstance(shown, str) else shown.decode("latin-1")
    places = [text.find(part) for part in parts if part in text]
    return [text[max(0, place - 80) : place + 40] for place in places]


@attrs.frozen
class Answer:
    """An answer.

    Attributes:
        status: HTTP status.
        body: Body; anything but a text is sent as JSON.
        kind: Media type.
    """

    status: int
    body: Any
    kind: str = "application/json"

    @property
    def content(self) -> bytes:
        """The body as bytes."""
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class QuotingServer:
    """An account with one group, whose every second row is refused.

    Args:
        tokens: How many tokens the token endpoint issues before it refuses.
        calls_per_token: How many batches a token is good for.
        refuses: Answer to every call but those for tokens, with what was sent in place of ``…``.

    Attributes:
        tokens: See above; may be changed, as the next two may.
        calls_per_token: See above.
        refuses: See above.
        on_batch: Called with the number of each batch.
        batches: Batches that arrived.
        heard: Credentials that were sent or issued.
    """

    def __init__(
        self,
        *,
        tokens: int = 1000,
        calls_per_token: int = 1000,
        refuses: Answer | None = None,
    ) -> None:
        self.on_batch: Callable[[int], None] = lambda _: None
        self.batches = 0
        self.heard: dict[str, None] = {}
        self.tokens = tokens
        self.calls_per_token = calls_per_token
        self.refuses = refuses
        self._calls_left: dict[str, int] = {}
        self._issued = 0
        self._shapes = cycle(SHAPES)
        self._lock = threading.Lock()

    def recover(self) -> None:
        """Refuse nothing from now on, accept each token again, and forget what was heard.

        The next process cannot know the tokens of the one before.
        """
        self.heard.clear()
        self.tokens, self.calls_per_token, self.refuses = 1000, 1000, None
        self._calls_left.clear()
        self.on_batch = lambda _: None

    def answer(self, method: str, path: str, authorization: str, content: bytes) -> Answer:
        """Answer a request."""
        with self._lock:
            self._hear(authorization, content)
            if path.startswith("/oauth/token.php"):
                return self._issue()
            if self.refuses is not None:
                body = json.loads(
                    json.dumps(self.refuses.body, ensure_ascii=False).replace(
                        "…", json.dumps(self.said)[1:-1]
                    )
                )
                return attrs.evolve(self.refuses, body=body)
            return self._serve(method, path.partition("?")[0], authorization, content)

    @property
    def said(self) -> str:
        """All credentials that were heard, each in every shape."""
        return " ".join(map(as_quoted, self.heard))

    def headers(self, answer: Answer) -> dict[str, str]:
        """Return the headers of an answer."""
        said = " ".join(map(as_quoted, self.heard)).replace("\n", "")[:6000]
        return {"content-type": f"{answer.kind}; said={said[:90]}", "x-debug": said}

    def _hear(self, authorization: str, content: bytes) -> None:
        kind, _, value = authorization.partition(" ")
        said = [value]
        if kind == "Basic":
            with suppress(ValueError):
                said.append(b64decode(value).decode().partition(":")[2])
        said += parse_qs(content.decode("utf-8", "replace")).get("refresh_token", [])
        self.heard |= dict.fromkeys(it for it in said if it)

    def _issue(self) -> Answer:
        self._issued += 1
        if self._issued > self.tokens:
            words = {"error": "invalid_grant", "error_description": self.said[:4000]}
            return Answer(400, words)
        access, refresh = (secret(f"{it}{self._issued}") for it in ("access", "refresh"))
        self.heard |= dict.fromkeys([access, refresh])
        return Answer(200, {"access_token": access, "refresh_token": refresh, "expires_in": 3600})

    def _serve(self, method: str, path: str, authorization: str, content: bytes) -> Answer:
        if path.endswith("/groups"):
            return Answer(200, [{"id": 7, "name": "Newsletter"}])
        if path.endswith("/attributes"):
            return Answer(200, [{"id": 1, "name": "city", "type": "text"}])
        return self._take(authorization, content)

    def _take(self, authorization: str, content: bytes) -> Answer:
        """Answer a batch."""
        left = self._calls_left.setdefault(authorization, self.calls_per_token)
        self._calls_left[authorization] = left - 1
        if left <= 0:
            return Answer(401, {"error": {"code": 401, "message": f"expired: {self.said}"}})
        self.batches += 1
        self.on_batch(self.batches)
        rows = json.loads(content)
        if self.batches == 2:
            return Answer(503, f"<html>{self.said}</html>", "text/html")
        if any("fatal" in json.dumps(row) for row in rows):
            return Answer(422, {"error": {"code": 422, "message": f"{rows} {self.said}"}})
        return Answer(200, [self._item(number, row) for number, row in enumerate(rows)])

    def _item(self, number: int, row: Any) -> Any:
        email = str(as_object(row).get("email", row))
        if number % 2:
            return {"id": number + 1, "email": email, "debug": self.said[:500]}
        shape = next(self._shapes)
        said = " ".join(map(shape, self.heard))
        words = f"invalid address '{email}', {email} {quote(email)}: {said}"
        refusals: list[dict[str, Any]] = [
            {"status": words},
            {"error": {"message": words}},
            {"errors": [words, said]},
            {"success": False, "message": words},
            {"code": 400, "message": said},
        ]
        return {"email": email, **refusals[number // 2 % len(refusals)]}


@contextmanager
def serving(server: QuotingServer) -> Generator[str, None, None]:
    """Serve on a socket; yields the URL."""

    class Handler(BaseHTTPRequestHandler):
        """Passes requests on."""

        protocol_version = "HTTP/1.1"

        def _respond(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            content = self.rfile.read(size)
            given = self.headers.get("authorization") or ""
            answer = server.answer(self.command, self.path, given, content)
            self.send_response(answer.status)
            for name, value in server.headers(answer).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PUT = do_DELETE = _respond  # noqa: N815 - names of the base class

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_address[1]}"
        finally:
            listener.shutdown()
