"""Random answers of a hostile server, as raw bytes, from a seed."""

import gzip
import random
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

MEGABYTE = 2**20

EMPTY: tuple[Any, ...] = (None, True, False, [], {})
STATUSES = (200,) * 12 + (201, 202, 204, 206, 301, 304, 400, 401, 403, 404, 409, 413, 422, 429)
ODD_STATUSES = (100, 101, 199, 299, 418, 500, 502, 503, 504, 599, 600, 999)
KEYS = (
    *("id", "email", "name", "tag", "type", "success", "status", "error", "errors", "code"),
    *("message", "attributes", "global_attributes", "tags", "orders", "events", "registered"),
    *("group_id", "stats", "basic", "draft", "0", "1", "ttl", "count", "order_id", "product"),
    *("access_token", "expires_in", "refresh_token", "mailing_groups", "links", "stamp"),
)
TEXTS = (
    *(
        "",
        "0",
        "-1",
        "success",
        "no success",
        "ann@mail.example",
        "a@b" * 50,
        "\x1b[31m",
        "\0",
        "é",
    ),
    *("1e999", "9" * 400, "2026-01-01", "\u202e", "\U0001f642", "address '", "true", "null"),
)
HEADERS = (
    b"Retry-After: 1e300",
    b"Retry-After: -5",
    b"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT",
    b"Retry-After: soon",
    b"Date: yesterday",
    b"Location: http://[::1",
    b"Set-Cookie: a=b",
    b"WWW-Authenticate: Bearer",
    b"X-Odd: \xff\xfe\x80",
    b"X-Odd: a\tb",
    b"X-Odd: \x1b[31m",
    b"X-Odd:",
    b"Connection: close",
    b"Content-Type: text/html; charset=utf-16",
    b"Content-Type: \x80",
    b"Transfer-Encoding: chunked",
    b"Upgrade: websocket",
)
CODINGS = (
    "gzip",
    "deflate",
    "gzip, gzip",
    "deflate, gzip",
    "br",
    "zstd",
    "identity",
    "gzip, " * 40,
)


@cache
def bomb(layers: int) -> bytes:
    """A hundred megabytes, compressed several times."""
    stream = zlib.compressobj(9, wbits=31)
    body = b"".join(stream.compress(b" " * MEGABYTE) for _ in range(100)) + stream.flush()
    for _ in range(layers - 1):
        body = gzip.compress(body)
    return body


class HostileAnswers:
    """Makes one answer after another.

    Args:
        rng: The only source of chance, so that a seed repeats them.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def answer(self) -> bytes:
        """Return the bytes of a response, which may be none."""
        rng = self._rng
        if rng.random() < 0.03:
            return rng.choice((b"", b"\r\n", b"HTTP/1.1 ", rng.randbytes(200), b"SSH-2.0-x\r\n"))
        body, coding = self._coded_body()
        status = rng.choice(STATUSES if rng.random() < 0.8 else ODD_STATUSES)
        lines = [b"HTTP/1.1 %d %s" % (status, rng.choice((b"OK", b"", b"\xff", b"x" * 200)))]
        lines += rng.sample(HEADERS, rng.choice((0, 0, 1, 3)))
        if coding:
            lines.append(b"Content-Encoding: " + coding.encode())
        if rng.random() < 0.9 and b"Transfer-Encoding: chunked" not in lines:
            length = len(body) + (rng.choice((-1, 1, 10**9)) if rng.random() < 0.05 else 0)
            lines.append(b"Content-Length: %d" % max(0, length))
        if rng.random() < 0.02:
            lines += [b"X-%d: %s" % (number, b"x" * 100) for number in range(300)]
        if b"Transfer-Encoding: chunked" in lines:
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        raw = b"\r\n".join([*lines, b"", body])
        return raw[: rng.randrange(len(raw))] if rng.random() < 0.05 else raw

    def _coded_body(self) -> tuple[bytes, str]:
        rng = self._rng
        body = self.body()
        if rng.random() < 0.8:
            return body, ""
        coding = rng.choice(CODINGS)
        if rng.random() < 0.1:
            return bomb(rng.choice((1, 2, 3))), coding
        if rng.random() < 0.3:
            return body, coding
        for name in coding.split(", "):
            if name in {"gzip", "deflate"}:
                body = gzip.compress(body) if name == "gzip" else zlib.compress(body)
        return body, coding

    def body(self) -> bytes:
        """Return a body: mostly JSON that looks like a real one."""
        rng = self._rng
        makers: tuple[Callable[[], bytes], ...] = (
            lambda: rng.choice((b"", b"true", b"false", b"null", b"[]", b"{}", b'""', b"0", b"-0")),
            lambda: rng.randbytes(rng.randrange(300)),
            lambda: b"<html>" + rng.randbytes(50) + b"ann@mail.example</html>",
            self._deep,
            self._large,
            lambda: self._json().decode().encode("latin-1", "replace"),
            lambda: b"\xef\xbb\xbf" + self._json(),
            self._damaged,
            lambda: b'"\\ud800"',
        )
        return rng.choice(makers)() if rng.random() < 0.4 else self._json()

    def _json(self) -> bytes:
        rng = self._rng
        value = [self._object() for _ in range(rng.randrange(5))]
        return msgspec.json.encode(value if rng.random() < 0.5 else self._value(3))

    def _object(self) -> dict[str, Any]:
        rng = self._rng
        names = rng.sample(KEYS, rng.randrange(8))
        return {"id": rng.choice((5, "7", 0, -1)), "email": "a@b.example"} | {
            name: self._value(2) for name in names
        }

    def _value(self, depth: int) -> Any:
        rng = self._rng
        kind = rng.randrange(9 if depth else 6)
        if kind == 0:
            return rng.choice(EMPTY)
        if kind == 1:
            return rng.choice((0, 1, -1, 2**63, 10**40, 1767225600, 1767225600000))
        if kind == 2:
            return rng.choice((0.5, -0.0, 1e308, 1e-308))
        if kind <= 5:
            return rng.choice(TEXTS)
        if kind == 6:
            return [self._value(depth - 1) for _ in range(rng.randrange(4))]
        return self._object() if kind == 7 else {rng.choice(KEYS): self._value(depth - 1)}

    def _deep(self) -> bytes:
        rng = self._rng
        unit, end = rng.choice(((b"[", b"]"), (b'{"id":', b"}"), (b'[{"error":', b"}]")))
        depth = rng.choice((50, 900, 2000, 100_000))
        return unit * depth + (b"0" + end * depth if rng.random() < 0.5 else b"")

    def _large(self) -> bytes:
        rng = self._rng
        units = (
            b"x",
            b"a@",
            b"address '",
            b"[],",
            b"{},",
            b'{"id":1},',
            b'"\xfc",',
            b" ",
            b'"a":1,',
        )
        unit = rng.choice(units)
        size = rng.choice((10_000, 300_000, 3_000_000))
        inner = unit * (size // len(unit))
        frames = (b"%s", b'"%s"', b"[%s0]", b'{%s"id":1}', b'{"error":{"code":400,"message":"%s"}}')
        return rng.choice(frames) % inner

    def _damaged(self) -> bytes:
        rng = self._rng
        content = bytearray(self._json())
        for _ in range(rng.randrange(4)):
            if content:
                content[rng.randrange(len(content))] = rng.randrange(256)
        return bytes(content)
