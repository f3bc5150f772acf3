"""Attributes: requests, responses and refused names."""

from collections.abc import Awaitable, Callable

import pytest

from cleverreach_async.errors import ConfigurationError, ConflictError
from cleverreach_async.resources.attributes import Attribute, Attributes
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Attributes], Awaitable[object]]

RECORDED = {
    "id": 88,
    "groups_id": 0,
    "name": "firstname",
    "type": "text",
    "description": "First name",
    "preview_value": "Ann",
    "value": None,
    "tag": "{FIRSTNAME}",
}
FIRSTNAME = Attribute(
    id=88,
    name="firstname",
    type="text",
    description="First name",
    preview_value="Ann",
    tag="{FIRSTNAME}",
)

ROWS: dict[str, tuple[Act, str, str, object, object, object]] = {
    "list": (lambda it: it.list(), "GET", "/v3/attributes", None, [RECORDED], (FIRSTNAME,)),
    "list of group 0": (lambda it: it.list(group_id=0), "GET", "/v3/attributes", None, [], ()),
    "list of a group": (
        lambda it: it.list(group_id=7),
        "GET",
        "/v3/groups/7/attributes",
        None,
        [{"id": "9", "groups_id": "7", "name": "size", "type": "number", "value": "42"}],
        (Attribute(id=9, group_id=7, name="size", type="number", default_value="42"),),
    ),
    "get": (lambda it: it.get(88), "GET", "/v3/attributes/88", None, RECORDED, FIRSTNAME),
    "get of an unknown type": (
        lambda it: it.get(5),
        "GET",
        "/v3/attributes/5",
        None,
        {"id": 5, "name": "place", "type": "geo", "default_value": "Kiel", "unit": "km"},
        Attribute(id=5, name="place", type="geo", default_value="Kiel", extra={"unit": "km"}),
    ),
    "create": (
        lambda it: it.create(name="firstname", type="text"),
        "POST",
        "/v3/attributes",
        {"name": "firstname", "type": "text"},
        RECORDED,
        FIRSTNAME,
    ),
    "create in a group, in full": (
        lambda it: it.create(
            name="born",
            type="date",
            description="Birthday",
            preview_value="2000-01-31",
            default_value="",
            group_id=7,
        ),
        "POST",
        "/v3/groups/7/attributes",
        {
            "name": "born",
            "type": "date",
            "description": "Birthday",
            "preview_value": "2000-01-31",
            "default_value": "",
        },
        {"id": 4, "name": "born", "type": "date", "group_id": 7},
        Attribute(id=4, name="born", type="date", group_id=7),
    ),
    "update": (
        lambda it: it.update(88, description="Given name"),
        "PUT",
        "/v3/attributes/88",
        {"description": "Given name"},
        RECORDED,
        FIRSTNAME,
    ),
    "update in a group": (
        lambda it: it.update(9, name="width", type="number", group_id=7),
        "PUT",
        "/v3/groups/7/attributes/9",
        {"name": "width", "type": "number"},
        {"id": 9, "name": "width", "type": "number", "groups_id": 7},
        Attribute(id=9, name="width", type="number", group_id=7),
    ),
    "delete": (lambda it: it.delete(88), "DELETE", "/v3/attributes/88", None, True, None),
    "delete in a group": (
        lambda it: it.delete(9, group_id=7),
        "DELETE",
        "/v3/groups/7/attributes/9",
        None,
        True,
        None,
    ),
    "limits": (
        lambda it: it.limits(),
        "GET",
        "/v3/attributes/limits",
        None,
        {"max": 40},
        {"max": 40},
    ),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "body", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_attribute_calls(
    act: Act,
    method: str,
    target: str,
    body: object,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request and reads the response."""
    assert (method, target, body, expected) == await exchange(Attributes, act, answer)


RESERVED: dict[str, Act] = {
    "create": lambda it: it.create(name="email", type="text"),
    "whatever its case": lambda it: it.create(name=" Registered ", type="date"),
    "in a group": lambda it: it.create(name="source", type="text", group_id=7),
    "rename": lambda it: it.update(88, name="bounced"),
}


@pytest.mark.parametrize("act", RESERVED.values(), ids=RESERVED.keys())
async def test_reserved_names_are_refused_before_sending(
    act: Act, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """A field that every receiver has cannot be defined again."""
    with pytest.raises(ConfigurationError, match="every receiver has"):
        await act(Attributes(serve(RECORDED)))
    assert not sent


async def test_existing_name_is_a_conflict(serve: Callable[..., Call], sent: list[Request]) -> None:
    """The API's 409 is raised, and a creation is never repeated."""
    answer = {"error": {"code": 409, "message": "Conflict: attribute exists"}}
    with pytest.raises(ConflictError, match="attribute exists"):
        await Attributes(serve(answer, status=409)).create(name="size", type="number")
    assert not sent[0].idempotent


def test_attribute_repr_is_short() -> None:
    """It has the identifying fields."""
    expected = "Attribute(id=88, name='firstname', type='text', group_id=0)"
    assert expected == repr(FIRSTNAME)
