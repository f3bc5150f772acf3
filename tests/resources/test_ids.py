"""Ids: no call of a resource sends a request with something that is not an id."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.resource_calls import CALLS, LISTS, arguments, call, is_id, parameters

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.attributes import Attributes
from cleverreach_async.resources.base import Resource
from cleverreach_async.resources.groups import Group, Groups
from cleverreach_async.resources.orders import Orders
from cleverreach_async.resources.receivers import Receivers
from cleverreach_async.resources.reports import Reports
from cleverreach_async.resources.tags import Tags
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request, Response

pytestmark = pytest.mark.anyio

CALLS_WITH_IDS = [
    pytest.param(resource, method, name, id=f"{resource.__name__}.{method}-{name}")
    for resource, method in CALLS
    for name in parameters(resource, method)
    if is_id(name)
]
NO_IDS: list[Any] = [0, -1, True, 1.5, "", "Newsletter", "7/clear", Group(id=7), b"7"]


@pytest.mark.parametrize(("resource", "method", "name"), CALLS_WITH_IDS)
async def test_what_is_not_an_id_is_never_sent(
    resource: type[Resource],
    method: str,
    name: str,
    serve: Callable[..., Call],
    sent: list[Request],
) -> None:
    """The error names the argument."""
    is_optional = parameters(resource, method)[name].default is None
    for value in [*NO_IDS, *([] if is_optional else [None])]:
        if resource is Attributes and name == "group_id" and value == 0:
            continue  # the whole account
        given = [7, value] if name in LISTS else value
        with pytest.raises(ConfigurationError, match=rf"^{name} is "):
            await call(resource(serve([])), method, arguments(resource, method, **{name: given}))
    assert [] == sent


def test_calls_are_found() -> None:
    """The test above would pass if no call were found."""
    found = {(it.values[0], it.values[1]) for it in CALLS_WITH_IDS}
    assert {(Groups, "clear"), (Receivers, "delete_many"), (Reports, "receivers")} <= found


DELETES: dict[str, Callable[[Call, Any], Any]] = {
    "receiver": lambda call, group: Receivers(call).delete(7, **group),
    "receivers": lambda call, group: Receivers(call).delete_many([7], **group),
    "order": lambda call, group: Orders(call).delete(7, "A", **group),
    "attribute": lambda call, group: Attributes(call).delete(7, **group),
    "tag": lambda call, group: Tags(call).remove(7, "a", **group),
}


@pytest.mark.parametrize("delete", DELETES.values(), ids=DELETES.keys())
async def test_group_of_a_delete_is_not_forgotten(
    delete: Callable[[Call, Any], Any], serve: Callable[..., Call], sent: list[Request]
) -> None:
    """Left out, it means the account. ``None`` is more likely a variable that was not set."""
    with pytest.raises(ConfigurationError, match=r"group_id is None.*leave group_id out"):
        await delete(serve(True), {"group_id": None})
    assert [] == sent
    await delete(serve(True), {})
    await delete(serve(True), {"group_id": 9})
    assert [False, True] == ["group" in it.target and "9" in it.target for it in sent]


async def test_deleting_no_receivers_sends_nothing(
    serve: Callable[..., Call], sent: list[Request]
) -> None:
    """What the API does with an empty list is unknown."""
    await Receivers(serve(True)).delete_many([])
    assert [] == sent


@pytest.mark.parametrize("emails", ["", [], [""], [" "], [None], ["ann@mail.example", "7"], [7]])
async def test_listing_of_no_addresses(emails: Any, serve: Callable[..., Call]) -> None:
    """Without an address the API would return all receivers."""
    with pytest.raises(ConfigurationError, match=r"^emails "):
        Receivers(serve([])).list(group_id=7, emails=emails)


async def test_listing_of_one_address(serve: Callable[..., Call], sent: list[Request]) -> None:
    """It need not be a list."""
    await Receivers(serve([])).list(group_id=7, emails="ann@mail.example")
    assert "email_list=ann%40mail.example&" in sent[0].target


async def test_a_text_is_not_a_list_of_receivers(
    serve: Callable[..., Call], sent: list[Request]
) -> None:
    """``"57"`` would delete the receivers 5 and 7."""
    with pytest.raises(ConfigurationError, match="pass a list"):
        await Receivers(serve(True)).delete_many("57", group_id=7)
    assert [] == sent


@given(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.lists(st.integers())
    | st.dictionaries(st.text(), st.integers())
    | st.decimals()
    | st.builds(Group, id=st.integers())
    | st.dates()
    | st.from_type(type)
)
async def test_any_object_is_an_id_or_refused(value: Any) -> None:
    """A group is cleared only by its number."""
    sent: list[Request] = []

    async def answer(request: Request) -> Response:
        sent.append(request)
        return Response(200, {}, b"true")

    try:
        await Groups(answer).clear(value)
    except ConfigurationError:
        assert [] == sent
        return
    [request] = sent
    assert f"/v3/groups/{int(value)}/clear" == request.target
    assert isinstance(value, int | str)
    assert int(value) >= 1
