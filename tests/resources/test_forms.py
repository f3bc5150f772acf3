"""Forms: requests, responses and double opt-in."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cleverreach_async.errors import (
    APIStatusError,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    ResponseDecodeError,
)
from cleverreach_async.resources.forms import Form, Forms
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Forms], Awaitable[object]]

FORM = Form(id=3001, name="Sign up", group_id=540001)
RECORDED = {"id": "3001", "name": "Sign up", "customer_tables_id": "540001"}
PROOF: dict[str, Any] = {
    "user_ip": "203.0.113.7",
    "referer": "https://shop.example/",
    "user_agent": "Browser/1",
}

ROWS: dict[str, tuple[Act, str, str, object, object, object]] = {
    "list": (lambda it: it.list(), "GET", "/v3/forms", None, [RECORDED], (FORM,)),
    "list of a group": (
        lambda it: it.list(group_id=7),
        "GET",
        "/v3/groups/7/forms",
        None,
        [{"id": 1, "content": "<form>", "lang": "de"}],
        (Form(id=1, content="<form>", extra={"lang": "de"}),),
    ),
    "get": (lambda it: it.get(3001), "GET", "/v3/forms/3001", None, [RECORDED], FORM),
    "code": (
        lambda it: it.code(3001),
        "GET",
        "/v3/forms/3001/code",
        None,
        "<form>ä</form>",
        "<form>ä</form>",
    ),
    "code with options": (
        lambda it: it.code(3001, badge=False, embedded=True),
        "GET",
        "/v3/forms/3001/code?badget=false&embedded=true",
        None,
        "",
        "",
    ),
    "code of an empty answer": (
        lambda it: it.code(3001),
        "GET",
        "/v3/forms/3001/code",
        None,
        b"",
        "",
    ),
    "create from template": (
        lambda it: it.create_from_template(7, name="Sign up"),
        "POST",
        "/v3/forms/7/createfromtemplate/default",
        {"name": "Sign up"},
        {"id": "3001", "success": True},
        3001,
    ),
    "create from another template": (
        lambda it: it.create_from_template(7, name="A", title="B", template="two/col"),
        "POST",
        "/v3/forms/7/createfromtemplate/two%2Fcol",
        {"name": "A", "title": "B"},
        {"id": 5},
        5,
    ),
    "delete": (lambda it: it.delete(3001), "DELETE", "/v3/forms/3001", None, True, None),
    "send activation": (
        lambda it: it.send_activation(3001, email="ann+a@mail.example", **PROOF),
        "POST",
        "/v3/forms/3001/send/activate",
        {"email": "ann+a@mail.example", "doidata": PROOF},
        True,
        None,
    ),
    "send deactivation in a group": (
        lambda it: it.send_deactivation(3001, email="ann@mail.example", group_id=7, **PROOF),
        "POST",
        "/v3/forms/3001/send/deactivate",
        {"email": "ann@mail.example", "groups_id": 7, "doidata": PROOF},
        {"success": True},
        None,
    ),
    "send with the address as response": (
        lambda it: it.send_activation(3001, email="ann@mail.example", **PROOF),
        "POST",
        "/v3/forms/3001/send/activate",
        {"email": "ann@mail.example", "doidata": PROOF},
        "ann@mail.example",
        None,
    ),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "body", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_form_calls(
    act: Act,
    method: str,
    target: str,
    body: object,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request and reads the response."""
    assert (method, target, body, expected) == await exchange(Forms, act, answer)


@pytest.mark.parametrize("name", ["email", "user_ip", "referer", "user_agent"])
@pytest.mark.parametrize("text", ["", " \t"])
async def test_empty_proof_is_refused_before_sending(
    name: str, text: str, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """The API refuses a mail without proof of consent. The error names the argument."""
    arguments: dict[str, Any] = {"email": "ann@mail.example", **PROOF, name: text}
    forms = Forms(serve(True, True))
    with pytest.raises(ConfigurationError, match=f"^{name} is empty"):
        await forms.send_activation(3001, **arguments)
    with pytest.raises(ConfigurationError, match=f"^{name} is empty"):
        await forms.send_deactivation(3001, **arguments)
    assert not sent


SENDS: dict[str, Act] = {
    "activation": lambda it: it.send_activation(1, email="ann@mail.example", **PROOF),
    "deactivation": lambda it: it.send_deactivation(1, email="ann@mail.example", **PROOF),
    "creation": lambda it: it.create_from_template(7, name="A"),
}


@pytest.mark.parametrize("act", SENDS.values(), ids=SENDS.keys())
async def test_second_mail_is_never_sent(
    act: Act, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """After a lost response it is unknown whether the mail was sent, so it is not repeated."""
    await act(Forms(serve({"id": 1})))
    assert not sent[0].idempotent


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        pytest.param(200, False, APIStatusError, id="false"),
        pytest.param(
            403, {"error": {"code": 403, "message": "No"}}, PermissionDeniedError, id="403"
        ),
        pytest.param(404, {"error": {"code": 404, "message": "No"}}, NotFoundError, id="404"),
    ],
)
async def test_refused_mail(
    status: int, answer: object, kind: type[APIStatusError], serve: Callable[..., Call]
) -> None:
    """A mail that was not sent is an error. It does not show the address."""
    with pytest.raises(kind) as caught:
        await Forms(serve(answer, status=status)).send_activation(
            1, email="ann@mail.example", **PROOF
        )
    assert "mail.example" not in repr(caught.value)


async def test_code_that_is_not_text(serve: Callable[..., Call]) -> None:
    """The HTML must be a JSON string."""
    with pytest.raises(ResponseDecodeError):
        await Forms(serve({"html": "<form>"})).code(1)
