"""My content: requests and responses."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from cleverreach_async.errors import CleverReachError, ConflictError, ResponseDecodeError
from cleverreach_async.resources.my_content import MyContent, MyContents
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[MyContents], Awaitable[object]]

URL = "https://shop.example/search"
RECORDED = {
    "id": "6001",
    "name": "Shop",
    "login": "",
    "password": "open",
    "url": URL,
    "interface": "rest",
    "client_id": "129000",
    "group_id": "0",
    "active": 1,
    "stamp": "1767225600",
    "last_import": 0,
    "icon": "",
}
CONTENT = MyContent(
    id=6001,
    name="Shop",
    url=URL,
    password="open",
    interface="rest",
    client_id=129000,
    active=True,
    stamp=datetime(2026, 1, 1, tzinfo=UTC),
    extra={"icon": ""},
)

ROWS: dict[str, tuple[Act, str, str, object, object, object]] = {
    "list": (lambda it: it.list(), "GET", "/v3/mycontent", None, [RECORDED], (CONTENT,)),
    "get": (lambda it: it.get(6001), "GET", "/v3/mycontent/6001", None, [RECORDED], CONTENT),
    "create": (
        lambda it: it.create(name="Shop", url=URL),
        "POST",
        "/v3/mycontent",
        {"name": "Shop", "url": URL},
        RECORDED,
        CONTENT,
    ),
    "create in full": (
        lambda it: it.create(
            name="Shop", url=URL, password="open", type="product", cors=False, icon="x"
        ),
        "POST",
        "/v3/mycontent",
        {
            "name": "Shop",
            "url": URL,
            "password": "open",
            "type": "product",
            "cors": False,
            "icon": "x",
        },
        {"id": 6001},
        MyContent(id=6001),
    ),
    "update": (
        lambda it: it.update(6001, password=""),
        "PUT",
        "/v3/mycontent/6001",
        {"password": ""},
        RECORDED,
        CONTENT,
    ),
    "delete": (lambda it: it.delete(6001), "DELETE", "/v3/mycontent/6001", None, True, None),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "body", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_content_calls(
    act: Act,
    method: str,
    target: str,
    body: object,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request and reads the response."""
    assert (method, target, body, expected) == await exchange(MyContents, act, answer)


async def test_a_name_that_is_taken(serve: Callable[..., Call], sent: list[Request]) -> None:
    """The creation is not repeated, because the second answer would be this one."""
    answer = {"error": {"code": 409, "message": "Conflict: name exists"}}
    with pytest.raises(ConflictError):
        await MyContents(serve(answer)).create(name="Shop", url=URL)
    assert not sent[0].idempotent


@pytest.mark.parametrize("answer", [True, None, "created", {"name": "Shop"}, [], b"<html></html>"])
async def test_a_creation_without_an_id(answer: object, serve: Callable[..., Call]) -> None:
    """What cannot be addressed later is no success."""
    with pytest.raises(CleverReachError):
        await MyContents(serve(answer)).create(name="Shop", url=URL)


async def test_an_odd_field_does_not_hide_a_content_source(serve: Callable[..., Call]) -> None:
    """It stays in ``extra``; a source without an id raises."""
    odd = {"id": 1, "active": "perhaps", "stamp": "2026-01-01"}
    expected = MyContent(id=1, extra={"active": "perhaps", "stamp": "2026-01-01"})
    assert [expected] == [*await MyContents(serve([odd])).list()]
    with pytest.raises(ResponseDecodeError, match=r"\$\[0\]\.id"):
        await MyContents(serve([{"name": "x"}])).list()


def test_no_repr_shows_the_password() -> None:
    """Nor the address, which may have one."""
    assert "MyContent(id=6001, name='Shop')" == repr(CONTENT)
