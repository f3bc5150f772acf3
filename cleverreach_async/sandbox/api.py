"""The API as a Starlette application; pages beside it are further routes."""

from itertools import chain
from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
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
)
from .call import AccountState
from .errors import REFUSALS, ApiError, OAuthError, error_body
from .routing import unknown_operation

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
)
OPERATIONS = tuple(chain.from_iterable(noun.ROUTES for noun in _NOUNS))
"""The routes of all operations; the first that matches is taken."""

_ROUTES: tuple[BaseRoute, ...] = (*OPERATIONS, Mount("/", request_response(unknown_operation)))


def make_api(account: AccountState) -> Starlette:
    """Make the application that answers for an account."""
    api = Starlette(routes=_ROUTES, exception_handlers={ApiError: refuse, OAuthError: refuse_grant})
    api.state.account = account
    return api


async def refuse(request: Request, error: Exception) -> Response:
    """Answer a refused call, in the shape the behaviour asks for."""
    refusal, behaviour = cast("ApiError", error), request.app.state.account.behaviour
    hidden = behaviour.errors_as_200 == "always" or (
        behaviour.errors_as_200 == "refusals" and refusal.code in REFUSALS
    )
    body = error_body(refusal.code, refusal.message, behaviour.error_shape)
    # M: error bodies came with HTTP 200 too; the code inside is the true one.
    return JSONResponse(body, 200 if hidden else refusal.code)


async def refuse_grant(_request: Request, error: Exception) -> Response:
    """Answer a refusal of the OAuth endpoints."""
    return JSONResponse(cast("OAuthError", error).body(), 400)
