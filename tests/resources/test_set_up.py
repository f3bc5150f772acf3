"""Set-up: groups and attributes that exist after the call, whoever else calls meanwhile."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from support.asgi import with_checkpoints
from support.clocks import FakeClock
from support.event_loops import anyio_backend

from cleverreach_async import (
    APIConnectionError,
    APIStatusError,
    Attribute,
    CleverReach,
    CleverReachError,
    ConfigurationError,
    Group,
    OAuthApp,
    PermissionDeniedError,
    ReceiverInput,
    RetryPolicy,
)
from cleverreach_async.resources.attributes import Attributes
from cleverreach_async.resources.groups import Groups
from cleverreach_async.sandbox import Behaviour, Fault, Sandbox
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

__all__ = ["anyio_backend"]
pytestmark = pytest.mark.anyio

NAME = "Newsletter"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An empty account."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def clock() -> FakeClock:
    """The clock of the client."""
    return FakeClock()


class Moments:
    """An ASGI application that does something once before a request.

    Attributes:
        before: What to do, by method and number of the request with that method, from 1.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.before: dict[tuple[str, int], Callable[[], object]] = {}
        self._seen: dict[str, int] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Forward the request."""
        method = scope["method"] if scope["path"].startswith("/v3/") else ""
        self._seen[method] = number = self._seen.get(method, 0) + 1
        self.before.pop((method, number), lambda: None)()
        await self.app(scope, receive, send)


@asynccontextmanager
async def a_client(app: Any, clock: FakeClock) -> AsyncGenerator[CleverReach]:
    """Open a client."""
    auth = OAuthApp("sandbox", "sandbox-secret").client_credentials()
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as http_client,
        CleverReach(
            auth, http_client=http_client, clock=clock, retry=RetryPolicy(attempts=1)
        ) as cr,
    ):
        yield cr


@pytest.fixture
def moments(sandbox: Sandbox) -> Moments:
    """The sandbox with something before its requests."""
    return Moments(sandbox.app)


@pytest.fixture
async def cr(moments: Moments, clock: FakeClock) -> AsyncGenerator[CleverReach]:
    """A client of the sandbox."""
    async with a_client(moments, clock) as cr:
        yield cr


def add_group(sandbox: Sandbox, name: str = NAME) -> None:
    """Add a group, as another program does."""
    fields = {"locked": 0, "backup": 1, "receiver_info": "", "stamp": 1, "last_changed": 1}
    sandbox.store.insert("recipient_groups", name=name, **fields)


def ids(sandbox: Sandbox, name: str = NAME) -> list[int]:
    """Return the ids of the groups with a name."""
    sql = "SELECT id FROM recipient_groups WHERE name = ? ORDER BY id"
    return [number for (number,) in sandbox.store.tuples(sql, name)]


async def test_a_missing_group_is_created_once(cr: CleverReach, sandbox: Sandbox) -> None:
    """With its texts. The next deploy finds it, whatever the blanks, and changes nothing."""
    first = await cr.groups.ensure(name=NAME, receiver_info="You asked for it", locked=True)
    writes = sandbox.count("POST", "/v3/groups")
    second = await cr.groups.ensure(name=f" {NAME} ", receiver_info="Another")

    assert (NAME, "You asked for it", True) == (first.name, first.receiver_info, first.locked)
    assert (first, writes, [first.id]) == (
        second,
        sandbox.count("POST", "/v3/groups"),
        ids(sandbox),
    )


async def test_a_group_of_another_spelling_is_another(cr: CleverReach) -> None:
    """Names are compared as they are."""
    upper = await cr.groups.create(name="NEWSLETTER")
    assert upper.id != (await cr.groups.ensure(name=NAME)).id


@pytest.mark.parametrize("processes", [2, 5])
@pytest.mark.parametrize("switch", ["accept", "refuse"])
async def test_processes_that_create_at_the_same_moment(
    sandbox: Sandbox, switch: Any, processes: int
) -> None:
    """All get the same group, and one remains, whether the server refuses a repeated name."""
    sandbox.behaviour = Behaviour(repeated_group_name=switch)
    found: list[Group] = []

    async def deploy() -> None:
        async with a_client(with_checkpoints(sandbox.app), FakeClock()) as cr:
            found.append(await cr.groups.ensure(name=NAME))

    async with anyio.create_task_group() as tasks:
        for _ in range(processes):
            tasks.start_soon(deploy)
    assert [[group.id] for group in found] == [ids(sandbox)] * processes
    assert sandbox.count("POST", "/v3/groups") > 1


async def test_the_slower_process_removes_its_own_group(
    cr: CleverReach, sandbox: Sandbox, moments: Moments
) -> None:
    """It was created after the other one looked."""
    moments.before["POST", 1] = lambda: add_group(sandbox)
    group = await cr.groups.ensure(name=NAME)
    assert [group.id] == ids(sandbox)
    assert 1 == sandbox.count("DELETE", "/v3/groups/")


async def test_the_faster_process_removes_nothing(
    cr: CleverReach, sandbox: Sandbox, moments: Moments
) -> None:
    """The other one does."""
    moments.before["GET", 2] = lambda: add_group(sandbox)
    group = await cr.groups.ensure(name=NAME)
    assert [group.id, group.id + 1] == ids(sandbox)
    assert 0 == sandbox.count("DELETE")


async def test_a_group_that_is_in_use_is_not_removed(
    cr: CleverReach, sandbox: Sandbox, moments: Moments
) -> None:
    """Somebody may have filled it meanwhile. The message lists both."""

    def fill() -> None:
        last = ids(sandbox)[-1]
        receiver = sandbox.store.insert(
            "receivers", email="a@example.org", email_key="a@example.org", global_attributes="{}"
        )
        times = dict.fromkeys(
            ("registered", "activated", "deactivated", "imported", "bounced", "last_changed"), 1
        )
        texts = {"source": "", "attributes": "{}", "tags": "[]"}
        sandbox.store.insert("members", group_id=last, receiver_id=receiver, **times, **texts)

    moments.before["POST", 1] = lambda: add_group(sandbox)
    moments.before["GET", 3] = fill
    with pytest.raises(ConfigurationError, match=r"called 'Newsletter': 540001, 540002; pass the"):
        await cr.groups.ensure(name=NAME)
    assert 2 == len(ids(sandbox))


async def test_a_third_process_waits_for_the_removal(
    cr: CleverReach, sandbox: Sandbox, moments: Moments, clock: FakeClock
) -> None:
    """It sees both groups for a moment."""
    add_group(sandbox)
    add_group(sandbox)
    kept, removed = ids(sandbox)
    sql = "DELETE FROM recipient_groups WHERE id = ?"
    moments.before["GET", 3] = lambda: sandbox.store.run(sql, removed)
    assert kept == (await cr.groups.ensure(name=NAME)).id
    assert [0.5, 1.0] == clock.sleeps


async def test_several_groups_of_a_name(cr: CleverReach, sandbox: Sandbox) -> None:
    """Which one is meant is unknown. None is created or removed."""
    for name in (NAME, "Other", NAME):
        add_group(sandbox, name)
    with pytest.raises(ConfigurationError, match="540001, 540003"):
        await cr.groups.ensure(name=NAME)
    assert (0, 0) == (sandbox.count("POST", "/v3/groups"), sandbox.count("DELETE"))


@pytest.mark.parametrize("kind", ["reset", "cut"])
async def test_a_lost_response_to_the_creation(
    cr: CleverReach, sandbox: Sandbox, kind: Any
) -> None:
    """The group exists, so it is returned, and no second one is created."""
    sandbox.faults.add(Fault(kind, method="POST", path_suffix="/groups", committed=True, times=1))
    group = await cr.groups.ensure(name=NAME)
    assert [group.id] == ids(sandbox)


async def test_a_creation_that_failed(cr: CleverReach, sandbox: Sandbox) -> None:
    """Its error is raised."""
    sandbox.faults.add(Fault("status", code=403, method="POST", path_suffix="/groups"))
    with pytest.raises(PermissionDeniedError):
        await cr.groups.ensure(name=NAME)


async def test_a_server_that_changes_the_name(
    serve: Callable[..., Call], sent: list[Request]
) -> None:
    """Otherwise every deploy would create another group."""
    call = serve([], {"id": 7, "name": "news-letter"}, True)
    with pytest.raises(ConfigurationError, match="calls a new group 'news-letter' instead of"):
        await Groups(call).ensure(name=NAME)
    assert ("DELETE", "/v3/groups/7") == (sent[-1].method, sent[-1].target)


async def test_a_response_without_a_name(serve: Callable[..., Call]) -> None:
    """It says nothing about the name. The list may not show the new group yet."""
    assert 7 == (await Groups(serve(False, {"id": 7}, [])).ensure(name=NAME)).id


@pytest.mark.parametrize("name", [None, "", "  ", 7, b"x"])
async def test_no_name(serve: Callable[..., Call], sent: list[Request], name: Any) -> None:
    """Nothing is sent."""
    with pytest.raises(ConfigurationError, match=r"^name is"):
        await Groups(serve()).ensure(name=name)
    assert [] == sent


# Attributes.


async def defined(cr: CleverReach, group_id: int | None = None) -> dict[str, str]:
    """Return the types of all attributes."""
    return {it.name: it.type for it in await cr.attributes.list(group_id=group_id)}


async def test_missing_attributes_are_created(cr: CleverReach, sandbox: Sandbox) -> None:
    """The others stay. The result has the names of the call and of the server."""
    await cr.attributes.create(name="firstname", type="text", description="First")
    found = await cr.attributes.ensure({"firstname": "text", "Last Order": "date", "age": "number"})

    assert ["firstname", "Last Order", "age"] == list(found)
    assert ("First", "last_order") == (found["firstname"].description, found["Last Order"].name)
    assert {"firstname": "text", "last_order": "date", "age": "number"} == await defined(cr)
    requests = sandbox.count()
    assert found == await cr.attributes.ensure(
        {"firstname": "text", "Last Order": "date", "age": "number"}
    )
    assert requests + 1 == sandbox.count()


async def test_attributes_of_a_group(cr: CleverReach) -> None:
    """They are others than those of the account."""
    group = await cr.groups.create(name=NAME)
    await cr.attributes.ensure({"age": "number"})
    found = await cr.attributes.ensure({"age": "text"}, group_id=group.id)
    assert (group.id, "text") == (found["age"].group_id, found["age"].type)
    assert ({"age": "number"}, {"age": "text"}) == (
        await defined(cr),
        await defined(cr, group.id),
    )


async def test_conflicts_are_listed_before_anything_is_created(cr: CleverReach) -> None:
    """All of them, with both types."""
    await cr.attributes.ensure({"age": "text", "sex": "gender"})
    with pytest.raises(ConfigurationError, match="age is text, not number; sex is gender, not tex"):
        await cr.attributes.ensure({"new": "text", "age": "number", "sex": "text"})
    assert {"age": "text", "sex": "gender"} == await defined(cr)


async def test_processes_that_create_attributes_at_the_same_moment(sandbox: Sandbox) -> None:
    """A lost race is a success."""
    found: list[Any] = []

    async def deploy() -> None:
        async with a_client(with_checkpoints(sandbox.app), FakeClock()) as cr:
            found.append(await cr.attributes.ensure({"a": "text", "b": "date"}))

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(deploy)
    assert [found[0]] * 4 == found
    assert sandbox.count("POST", "/v3/attributes") > 2


async def test_another_process_creates_another_type(
    cr: CleverReach, sandbox: Sandbox, moments: Moments
) -> None:
    """Its values would not fit."""

    def rival() -> None:
        fields = {"description": "", "preview_value": "", "default_value": None, "tag": ""}
        sandbox.store.insert("attributes", group_id=0, name="age", type="text", **fields)

    moments.before["POST", 1] = rival
    with pytest.raises(ConfigurationError, match="age is text, not number"):
        await cr.attributes.ensure({"age": "number"})


@pytest.mark.parametrize("kind", ["reset", "status"])
async def test_a_lost_response_to_an_attribute(
    cr: CleverReach, sandbox: Sandbox, kind: Any
) -> None:
    """It exists, so the next one is created."""
    sandbox.faults.add(
        Fault(kind, method="POST", path_suffix="/attributes", committed=True, times=1)
    )
    assert ["a", "b"] == list(await cr.attributes.ensure({"a": "text", "b": "text"}))


async def test_an_attribute_that_cannot_be_created(cr: CleverReach, sandbox: Sandbox) -> None:
    """The error says which one, and how many were created before it."""
    sandbox.faults.add(Fault("status", code=403, method="POST", after=1))
    with pytest.raises(APIStatusError) as raised:
        await cr.attributes.ensure({"a": "text", "b": "text"})
    assert ["attribute 'b' was not created; created before it: 1"] == raised.value.__notes__


@pytest.mark.parametrize("limits", ["limit", "other", "missing"])
@pytest.mark.parametrize("in_group", [False, True])
async def test_too_many_attributes(
    cr: CleverReach, sandbox: Sandbox, limits: Any, in_group: bool
) -> None:
    """None is created. Those of the account count for a group too."""
    sandbox.behaviour = Behaviour(attribute_limits=limits)
    group_id = (await cr.groups.create(name=NAME)).id if in_group else None
    await cr.attributes.ensure({f"a{n}": "text" for n in range(39)})
    with pytest.raises(ConfigurationError, match="but only 1 can be created"):
        await cr.attributes.ensure({"b": "text", "c": "text"}, group_id=group_id)
    assert {"d"} == set(await cr.attributes.ensure({"d": "text"}, group_id=group_id))


async def test_values_are_stored_after_the_set_up(cr: CleverReach) -> None:
    """Under the name of the result."""
    group = await cr.groups.ensure(name=NAME)
    found = await cr.attributes.ensure({"First Name": "text"})
    values = {found["First Name"].name: "Ann"}
    await cr.receivers.create(
        ReceiverInput("a@example.org", global_attributes=values), group_id=group.id
    )
    stored = await cr.receivers.get("a@example.org", group_id=group.id)
    assert {"first_name": "Ann"} == stored.global_attributes


REFUSED: dict[str, tuple[Any, str]] = {
    "none": (None, "types is None; pass a mapping"),
    "list": (["firstname"], "types is of type list"),
    "unknown type": (
        {"a": "string"},
        "the type of attribute 'a' is 'string'; pass one of text",
    ),
    "no type": ({"a": None}, "the type of attribute 'a' is None"),
    "number as name": ({7: "text"}, "the name of an attribute is of type int"),
    "empty name": ({"": "text"}, "is not a valid attribute name"),
    "signs only": ({"--": "text"}, "is not a valid attribute name"),
    "field": ({"E-Mail": "text", "email ": "text"}, "is a field that every receiver has"),
    "twice": (
        {"First Name": "text", "first_name": "text"},
        "in types twice: the server",
    ),
}


@pytest.mark.parametrize(("types", "message"), REFUSED.values(), ids=REFUSED)
async def test_mistakes_are_told_before_anything_is_sent(
    serve: Callable[..., Call], sent: list[Request], types: Any, message: str
) -> None:
    """They name the attribute."""
    with pytest.raises(ConfigurationError, match=message):
        await Attributes(serve()).ensure(types)
    assert [] == sent


async def test_no_attributes(serve: Callable[..., Call]) -> None:
    """Nothing is missing."""
    assert {} == dict(await Attributes(serve([])).ensure({}))


async def test_a_list_that_does_not_show_the_new_attribute(serve: Callable[..., Call]) -> None:
    """It was created, so its own response counts."""
    call = serve([], {"limit": 40}, {"id": 7, "name": "a", "type": "text"}, [])
    assert {"a": Attribute(id=7, name="a")} == dict(await Attributes(call).ensure({"a": "text"}))


@pytest.mark.parametrize("error", [APIConnectionError, CleverReachError])
async def test_an_account_that_cannot_be_reached(
    cr: CleverReach, sandbox: Sandbox, error: type[Exception]
) -> None:
    """Nothing is created."""
    sandbox.faults.add(Fault("reset"))
    with pytest.raises(error):
        await cr.groups.ensure(name=NAME)
    with pytest.raises(error):
        await cr.attributes.ensure({"a": "text"})
    assert 0 == sandbox.count("POST", "/v3/")
