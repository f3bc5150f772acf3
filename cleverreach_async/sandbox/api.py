"""The API as a Starlette application.

A page beside the API is one more route before the last one. Routes get paths as
:func:`~.routing.encode_path` makes them.
"""

from itertools import chain
from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, request_response

from . import (
    attributes,
    batch,
    blacklist,
    forms,
    groups,
    mailings,
    oauth,
    orders,
    people,
    receivers,
    tags,
    webhooks,
)
from .call import AccountState
from .errors import REFUSALS, ApiError, OAuthError, error_body
from .routing import JsonAnswer, OperationRoutes, unknown_operation

_NOUNS = (
    oauth,
    groups,
    attributes,
    batch,
    people,
    receivers,
    orders,
    tags,
    forms,
    mailings,
    blacklist,
    webhooks,
)
OPERATIONS = tuple(chain.from_iterable(noun.ROUTES for noun in _NOUNS))
"""The routes of all operations; the first match is used."""

_ROUTES: tuple[BaseRoute, ...] = (
    OperationRoutes(OPERATIONS),
    Mount("/", request_response(unknown_operation)),
)


def make_api(account: AccountState) -> Starlette:
    """Make the application that serves an account."""
    api = Starlette(routes=_ROUTES, exception_handlers={ApiError: refuse, OAuthError: refuse_grant})
    api.state.account = account
    return api


async def refuse(request: Request, error: Exception) -> Response:
    """Make the response of a refused call, in the shape that the behaviour selects."""
    refusal, behaviour = cast("ApiError", error), request.app.state.account.behaviour
    as_success = behaviour.errors_as_200 == "always" or (
        behaviour.errors_as_200 == "refusals" and refusal.code in REFUSALS
    )
    body = error_body(refusal.code, refusal.message, behaviour.error_shape)
    # M: error bodies were seen with HTTP 200 too; then the code in the body is right.
    return JsonAnswer(body, 200 if as_success else refusal.code)


async def refuse_grant(_request: Request, error: Exception) -> Response:
    """Make the response of a refused OAuth request."""
    return JsonAnswer(cast("OAuthError", error).body(), 400)
