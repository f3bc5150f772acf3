"""The first layer of the sandbox: requests for its page, and all others."""

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from .accounts import SandboxAccounts
from .faults import Faults
from .page_access import PageAccess
from .recording import RequestLog


class SandboxApplication:
    """The ASGI application of a sandbox: the API, and a page at ``/``.

    The page is loaded with its first request. Its requests are neither recorded nor do faults and
    limits apply to them.

    Args:
        api: The application of the API.
        accounts: The accounts.
        log: Records the requests.
        faults: Returns the current faults.

    Attributes:
        access: Where servers listen.
    """

    def __init__(
        self, api: ASGIApp, accounts: SandboxAccounts, log: RequestLog, faults: Callable[[], Faults]
    ) -> None:
        self.access: PageAccess = PageAccess()
        self._api = api
        self._parts = accounts, log, faults
        self._page: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        app = self._page_app() if scope["type"] == "http" and _is_page(scope) else self._api
        await app(scope, receive, send)

    def _page_app(self) -> ASGIApp:
        """Return the page."""
        if self._page is None:
            from .page import SandboxPage  # noqa: PLC0415 - most sandboxes are not looked at

            self._page = SandboxPage(*self._parts, self.access)
        return self._page


def _is_page(scope: Scope) -> bool:
    """Whether a request is for the page."""
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path == "/" or path.startswith("/sandbox/")
