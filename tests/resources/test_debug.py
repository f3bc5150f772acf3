"""Debug: the account, its token, and the state of the API."""

from collections.abc import Awaitable, Callable

import pytest

from cleverreach_async.errors import AuthenticationError, InternalServerError
from cleverreach_async.resources.debug import Debug, TokenTTL, Whoami
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Debug], Awaitable[object]]

UNAUTHORIZED = {"error": {"code": 401, "message": "Unauthorized"}}

ROWS: dict[str, tuple[Act, str, object, object]] = {
    "whoami": (
        lambda it: it.whoami(),
        "/v3/debug/whoami",
        {
            "id": "129000",
            "name": "Muster",
            "firstname": "Mia",
            "email": "mia@mail.example",
            "login_domain": "129000.eu2.api.example",
            "whitelabel_id": "",
            "fax": None,
            "plan": "lite",
        },
        Whoami(
            id=129000,
            name="Muster",
            firstname="Mia",
            email="mia@mail.example",
            login_domain="129000.eu2.api.example",
            extra={"plan": "lite"},
        ),
    ),
    "ttl": (
        lambda it: it.ttl(),
        "/v3/debug/ttl",
        {"ttl": "2591999", "date": "2026-02-01 10:00:00"},
        TokenTTL(ttl=2591999, date="2026-02-01 10:00:00"),
    ),
    "validate true": (lambda it: it.validate(), "/v3/debug/validate", True, True),
    "validate object": (lambda it: it.validate(), "/v3/debug/validate", {"rights": []}, True),
    "validate empty": (lambda it: it.validate(), "/v3/debug/validate", b"", True),
    "validate false": (lambda it: it.validate(), "/v3/debug/validate", False, False),
    "validate false as text": (lambda it: it.validate(), "/v3/debug/validate", "false", False),
    "validate text": (lambda it: it.validate(), "/v3/debug/validate", "valid", True),
    "ping": (lambda it: it.ping(), "/v3/debug/ping", b"pong", None),
}


@pytest.mark.parametrize(("act", "target", "answer", "expected"), ROWS.values(), ids=ROWS.keys())
async def test_debug_calls(
    act: Act,
    target: str,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request and reads the response."""
    assert ("GET", target, None, expected) == await exchange(Debug, act, answer)


async def test_only_ping_sends_no_token(serve: Callable[..., Call], sent: list[Request]) -> None:
    """A health check must not need, renew or send a token."""
    debug = Debug(serve(True, True))
    await debug.ping()
    await debug.validate()
    expected = [False, True]
    assert expected == [request.authenticated for request in sent]


async def test_ping_raises_errors_of_the_server(serve: Callable[..., Call]) -> None:
    """They are not a return value."""
    with pytest.raises(InternalServerError):
        await Debug(serve(b"<html>Bad Gateway</html>", status=502)).ping()


async def test_refused_token_is_not_valid(serve: Callable[..., Call]) -> None:
    """A refused token is ``False``, not an error."""
    assert await Debug(serve(UNAUTHORIZED, status=401)).validate() is False


async def test_validate_raises_other_errors(serve: Callable[..., Call]) -> None:
    """They say nothing about the token."""
    with pytest.raises(InternalServerError):
        await Debug(serve(b"", status=503)).validate()


async def test_ttl_of_a_refused_token(serve: Callable[..., Call]) -> None:
    """Its time to live is unknown, so this is an error."""
    with pytest.raises(AuthenticationError):
        await Debug(serve(UNAUTHORIZED, status=401)).ttl()


async def test_ttl_drops_the_echoed_token(serve: Callable[..., Call]) -> None:
    """The response may contain the token. The model does not keep it."""
    answer = {"ttl": 60, "date": "2026-02-01", "token": "eyJ0eXAi.INVENTED.sig"}
    ttl = await Debug(serve(answer)).ttl()
    expected = TokenTTL(ttl=60, date="2026-02-01")
    assert expected == ttl
    assert "INVENTED" not in repr(ttl)
    assert not hasattr(ttl, "extra")


def test_whoami_repr_has_no_person() -> None:
    """The account holder is not shown in a log."""
    expected = "Whoami(id=1, login_domain='1.api.example')"
    account = Whoami(id=1, name="Muster", email="mia@mail.example", login_domain="1.api.example")
    assert expected == repr(account)
