"""Revoking a token."""

import pytest
from support.clocks import FakeClock

from cleverreach_async.auth.renewal import StaticToken
from cleverreach_async.resources.oauth import OAuth
from cleverreach_async.transport.redaction import Secret
from cleverreach_async.transport.wire import Request, Response

pytestmark = pytest.mark.anyio


async def test_a_revocation_is_not_repeated() -> None:
    """After a lost response, a repetition would renew the token and revoke the new one."""
    sent: list[Request] = []

    async def call(request: Request) -> Response:
        sent.append(request)
        return Response(200, {}, b"true")

    await OAuth(call, StaticToken(Secret("token")), FakeClock()).revoke()
    assert [("DELETE", "/v3/oauth/token", False)] == [
        (request.method, request.target, request.idempotent) for request in sent
    ]
