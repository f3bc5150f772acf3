"""Routes of operations, the checks before each operation, and decoding of paths."""

from collections.abc import Callable, Iterable
from urllib.parse import quote, unquote

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .call import AccountState, Call, token_of
from .errors import ApiError, not_found
from .tokens import check_token
from .values import Json

Operation = Callable[[Call], Json]


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


def route(method: str, path: str, operation: Operation, *, needs_token: bool = True) -> Route:
    """Make the route of an operation.

    Args:
        method: The HTTP method.
        path: The path; ``{name}`` is a variable segment.
        operation: Returns a response, or the JSON for it.
        needs_token: Whether a valid access token is required.
    """

    async def endpoint(request: Request) -> Response:
        """Check the request and run the operation."""
        result = operation(await admit(request, needs_token=needs_token))
        return result if isinstance(result, Response) else JSONResponse(result)

    made = Route(path.replace("}", ":segment}"), endpoint, methods=[method])
    made.methods = {method}  # U: HEAD, which Starlette adds to GET
    return made


async def unknown_operation(request: Request) -> Response:
    """Refuse an unknown path or method with 404; the checks before it still apply."""
    await admit(request)
    raise not_found()


async def admit(request: Request, *, needs_token: bool = True) -> Call:
    """Read a request and check its size and access token.

    Raises:
        ApiError: 413, the body is too large; 401, the token is not valid.
    """
    account: AccountState = request.app.state.account
    body, token = await request.body(), token_of(request)
    limit = account.behaviour.max_body_bytes
    if limit is not None and len(body) > limit:
        raise ApiError(413, "Request Entity Too Large")  # U: whether the limit is in bytes
    if needs_token:
        check_token(account, token)
    return Call(account, request.path_params, request.query_params, request.headers, body, token)


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
