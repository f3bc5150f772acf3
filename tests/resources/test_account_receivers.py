"""Receivers across groups: requests, responses and refused arguments."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cleverreach_async.errors import (
    APIStatusError,
    CleverReachError,
    ConfigurationError,
    ResponseDecodeError,
)
from cleverreach_async.resources.account_receivers import MAX_ADDRESSES, ReceiverAttribute
from cleverreach_async.resources.groups import Group
from cleverreach_async.resources.receiver_models import Detail, Receiver
from cleverreach_async.resources.receivers import Receivers
from cleverreach_async.resources.rules import where
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Receivers], Awaitable[object]]

ANN = Receiver(id=7, email="ann@mail.example")
BARE = {"id": "7", "email": "ann@mail.example"}
SIZE = ReceiverAttribute(id=88, name="size", value="42")
VALUE = {"id": 88, "name": "size", "value": 42}
CITY = {"field": "city", "logic": "eq", "condition": "Gotham"}
BY_POST = "/v3/groups/7/get_receivers"

ROWS: dict[str, tuple[Act, str, str, object, object, object]] = {
    "groups": (
        lambda it: it.groups("ann@mail.example"),
        "GET",
        "/v3/receivers/ann%40mail.example/groups",
        None,
        [{"id": "5", "name": "Newsletter"}],
        (Group(id=5, name="Newsletter"),),
    ),
    "clone": (
        lambda it: it.clone(7, " bob@mail.example "),
        "POST",
        "/v3/receivers/7/clone",
        {"email": "bob@mail.example"},
        BARE,
        ANN,
    ),
    "clone to a group": (
        lambda it: it.clone(7, "bob@mail.example", group_id=9),
        "POST",
        "/v3/receivers/7/clone",
        {"email": "bob@mail.example", "group_id": 9},
        [BARE],
        ANN,
    ),
    "clone without a copy in the response": (
        lambda it: it.clone(7, "bob@mail.example"),
        "POST",
        "/v3/receivers/7/clone",
        {"email": "bob@mail.example"},
        {"id": "8", "success": True},
        None,
    ),
    "change_email": (
        lambda it: it.change_email("ann@mail.example", "bob@mail.example"),
        "PUT",
        "/v3/receivers/ann%40mail.example/email",
        {"email": "bob@mail.example"},
        True,
        None,
    ),
    "valid_addresses": (
        lambda it: it.valid_addresses(["Ann@mail.example", "x"]),
        "POST",
        "/v3/receivers/isvalid",
        {"emails": ["Ann@mail.example", "x"], "invert": False},
        ["ann@mail.example"],
        ("ann@mail.example",),
    ),
    "valid_addresses with everything": (
        lambda it: it.valid_addresses("x", group_id=7, invert=True),
        "POST",
        "/v3/receivers/isvalid",
        {"emails": ["x"], "group_id": 7, "invert": True},
        {"0": "x"},
        ("x",),
    ),
    "valid_addresses of none": (
        lambda it: it.valid_addresses(["x"]),
        "POST",
        "/v3/receivers/isvalid",
        {"emails": ["x"], "invert": False},
        [],
        (),
    ),
    "attributes": (
        lambda it: it.attributes(7),
        "GET",
        "/v3/receivers/7/attributes",
        None,
        [VALUE, {"id": "89", "name": "city", "value": None, "tag": "{CITY}"}],
        (SIZE, ReceiverAttribute(id=89, name="city", extra={"tag": "{CITY}"})),
    ),
    "attributes of a group": (
        lambda it: it.attributes("ann@mail.example", group_id=9),
        "GET",
        "/v3/receivers/ann%40mail.example/attributes?group_id=9",
        None,
        False,
        (),
    ),
    "set_attribute": (
        lambda it: it.set_attribute(7, 88, 42),
        "PUT",
        "/v3/receivers/7/attributes/88",
        {"value": 42},
        VALUE,
        SIZE,
    ),
    "set_attribute of a group": (
        lambda it: it.set_attribute("ann@mail.example", 88, None, group_id=9),
        "PUT",
        "/v3/groups/9/receivers/ann%40mail.example/attributes/88",
        {"value": None},
        True,
        None,
    ),
    "list_by_post": (
        lambda it: it.list_by_post(group_id=7),
        "POST",
        BY_POST,
        {"type": "all", "page": 0, "pagesize": 500},
        [BARE],
        (ANN,),
    ),
    "list_by_post with everything": (
        lambda it: it.list_by_post(
            group_id=7,
            state="active",
            detail=Detail.TAGS | Detail.ORDERS,
            emails=["Ann@mail.example"],
            ids=[8],
            order_by="registered ASC",
            page_size=5,
            page=2,
        ),
        "POST",
        BY_POST,
        {
            "type": "active",
            "detail": 6,
            "email_list": ["Ann@mail.example"],
            "id_list": [8],
            "order_by": "registered ASC",
            "page": 2,
            "pagesize": 5,
        },
        [BARE],
        (ANN,),
    ),
    "list_by_post of nobody": (
        lambda it: it.list_by_post(group_id=7, emails=["bob@mail.example"]),
        "POST",
        BY_POST,
        {"type": "all", "email_list": ["bob@mail.example"], "page": 0, "pagesize": 500},
        False,
        (),
    ),
    "list_by_post of a domain in another spelling": (
        lambda it: it.list_by_post(group_id=7, emails=["ann@müller.example"]),
        "POST",
        BY_POST,
        {"type": "all", "email_list": ["ann@müller.example"], "page": 0, "pagesize": 500},
        [BARE],
        (ANN,),
    ),
    "filter": (
        lambda it: it.filter([CITY]),
        "POST",
        "/v3/receivers/filter",
        {
            "groups": [],
            "operator": "AND",
            "rules": [CITY],
            "activeonly": False,
            "detail": 0,
            "page": 0,
            "pagesize": 500,
        },
        [BARE],
        (ANN,),
    ),
    "filter by rules": (
        lambda it: it.filter(where("city").eq("Gotham") | where("tags").contains("a"), page_size=1),
        "POST",
        "/v3/receivers/filter",
        {
            "groups": [],
            "operator": "OR",
            "rules": [
                {"field": "city", "logic": "eq", "condition": "Gotham"},
                {"field": "tags", "logic": "contains", "condition": "a"},
            ],
            "activeonly": False,
            "detail": 0,
            "page": 0,
            "pagesize": 1,
        },
        [BARE],
        (ANN,),
    ),
    "filter with everything": (
        lambda it: it.filter(
            [CITY, {"field": "email", "logic": "notisnull"}],
            group_ids=[7, 8],
            operator="OR",
            active_only=True,
            detail=Detail.ALL,
            order_by="activated desc",
            page_size=5000,
            page=1,
        ),
        "POST",
        "/v3/receivers/filter",
        {
            "groups": [7, 8],
            "operator": "OR",
            "rules": [CITY, {"field": "email", "logic": "notisnull", "condition": ""}],
            "activeonly": True,
            "orderby": "activated desc",
            "detail": 7,
            "page": 1,
            "pagesize": 5000,
        },
        [],
        (),
    ),
    "bounced": (
        lambda it: it.bounced(page=2),
        "GET",
        "/v3/receivers/bounced?page=2",
        None,
        [BARE],
        (ANN,),
    ),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "body", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_calls_across_groups(
    act: Act,
    method: str,
    target: str,
    body: object,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request and reads the response."""
    assert (method, target, body, expected) == await exchange(Receivers, act, answer)


REFUSED: dict[str, tuple[Act, str]] = {
    "no address of a copy": (lambda it: it.clone(7, ""), "email is a text that is no"),
    "None as an address": (lambda it: it.clone(7, None), "email is None"),  # type: ignore[arg-type]
    "a name as an address": (lambda it: it.change_email(7, "Ann"), "email is a text that is no"),
    "two addresses": (lambda it: it.change_email(7, "a@b.example c@d.example"), "email is a text"),
    "nobody's address": (lambda it: it.change_email("", "a@b.example"), "receiver_id is"),
    "no addresses": (lambda it: it.valid_addresses([]), "emails is empty"),
    "an empty address": (lambda it: it.valid_addresses(["a", " "]), "emails has something"),
    "a number": (lambda it: it.valid_addresses([7]), "emails has something"),  # type: ignore[list-item]
    "None": (lambda it: it.valid_addresses(None), "emails is None"),  # type: ignore[arg-type]
    "bytes": (lambda it: it.valid_addresses(b"ab"), "emails is of type bytes"),  # type: ignore[arg-type]
    "True as a value": (lambda it: it.set_attribute(7, 88, True), "value is of type bool"),
    "a list as a value": (lambda it: it.set_attribute(7, 88, []), "value is of type list"),  # type: ignore[arg-type]
    "no number as a value": (lambda it: it.set_attribute(7, 88, float("nan")), "infinite or not"),
    "nobody by post": (lambda it: it.list_by_post(group_id=7, emails=[]), "emails is empty"),
    "no ids by post": (lambda it: it.list_by_post(group_id=7, ids=[]), "ids is empty"),
    "no address by post": (lambda it: it.list_by_post(group_id=7, emails=["x"]), "emails has"),
    "no page by post": (lambda it: it.list_by_post(group_id=7, page_size=0), "page_size is 0"),
    "no rule": (lambda it: it.filter([]), "rules is empty"),
    "None as rules": (lambda it: it.filter(None), "rules is None"),  # type: ignore[arg-type]
    "one rule": (lambda it: it.filter(CITY), "rules is of type dict; pass a list"),  # type: ignore[arg-type]
    "a text as a rule": (lambda it: it.filter(["x"]), "a rule is of type str"),  # type: ignore[list-item]
    "a rule without a field": (lambda it: it.filter([{"logic": "eq"}]), "field of a rule is empty"),
    "a number as a condition": (
        lambda it: it.filter([{**CITY, "condition": 7}]),
        "condition of a rule is of type int",
    ),
    "a rule that joins": (
        lambda it: it.filter([{**CITY, "operator": "AND"}]),
        "'operator'; rules have .* and operator= of the call joins them",
    ),
    "an operator": (lambda it: it.filter([CITY], operator="XOR"), "operator is 'XOR'"),  # type: ignore[arg-type]
    "rules with both operators": (
        lambda it: it.filter(where("a").is_set() & where("b").is_set() | where("c").is_set()),
        "combines all rules with & or all with",
    ),
    "an operator that contradicts the rules": (
        lambda it: it.filter(where("a").is_set() & where("b").is_set(), operator="OR"),
        "joined by AND",
    ),
    "an unfinished rule": (lambda it: it.filter(where("a")), "rules is of type FieldOf"),  # type: ignore[arg-type]
    "no groups": (lambda it: it.filter([CITY], group_ids=[]), "group_ids is empty"),
    "too large a page": (lambda it: it.filter([CITY], page_size=5001), "page_size is 5001"),
    "a page of text": (lambda it: it.filter([CITY], page="1"), "page is '1'"),  # type: ignore[arg-type]
    "a page before the first": (lambda it: it.bounced(page=-1), "page is -1"),
}


@pytest.mark.parametrize(("act", "words"), REFUSED.values(), ids=REFUSED.keys())
async def test_wrong_arguments_are_refused_before_sending(
    act: Act, words: str, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """The message says which argument, and shows no address."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        await act(Receivers(serve(True)))
    assert not sent
    assert "b.example" not in str(caught.value)


REPEATABLE: dict[str, tuple[Act, object, bool]] = {
    "a copy": (lambda it: it.clone(7, "bob@mail.example"), True, False),
    "an address by id": (lambda it: it.change_email(7, "bob@mail.example"), True, True),
    "an address by address": (lambda it: it.change_email("a@b.example", "b@b.example"), 5, False),
    "a check": (lambda it: it.valid_addresses(["x"]), [], True),
    "a value": (lambda it: it.set_attribute(7, 88, "x"), True, True),
    "a relative value": (lambda it: it.set_attribute(7, 88, "+1"), True, False),
    "a list": (lambda it: it.list_by_post(group_id=7), [], True),
    "a search": (lambda it: it.filter([CITY]), [], True),
}


@pytest.mark.parametrize(("act", "answer", "expected"), REPEATABLE.values(), ids=REPEATABLE.keys())
async def test_which_calls_may_be_repeated(
    act: Act, answer: object, expected: bool, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """Not those that would do something twice, or not find the receiver any more."""
    await act(Receivers(serve(answer)))
    assert [expected] == [request.idempotent for request in sent]


HOSTILE: dict[str, object] = {
    "a receiver who was not asked for": [BARE],
    "one among those asked for": [{"id": 8, "email": "bob@mail.example"}, BARE],
    "a text": "x",
    "an object": {"success": True},
    "a page": b"<html>",
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_list_with_others_is_refused(answer: object, serve: Callable[..., Call]) -> None:
    """A server that does not know the fields of the body would return everybody."""
    listing = Receivers(serve(answer)).list_by_post(
        group_id=7, emails=["bob@mail.example"], ids=[8]
    )
    with pytest.raises(ResponseDecodeError) as caught:
        await listing
    assert "ann@" not in str(caught.value)


@pytest.mark.parametrize(
    "answer", [None, True, b"", {}, "x", [None], [7], [{"email": "x"}], ["y"], [["x"]], b"<html>"]
)
async def test_a_check_that_is_no_list_of_the_addresses(
    answer: object, serve: Callable[..., Call]
) -> None:
    """What is no answer does not say that an address is valid, nor that it is not."""
    with pytest.raises(ResponseDecodeError):
        await Receivers(serve(answer)).valid_addresses(["x"])


@pytest.mark.parametrize("answer", [False, {"success": False}, {"error": {"code": 404}}])
async def test_a_check_that_failed(answer: object, serve: Callable[..., Call]) -> None:
    """``false`` is not an empty list here, since it would say that nobody is valid."""
    with pytest.raises(CleverReachError):
        await Receivers(serve(answer)).valid_addresses(["x"])


async def test_a_check_of_many_addresses(serve: Callable[..., Call], sent: list[Request]) -> None:
    """They are sent in parts."""
    emails = [f"r{number}@mail.example" for number in range(MAX_ADDRESSES + 2)]
    answers = [["r5@mail.example"], ["r1001@mail.example"]]
    found = await Receivers(serve(*answers)).valid_addresses(emails)
    assert ("r5@mail.example", "r1001@mail.example") == found
    assert [1000, 2] == [request.content.count(b"@") for request in sent]


BOUNCED = [{"id": it, "email": f"r{it}@mail.example"} for it in (1, 2, 3)]
ENDS: dict[str, list[object]] = {
    "an empty page": [BOUNCED[:2], BOUNCED[2:], []],
    "false": [BOUNCED, False],
    "the same page, unpaged": [BOUNCED, BOUNCED],
    "the same page in another order": [BOUNCED, BOUNCED[::-1]],
}


@pytest.mark.parametrize("answers", ENDS.values(), ids=ENDS.keys())
async def test_the_end_of_a_list_whose_page_size_is_unknown(
    answers: list[object], serve: Callable[..., Call], sent: list[Request]
) -> None:
    """Whether the API pages it or not, nobody comes twice."""
    found = await Receivers(serve(*answers)).bounced().collect()
    assert [1, 2, 3] == [receiver.id for receiver in found]
    assert len(answers) == len(sent)


async def test_pages_in_turn_do_not_end_a_list_whose_page_size_is_unknown(
    serve: Callable[..., Call],
) -> None:
    """A page that comes again later is a mistake of the server, and no end."""
    pages: list[Any] = [BOUNCED[:1], BOUNCED[1:], BOUNCED[:1]]
    with pytest.raises(ResponseDecodeError, match="page 2 has the same items as page 0"):
        await Receivers(serve(*pages)).bounced().collect()


async def test_the_error_of_a_taken_address(serve: Callable[..., Call]) -> None:
    """It comes with any status."""
    answer = {"error": {"code": 409, "message": "duplicate address 'bob@mail.example'"}}
    with pytest.raises(APIStatusError, match="duplicate address <hidden>"):
        await Receivers(serve(answer)).change_email(7, "bob@mail.example")
