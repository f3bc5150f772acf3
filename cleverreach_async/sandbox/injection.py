"""The outermost layer of the sandbox: records requests, keeps limits and injects faults."""

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from random import Random
from typing import Any, cast

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .accounts import AccountState, SandboxAccounts
from .call import token_of
from .errors import error_body, phrase
from .faults import Fault, Faults, is_call
from .limits import AccountLimits
from .recording import PendingRequest, RequestLog
from .routing import ACCOUNT, JsonAnswer, clean_path
from .tokens import expire_token
from .values import as_list, parse_json

_WITHOUT_BODY = frozenset({204, 205, 304})
"""Statuses whose responses have no body."""

Respond = Callable[[], Awaitable[Response]]
"""Runs the request and returns its response."""


class FaultInjection:
    """An ASGI application that wraps the API.

    It wraps Starlette's own layers too, because only the ``send`` of the server itself gives access
    to the connection.

    Args:
        api: The application of the API.
        path_of: Returns the template of the path of a request, or an empty string.
        accounts: The accounts, each with its limits and tokens.
        log: Records the requests.
        faults: Returns the current faults.
    """

    def __init__(
        self,
        api: ASGIApp,
        path_of: Callable[[Scope], str],
        accounts: SandboxAccounts,
        log: RequestLog,
        faults: Callable[[], Faults],
    ) -> None:
        self._api = api
        self._path_of = path_of
        self._accounts = accounts
        self._log = log
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._api(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        path, encoded_path = clean_path(raw_path, scope.get("root_path", ""))
        account = self._accounts.with_token(token_of(request))
        routed = {**scope, "path": encoded_path, "root_path": "", ACCOUNT: account}
        routed.pop("endpoint", None)  # of an application that the sandbox is mounted in
        clock = self._accounts.first.clock
        pending = PendingRequest(request.method, path, clock(), account.name if account else None)
        self._log.received(pending)
        try:
            if account is None or not (account.limits.are_set and is_call(path)):
                await self._respond(pending, routed, request, body, send)
            else:
                await self._respond_within(account.limits, pending, routed, request, body, send)
        finally:
            pending.route = self._path_of(routed)
            owner = cast("AccountState | None", routed[ACCOUNT])  # a token request has set it
            name = owner.name if owner else None
            self._log.completed(pending, request, body, clock(), name)

    async def _respond_within(
        self,
        limits: AccountLimits,
        pending: PendingRequest,
        routed: Scope,
        request: Request,
        body: bytes,
        send: Send,
    ) -> None:
        """Send the response, or that of the limit that refuses the request."""
        try:
            hit = limits.enter()
            if hit is None:
                await self._respond(pending, routed, request, body, send)
                return
        finally:
            limits.leave()
        pending.fault = hit.name
        response = fault_response(hit.fault)
        pending.status_code = response.status_code
        await response(routed, request.receive, send)

    async def _respond(
        self, pending: PendingRequest, routed: Scope, request: Request, body: bytes, send: Send
    ) -> None:
        """Send the response, with the fault that is chosen for it."""
        receive = request.receive
        wait, fault = self._faults().decide(pending.method, pending.path, pending.account)
        if wait:
            pending.fault = "latency"
            await anyio.sleep(wait)
        if fault is None:
            messages = await call_app(self._api, routed, body, receive)
            pending.status_code = messages[0]["status"]
            for message in messages:
                await send(message)
            return
        pending.fault = fault.kind
        respond = partial(response_of, self._api, routed, body, receive)
        response = await self._inject(fault, request, respond)
        if response is None:
            await drop_connection(receive, send)
            return
        pending.status_code = response.status_code
        if fault.kind == "cut":
            await send_cut(response, fault.at, receive, send)
        else:
            await response(routed, receive, send)

    async def _inject(self, fault: Fault, request: Request, respond: Respond) -> Response | None:
        """Return the response with a fault, or None to drop the connection."""
        match fault.kind:
            case "status" | "reset":
                if fault.committed:
                    await respond()
                return fault_response(fault) if fault.kind == "status" else None
            case "hang":
                early = await respond() if fault.committed else None
                connected = await wait_for(fault.seconds, request.receive)
                return await respond() if connected and early is None else early
            case "expire_token":
                expire_token(self._accounts.first, token_of(request))
                return await respond()
            case "short_answer":
                return without_items(await respond(), fault.items, self._faults().random)
            case _:
                return await respond()


async def call_app(app: ASGIApp, scope: Scope, body: bytes, receive: Receive) -> list[Message]:
    """Call an application with a body that was already read, and return what it sent."""
    unread = [body]
    sent: list[Message] = []

    async def receive_again() -> Message:
        """Return the body, then further messages of the client."""
        return {"type": "http.request", "body": unread.pop()} if unread else await receive()

    async def keep(message: Message) -> None:
        """Store a part of the response."""
        sent.append(message)

    await app(scope, receive_again, keep)
    return sent


async def response_of(app: ASGIApp, scope: Scope, body: bytes, receive: Receive) -> Response:
    """Call an application as :func:`call_app` does, and return its response."""
    start, *parts = await call_app(app, scope, body, receive)
    response = Response(b"".join(part["body"] for part in parts), start["status"])
    response.raw_headers = start["headers"]
    return response


async def wait_for(seconds: float, receive: Receive) -> bool:
    """Wait until the time is over or the client disconnects.

    Returns:
        Whether the client is still connected.
    """
    connected = True

    async def watch() -> None:
        """Stop waiting when the client disconnects."""
        nonlocal connected
        while (await receive())["type"] != "http.disconnect":
            pass
        connected = False
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await anyio.sleep(seconds)
        tasks.cancel_scope.cancel()
    return connected


def fault_response(fault: Fault) -> Response:
    """Return the response of a ``status`` fault."""
    reason = phrase(fault.code)
    response: Response
    if fault.code in _WITHOUT_BODY:
        response = Response(status_code=fault.code)
    elif fault.body == "html":
        response = HTMLResponse(f"<html>{reason}</html>", fault.code)
    else:
        response = JsonAnswer(error_body(fault.code, reason), fault.code)
    if fault.retry_after is not None:
        response.headers["retry-after"] = str(fault.retry_after)
    return response


def without_items(response: Response, items: int, random: Random) -> Response:
    """Return a list response with some items removed; other responses are unchanged."""
    body = bytes(response.body)
    answer = as_list(parse_json(body)) if response.status_code == HTTPStatus.OK and body else None
    if answer is None:
        return response
    for _ in range(min(items, len(answer))):
        del answer[random.randrange(len(answer))]
    return JsonAnswer(answer)


async def send_cut(response: Response, at: int, receive: Receive, send: Send) -> None:
    """Send the headers of the whole body but only a part of it, and close the connection."""
    start = {
        "type": "http.response.start",
        "status": response.status_code,
        "headers": response.raw_headers,
    }
    await send(start)
    on_socket = _connection(send) is not None
    body = bytes(response.body)[:at]
    await send({"type": "http.response.body", "body": body, "more_body": on_socket})
    if on_socket:
        await drop_connection(receive, send, flush=True)


def _connection(send: Send) -> Any:
    """Return the transport of uvicorn's connection; None in process.

    ASGI has no message to drop a connection. ``send`` is a method of uvicorn's request cycle, which
    has the transport.
    """
    return getattr(getattr(send, "__self__", None), "transport", None)


async def drop_connection(receive: Receive, send: Send, *, flush: bool = False) -> None:
    """Close the connection.

    Args:
        receive: Receives from the client.
        send: Sends to the client.
        flush: Whether to deliver what was sent before.

    Raises:
        ConnectionResetError: In process, where there is no connection.
    """
    connection = _connection(send)
    if connection is None:
        raise ConnectionResetError("The sandbox dropped the connection on purpose")
    if flush:
        connection.close()
    else:
        connection.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
