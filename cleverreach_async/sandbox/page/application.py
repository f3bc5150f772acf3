"""The page as an ASGI application."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.types import Receive, Scope, Send

from cleverreach_async.sandbox.account import SandboxAccount
from cleverreach_async.sandbox.accounts import SandboxAccounts
from cleverreach_async.sandbox.faults import Faults
from cleverreach_async.sandbox.page_access import PageAccess
from cleverreach_async.sandbox.recording import RequestLog
from cleverreach_async.sandbox.values import parse_number

from .actions import ACTIONS
from .document import document
from .guard import HEADERS, refusal
from .live import stream
from .view import Notice, PageView

_FILES = {"page.css": "text/css", "page.js": "text/javascript"}
_MAX_FORM = 100_000


class SandboxPage:
    """The page: ``/`` shows it, and ``/sandbox/…`` has its files, its forms and its stream.

    Args:
        accounts: The accounts.
        log: The requests.
        faults: Returns the current faults.
        access: Where servers listen.
    """

    def __init__(
        self,
        accounts: SandboxAccounts,
        log: RequestLog,
        faults: Callable[[], Faults],
        access: PageAccess,
    ) -> None:
        self._accounts = accounts
        self._log = log
        self._faults = faults
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return
        response.headers.update(HEADERS)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        """Return the response."""
        if reason := refusal(request, self._access):
            return PlainTextResponse(f"{reason}\n", 403)
        path: str = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        name = path.strip("/").removeprefix("sandbox").strip("/")
        if name in ACTIONS:
            return await self._act(request, name)
        if request.method not in {"GET", "HEAD"}:
            return PlainTextResponse("Not allowed\n", 405, {"allow": "GET, HEAD"})
        return self._show(request, name)

    def _show(self, request: Request, name: str) -> Response:
        """Return the page, one of its files or its stream."""
        if name in _FILES:
            return Response(_file(name), media_type=_FILES[name])
        account = self._account(request.query_params.get("account"))
        if account is None or name not in {"", "requests"}:
            return PlainTextResponse("There is no such account or page.\n", 404)
        if name == "requests":
            return self._stream(request, account)
        return HTMLResponse(document(self._view(request, account, request.query_params)))

    def _account(self, name: str | None) -> SandboxAccount | None:
        """Return an account by its name, the first one by default."""
        state = self._accounts.first if name is None else self._accounts.with_name(name)
        return None if state is None else SandboxAccount(state, self._log)

    def _view(
        self,
        request: Request,
        account: SandboxAccount,
        query: Mapping[str, str],
        *,
        root: str = "",
        notice: Notice | None = None,
        typed: Mapping[str, str] | None = None,
    ) -> PageView:
        """Return what to show."""
        if done := ACTIONS.get(query.get("done", "")):
            notice = Notice(done.section, done.done)
        return PageView(
            account=account,
            names=[it.name for it in self._accounts.opened],
            log=self._log,
            faults=self._faults(),
            elsewhere=self._access.elsewhere,
            base_url=str(request.base_url).rstrip("/"),
            root=root,
            notice=notice,
            typed=typed or {},
            query=query,
        )

    async def _act(self, request: Request, name: str) -> Response:
        """Do what a form says; then show the page, at the outcome."""
        if request.method != "POST":
            return PlainTextResponse("Not allowed\n", 405, {"allow": "POST"})
        form = await _form(request)
        if form is None:
            return PlainTextResponse("The form is too large.\n", 413)
        account = self._account(form.get("account"))
        if account is None:
            return PlainTextResponse("There is no such account.\n", 404)
        action = ACTIONS[name]
        try:
            action.run(account, self._faults(), form)
        except (LookupError, ValueError) as error:
            notice = Notice(action.section, str(error), is_error=True)
            view = self._view(request, account, {}, root="../", notice=notice, typed=form)
            return HTMLResponse(document(view), 400)
        query = urlencode({"account": account.name, "done": name})
        return RedirectResponse(f"../?{query}#notice", 303)

    def _stream(self, request: Request, account: SandboxAccount) -> Response:
        """Return the stream of requests, from where the page or an earlier stream ends."""
        after = request.headers.get("last-event-id") or request.query_params.get("after", "")
        number = parse_number(after) or 0
        events = stream(self._log, self._access, after=number, account=account.name)
        return StreamingResponse(events, media_type="text/event-stream")


@cache
def _file(name: str) -> bytes:
    """Return a file of the page."""
    return (Path(__file__).parent / name).read_bytes()


async def _form(request: Request) -> dict[str, str] | None:
    """Return the fields of a form, None if it is too large."""
    body = await request.body()
    if len(body) > _MAX_FORM:
        return None
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
