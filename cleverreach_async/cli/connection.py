"""A client for one run of the command: for the account, or for a sandbox in this process."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import anyio

from cleverreach_async.auth.app import OAuthApp
from cleverreach_async.cli.credentials import Access
from cleverreach_async.cli.signals import Interrupts, Reaction
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import AuthenticationError, ConfigurationError
from cleverreach_async.transport.http.choice import asgi_client
from cleverreach_async.transport.transport import RequestEvent

__all__ = ["connect", "run", "sandbox_extra", "signals_ignored"]

_T = TypeVar("_T")
_EXTRA: Final = frozenset({"starlette", "uvicorn"})
_GRACE: Final = 0.8
"""Seconds that an import has to end after it was aborted."""


@contextmanager
def sandbox_extra() -> Generator[None, None, None]:
    """Explain a missing extra when the sandbox is imported in this block.

    Raises:
        ConfigurationError: The extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise ConfigurationError(
            "the sandbox is an extra: pip install 'cleverreach-async[sandbox]'"
        ) from None


@asynccontextmanager
async def connect(
    access: Access | None,
    *,
    http_client: Any = None,
    on_event: Callable[[RequestEvent], None] | None = None,
) -> AsyncGenerator[CleverReach, None]:
    """Open a client.

    Args:
        access: Credentials and server; ``None`` for an empty sandbox in this process.
        http_client: A session of aiohttp, for the account only.
        on_event: Called for each request.

    Raises:
        ConfigurationError: The sandbox's extra is not installed.
    """
    if access is not None:
        async with CleverReach(
            access.auth,
            base_url=access.base_url,
            allow_http=True,
            http_client=http_client,
            on_event=on_event,
        ) as client:
            try:
                yield client
            except AuthenticationError as error:
                if access.login is not None:
                    error.add_note("the stored login is no longer valid: run cleverreach login")
                raise
        return
    with sandbox_extra():
        from cleverreach_async.sandbox import Sandbox  # noqa: PLC0415 - it is an extra
    app = OAuthApp("command", "sandbox", base_url="https://sandbox.invalid")
    with Sandbox(client_id=app.client_id, client_secret=app.client_secret.reveal()) as sandbox:
        async with (
            asgi_client(sandbox.app) as in_process,
            CleverReach(
                app.client_credentials(),
                http_client=in_process,
                on_event=on_event,
            ) as client,
        ):
            yield client


def run(work: Callable[[], Awaitable[_T]], *, interrupts: Interrupts | None = None) -> _T:
    """Run a coroutine function in a new event loop.

    Args:
        work: The function.
        interrupts: Decides what signals do. By default the first Ctrl-C cancels the work, which
            takes until requests in flight have completed; the second aborts those.

    Raises:
        KeyboardInterrupt: It was interrupted by the signal ``interrupts.caught``.
        Exception: What ``work`` raised.
    """
    results = anyio.run(_interruptible, work, interrupts or Interrupts())
    if not results:
        raise KeyboardInterrupt
    return results[0]


async def _interruptible(work: Callable[[], Awaitable[_T]], interrupts: Interrupts) -> list[_T]:
    """Return the result of the work in a list, which is empty after an interruption.

    The event loop would raise an exception in whichever coroutine is running, which can leave a
    shielded scope behind; and on Windows it does not handle signals at all.
    """
    loop = asyncio.get_running_loop()
    scope = anyio.CancelScope()
    results: list[_T] = []

    def react(number: int) -> None:
        reaction = interrupts.react(signal.Signals(number))
        if reaction is Reaction.CANCEL:
            scope.cancel()
        elif reaction is Reaction.ABORT:
            _cancel_all(loop)
        elif reaction is Reaction.ABORT_SOON:
            loop.call_later(_GRACE, _cancel_all, loop)

    def on_signal(number: int, frame: object) -> None:
        del frame
        loop.call_soon_threadsafe(react, number)

    with _signal_handler(interrupts.signals, on_signal):
        try:
            with scope:
                results.append(await work())
        except asyncio.CancelledError:
            if interrupts.caught is None:
                raise
    return results


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


@contextmanager
def signals_ignored(signals: tuple[signal.Signals, ...]) -> Generator[None, None, None]:
    """Ignore signals in this block, which ends soon."""

    def ignore(number: int, frame: object) -> None:
        del number, frame

    with _signal_handler(signals, ignore):
        yield


@contextmanager
def _signal_handler(
    signals: tuple[signal.Signals, ...], handler: Callable[[int, object], None]
) -> Generator[None, None, None]:
    """Install a handler of signals for this block.

    Those that the process was started to ignore, as by ``nohup``, remain ignored.
    """
    previous = [
        (number, signal.signal(number, handler))
        for number in signals
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    try:
        yield
    finally:
        for number, before in previous:
            signal.signal(number, before)
