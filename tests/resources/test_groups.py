"""Groups: requests and responses."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from cleverreach_async.errors import NotFoundError, ResponseDecodeError
from cleverreach_async.resources.groups import Group, Groups, GroupStats
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Groups], Awaitable[object]]

RECORDED = {
    "id": "540001",
    "name": "Newsletter",
    "locked": False,
    "backup": True,
    "receiver_info": "You asked for it",
    "stamp": 1767225600,
    "last_mailing": 0,
    "last_changed": "1767311999",
    "shard": 3,
}
GROUP = Group(
    id=540001,
    name="Newsletter",
    locked=False,
    backup=True,
    receiver_info="You asked for it",
    stamp=datetime(2026, 1, 1, tzinfo=UTC),
    last_mailing=None,
    last_changed=datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC),
    extra={"shard": 3},
)

ROWS: dict[str, tuple[Act, str, str, object, object, object]] = {
    "list": (lambda it: it.list(), "GET", "/v3/groups", None, [RECORDED], (GROUP,)),
    "list ordered": (
        lambda it: it.list(order="changed DESC"),
        "GET",
        "/v3/groups?order=changed+DESC",
        None,
        [],
        (),
    ),
    "list of none in the older words": (lambda it: it.list(), "GET", "/v3/groups", None, False, ()),
    "list of one without its list": (
        lambda it: it.list(),
        "GET",
        "/v3/groups",
        None,
        {"id": 1},
        (Group(id=1),),
    ),
    "get": (lambda it: it.get(540001), "GET", "/v3/groups/540001", None, RECORDED, GROUP),
    "get wrapped in a list": (
        lambda it: it.get(540001),
        "GET",
        "/v3/groups/540001",
        None,
        [RECORDED],
        GROUP,
    ),
    "create": (
        lambda it: it.create(name="Newsletter"),
        "POST",
        "/v3/groups",
        {"name": "Newsletter"},
        RECORDED,
        GROUP,
    ),
    "create in full": (
        lambda it: it.create(name="News", receiver_info="", locked=False, backup=True),
        "POST",
        "/v3/groups",
        {"name": "News", "receiver_info": "", "locked": False, "backup": True},
        {"id": 2, "name": "News"},
        Group(id=2, name="News"),
    ),
    "update": (
        lambda it: it.update(7, locked=True),
        "PUT",
        "/v3/groups/7",
        {"locked": True},
        {"id": 7, "locked": 1},
        Group(id=7, locked=True),
    ),
    "get with the vendor's flags": (
        lambda it: it.get(7),
        "GET",
        "/v3/groups/7",
        None,
        {
            "id": 7,
            "is_mailing": 1,
            "is_campaign": "0",
            "is_dynamic": False,
            "is_fixed": "perhaps",
            "position": "3",
            "unsubscribe_link": "https://x.example/u",
        },
        Group(
            id=7,
            is_mailing=True,
            is_campaign=False,
            is_dynamic=False,
            position=3,
            unsubscribe_link="https://x.example/u",
            extra={"is_fixed": "perhaps"},
        ),
    ),
    "delete": (lambda it: it.delete(7), "DELETE", "/v3/groups/7", None, True, None),
    "clear": (lambda it: it.clear(7), "DELETE", "/v3/groups/7/clear", None, True, None),
    "stats": (
        lambda it: it.stats(7),
        "GET",
        "/v3/groups/7/stats",
        None,
        {"total_count": "12", "avg_points": 37.5, "time": 1767225600, "new_count": 1},
        GroupStats(
            total_count=12,
            avg_points=37.5,
            time=datetime(2026, 1, 1, tzinfo=UTC),
            extra={"new_count": 1},
        ),
    ),
    "advanced stats": (
        lambda it: it.advanced_stats(7),
        "GET",
        "/v3/groups/7/advancedstats",
        None,
        {"weeks": [1, 2]},
        {"weeks": [1, 2]},
    ),
    "advanced stats by the year": (
        lambda it: it.advanced_stats(7),
        "GET",
        "/v3/groups/7/advancedstats",
        None,
        {"2025": {"sent": 5}},
        {"2025": {"sent": 5}},
    ),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "body", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_group_calls(
    act: Act,
    method: str,
    target: str,
    body: object,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request and reads the response."""
    assert (method, target, body, expected) == await exchange(Groups, act, answer)


async def test_empty_list_means_not_found(serve: Callable[..., Call]) -> None:
    """The response for a single group may be an empty list."""
    with pytest.raises(NotFoundError) as caught:
        await Groups(serve([])).get(7)
    expected = (404, "GET", "/groups/{group_id}")
    assert expected == (caught.value.status_code, caught.value.method, caught.value.path)


async def test_two_groups_are_not_one_group(serve: Callable[..., Call]) -> None:
    """A list of several where one is expected is refused."""
    with pytest.raises(ResponseDecodeError):
        await Groups(serve([RECORDED, RECORDED])).get(7)


REPEATABLE: dict[str, tuple[Act, bool]] = {
    "create": (lambda it: it.create(name="A"), False),
    "update": (lambda it: it.update(7, name="A"), True),
    "get": (lambda it: it.get(7), True),
    "clear": (lambda it: it.clear(7), True),
}


@pytest.mark.parametrize(("act", "idempotent"), REPEATABLE.values(), ids=REPEATABLE.keys())
async def test_group_idempotency(
    act: Act, idempotent: bool, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """Only a creation is not idempotent."""
    await act(Groups(serve({"id": 7})))
    assert idempotent is sent[0].idempotent


def test_group_repr_is_short() -> None:
    """It has the identifying fields."""
    expected = "Group(id=540001, name='Newsletter')"
    assert expected == repr(GROUP)
