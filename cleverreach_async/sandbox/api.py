"""The API as a Starlette application.

Routes get paths as :func:`~.routing.encode_path` makes them. The page is not part of it:
see :mod:`.front`.
"""

from itertools import chain
from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, request_response
from starlette.types import Scope

from . import (
    attributes,
    batch,
    blacklist,
    clients,
    flows,
    forms,
    groups,
    mailings,
    my_content,
    oauth,
    orders,
    people,
    plugins,
    receivers,
    reports,
    segments,
    sending,
    tags,
    webhooks,
)
from .accounts import SandboxAccounts
from .errors import REFUSALS, ApiError, OAuthError, error_body
from .routing import ACCOUNT, Endpoint, JsonAnswer, OperationRoutes, unknown_operation

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
    sending,  # before the mailings, whose ids would be "channel"
    mailings,
    reports,
    blacklist,
    segments,
    clients,
    my_content,
    flows,
    webhooks,
    plugins,
)
OPERATIONS = tuple(chain.from_iterable(noun.ROUTES for noun in _NOUNS))
"""The routes of all operations; the first match is used."""

_OPERATION_ROUTES = OperationRoutes(OPERATIONS)
_ROUTES: tuple[BaseRoute, ...] = (
    _OPERATION_ROUTES,
    Mount("/", request_response(unknown_operation)),
)


def make_api(accounts: SandboxAccounts) -> Starlette:
    """Make the application that serves all accounts."""
    api = Starlette(routes=_ROUTES, exception_handlers={ApiError: refuse, OAuthError: refuse_grant})
    api.state.accounts = accounts
    return api


def path_of(scope: Scope) -> str:
    """Return the template of the path of a request, or an empty string; also if it was not run."""
    if "endpoint" not in scope:
        scope = _OPERATION_ROUTES.matches(scope)[1]
    endpoint = scope.get("endpoint")
    return endpoint.path if isinstance(endpoint, Endpoint) else ""


async def refuse(request: Request, error: Exception) -> Response:
    """Make the response of a refused call, in the shape that the behaviour selects."""
    refusal = cast("ApiError", error)
    behaviour = (request.scope.get(ACCOUNT) or request.app.state.accounts.first).behaviour
    if behaviour.errors_as_html:
        return HTMLResponse(f"<html>{refusal.message}</html>")
    as_success = behaviour.errors_as_200 == "always" or (
        behaviour.errors_as_200 == "refusals" and refusal.code in REFUSALS
    )
    body = error_body(refusal.code, refusal.message, behaviour.error_shape)
    # M: error bodies were seen with HTTP 200 too; then the code in the body is right.
    return JsonAnswer(body, 200 if as_success else refusal.code)


async def refuse_grant(_request: Request, error: Exception) -> Response:
    """Make the response of a refused OAuth request."""
    return JsonAnswer(cast("OAuthError", error).body(), 400)
