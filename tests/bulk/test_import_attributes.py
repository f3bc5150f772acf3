"""Attributes of an import: what rows have, what is missing, whether it fits, creating it."""

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
from cleverreach_async.bulk.attributes import (
    ASSUMED_CAP,
    AttributeSurvey,
    Definitions,
    Plan,
    plan_attributes,
    prepare_attributes,
)
from cleverreach_async.resources.attributes import Attribute, Attributes, cap_in
from cleverreach_async.resources.receiver_models import AttributeValue
from cleverreach_async.sandbox import Behaviour, Sandbox


@asynccontextmanager
async def account(**behaviour: Any) -> AsyncGenerator[tuple[CleverReach, Sandbox]]:
    """A client of an empty sandbox that behaves so."""
    with Sandbox(behaviour=Behaviour(**behaviour)) as sandbox:
        transport = httpx.ASGITransport(app=sandbox.app)
        app = OAuthApp("sandbox", "sandbox-secret")
        async with (
            httpx.AsyncClient(transport=transport) as http_client,
            CleverReach(app.client_credentials(), http_client=http_client) as client,
        ):
            yield client, sandbox


def texts(*names: str) -> dict[str, str]:
    """Definitions of texts."""
    return dict.fromkeys(names, "text")


def creations(sandbox: Sandbox) -> list[str]:
    """The paths of the requests that were to create an attribute."""
    paths = [request.path for request in sandbox.requests if request.method == "POST"]
    return [path for path in paths if path.endswith("/attributes")]


@pytest.mark.anyio
async def test_what_is_missing_is_created_in_its_place() -> None:
    """Attributes of the account and of the group, each with its type; the others stay."""
    async with account() as (cr, sandbox):
        group = await cr.groups.create(name="N")
        await cr.attributes.create(name="firstname", type="text")
        wanted = Definitions({"firstname": "text", "points": "number"}, {"plan": "date"})
        done = await prepare_attributes(cr.attributes, wanted, group_id=group.id, create=True)
        of_account = {it.name: it.type for it in await cr.attributes.list()}
        of_group = {it.name: it.type for it in await cr.attributes.list(group_id=group.id)}

    assert Definitions({"points": "number"}, {"plan": "date"}) == done.created
    assert Definitions({"firstname": "text"}, {}) == done.present
    assert ({"firstname": "text", "points": "number"}, {"plan": "date"}) == (of_account, of_group)
    assert 3 == len(creations(sandbox))


@pytest.mark.anyio
async def test_names_that_differ_in_case_are_the_same() -> None:
    """Neither is one that exists created again, nor one that is wanted twice created twice."""
    async with account() as (cr, sandbox):
        group = await cr.groups.create(name="N")
        await cr.attributes.create(name="firstname", type="text")
        wanted = Definitions({"FirstName": "text", "Points": "number", "points": "number"}, {})
        done = await prepare_attributes(cr.attributes, wanted, group_id=group.id, create=True)

    assert {"points": "number"} == done.created.account
    assert 2 == len(creations(sandbox))


@pytest.mark.anyio
async def test_nothing_missing_costs_two_listings() -> None:
    """An import into a prepared account asks for no limits and creates nothing."""
    async with account() as (cr, sandbox):
        group = await cr.groups.create(name="N")
        await cr.attributes.create(name="a", type="text")
        before = len(sandbox.requests)
        done = await prepare_attributes(
            cr.attributes, Definitions(texts("a"), {}), group_id=group.id, create=True
        )
        asked = [request.path for request in sandbox.requests[before:]]

    assert Definitions() == done.created
    assert ["/v3/attributes", f"/v3/groups/{group.id}/attributes"] == asked


@pytest.mark.anyio
async def test_without_leave_nothing_is_created() -> None:
    """The error names what is missing, those of the group with their prefix."""
    async with account() as (cr, sandbox):
        group = await cr.groups.create(name="N")
        wanted = Definitions(texts("a"), texts("b"))
        with pytest.raises(ConfigurationError, match=r"no attributes a, attributes\.b, and"):
            await prepare_attributes(cr.attributes, wanted, group_id=group.id, create=False)

    assert [] == creations(sandbox)


@pytest.mark.anyio
@pytest.mark.parametrize("words", ["limit", "max", "other", "missing"])
async def test_the_cap_is_checked_before_anything_is_created(words: str) -> None:
    """However the server tells its limit, or not: account and group together, 40 at most."""
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
        done = await prepare_attributes(cr.attributes, fitting, group_id=group.id, create=True)

    told = str(caught.value)
    assert "3 attributes are missing, and there is room for 2" in told
    assert "have 38 of the 40" in told
    assert "These do not fit: attributes.z." in told
    assert (["x", "attributes.z"], before + 2) == (done.created.labels, len(creations(sandbox)))


@pytest.mark.anyio
async def test_a_group_to_be_created_has_no_attributes_yet() -> None:
    """Only those of the account count then."""
    async with account(attribute_cap=3) as (cr, _):
        await cr.attributes.create(name="a", type="text")
        fits = Definitions(texts("b"), texts("c"))
        plan = await plan_attributes(cr.attributes, fits, group_id=None, create=True)
        with pytest.raises(ConfigurationError, match="room for 2"):
            await plan_attributes(
                cr.attributes, Definitions(texts("b", "c", "d")), group_id=None, create=True
            )

    assert fits == plan.missing


@pytest.mark.anyio
@pytest.mark.parametrize("cap", [2, 60])
async def test_the_servers_own_cap_goes_before_the_assumed_one(cap: int) -> None:
    """A plan with more attributes may use them, one with fewer is found out in time."""
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
async def test_a_refusal_all_the_same_is_an_error(status: int) -> None:
    """Even as 409, which for a name that is not there cannot mean that somebody else made it."""
    async with account(attribute_cap=1, attribute_limits="other", attribute_cap_status=status) as (
        cr,
        _,
    ):
        group = await cr.groups.create(name="N")
        with pytest.raises(APIStatusError, match="maximum number") as caught:
            await prepare_attributes(
                cr.attributes, Definitions(texts("a", "b")), group_id=group.id, create=True
            )

    assert ["the attribute 'b' was not created; 1 were before it"] == caught.value.__notes__


@pytest.mark.anyio
@pytest.mark.parametrize("shape", ["nested", "flat", "string"])
async def test_an_attribute_of_somebody_else_is_taken(shape: str) -> None:
    """Between looking and creating another program may have created it, with its own type."""
    async with account(error_shape=shape) as (cr, _):
        group = await cr.groups.create(name="N")
        wanted = Definitions({"points": "text"}, {"plan": "text"})
        plan = await plan_attributes(cr.attributes, wanted, group_id=group.id, create=True)
        await cr.attributes.create(name="points", type="number")
        done = await plan.carry_out(cr.attributes, group_id=group.id)

    assert Definitions({}, {"plan": "text"}) == done.created
    assert Definitions({"points": "number"}, {}) == done.present


class Flaky(Attributes):
    """Attributes of a server whose answers to creations are lost."""

    def __init__(self, *, stores: bool) -> None:
        self.stores = stores
        self.names: list[str] = []

    async def create(self, **fields: Any) -> Attribute:
        """Store it or not, and lose the answer."""
        if self.stores:
            self.names.append(fields["name"])
        raise APIConnectionError("the line is cut", sent=True)

    def list(self, *, group_id: int | None = None) -> Any:
        """Tell what is stored."""

        async def names() -> list[Attribute]:
            return [Attribute(id=n, name=name) for n, name in enumerate(self.names)]

        return names()


@pytest.mark.anyio
@pytest.mark.parametrize("stores", [True, False])
async def test_after_a_lost_answer_looking_tells(stores: bool) -> None:
    """What is there was created, and what is not is no reason to create it twice."""
    attributes = Flaky(stores=stores)
    plan = Plan(present=Definitions(), missing=Definitions(texts("a")))
    if stores:
        assert ["a"] == (await plan.carry_out(attributes, group_id=7)).created.labels
    else:
        with pytest.raises(APIConnectionError, match="line is cut"):
            await plan.carry_out(attributes, group_id=7)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["first name", "a-b", "", "x.y"])
async def test_a_name_that_the_server_would_change_is_refused(name: str) -> None:
    """Values are sent under the name in the file, so they would be dropped."""
    async with account() as (cr, sandbox):
        group = await cr.groups.create(name="N")
        with pytest.raises(ConfigurationError, match="letters, digits and _"):
            await prepare_attributes(
                cr.attributes, Definitions({}, texts(name)), group_id=group.id, create=True
            )

    assert [] == creations(sandbox)


@pytest.mark.anyio
async def test_a_reserved_name_is_refused_before_anything_is_created() -> None:
    """Also when others come before it."""
    async with account() as (cr, sandbox):
        with pytest.raises(ConfigurationError, match="every receiver has"):
            await plan_attributes(
                cr.attributes, Definitions(texts("a", "Bounced")), group_id=None, create=True
            )

    assert [] == creations(sandbox)


@pytest.mark.anyio
async def test_a_conflict_about_a_name_that_is_there_is_none() -> None:
    """The vendor's own integrations meet 409 for it."""
    async with account() as (cr, _):
        await cr.attributes.create(name="a", type="text")
        with pytest.raises(ConflictError):
            await cr.attributes.create(name="A", type="text")


LIMITS: dict[str, tuple[dict[str, Any], int | None]] = {
    "a number": ({"limit": 60}, 60),
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
def test_the_cap_in_an_answer(limits: dict[str, Any], expected: int | None) -> None:
    """Plain words for a maximum are read, and nothing is guessed from others."""
    assert expected == cap_in(limits)


def test_the_assumed_cap() -> None:
    """The one number that field practice knows."""
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
    "truth": ("vip", [True, False], "text"),
    "gaps only": ("points", [None, ""], "text"),
    "gender": ("gender", ["female", "male", ""], "gender"),
    "gender in other words": ("gender", ["female", "divers"], "text"),
    "gender under another name": ("sex_at_birth", ["female", "male"], "text"),
    "gender as a number": ("gender", [1, 2], "text"),
    "days of birth": ("birthday", ["1999-12-24", None], "date"),
    "days of birth as people write them": ("birthday", ["24.12.1999"], "text"),
    "a day that is none": ("birthday", ["1999-12-24", "1999-02-30"], "text"),
    "days under another name": ("wedding", ["1999-12-24"], "text"),
    "a year of birth": ("birthday", [1999], "text"),
}


@pytest.mark.parametrize(("name", "values", "expected"), VALUES.values(), ids=VALUES.keys())
def test_a_type_is_inferred_only_where_it_is_safe(
    name: str, values: Iterable[AttributeValue], expected: str
) -> None:
    """Text, unless every value is safely something else."""
    of_account, of_group = AttributeSurvey(), AttributeSurvey()
    for value in values:
        of_account.add(ReceiverInput("a@example.org", global_attributes={name: value}))
        of_group.add(ReceiverInput("a@example.org", attributes={name: value}))

    assert Definitions({name: expected}, {}) == of_account.definitions
    assert Definitions({}, {name: expected}) == of_group.definitions


def test_two_spellings_of_a_name_are_one_attribute() -> None:
    """As the server has it, and with a type that fits the values of both."""
    survey = AttributeSurvey()
    survey.add(ReceiverInput("a@example.org", global_attributes={"Points": 1}))
    survey.add(ReceiverInput("b@example.org", global_attributes={"points": "many"}))
    survey.add(ReceiverInput("c@example.org"))

    assert Definitions({"points": "text"}, {}) == survey.definitions
