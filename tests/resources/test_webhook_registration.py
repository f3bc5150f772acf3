"""Webhooks: requests, responses, and secrets that nothing shows."""

import logging
import pickle
import traceback
from collections.abc import Awaitable, Callable

import pytest

from cleverreach_async.errors import APIStatusError, ConfigurationError, ResponseDecodeError
from cleverreach_async.resources.webhooks import Webhook, WebhookRegistration, Webhooks
from cleverreach_async.transport.redaction import Secret
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Webhooks], Awaitable[object]]

URL = "https://shop.example/hooks?key=k-e-y"
WORD = "a-word-of-mine"
TOKEN = "t0ken" * 12 + "last"
SECRET = "s3cret" * 5 + "ab"
ANSWER = {"success": True, "call_token": TOKEN, "secret": SECRET}
MADE = WebhookRegistration(call_token=Secret(TOKEN), secret=Secret(SECRET))

ROWS: dict[str, tuple[Act, str, str, object, object, object]] = {
    "register": (
        lambda it: it.register(URL, "receiver.unsubscribed", verify=WORD, condition=540001),
        "POST",
        "/hooks/eventhook",
        {"url": URL, "event": "receiver.unsubscribed", "verify": WORD, "condition": "540001"},
        ANSWER,
        MADE,
    ),
    "register for all groups": (
        lambda it: it.register("https://shop.example", "receiver", verify="w" * 50),
        "POST",
        "/hooks/eventhook",
        {"url": "https://shop.example", "event": "receiver", "verify": "w" * 50},
        [{**ANSWER, "id": 3}],
        WebhookRegistration(call_token=Secret(TOKEN), secret=Secret(SECRET), extra={"id": 3}),
    ),
    "list": (
        lambda it: it.list(),
        "GET",
        "/hooks/eventhook",
        None,
        [
            {"event": "receiver", "condition": 540001, "url": URL},
            {"event": "group", "condition": None, "call_token": TOKEN},
        ],
        (
            Webhook(event="receiver", condition="540001", url=URL),
            Webhook(event="group", extra={"call_token": Secret(TOKEN)}),
        ),
    ),
    "list of none": (lambda it: it.list(), "GET", "/hooks/eventhook", None, False, ()),
    "delete": (
        lambda it: it.delete("receiver.unsubscribed", condition="540001"),
        "DELETE",
        "/hooks/eventhook/receiver.unsubscribed?condition=540001",
        None,
        True,
        None,
    ),
    "delete all of an event": (
        lambda it: it.delete("form"),
        "DELETE",
        "/hooks/eventhook/form",
        None,
        b"",
        None,
    ),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "body", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_webhook_calls(
    act: Act,
    method: str,
    target: str,
    body: object,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request, outside of ``/v3``, and reads the response."""
    assert (method, target, body, expected) == await exchange(Webhooks, act, answer)


def register(**given: object) -> Act:
    """A registration with one argument of another kind."""
    fields: dict[str, object] = {"url": URL, "event": "receiver", "verify": WORD, **given}
    return lambda it: it.register(**fields)  # type: ignore[arg-type]


REFUSED: dict[str, tuple[Act, str]] = {
    "http": (register(url="http://shop.example/k-e-y"), "url is not the https"),
    "no host": (register(url="https:///k-e-y"), "url is not the https"),
    "a host without a dot": (register(url="https://shop/k-e-y"), "url is not the https"),
    "a broken host": (register(url="https://[::1/k-e-y"), "url is not the https"),
    "a blank": (register(url="https://shop.example/ k-e-y"), "url is not the https"),
    "a line break": (register(url="https://shop.example/k-e-y\n"), "url is not the https"),
    "a path": (register(url="/k-e-y"), "url is not the https"),
    "no url": (register(url=None), "url is None"),
    "a short word": (register(verify="123456789"), "verify has 9 characters; the API takes 10"),
    "a long word": (register(verify="x" * 51), "verify has 51 characters"),
    "blanks around a word": (register(verify=" 1234567890"), "verify has blanks"),
    "a word of two lines": (register(verify="12345\n67890"), "control characters"),
    "no word": (register(verify=None), "verify is None"),
    "a number as a word": (register(verify=1234567890), "verify is of type int"),
    "no event": (register(event=" "), "event is ' '"),
    "a path as an event": (register(event="a/b"), "event is 'a/b'"),
    "None as an event": (register(event=None), "event is None"),
    "an empty condition": (register(condition=""), "condition is empty"),
    "True as a condition": (register(condition=True), "condition is of type bool"),
    "0 as a condition": (register(condition=0), "condition is of type int"),
    "an object as a condition": (register(condition=[7]), "condition is of type list"),
    "delete without an event": (lambda it: it.delete(""), "event is ''"),
    "delete of dots": (lambda it: it.delete(".."), "event"),
    "delete of a forgotten group": (
        lambda it: it.delete("receiver", condition=None),  # type: ignore[arg-type]
        "condition is None.* leave condition out",
    ),
}


@pytest.mark.parametrize(("act", "words"), REFUSED.values(), ids=REFUSED.keys())
async def test_wrong_webhook_arguments_are_refused_before_sending(
    act: Act, words: str, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """The message never shows the URL, which may have a key."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        await act(Webhooks(serve(ANSWER)))
    assert not sent
    assert "k-e-y" not in str(caught.value)


async def test_an_unknown_family_is_sent_with_a_warning(
    serve: Callable[..., Call], caplog: pytest.LogCaptureFixture
) -> None:
    """The vendor may add families; a known one is not worth a line."""
    await Webhooks(serve(ANSWER)).register(URL, "receiver.imported", verify=WORD)
    assert "" == caplog.text
    with caplog.at_level(logging.WARNING):
        await Webhooks(serve(ANSWER)).register(URL, "mailing.sent", verify=WORD)
    assert "'mailing.sent' is not known; known are receiver, form" in caplog.text


async def test_a_registration_is_not_repeated(
    serve: Callable[..., Call], sent: list[Request]
) -> None:
    """A second one would be refused, and the tokens of the first one would be lost."""
    await Webhooks(serve(ANSWER)).register(URL, "receiver", verify=WORD)
    assert [False] == [request.idempotent for request in sent]


def assert_hidden(text: str) -> None:
    """Neither of the two credentials is shown."""
    assert TOKEN[:10] not in text
    assert SECRET[:10] not in text


async def test_no_repr_shows_a_secret(serve: Callable[..., Call]) -> None:
    """Nor does pickling."""
    made = await Webhooks(serve(ANSWER)).register(URL, "receiver", verify=WORD)
    assert (TOKEN, SECRET) == (made.call_token.reveal(), made.secret.reveal())
    rows = [{"event": "receiver", "secret": SECRET, "call_token": TOKEN}]
    [hook] = await Webhooks(serve(rows)).list()
    assert_hidden(f"{made!r} {made} {hook!r} {dict(hook.extra)!r}")
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(made)


HOSTILE: dict[str, object] = {
    "no secret": {"success": True, "call_token": TOKEN},
    "no token": {"success": True, "secret": SECRET},
    "an empty token": {"success": True, "call_token": " ", "secret": SECRET},
    "a number": {"success": True, "call_token": 5, "secret": SECRET},
    "true": True,
    "nothing": b"",
    "two": [ANSWER, ANSWER],
    "a failure": {**ANSWER, "success": False, "message": "the endpoint said no"},
    "an error": {**ANSWER, "error": {"code": 400, "message": f"no {TOKEN} {SECRET}"}},
    "an error in words": {"success": False, "message": f"{TOKEN} {SECRET}", **ANSWER, "ok": 0},
    "an error in a list": [{**ANSWER, "success": 0}],
    "a page": f"<html>{TOKEN}".encode(),
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE.keys())
async def test_an_answer_without_both_is_no_registration(
    answer: object, serve: Callable[..., Call]
) -> None:
    """The error shows neither, in message, body or in the variables of our frames."""
    try:
        await Webhooks(serve(answer)).register(URL, "receiver", verify=WORD)
    except (APIStatusError, ResponseDecodeError) as error:
        report = traceback.TracebackException.from_exception(error, capture_locals=True)
        ours = [it.locals for it in report.stack if "cleverreach_async" in it.filename]
        assert_hidden(f"{error} {vars(error)} {error.args} {ours} {error.__cause__!r}")
        return
    pytest.fail("no error")


async def test_an_answer_with_both_shows_success(serve: Callable[..., Call]) -> None:
    """The server does not send them again, so a missing flag does not lose them."""
    answer = {"call_token": TOKEN, "secret": SECRET}
    assert MADE == await Webhooks(serve(answer)).register(URL, "receiver", verify=WORD)
