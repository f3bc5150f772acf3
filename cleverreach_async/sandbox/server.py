"""The sandbox behind a socket."""

import logging
import socket
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from queue import SimpleQueue
from typing import Any

import anyio
import uvicorn
from anyio.from_thread import start_blocking_portal
from starlette.types import ASGIApp, Receive, Scope, Send

from .accounts import AccountState
from .app import Sandbox
from .hook_calls import deliver_over_http
from .injection import drop_connection

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 0.5


class _Requests:
    """An ASGI application that can drop the requests that are running.

    Args:
        app: The application that handles them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._running = set[anyio.CancelScope]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        with anyio.CancelScope() as request:
            self._running.add(request)
            try:
                await self._app(scope, receive, send)
            finally:
                self._running.discard(request)
        if request.cancelled_caught:
            await drop_connection(receive, send)

    def drop(self) -> None:
        """Close the connections of all requests that have no response yet."""
        for request in tuple(self._running):
            request.cancel()


class _Server(uvicorn.Server):
    """A server that does not handle signals and reports when it listens.

    Args:
        config: The configuration.
        requests: Its application.
        on_started: Called when the server listens.
    """

    def __init__(
        self, config: uvicorn.Config, requests: _Requests, on_started: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._requests = requests
        self._on_started = on_started

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Install no signal handlers: the caller handles signals."""
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then call the callback."""
        await super().startup(sockets=sockets)
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; drop what still waits, which uvicorn would answer with 500 and a traceback."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._drop_late_requests)
            await super().shutdown(sockets)
            tasks.cancel_scope.cancel()

    async def _drop_late_requests(self) -> None:
        """Drop the requests that are not done in a short time."""
        await anyio.sleep(_GRACE_SECONDS)
        self._requests.drop()


async def serve(
    sandbox: Sandbox,
    host: str = "127.0.0.1",
    port: int = 8765,
    *,
    on_started: Callable[[int], None] | None = None,
) -> None:
    """Serve a sandbox until cancelled; uvicorn requires asyncio.

    Args:
        sandbox: The sandbox; it is not closed afterwards.
        host: The address to listen on.
        port: The port; 0 for a free one.
        on_started: Called with the actual port when the server accepts connections.

    Raises:
        OSError: The port is in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=2048) as listener:
        # asyncio sets this only on sockets with an explicit protocol; without it every response
        # waits 40 ms for the client's delayed acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        actual_port: int = listener.getsockname()[1]
        requests = _Requests(sandbox.app)
        config = uvicorn.Config(
            requests,
            log_config=None,  # that of uvicorn needs a stdout, and replaces that of a test suite
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        server = _Server(config, requests, lambda: on_started(actual_port) if on_started else None)
        over_http = deliver_over_http()
        for account in sandbox.accounts.values():
            account.deliver = account.deliver or over_http
        beside = partial(_send_webhooks, sandbox)
        with sandbox.app.access.listening(host) as end:
            await _run_until_cancelled(server, listener, beside, end)


async def _send_webhooks(sandbox: Sandbox) -> None:
    """Send the webhooks of all accounts until cancelled; none waits for another account."""
    busy = set[int]()

    async def send(account: AccountState) -> None:
        """Send what is due for one account; a failure does not stop the server."""
        try:
            await account.send_webhooks()
        except Exception as error:  # noqa: BLE001 - such as a library that a switch needs
            _log.error("Webhooks of account %s were not sent: %s", account.name, error)
        finally:
            busy.discard(account.id)

    async with anyio.create_task_group() as tasks:
        while True:
            for account in sandbox.account.accounts.opened:
                if account.hooks.is_used and account.id not in busy:
                    busy.add(account.id)
                    tasks.start_soon(send, account)
            await anyio.sleep(_POLL_SECONDS)


async def _run_until_cancelled(
    server: uvicorn.Server,
    listener: socket.socket,
    beside: Callable[[], Coroutine[Any, Any, None]],
    end: Callable[[], None],
) -> None:
    """Run a server, and something beside it, and shut it down when the scope is cancelled."""

    async def run() -> None:
        """Serve until ``should_exit``, shielded from cancellation."""
        with anyio.CancelScope(shield=True):
            await server.serve(sockets=[listener])
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        tasks.start_soon(beside)
        try:
            await anyio.sleep_forever()
        finally:
            end()
            server.should_exit = True


@contextmanager
def running(
    sandbox: Sandbox, *, host: str = "127.0.0.1", port: int = 0
) -> Generator[str, None, None]:
    """Serve a sandbox in a background thread, for tests over a real socket.

    Args:
        sandbox: The sandbox; it is not closed afterwards.
        host: The address to listen on.
        port: The port; 0 for a free one.

    Yields:
        The base URL, e.g. ``http://127.0.0.1:49152``.
    """
    started: SimpleQueue[int | BaseException] = SimpleQueue()

    async def run() -> None:
        """Serve, and report an error at the start."""
        try:
            await serve(sandbox, host, port, on_started=started.put)
        except Exception as error:
            started.put(error)
            raise

    with start_blocking_portal("asyncio") as portal:
        future = portal.start_task_soon(run)
        try:
            result = started.get()
            if isinstance(result, BaseException):
                raise result
            yield f"http://{f'[{host}]' if ':' in host else host}:{result}"
        finally:
            future.cancel()
