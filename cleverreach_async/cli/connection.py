"""A client for one run of the command: of the real account, or of a sandbox in this process."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

import anyio

from cleverreach_async.auth.app import OAuthApp
from cleverreach_async.cli.credentials import Access
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import AuthenticationError, ConfigurationError
from cleverreach_async.transport.http import asgi_client

__all__ = ["connect", "run", "sandbox_extra"]

_T = TypeVar("_T")
_EXTRA: Final = frozenset({"starlette", "uvicorn"})


@contextmanager
def sandbox_extra() -> Generator[None, None, None]:
    """Import the sandbox inside this block.

    Raises:
        ConfigurationError: The extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise ConfigurationError(
            "the sandbox needs its extra: pip install 'cleverreach-async[sandbox]'"
        ) from None


@asynccontextmanager
async def connect(access: Access | None) -> AsyncGenerator[CleverReach, None]:
    """Open a client.

    Args:
        access: Credentials and server; ``None`` for an empty sandbox in this process.

    Raises:
        ConfigurationError: The sandbox's extra is not installed.
    """
    if access is not None:
        async with CleverReach(access.auth, base_url=access.base_url) as client:
            try:
                yield client
            except AuthenticationError as error:
                if access.login is not None:
                    error.add_note("the stored login is no longer valid: run cleverreach login")
                raise
        return
    with sandbox_extra():
        from cleverreach_async.sandbox import Sandbox  # noqa: PLC0415 - the extra may be missing
    app = OAuthApp("command", "sandbox")
    with Sandbox(client_id=app.client_id, client_secret=app.client_secret.reveal()) as sandbox:
        async with (
            asgi_client(sandbox.app) as http_client,
            CleverReach(
                app.client_credentials(),
                base_url="http://sandbox.invalid",
                http_client=http_client,
            ) as client,
        ):
            yield client


def run(work: Callable[[], Awaitable[_T]], *, on_interrupt: Callable[[], None] | None = None) -> _T:
    """Run a coroutine function in an event loop of its own.

    The first Ctrl-C cancels it, which takes as long as requests are on the wire; the second breaks
    those off.

    Args:
        work: What to run.
        on_interrupt: Called at the first Ctrl-C.

    Raises:
        KeyboardInterrupt: It was interrupted.
        Exception: What ``work`` raised.
    """
    results = anyio.run(_interruptible, work, on_interrupt)
    if not results:
        raise KeyboardInterrupt
    return results[0]


async def _interruptible(
    work: Callable[[], Awaitable[_T]], on_interrupt: Callable[[], None] | None
) -> list[_T]:
    """Return the result of the work, or nothing after Ctrl-C.

    The event loop's own way, an exception wherever the signal happens to strike, leaves a shield
    in place when it strikes the wrong coroutine.
    """
    loop = asyncio.get_running_loop()
    scope = anyio.CancelScope()
    results: list[_T] = []

    def stop() -> None:
        if scope.cancel_called:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            return
        if on_interrupt is not None:
            on_interrupt()
        scope.cancel()

    def strike(number: int, frame: object) -> None:
        del number, frame
        loop.call_soon_threadsafe(stop)

    previous = signal.signal(signal.SIGINT, strike)
    try:
        with scope:
            results.append(await work())
    except asyncio.CancelledError:
        if not scope.cancel_called:
            raise
    finally:
        signal.signal(signal.SIGINT, previous)
    return results
