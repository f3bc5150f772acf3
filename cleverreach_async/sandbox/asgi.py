"""The ASGI application: reads a request, lets faults strike, answers, records."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .call import AccountState, Call
from .errors import REFUSALS, ApiError, OAuthError, error_body, not_found, phrase
from .faults import Fault, Faults
from .recording import RequestLog
from .routing import Router, split_path
from .tokens import check_token, expire_token
from .values import as_list, dump_json, parse_json

_OK = 200


class Site(Protocol):
    """What the application needs of the sandbox."""

    @property
    def account(self) -> AccountState:
        """What operations act on."""
        ...

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        ...

    @property
    def log(self) -> RequestLog:
        """What remembers requests."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class Incoming:
    """A request that was read to its end."""

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path in its one canonical spelling."""
        return "/" + "/".join(self.segments)

    @property
    def token(self) -> str:
        """The access token, from the header or, as the vendor allows, the query (H)."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else self.query.get("token", "")


class SandboxApp:
    """The ASGI application of one sandbox."""

    def __init__(self, site: Site, router: Router) -> None:
        self._site = site
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        incoming = await read_request(scope, receive)
        if incoming is None:
            return
        recorder = self._site.log
        recorder.arrived(incoming.method, incoming.path)
        status: int | None = None
        try:
            wait, fault = self._site.faults.decide(incoming.method, incoming.path)
            if wait:
                await anyio.sleep(wait)
            response = await self._respond(incoming, fault, receive)
            if response is None:
                await drop_connection(receive, send)
                return
            status = response.status_code
            if fault is not None and fault.kind == "cut":
                await send_cut(response, fault.at, receive, send)
            else:
                await response(scope, receive, send)
        finally:
            recorder.answered(
                incoming.method,
                incoming.path,
                status_code=status,
                query=incoming.query,
                headers=incoming.headers,
                body=incoming.body,
            )

    async def _respond(
        self, incoming: Incoming, fault: Fault | None, receive: Receive
    ) -> Response | None:
        """The answer to a request, None when there is to be none."""
        if fault is None or fault.kind == "cut":
            return self.answer(incoming)
        match fault.kind:
            case "status":
                if fault.committed:
                    self.answer(incoming)
                return fault_response(fault)
            case "reset":
                if fault.committed:
                    self.answer(incoming)
                return None
            case "hang":
                early = self.answer(incoming) if fault.committed else None
                stayed = await wait_for(fault.seconds, receive)
                return (early or self.answer(incoming)) if stayed else early
            case "expire_token":
                expire_token(self._site.account, incoming.token)
                return self.answer(incoming)
            case _:
                return shortened(
                    self.answer(incoming), fault.items, self._site.faults.random.randrange
                )

    def answer(self, incoming: Incoming) -> Response:
        """Answer a request without any fault."""
        account = self._site.account
        try:
            result = self._call(incoming, account)
        except OAuthError as error:
            return json_response(400, error.body())
        except ApiError as error:
            return error_response(account, error)
        return result if isinstance(result, Response) else json_response(_OK, result)

    def _call(self, incoming: Incoming, account: AccountState) -> object:
        """Route a request and run its operation."""
        ceiling = account.behaviour.max_body_bytes
        if ceiling is not None and len(incoming.body) > ceiling:
            raise ApiError(413, "Request Entity Too Large")  # U: whether the ceiling is in bytes
        found = self._router.find(incoming.method, incoming.segments)
        if found is None or found[0].needs_token:
            check_token(account, incoming.token)
        if found is None:
            raise not_found()
        route, params = found
        call = Call(
            account, params, incoming.query, incoming.headers, incoming.body, incoming.token
        )
        return route.operation(call)


# Reading.


async def read_request(scope: Scope, receive: Receive) -> Incoming | None:
    """Read a request to its end; None when the client left before."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    return Incoming(
        method=scope["method"],
        segments=split_path(raw_path.partition(b"?")[0].decode("latin-1")),
        query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers={
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers
        },
        body=b"".join(chunks),
    )


async def _live(receive: Receive, send: Send) -> None:
    """Say yes to a server that asks about start and end."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def wait_for(seconds: float, receive: Receive) -> bool:
    """Wait, but not longer than the client does.

    Returns:
        Whether the client is still there.
    """
    stayed = True

    async def watch() -> None:
        """Cancel the wait when the client leaves."""
        nonlocal stayed
        while (await receive())["type"] != "http.disconnect":
            pass
        stayed = False
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await anyio.sleep(seconds)
        tasks.cancel_scope.cancel()
    return stayed


# Answering.


def json_response(status: int, value: object) -> Response:
    """A JSON answer."""
    return Response(dump_json(value), status, media_type="application/json")


def error_response(account: AccountState, error: ApiError) -> Response:
    """The answer to a refused call, in the shape the behaviour asks for."""
    behaviour = account.behaviour
    hidden = behaviour.errors_as_200 == "always" or (
        behaviour.errors_as_200 == "refusals" and error.code in REFUSALS
    )
    # M: error bodies came with HTTP 200 too; the code inside is the true one.
    status = _OK if hidden else error.code
    return json_response(status, error_body(error.code, error.message, behaviour.error_shape))


def fault_response(fault: Fault) -> Response:
    """The answer of a ``status`` fault."""
    reason = phrase(fault.code)
    if fault.body == "html":
        response = Response(f"<html>{reason}</html>", fault.code, media_type="text/html")
    else:
        response = json_response(fault.code, error_body(fault.code, reason))
    if fault.retry_after is not None:
        response.headers["retry-after"] = str(fault.retry_after)
    return response


def shortened(response: Response, items: int, pick: Callable[[int], int]) -> Response:
    """A list answer with some items gone; any other answer as it is."""
    body = bytes(response.body)
    answer = as_list(parse_json(body)) if response.status_code == _OK and body else None
    if answer is None:
        return response
    for _ in range(min(items, len(answer))):
        del answer[pick(len(answer))]
    return json_response(_OK, answer)


async def send_cut(response: Response, at: int, receive: Receive, send: Send) -> None:
    """Declare a whole body, send a part of it, and hang up where there is a line to hang up."""
    body = bytes(response.body)[:at]
    start = {
        "type": "http.response.start",
        "status": response.status_code,
        "headers": response.raw_headers,
    }
    await send(start)
    on_socket = _hang_up(send) is not None
    await send({"type": "http.response.body", "body": body, "more_body": on_socket})
    if on_socket:
        await drop_connection(receive, send, flush=True)


def _hang_up(send: Send) -> Callable[[bool], None] | None:
    """What closes the connection behind ``send``; None in process.

    ASGI has no message for a dropped connection, so this reaches for the transport of uvicorn's
    request cycle, of which ``send`` is a method.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        return None
    return lambda flush: transport.close() if flush else transport.abort()


async def drop_connection(receive: Receive, send: Send, *, flush: bool = False) -> None:
    """Drop the connection without another word.

    Raises:
        ConnectionResetError: In process, where there is no connection.
    """
    hang_up = _hang_up(send)
    if hang_up is None:
        raise ConnectionResetError("the sandbox dropped the connection on purpose")
    hang_up(flush)
    while (await receive())["type"] != "http.disconnect":
        pass
