"""Tags: requests, responses and refused names."""

from collections.abc import Awaitable, Callable

import pytest

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.tags import Tag, Tags
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Tags], Awaitable[object]]

ROWS: dict[str, tuple[Act, str, str, object, object, object]] = {
    "list": (
        lambda it: it.list(),
        "GET",
        "/v3/tags?limit=5000&page=0&offset=0",
        None,
        [{"origin": "shop", "tag": "customer", "count": "3"}, {"tag": "vip", "id": 1}],
        (Tag(origin="shop", tag="customer", count=3), Tag(tag="vip", extra={"id": 1})),
    ),
    "list with everything": (
        lambda it: it.list(group_id=7, origin="", order_by="count", page_size=1, page=3),
        "GET",
        "/v3/tags?group_id=7&origin=&order_by=count&limit=1&page=3&offset=3",
        None,
        False,
        (),
    ),
    "count": (
        lambda it: it.count("shop.customer"),
        "GET",
        "/v3/tags/count?tag=shop.customer",
        None,
        0,
        0,
    ),
    "count with everything": (
        lambda it: it.count("a&b", group_id=7, active=True),
        "GET",
        "/v3/tags/count?tag=a%26b&group_id=7&active=true",
        None,
        "12",
        12,
    ),
    "add one": (
        lambda it: it.add(7, "shop.customer"),
        "POST",
        "/v3/receivers/7/tags",
        {"tags": ["shop.customer"]},
        ["shop.customer"],
        None,
    ),
    "add one text of several": (
        lambda it: it.add(7, 'vip, shop.gold;"x"'),
        "POST",
        "/v3/receivers/7/tags",
        {"tags": ["vip", "shop.gold", "x"]},
        ["vip"],
        None,
    ),
    "remove one text of several": (
        lambda it: it.remove(7, "vip, gold"),
        "DELETE",
        "/v3/receivers/7/tags/vip%2Cgold",
        None,
        True,
        None,
    ),
    "add by address in a group": (
        lambda it: it.add("ann+a@mail.example", ["a", "b"], group_id=7),
        "POST",
        "/v3/receivers/ann%2Ba%40mail.example/tags",
        {"tags": ["a", "b"], "group_id": 7},
        [],
        None,
    ),
    "remove": (
        lambda it: it.remove(7, ("a", "shop.*")),
        "DELETE",
        "/v3/receivers/7/tags/a%2Cshop.%2A",
        None,
        True,
        None,
    ),
    "remove in a group": (
        lambda it: it.remove(7, "ü%", group_id=8),
        "DELETE",
        "/v3/receivers/7/tags/%C3%BC%25?group_id=8",
        None,
        b"",
        None,
    ),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "body", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_tag_calls(
    act: Act,
    method: str,
    target: str,
    body: object,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request and reads the response."""
    assert (method, target, body, expected) == await exchange(Tags, act, answer)


REFUSED: dict[str, Act] = {
    "comma": lambda it: it.remove(7, ["a,b"]),
    "slash": lambda it: it.remove(7, "a/b"),
    "nothing to remove": lambda it: it.remove(7, []),
    "empty among others": lambda it: it.remove(7, ["a", ""]),
    "two empty": lambda it: it.remove(7, ["", " "]),
    "dotted": lambda it: it.remove(7, ".."),
    "no receiver": lambda it: it.remove("", "a"),
    "nothing to add": lambda it: it.add(7, ()),
    "empty to add": lambda it: it.add(7, ""),
    "only commas to add": lambda it: it.add(7, ", ;"),
    "no limit": lambda it: it.list(page_size=0),
    "too large a limit": lambda it: it.list(page_size=5001),
}


@pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED.keys())
async def test_wrong_tag_arguments_are_refused_before_sending(
    act: Act, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """A path that would address other tags, or all of them, is not sent."""
    with pytest.raises(ConfigurationError):
        await act(Tags(serve(True)))
    assert not sent


async def test_adding_tags_twice_adds_them_once(
    serve: Callable[..., Call], sent: list[Request]
) -> None:
    """Both calls are idempotent, and the input is not changed."""
    names = ["a", "b"]
    tags = Tags(serve(["a"], True))
    await tags.add(7, names)
    await tags.remove(7, names)
    expected = [True, True]
    assert expected == [request.idempotent for request in sent]
    unchanged = ["a", "b"]
    assert unchanged == names
