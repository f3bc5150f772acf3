"""Single calls warn of values that the server has not stored."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from cleverreach_async import CleverReach, OAuthApp, Receiver, ReceiverInput
from cleverreach_async.resources.lost_values import lost_attributes
from cleverreach_async.sandbox import Behaviour, Sandbox

ANN = "ann@mail.example"
Write = Callable[[CleverReach, ReceiverInput, int], Awaitable[Any]]


async def update(cr: CleverReach, receiver: ReceiverInput, group_id: int) -> Receiver:
    """Change a receiver, and the address of one."""
    await cr.receivers.create(ReceiverInput(ANN), group_id=group_id)
    return await cr.receivers.update(ANN, receiver, group_id=group_id)


async def update_many(cr: CleverReach, receiver: ReceiverInput, group_id: int) -> Any:
    """Change a batch of receivers; the sandbox has no call for it, so it is an upsert."""
    return await cr.receivers.upsertplus_many(iter([receiver]), group_id=group_id)


WRITES: dict[str, Write] = {
    "create": lambda cr, it, group: cr.receivers.create(it, group_id=group),
    "update": update,
    "upsert": lambda cr, it, group: cr.receivers.upsert(it, group_id=group),
    "upsertplus_many": update_many,
}


@pytest.fixture(params=["stored", "any"])
async def account(request: pytest.FixtureRequest) -> AsyncIterator[tuple[CleverReach, Sandbox]]:
    """A client and its sandbox, with a server that takes other spellings of names or not."""
    with Sandbox(behaviour=Behaviour(attribute_spelling=request.param)) as sandbox:
        transport = httpx.ASGITransport(app=sandbox.app)
        auth = OAuthApp("sandbox", "sandbox-secret").client_credentials()
        async with (
            httpx.AsyncClient(transport=transport) as http_client,
            CleverReach(auth, http_client=http_client) as cr,
        ):
            yield cr, sandbox


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.anyio
async def test_values_that_were_not_stored_are_logged(
    write: Write, account: tuple[CleverReach, Sandbox], caplog: pytest.LogCaptureFixture
) -> None:
    """With the names of the attributes, and neither values nor the address."""
    cr, _ = account
    group_id = (await cr.groups.create(name="N")).id
    await cr.attributes.create(name="city", type="text")
    receiver = ReceiverInput(
        ANN,
        global_attributes={"city": "Kiel", "firstname": "Secret", "unset": None, "empty": ""},
        attributes={"plan": "gold"},
    )
    with caplog.at_level(logging.WARNING, "cleverreach_async"):
        await write(cr, receiver, group_id)

    messages = [it.getMessage() for it in caplog.records if "not stored" in it.getMessage()]
    assert 1 == len(messages)
    assert "values of firstname, attributes.plan;" in messages[0]
    assert not any(word in messages[0] for word in ("Secret", "gold", ANN, "Kiel"))


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.anyio
async def test_another_spelling_is_logged_only_if_its_value_is_lost(
    write: Write, account: tuple[CleverReach, Sandbox], caplog: pytest.LogCaptureFixture
) -> None:
    """The answer has the stored name, with a value or without."""
    cr, sandbox = account
    group_id = (await cr.groups.create(name="N")).id
    await cr.attributes.create(name="First Name", type="text")
    with caplog.at_level(logging.WARNING, "cleverreach_async"):
        await write(cr, ReceiverInput(ANN, global_attributes={"First Name": "Ann"}), group_id)

    stored = (sandbox.store.receiver(group_id, ANN) or {})["global_attributes"]
    messages = [it.getMessage() for it in caplog.records if "not stored" in it.getMessage()]
    assert bool(stored) != bool(messages)


SENT = {"global_attributes": {"First Name": "Ann", "city": 0}, "attributes": {"plan": "a"}}
ANSWERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing about them": ({}, []),
    "null": ({"global_attributes": None, "attributes": None}, []),
    "empty lists": (
        {"global_attributes": [], "attributes": []},
        ["First Name", "city", "attributes.plan"],
    ),
    "all": ({"global_attributes": {"first_name": "Ann", "city": "0"}, "attributes": None}, []),
    "one empty": ({"global_attributes": {"first_name": "", "city": 0}}, ["First Name"]),
    "a list of objects": (
        {"global_attributes": [{"name": "first_name", "value": "Ann"}, {"name": "city"}]},
        ["city"],
    ),
}


@pytest.mark.parametrize(("stored", "lost"), ANSWERS.values(), ids=ANSWERS)
def test_values_that_an_answer_lacks(stored: dict[str, Any], lost: list[str]) -> None:
    """Names are compared as the server stores them; an answer may say nothing."""
    assert lost == lost_attributes(SENT, stored)
