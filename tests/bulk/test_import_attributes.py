"""Attributes of an import: those of the rows, those that are missing, and creating them."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from cleverreach_async import (
    APIConnectionError,
    APIStatusError,
    CleverReach,
    ConfigurationError,
    ConflictError,
    OAuthApp,
    ReceiverInput,
)
from cleverreach_async.bulk.attributes.definitions import Definitions
from cleverreach_async.bulk.attributes.plan import Plan, Prepared, plan_attributes
from cleverreach_async.bulk.attributes.survey import AttributeSurvey
from cleverreach_async.resources.attribute_names import ASSUMED_CAP
from cleverreach_async.resources.attributes import Attribute, Attributes, cap_in
from cleverreach_async.resources.receiver_models import AttributeValue
from cleverreach_async.sandbox import Behaviour, Sandbox


@asynccontextmanager
async def account(**behaviour: Any) -> AsyncGenerator[tuple[CleverReach, Sandbox]]:
    """A client of an empty sandbox with this behaviour."""
    with Sandbox(behaviour=Behaviour(**behaviour)) as sandbox:
        transport = httpx.ASGITransport(app=sandbox.app)
        app = OAuthApp("sandbox", "sandbox-secret")
        async with (
            httpx.AsyncClient(transport=transport) as http_client,
            CleverReach(app.client_credentials(), http_client=http_client) as client,
        ):
            yield client, sandbox


def texts(*names: str) -> dict[str, str]:
    """Definitions of text attributes."""
    return dict.fromkeys(names, "text")


def creations(sandbox: Sandbox) -> list[str]:
    """The paths of the requests to create an attribute."""
    paths = [request.path for request in sandbox.requests if request.method == "POST"]
    return [path for path in paths if path.endswith("/attributes")]


async def prepare(cr: CleverReach, wanted: Definitions, group_id: int) -> Prepared:
    """Plan the attributes and create those that are missing."""
    plan = await plan_attributes(cr.attributes, wanted, group_id=group_id, create=True)
    return await plan.carry_out(cr.attributes, group_id=group_id)


@pytest.mark.anyio
async def test_missing_attributes_are_created() -> None:
    """For the account and for the group, each with its type; existing ones do not change."""
    async with account() as (cr, sandbox):
        group = await cr.groups.create(name="N")
        await cr.attributes.create(name="firstname", type="text")
        wanted = Definitions({"firstname": "text", "points": "number"}, {"plan": "date"})
        done = await prepare(cr, wanted, group.id)
        of_account = {it.name: it.type for it in await cr.attributes.list()}
        of_group = {it.name: it.type for it in await cr.attributes.list(group_id=group.id)}

    assert Definitions({"points": "number"}, {"plan": "date"}) == done.created
    assert Definitions({"firstname": "text"}, {}) == done.present
    assert ({"firstname": "text", "points": "number"}, {"plan": "date"}) == (of_account, of_group)
    assert 3 == len(creations(sandbox))


@pytest.mark.anyio
async def test_names_are_compared_without_case() -> None:
    """An existing attribute is not created again, and one in two spellings is created once."""
    async with account() as (cr, sandbox):
        group = await cr.groups.create(name="N")
        await cr.attributes.create(name="firstname", type="text")
        wanted = Definitions({"FirstName": "text", "Points": "number", "points": "number"}, {})
        done = await prepare(cr, wanted, group.id)

    assert {"points": "number"} == done.created.account
    assert 2 == len(creations(sandbox))


@pytest.mark.anyio
async def test_if_nothing_is_missing_two_lists_are_requested() -> None:
    """Limits are not requested, and nothing is created."""
    async with account() as (cr, sandbox):
        group = await cr.groups.create(name="N")
        await cr.attributes.create(name="a", type="text")
        before = len(sandbox.requests)
        done = await prepare(cr, Definitions(texts("a"), {}), group.id)
        requested = [request.path for request in sandbox.requests[before:]]

    assert Definitions() == done.created
    assert ["/v3/attributes", f"/v3/groups/{group.id}/attributes"] == requested


@pytest.mark.anyio
@pytest.mark.parametrize("words", ["limit", "max", "other", "missing"])
async def test_the_cap_is_checked_before_anything_is_created(words: str) -> None:
    """Account and group have at most 40 together, whether the server reports a limit or not."""
    async with account(attribute_limits=words) as (cr, sandbox):
        group = await cr.groups.create(name="N")
        for n in range(20):
            await cr.attributes.create(name=f"a{n}", type="text")
            if n < 18:
                await cr.attributes.create(name=f"g{n}", type="text", group_id=group.id)
        before = len(creations(sandbox))
        wanted = Definitions(texts("x", "y"), texts("z"))
        with pytest.raises(ConfigurationError) as caught:
            await plan_attributes(cr.attributes, wanted, group_id=group.id, create=True)
        fitting = Definitions(texts("x"), texts("z"))
        done = await prepare(cr, fitting, group.id)

    message = str(caught.value)
    assert "3 attributes are missing, but only 2 can be created" in message
    assert "have 38 of at most 40" in message
    assert "These do not fit: attributes.z." in message
    assert (["x", "attributes.z"], before + 2) == (done.created.labels, len(creations(sandbox)))


@pytest.mark.anyio
async def test_a_group_that_is_to_be_created_has_no_attributes() -> None:
    """Only those of the account count."""
    async with account(attribute_cap=3) as (cr, _):
        await cr.attributes.create(name="a", type="text")
        fits = Definitions(texts("b"), texts("c"))
        plan = await plan_attributes(cr.attributes, fits, group_id=None, create=True)
        with pytest.raises(ConfigurationError, match="only 2 can be created"):
            await plan_attributes(
                cr.attributes, Definitions(texts("b", "c", "d")), group_id=None, create=True
            )

    assert fits == plan.missing


@pytest.mark.anyio
@pytest.mark.parametrize("cap", [2, 60])
async def test_a_limit_that_the_server_reports_replaces_the_assumed_one(cap: int) -> None:
    """A higher limit can be used, and a lower one is checked before anything is created."""
    async with account(attribute_cap=cap) as (cr, _):
        group = await cr.groups.create(name="N")
        for number, is_fitting in ((cap, True), (cap + 1, False)):
            wanted = Definitions(texts(*(f"a{n}" for n in range(number))))
            try:
                await plan_attributes(cr.attributes, wanted, group_id=group.id, create=True)
            except ConfigurationError:
                assert not is_fitting
            else:
                assert is_fitting


@pytest.mark.anyio
@pytest.mark.parametrize("status", [400, 403, 409])
async def test_a_refused_creation_is_an_error(status: int) -> None:
    """Also with status 409, if the attribute does not exist: then nobody else created it."""
    async with account(attribute_cap=1, attribute_limits="other", attribute_cap_status=status) as (
        cr,
        _,
    ):
        group = await cr.groups.create(name="N")
        with pytest.raises(APIStatusError, match="maximum number") as caught:
            await prepare(cr, Definitions(texts("a", "b")), group.id)

    assert ["attribute 'b' was not created; created before it: 1"] == caught.value.__notes__


@pytest.mark.anyio
@pytest.mark.parametrize("shape", ["nested", "flat", "string"])
async def test_an_attribute_that_another_program_created_is_used(shape: str) -> None:
    """It may be created after the list was read, and with another type."""
    async with account(error_shape=shape) as (cr, _):
        group = await cr.groups.create(name="N")
        wanted = Definitions({"points": "text"}, {"plan": "text"})
        plan = await plan_attributes(cr.attributes, wanted, group_id=group.id, create=True)
        await cr.attributes.create(name="points", type="number")
        done = await plan.carry_out(cr.attributes, group_id=group.id)

    assert Definitions({}, {"plan": "text"}) == done.created
    assert Definitions({"points": "number"}, {}) == done.present


class LosingAttributes(Attributes):
    """Attributes of a server whose responses to creations are lost."""

    def __init__(self, *, stores: bool) -> None:
        self.stores = stores
        self.names: list[str] = []

    async def create(self, **fields: Any) -> Attribute:
        """Store it or not, and lose the response."""
        if self.stores:
            self.names.append(fields["name"])
        raise APIConnectionError("connection lost", sent=True)

    def list(self, *, group_id: int | None = None) -> Any:
        """List what is stored."""

        async def names() -> list[Attribute]:
            return [Attribute(id=n, name=name) for n, name in enumerate(self.names)]

        return names()


@pytest.mark.anyio
@pytest.mark.parametrize("stores", [True, False])
async def test_after_a_lost_response_the_attributes_are_listed(stores: bool) -> None:
    """If it exists, it was created; if not, the error is raised and nothing is resent."""
    attributes = LosingAttributes(stores=stores)
    plan = Plan(present=Definitions(), missing=Definitions(texts("a")))
    if stores:
        assert ["a"] == (await plan.carry_out(attributes, group_id=7)).created.labels
    else:
        with pytest.raises(APIConnectionError, match="connection lost"):
            await plan.carry_out(attributes, group_id=7)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "stored"), [("First Name", "first_name"), ("a-b", "a_b"), ("x.y", "x_y")]
)
async def test_an_attribute_is_created_under_the_name_that_the_server_gives_it(
    name: str, stored: str
) -> None:
    """Its values are sent under that name."""
    async with account() as (cr, _):
        group = await cr.groups.create(name="N")
        done = await prepare(cr, Definitions({}, texts(name)), group.id)

    assert Definitions({}, {stored: "text"}) == done.created


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["", " ", "--", "_"])
async def test_a_name_without_letters_is_refused(name: str) -> None:
    """Nothing is created."""
    async with account() as (cr, sandbox):
        group = await cr.groups.create(name="N")
        with pytest.raises(ConfigurationError, match="letters, digits and _"):
            await prepare(cr, Definitions({}, texts(name)), group.id)

    assert [] == creations(sandbox)


@pytest.mark.anyio
async def test_a_name_that_the_server_changes_is_an_error() -> None:
    """Values sent under the other name would be dropped; the message has the right name."""
    async with account(attribute_letters="ascii") as (cr, _):
        group = await cr.groups.create(name="N")
        with pytest.raises(ConfigurationError, match="'größe' 'gr__e'"):
            await prepare(cr, Definitions(texts("größe")), group.id)


@pytest.mark.anyio
async def test_a_reserved_name_is_refused_before_anything_is_created() -> None:
    """Also if valid names come before it."""
    async with account() as (cr, sandbox):
        with pytest.raises(ConfigurationError, match="every receiver has"):
            await plan_attributes(
                cr.attributes, Definitions(texts("a", "Bounced")), group_id=None, create=True
            )

    assert [] == creations(sandbox)


@pytest.mark.anyio
async def test_creating_an_existing_attribute_is_a_conflict() -> None:
    """The vendor's own integrations get status 409 for it."""
    async with account() as (cr, _):
        await cr.attributes.create(name="a", type="text")
        with pytest.raises(ConflictError):
            await cr.attributes.create(name="A", type="text")


LIMITS: dict[str, tuple[dict[str, Any], int | None]] = {
    "number": ({"limit": 60}, 60),
    "another word": ({"max": 12, "used": 3}, 12),
    "digits": ({"maximum": "40"}, 40),
    "nothing": ({}, None),
    "zero": ({"limit": 0}, None),
    "null": ({"limit": None}, None),
    "nested": ({"limit": {"global": 40}}, None),
    "negative": ({"limit": -1}, None),
    "only what is used": ({"used": 7}, None),
}


@pytest.mark.parametrize(("limits", "expected"), LIMITS.values(), ids=LIMITS.keys())
def test_the_limit_in_a_response(limits: dict[str, Any], expected: int | None) -> None:
    """Plain words for a maximum are read; other fields are ignored."""
    assert expected == cap_in(limits)


def test_the_assumed_limit() -> None:
    """The number known from practice."""
    assert 40 == ASSUMED_CAP


VALUES: dict[str, tuple[str, list[AttributeValue], str]] = {
    "texts": ("city", ["Kiel", "Bonn"], "text"),
    "numbers": ("points", [1, 2.5, -3], "number"),
    "numbers and gaps": ("points", [None, 1, "", 2], "number"),
    "numbers and a text": ("points", [1, "none"], "text"),
    "a text and numbers": ("points", ["none", 1, 2], "text"),
    "digits in texts": ("points", ["1", "2"], "text"),
    "a postcode": ("zip", [24103, 10115], "text"),
    "a customer number": ("customer_number", [1, 2], "text"),
    "booleans": ("vip", [True, False], "text"),
    "gaps only": ("points", [None, ""], "text"),
    "gender": ("gender", ["female", "male", ""], "gender"),
    "gender in other words": ("gender", ["female", "divers"], "text"),
    "gender under another name": ("sex_at_birth", ["female", "male"], "text"),
    "gender as a number": ("gender", [1, 2], "text"),
    "days of birth": ("birthday", ["1999-12-24", None], "date"),
    "days of birth in German notation": ("birthday", ["24.12.1999"], "text"),
    "a day that does not exist": ("birthday", ["1999-12-24", "1999-02-30"], "text"),
    "days under another name": ("wedding", ["1999-12-24"], "text"),
    "a year of birth": ("birthday", [1999], "text"),
}


@pytest.mark.parametrize(("name", "values", "expected"), VALUES.values(), ids=VALUES.keys())
def test_a_type_is_inferred_only_if_it_is_certain(
    name: str, values: Iterable[AttributeValue], expected: str
) -> None:
    """Text, unless every value is certainly something else."""
    of_account, of_group = AttributeSurvey(), AttributeSurvey()
    for value in values:
        of_account.add(ReceiverInput("a@example.org", global_attributes={name: value}))
        of_group.add(ReceiverInput("a@example.org", attributes={name: value}))

    assert Definitions({name: expected}, {}) == of_account.definitions
    assert Definitions({}, {name: expected}) == of_group.definitions


def test_two_spellings_of_a_name_are_one_attribute() -> None:
    """As on the server, with a type that fits the values of both."""
    survey = AttributeSurvey()
    survey.add(ReceiverInput("a@example.org", global_attributes={"Points": 1}))
    survey.add(ReceiverInput("b@example.org", global_attributes={"points": "many"}))
    survey.add(ReceiverInput("c@example.org"))

    assert Definitions({"points": "text"}, {}) == survey.definitions
