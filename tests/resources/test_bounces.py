"""Bounces: requests and responses."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from cleverreach_async.errors import ConfigurationError, ResponseDecodeError
from cleverreach_async.resources.bounces import Bounce, Bounces
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Bounces], Awaitable[object]]

RECORDED = {
    "email": "gone@mail.example",
    "category": "hardbounce",
    "occurences": "3",
    "last_update": 1767225600,
    "last_update_gmt": "2026-01-01T00:00:00Z",
    "expires_by": "1769817600",
    "expires_by_gmt": "2026-01-31T00:00:00Z",
    "bounce_message": "550 unknown user",
    "type": "mailing",
    "type_id": "77001",
    "shard": 3,
}
BOUNCE = Bounce(
    email="gone@mail.example",
    category="hardbounce",
    occurences=3,
    last_update=datetime(2026, 1, 1, tzinfo=UTC),
    last_update_gmt="2026-01-01T00:00:00Z",
    expires_by=datetime(2026, 1, 31, tzinfo=UTC),
    expires_by_gmt="2026-01-31T00:00:00Z",
    bounce_message="550 unknown user",
    type="mailing",
    type_id=77001,
    extra={"shard": 3},
)

ROWS: dict[str, tuple[Act, str, str, object, object, object]] = {
    "list": (
        lambda it: it.list(),
        "GET",
        "/v3/bounces?page=0&pagesize=500",
        None,
        [RECORDED],
        (BOUNCE,),
    ),
    "list of none": (
        lambda it: it.list(page_size=1),
        "GET",
        "/v3/bounces?page=0&pagesize=1",
        None,
        False,
        (),
    ),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "body", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_bounce_calls(
    act: Act,
    method: str,
    target: str,
    body: object,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request and reads the response."""
    assert (method, target, body, expected) == await exchange(Bounces, act, answer)


async def test_bounces_come_in_pages(serve: Callable[..., Call], sent: list[Request]) -> None:
    """The first page that is not full is the last."""
    pages = [[{"email": f"{n}@mail.example"} for n in part] for part in ((1, 2), (3, 4), ())]
    found = [it.email async for it in Bounces(serve(*pages)).list(page_size=2)]
    assert [f"{n}@mail.example" for n in (1, 2, 3, 4)] == found
    assert [f"/v3/bounces?page={n}&pagesize=2" for n in (0, 1, 2)] == [it.target for it in sent]


async def test_bounces_from_a_page_on(serve: Callable[..., Call], sent: list[Request]) -> None:
    """Several pages may be requested together."""
    bounces = Bounces(serve([{"email": "2@mail.example"}], [], []))
    listing = bounces.list(page_size=1, page=2, prefetch=1)
    assert ["2@mail.example"] == [it.email async for it in listing]
    assert ["2", "3", "4"] == sorted(it.target.partition("page=")[2][0] for it in sent)


@pytest.mark.parametrize("page_size", [0, -1, 501])
def test_page_size_out_of_range(page_size: int, serve: Callable[..., Call]) -> None:
    """A larger page than the server returns would look like the last one."""
    with pytest.raises(ConfigurationError, match="from 1 to 500"):
        Bounces(serve()).list(page_size=page_size)


HOSTILE: dict[str, Any] = {
    "true": True,
    "a number": 7,
    "text": "no bounces",
    "an object": {"message": "none"},
    "no address": [{"email": None}],
    "a page": b"<html></html>",
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE.keys())
async def test_what_is_no_list_of_bounces(answer: object, serve: Callable[..., Call]) -> None:
    """It raises instead of looking like an account without bounces."""
    with pytest.raises(ResponseDecodeError):
        await Bounces(serve(answer)).list()
