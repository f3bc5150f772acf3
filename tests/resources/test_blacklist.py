"""Blacklists: requests and responses."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from cleverreach_async.errors import (
    APIStatusError,
    CleverReachError,
    ConfigurationError,
    ConflictError,
    ResponseDecodeError,
)
from cleverreach_async.resources.blacklist import Blacklist, BlacklistEntry
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Blacklist], Awaitable[object]]

ANN, BOB = "ann@mail.example", "bob@mail.example"
RECORDED = {"email": ANN, "comment": "by phone", "stamp": 1767225600, "isLocked": 1, "shard": 3}
ENTRY = BlacklistEntry(
    email=ANN,
    comment="by phone",
    stamp=datetime(2026, 1, 1, tzinfo=UTC),
    is_locked=True,
    extra={"shard": 3},
)

ROWS: dict[str, tuple[Act, str, str, object, object, object]] = {
    "list": (lambda it: it.list(), "GET", "/v3/blacklist", None, [RECORDED], (ENTRY,)),
    "list of none": (lambda it: it.list(), "GET", "/v3/blacklist", None, False, ()),
    "list of a group": (
        lambda it: it.list(group_id=7),
        "GET",
        "/v3/groups/7/blacklist",
        None,
        [ANN, RECORDED],
        (BlacklistEntry(email=ANN), ENTRY),
    ),
    "list of a group with gaps": (
        lambda it: it.list(group_id=7),
        "GET",
        "/v3/groups/7/blacklist",
        None,
        {"0": ANN, "2": BOB},
        (BlacklistEntry(email=ANN), BlacklistEntry(email=BOB)),
    ),
    "get": (
        lambda it: it.get(f" {ANN} "),
        "GET",
        "/v3/blacklist/ann%40mail.example",
        None,
        RECORDED,
        ENTRY,
    ),
    "add": (
        lambda it: it.add(ANN),
        "POST",
        "/v3/blacklist",
        {"email": ANN},
        {"email": "Ann@Mail.example"},
        BlacklistEntry(email="Ann@Mail.example"),
    ),
    "add with a comment": (
        lambda it: it.add(ANN, comment="by phone"),
        "POST",
        "/v3/blacklist",
        {"email": ANN, "comment": "by phone"},
        [RECORDED],
        ENTRY,
    ),
    "add to a group, answered with true": (
        lambda it: it.add(ANN, comment="x", group_id=7),
        "POST",
        "/v3/groups/7/blacklist",
        {"email": ANN, "comment": "x"},
        True,
        BlacklistEntry(email=ANN, comment="x"),
    ),
    "update": (
        lambda it: it.update(ANN, comment="by phone"),
        "PUT",
        "/v3/blacklist",
        {"email": ANN, "comment": "by phone"},
        RECORDED,
        ENTRY,
    ),
    "remove": (
        lambda it: it.remove(ANN),
        "DELETE",
        "/v3/blacklist/ann%40mail.example",
        None,
        True,
        None,
    ),
    "remove from a group": (
        lambda it: it.remove(ANN, group_id=7),
        "DELETE",
        "/v3/groups/7/blacklist/ann%40mail.example",
        None,
        True,
        None,
    ),
    "validate": (
        lambda it: it.validate([ANN, "Bob@Mail.example"]),
        "POST",
        "/v3/blacklist/validate",
        {"emails": [ANN, "Bob@Mail.example"]},
        ["bob@mail.example"],
        ["Bob@Mail.example"],
    ),
    "validate with gaps": (
        lambda it: it.validate([ANN, BOB]),
        "POST",
        "/v3/blacklist/validate",
        {"emails": [ANN, BOB]},
        {"1": BOB, "5": ANN},
        [ANN, BOB],
    ),
    "validate one": (
        lambda it: it.validate(ANN),
        "POST",
        "/v3/blacklist/validate",
        {"emails": [ANN]},
        [],
        [],
    ),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "body", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_blacklist_calls(
    act: Act,
    method: str,
    target: str,
    body: object,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request and reads the response."""
    assert (method, target, body, expected) == await exchange(Blacklist, act, answer)


NO_ADDRESSES: list[Any] = [
    None,
    "",
    " ",
    "Ann",
    "42",
    42,
    True,
    b"a@b.example",
    [ANN],
    "a@\x00b.example",
    "../a@b",
    ".\\@",
]
WITH_ADDRESS: dict[str, Callable[[Blacklist, Any], Awaitable[object]]] = {
    "get": lambda it, email: it.get(email),
    "add": lambda it, email: it.add(email),
    "update": lambda it, email: it.update(email, comment="x"),
    "remove": lambda it, email: it.remove(email),
    "remove from a group": lambda it, email: it.remove(email, group_id=7),
    "validate": lambda it, email: it.validate([ANN, email]),
}


@pytest.mark.parametrize("act", WITH_ADDRESS.values(), ids=WITH_ADDRESS.keys())
async def test_what_is_not_an_address_is_never_sent(
    act: Callable[[Blacklist, Any], Awaitable[object]],
    serve: Callable[..., Call],
    sent: list[Request],
) -> None:
    """An empty one would address the whole blacklist. A mistyped one is not shown."""
    for email in NO_ADDRESSES:
        with pytest.raises(ConfigurationError, match=r"^email is ") as caught:
            await act(Blacklist(serve(True)), email)
        assert "Ann" not in str(caught.value)
    assert [] == sent


async def test_the_group_of_a_removal_is_not_forgotten(
    serve: Callable[..., Call], sent: list[Request]
) -> None:
    """``None`` is more likely a variable that was not set than the account."""
    group: Any = None
    with pytest.raises(ConfigurationError, match="group_id is None"):
        await Blacklist(serve(True)).remove(ANN, group_id=group)
    assert [] == sent


HOSTILE: dict[str, object] = {
    "a page": b"<html><body>Welcome</body></html>",
    "false": False,
    "another address": {"email": BOB},
    "another address and an error": {"email": BOB, "error": "no"},
    "an error": {"error": {"code": 409, "message": "Conflict"}},
    "an error beside the address": {"email": ANN, "error": "duplicate"},
    "no success": {"email": ANN, "success": False},
    "two entries": [{"email": ANN}, {"email": ANN}],
    "an address as text": ANN,
    "a list of addresses": [ANN],
    "an address that is none": {"email": 5},
    "words": "email already blacklisted",
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("act", [ROWS["add"][0], ROWS["update"][0]], ids=["add", "update"])
async def test_a_write_that_does_not_show_success(
    act: Act, answer: object, serve: Callable[..., Call]
) -> None:
    """It raises, and no address is in the error."""
    with pytest.raises(CleverReachError) as caught:
        await act(Blacklist(serve(answer)))
    assert "mail.example" not in str(caught.value)


async def test_an_address_that_is_blacklisted_already(serve: Callable[..., Call]) -> None:
    """The error has a class of its own."""
    answer = {"error": {"code": 409, "message": "Conflict: email already blacklisted"}}
    with pytest.raises(ConflictError, match="already blacklisted"):
        await Blacklist(serve(answer)).add(ANN)


NO_LISTS: dict[str, object] = {
    "an error text": ["error: missing emails"],
    "others": [BOB, "eve@mail.example"],
    "numbers": [1],
    "nulls": [None],
    "an object": {"email": ANN},
    "an empty object": {},
    "null": None,
    "true": True,
    "text": ANN,
    "a page": b"<html></html>",
}


@pytest.mark.parametrize("answer", NO_LISTS.values(), ids=NO_LISTS.keys())
async def test_a_validation_returns_only_what_was_sent(
    answer: object, serve: Callable[..., Call]
) -> None:
    """Whoever reads the result sends mail to it."""
    with pytest.raises(ResponseDecodeError) as caught:
        await Blacklist(serve(answer)).validate([ANN])
    assert "mail.example" not in str(caught.value)


async def test_a_failed_validation_is_not_an_empty_list(serve: Callable[..., Call]) -> None:
    """``false`` means failure elsewhere."""
    with pytest.raises(APIStatusError):
        await Blacklist(serve(False)).validate([ANN])


@pytest.mark.parametrize("emails", [None, 7, b"a@b.example", {ANN: 1}])
async def test_validation_of_no_list(emails: Any, serve: Callable[..., Call]) -> None:
    """The error says what to pass."""
    with pytest.raises(ConfigurationError, match="pass a list of addresses"):
        await Blacklist(serve([])).validate(emails)


async def test_validation_of_nobody_sends_nothing(
    serve: Callable[..., Call], sent: list[Request]
) -> None:
    """There is nothing to ask."""
    assert [] == await Blacklist(serve()).validate([])
    assert [] == sent


@pytest.mark.parametrize(
    ("name", "idempotent"), [("add", False), ("update", True), ("validate", True), ("remove", True)]
)
async def test_blacklist_idempotency(
    name: str, idempotent: bool, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """Only an addition is not: its second answer is a conflict."""
    act, *_, answer, _ = ROWS[name]
    await act(Blacklist(serve(answer)))
    assert idempotent is sent[0].idempotent


@pytest.mark.parametrize(
    "item", ["not blacklisted", 7, None, ["x"], {"comment": "x"}, {"email": None}]
)
async def test_an_entry_without_an_address(item: object, serve: Callable[..., Call]) -> None:
    """It cannot be left out in silence."""
    with pytest.raises(ResponseDecodeError, match=r"\$\[1\]"):
        await Blacklist(serve([ANN, item])).list(group_id=7)
