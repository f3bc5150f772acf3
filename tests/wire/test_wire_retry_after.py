"""Retry-After: seconds or a date, from servers that may send anything."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.transport.error_bodies import parse_retry_after

NOON = "Thu, 01 Jan 2026 12:00:00 GMT"
LATER = "Thu, 01 Jan 2026 12:01:30 GMT"
NOON_UNIX = 1767268800.0

READ: dict[str, tuple[dict[str, str], float | None]] = {
    "seconds": ({"retry-after": "7"}, 7.0),
    "fraction": ({"retry-after": " 0.5 "}, 0.5),
    "zero": ({"retry-after": "0"}, 0.0),
    "absurd": ({"retry-after": "31536000"}, 31536000.0),
    "date by the server's clock": ({"retry-after": LATER, "date": NOON}, 90.0),
    "date by ours": ({"retry-after": LATER}, 90.0),
    "date beside a broken one": ({"retry-after": LATER, "date": "now"}, 90.0),
    "date in the past": ({"retry-after": NOON, "date": LATER}, 0.0),
    "absent": ({}, None),
    "empty": ({"retry-after": " "}, None),
    "negative": ({"retry-after": "-5"}, None),
    "a number of Python": ({"retry-after": "1_0"}, None),
    "words": ({"retry-after": "soon"}, None),
    "not a number": ({"retry-after": "nan"}, None),
    "endless": ({"retry-after": "inf"}, None),
    "too large for a float": ({"retry-after": "1e999"}, None),
    "impossible date": ({"retry-after": "Thu, 99 Jan 2026 12:00:00 GMT"}, None),
}


@pytest.mark.parametrize(("headers", "expected"), READ.values(), ids=READ.keys())
def test_retry_after(headers: dict[str, str], expected: float | None) -> None:
    """Seconds to wait, or ``None`` for an invalid header."""
    assert expected == parse_retry_after(headers, now=NOON_UNIX)


@given(st.text() | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ \w+"), st.text())
def test_any_header_is_read_or_ignored(value: str, date: str) -> None:
    """No header causes a crash, a negative wait or an infinite wait."""
    seconds = parse_retry_after({"retry-after": value, "date": date}, now=NOON_UNIX)
    assert seconds is None or (math.isfinite(seconds) and seconds >= 0)
