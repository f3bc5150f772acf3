"""Writes: success is shown, not assumed, for every method that writes or deletes."""

import inspect
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.resource_calls import CALLS, arguments

from cleverreach_async.errors import CleverReachError, NotFoundError
from cleverreach_async.resources.base import Resource
from cleverreach_async.resources.forms import Forms
from cleverreach_async.resources.oauth import OAuth
from cleverreach_async.resources.receivers import Receivers
from cleverreach_async.resources.success import failure_in, is_word_of_success
from cleverreach_async.resources.tags import Tags
from cleverreach_async.transport.clock import SYSTEM_CLOCK
from cleverreach_async.transport.error_bodies import error_in
from cleverreach_async.transport.wire import Request, Response

pytestmark = pytest.mark.anyio

READS = ("list", "get", "stats", "limits", "links", "orders", "count", "code", "counters")
READS_OF_THE_ACCOUNT = (
    *("by_domain", "receiver_count", "active_receiver_count", "contingent", "invoice_address"),
    *("next_invoice_date", "plan", "users", "payment_methods", "token"),
)
READS_OF_RECEIVERS = ("list_by_post", "filter", "bounced", "groups", "attributes", "of_receiver")
OTHER_READS = ("valid_addresses", "random_receiver", "render", "list_agency")
NOT_WRITES = {
    *(*READS, *READS_OF_THE_ACCOUNT, *READS_OF_RECEIVERS, *OTHER_READS),
    *("advanced_stats", "receivers", "whoami", "ttl", "validate", "ping"),
    "sign_up",  # several calls; see test_sign_up.py
}
WRITES = [(kind, method) for kind, method in CALLS if method not in NOT_WRITES]
MANY = {"insert_many", "update_many", "upsert_many"}
PER_ROW = MANY | {"updateplus_many", "upsertplus_many"}

FAILURES: dict[str, bytes] = {
    "a page": b"<html><body>Welcome to the hotel</body></html>",
    "another page": b"<!DOCTYPE html>\n<p>403</p>",
    "text": b"Service temporarily unavailable",
    "false": b"false",
    "success false": b'{"success": false, "message": "no right"}',
    "success 0": b'{"success": 0}',
    "success in words": b'{"success": "false"}',
    "success empty": b'{"success": "", "id": 5}',
    "success null": b'{"success": null}',
    "success false beside an id": b'{"success": false, "id": 5}',
    "not ok": b'{"ok": false}',
    "errors": b'{"errors": ["no name"]}',
    "errors beside an id": b'{"id": 5, "errors": {"name": "missing"}}',
    "code and message": b'{"code": 500, "message": "Internal"}',
    "code as text": b'{"code": "E17", "message": "Internal"}',
    "message": b'{"message": "Something happened"}',
    "message beside an id": b'{"id": 5, "message": "invalid name"}',
    "id 0": b'{"id": 0}',
    "id 0 as text": b'{"id": "0", "success": true}',
    "id empty": b'{"id": ""}',
    "id false": b'{"id": false}',
    "id negative": b'{"id": -1}',
    "0": b"0",
    "a negative number": b"-1",
    "an empty object": b"{}",
    "nested": b'{"data": {"success": false}}',
}
IN_LISTS: dict[str, bytes] = {
    "error texts": b'["name is missing", "type is invalid"]',
    "an error text": b'["invalid receiver"]',
    "an error as text": b'"invalid receiver"',
    "an object in a list": b'[{"success": false}]',
    "false in a list": b"[false]",
    "a list with gaps": b'{"0": "name is missing", "2": "type is invalid"}',
    "status of an error": b'{"status": "error"}',
    "status false": b'{"status": false, "email": "ann@mail.example"}',
    "no success": b'{"status": "no success"}',
    "a status of an error in digits": b'{"id": 5, "status": "404"}',
    "an id of 0 in a list": b'[{"id": 0, "email": "ann@mail.example"}]',
}


def ids_of(calls: Sequence[tuple[type[Resource], str]]) -> list[str]:
    """Names of calls."""
    return [f"{kind.__name__}.{method}" for kind, method in calls]


async def answer_with(content: bytes, request: Request) -> Response:
    """Respond with a status of success."""
    response = Response(200, {"content-type": "text/html"}, content)
    refusal = error_in(response, request, now=0.0)
    if refusal is not None:
        raise refusal
    return response


async def outcome(kind: type[Resource], method: str, content: bytes, **given: object) -> Any:
    """Make a call that gets a response, and return its result."""

    async def answer(request: Request) -> Response:
        return await answer_with(content, request)

    return await getattr(kind(answer), method)(**arguments(kind, method, **given))


def test_all_writes_are_tested() -> None:
    """A method that is new is either named as one that reads, or tested here."""
    assert set() == {method for _, method in CALLS} - NOT_WRITES - {it for _, it in WRITES}
    assert {"create", "delete", "activate", "release", "stop", "clear"} <= {it for _, it in WRITES}


@pytest.mark.parametrize(("kind", "method"), WRITES, ids=ids_of(WRITES))
async def test_a_failure_raises(kind: type[Resource], method: str) -> None:
    """Whatever way the server chose to say that it did not do it."""
    shown = FAILURES | ({} if method in MANY else IN_LISTS)
    for name, content in shown.items():
        if method == "delete_many" and b"invalid receiver" in content:
            continue  # somebody who is not there needs no deletion
        with pytest.raises(CleverReachError):
            pytest.fail(f"{name}: {await outcome(kind, method, content)}")


@pytest.mark.parametrize("method", sorted(MANY))
async def test_rows_that_are_refused_are_no_success(method: str) -> None:
    """The batch calls return the result of each row."""
    for name, content in IN_LISTS.items():
        items = await outcome(Receivers, method, content)
        assert [] == [item for item in items if item.ok], name


DONE: dict[str, bytes] = {
    "true": b"true",
    "nothing": b"",
    "null": b"null",
    "success": b'{"success": true}',
    "success as number": b'{"success": 1}',
    "success as text": b'{"success": "1"}',
    "success and a sentence": b'{"success": true, "message": "no problem"}',
    "an id": b"5",
    "an id as text": b'"5"',
    "an object with an id": b'{"id": 5}',
    "the same as text": b'{"id": "5", "success": true}',
    "an id and no errors": b'{"id": 5, "error": null, "errors": []}',
    "the object in a list": b'[{"id": "5", "email": "ann@mail.example", "name": "x"}]',
    "words": b'"update success"',
    "words in an object": b'{"status": "success"}',
    "a status in numbers": b'{"status": 200, "message": "OK"}',
    "a status in digits": b'{"status": "200", "message": "OK"}',
    "an id and a state": b'{"id": 5, "status": "draft", "state": "waiting"}',
    "an order": b'{"order_id": "A-7", "product": "Not a Mug", "id": null}',
    "a flow": b'{"id": "3b241101-e2bb-4255-8caf-4136c566a962"}',
}
WITHOUT_RESULT = [
    (kind, method)
    for kind, method in WRITES
    if inspect.signature(getattr(kind, method)).return_annotation in {None, "None"}
]


@pytest.mark.parametrize(("kind", "method"), WITHOUT_RESULT, ids=ids_of(WITHOUT_RESULT))
async def test_a_real_success_is_never_refused(kind: type[Resource], method: str) -> None:
    """Every form that was seen, for every method without a result."""
    for name, content in DONE.items():
        assert await outcome(kind, method, content) is None, name


OWN_FORMS: list[tuple[type[Resource], str, dict[str, Any], bytes]] = [
    (Tags, "add", {"tags": ["vip", "a b"]}, b'["vip", "a b"]'),
    (Tags, "add", {"tags": ["shop.vip"]}, b'["shop.vip", "blog", "no-limit"]'),
    (Tags, "add", {"tags": ["vip"]}, b"[]"),
    (Tags, "remove", {"tags": ["not found"]}, b'["not found"]'),
    (Receivers, "delete_many", {}, b"[]"),
    (Receivers, "delete_many", {}, b'[{"status": "success"}, "invalid receiver \'x\'"]'),
    (Receivers, "delete_many", {}, b'[{"status": "Not Found: invalid receiver"}]'),
]


@pytest.mark.parametrize(("kind", "method", "given", "content"), OWN_FORMS)
async def test_forms_of_success_of_single_calls(
    kind: type[Resource], method: str, given: dict[str, Any], content: bytes
) -> None:
    """Tags are returned as a list of texts, and receivers that are gone need no deletion."""
    assert await outcome(kind, method, content, **given) is None


async def test_the_address_is_the_answer_of_a_form() -> None:
    """Some servers return it for a mail that was sent; another address shows nothing."""
    for method in ("send_activation", "send_deactivation"):
        assert await outcome(Forms, method, b'"Ann@Mail.example"') is None
        with pytest.raises(CleverReachError):
            await outcome(Forms, method, b'"bob@mail.example"')


async def test_the_error_has_the_words_and_the_class_of_the_failure() -> None:
    """No address is in it."""
    with pytest.raises(NotFoundError, match="404 Not Found: invalid receiver") as caught:
        await outcome(Receivers, "activate", b'["Not Found: invalid receiver ann@mail.example"]')
    assert "mail.example" not in str(caught.value)
    with pytest.raises(CleverReachError, match="no name; no type"):
        await outcome(Receivers, "delete", b'{"success": 0, "errors": ["no name", "no type"]}')


async def test_why_all_rows_were_refused_is_raised() -> None:
    """A call that returns the stored receivers cannot return the reasons."""
    with pytest.raises(CleverReachError, match="422 invalid address <hidden>"):
        await outcome(Receivers, "upsertplus_many", b"[\"invalid address 'x'\"]")
    assert () == await outcome(Receivers, "upsertplus_many", b"[]")
    [stored] = await outcome(
        Receivers,
        "upsertplus_many",
        b'[{"id": 1, "email": "a@b.example"}, {"id": 2, "email": "c@d.example", "success": 0}]',
    )
    assert 1 == stored.id


async def test_revoking_a_token_is_shown_too() -> None:
    """It is the one write of the token's own resource."""

    async def answer(request: Request) -> Response:
        return await answer_with(b'{"success": 0}', request)

    tokens: Any = None
    with pytest.raises(CleverReachError, match="success is not true"):
        await OAuth(answer, tokens, SYSTEM_CLOCK).revoke()


@pytest.mark.parametrize(
    "text",
    ["no success", "unsuccessful", "not ok", "success?", "insert no success", "success: 0", ""],
)
def test_what_is_no_word_of_success(text: str) -> None:
    """The words are compared as a whole."""
    assert not is_word_of_success(text)


@pytest.mark.parametrize(
    "text", ["success", "Insert success", "update success", "deleted", " OK ", "Successful."]
)
def test_words_of_success(text: str) -> None:
    """In any letter case, as they were seen."""
    assert is_word_of_success(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)  # JSON has neither
    | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "success", "status", "error", "errors", "code", "message"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_any_response_shows_success_or_says_why_not(value: Any) -> None:
    """A failure has words, and an error beside anything is a failure."""
    failure = failure_in(value)
    assert failure is None or failure.strip()
    if isinstance(value, dict):
        assert failure_in({**value, "error": "no"}) is not None
        assert failure_in({**value, "success": False}) is not None


@given(st.sampled_from(WRITES), JSON)
async def test_a_write_returns_only_what_shows_success(
    it: tuple[type[Resource], str], value: Any
) -> None:
    """The one place decides for all nouns."""
    kind, method = it
    if method in PER_ROW or kind is Tags or method == "delete_many":
        return
    try:
        await outcome(kind, method, msgspec.json.encode(value))
    except CleverReachError:
        return
    assert failure_in(value) is None


def test_lists_within_lists_have_a_limit() -> None:
    """Otherwise an answer of nothing but brackets would exhaust the stack."""
    value: Any = [1]
    for _ in range(900):
        value = [value]
    assert "the response is nested too deeply" == failure_in(value)
    assert failure_in([[1]]) is None
