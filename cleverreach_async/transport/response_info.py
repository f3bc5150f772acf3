"""What a caller may see of a successful response beside its result."""

from collections.abc import Mapping

import attrs

from cleverreach_async.transport.error_bodies import shown_headers
from cleverreach_async.transport.wire import Request, Response

__all__ = ["ResponseInfo", "info_of"]


@attrs.frozen(kw_only=True)
class ResponseInfo:
    """Status and headers of a successful response; ``on_response`` is called with one.

    Attributes:
        method: HTTP method.
        path: Path template.
        status_code: HTTP status.
        headers: Headers with lower-case names, without credentials and e-mail addresses.
    """

    method: str
    path: str
    status_code: int
    headers: Mapping[str, str] = attrs.field(repr=False)

    @property
    def request_id(self) -> str | None:
        """The id that the server gave to the request (``X-Cr-I``), for the vendor's support."""
        return self.headers.get("x-cr-i")


def info_of(response: Response, request: Request) -> ResponseInfo:
    """Return what may be shown of a response."""
    return ResponseInfo(
        method=request.method,
        path=request.template,
        status_code=response.status_code,
        headers=shown_headers(response),
    )
