"""Routes of operations, the checks before each operation, and decoding of paths."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from inspect import isawaitable
from urllib.parse import quote, unquote

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from .accounts import SandboxAccounts
from .call import Call, token_of
from .errors import ApiError, not_found
from .tokens import check_token
from .values import Json, encode_json, php_arrays

Operation = Callable[[Call], Json]

ACCOUNT = "cleverreach_account"
"""The key of a scope for the account of the request, None until it is known."""

_VARIABLE = "{}"
"""Stands for a last segment that is a variable."""


class JsonAnswer(Response):
    """A response with JSON."""

    media_type = "application/json"

    def render(self, content: Json) -> bytes:
        """Encode the content."""
        return encode_json(content)


class _SegmentConvertor(Convertor[str]):
    """One segment of an encoded path; it may be empty."""

    regex = "[^/]*"

    def convert(self, value: str) -> str:
        """Decode a segment."""
        return unquote(value)

    def to_string(self, value: str) -> str:
        """Encode a segment."""
        return quote(value, safe="")


register_url_convertor("segment", _SegmentConvertor())


class Endpoint:
    """An ASGI application that checks a request and runs an operation.

    As an application instead of a function, it needs none of the wrappers that Starlette puts
    around a function.

    Args:
        operation: Returns a response, or the JSON for it.
        path: The path of the route, with ``{name}`` for a variable segment.
        needs_token: Whether a valid access token is required.
    """

    def __init__(self, operation: Operation, path: str, *, needs_token: bool) -> None:
        self.operation = operation
        self.path = path
        self._needs_token = needs_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        call = await admit(Request(scope, receive), needs_token=self._needs_token)
        result = self.operation(call)
        if isawaitable(result):
            result = await result
        scope[ACCOUNT] = scope.get(ACCOUNT) or call.found
        if not isinstance(result, Response) and call.behaviour.arrays != "list":
            result = php_arrays(result, keyed=call.behaviour.arrays == "keyed")
        response = result if isinstance(result, Response) else JsonAnswer(result)
        await response(scope, receive, send)


def route(method: str, path: str, operation: Operation, *, needs_token: bool = True) -> Route:
    """Make the route of an operation.

    Args:
        method: The HTTP method.
        path: The path; ``{name}`` is a variable segment. The second segment is none.
        operation: Returns a response, or the JSON for it.
        needs_token: Whether a valid access token is required.
    """
    endpoint = Endpoint(operation, path, needs_token=needs_token)
    made = Route(path.replace("}", ":segment}"), endpoint, methods=[method])
    made.methods = {method}  # U: HEAD, which Starlette adds to GET
    return made


class OperationRoutes(BaseRoute):
    """The routes of all operations as one, which compares a request with a few of them only.

    Args:
        routes: The routes; the first match is used.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = defaultdict[tuple[str, int, str, str], list[Route]](list)
        for operation in routes:
            for method in operation.methods or ():
                self._routes[_shape(method, operation.path)].append(operation)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return the match of the first route that matches."""
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        shape = _shape(scope["method"], path)
        for last in (shape[-1], _VARIABLE):  # a literal wins over a variable
            for operation in self._routes.get((*shape[:-1], last), ()):
                match, child_scope = operation.matches(scope)
                if match is Match.FULL:
                    return match, child_scope
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request that matches."""
        await scope["endpoint"](scope, receive, send)


def _shape(method: str, path: str) -> tuple[str, int, str, str]:
    """Return what paths of an operation have in common: length, second and last segment."""
    second = path.partition("/")[2].partition("/")[2].partition("/")[0]
    last = path.rpartition("/")[2]
    return method, path.count("/"), second, _VARIABLE if last.endswith("}") else last


async def unknown_operation(request: Request) -> Response:
    """Refuse an unknown path or method with 404; the checks before it still apply."""
    await admit(request)
    raise not_found()


async def admit(request: Request, *, needs_token: bool = True) -> Call:
    """Read a request and check its size and access token.

    Raises:
        ApiError: 413, the body is too large; 401, the token is not valid.
    """
    accounts: SandboxAccounts = request.app.state.accounts
    account = request.scope.get(ACCOUNT) or accounts.first
    body, token = await request.body(), token_of(request)
    limit = account.behaviour.max_body_bytes
    if limit is not None and len(body) > limit:
        raise ApiError(413, "Request Entity Too Large")  # U: whether the limit is in bytes
    if needs_token:
        check_token(account, token)
    query: Mapping[str, str] = request.query_params if request.scope["query_string"] else {}
    return Call(account, request.path_params, query, request.headers, body, token)


@lru_cache(maxsize=1000)
def clean_path(raw_path: bytes, root_path: str = "") -> tuple[str, str]:
    """Return the decoded path for the record, and the encoded one that the routes match.

    Args:
        raw_path: The path as it was sent.
        root_path: The decoded path that the sandbox is mounted at, which is left out.
    """
    segments = split_path(raw_path.decode("latin-1"))
    root = root_path.strip("/").split("/") if root_path.strip("/") else []
    if segments[: len(root)] == root:
        segments = segments[len(root) :] or [""]
    return "/" + "/".join(segments), encode_path(segments)


def split_path(raw_path: str) -> list[str]:
    """Return the decoded segments of a path without the legacy ``.json``, which has no effect (H).

    Splitting comes before decoding, so that an encoded slash stays in its segment. Addresses keep
    their ending.
    """
    segments = (unquote(segment) for segment in raw_path.strip("/").split("/"))
    return [s if "@" in s else s.removesuffix(".json") for s in segments]


def encode_path(segments: Iterable[str]) -> str:
    """Return the encoded path that the routes match."""
    return "/" + "/".join(quote(segment, safe="") for segment in segments)
