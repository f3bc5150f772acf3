"""Stop an import in two stages: end its waits, then cut off the requests in flight.

Cancelling its task would do both at once, and the responses that are about to arrive would be lost.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import cast

import anyio

__all__ = ["Stop", "StopRequestedError", "is_stop"]


class StopRequestedError(Exception):
    """A wait ended, because the import is to stop. Nothing was sent meanwhile."""


def is_stop(error: Exception) -> bool:
    """Whether an error is a stop, or a group that holds nothing but stops."""
    if isinstance(error, ExceptionGroup):
        several = cast("ExceptionGroup[Exception]", error)
        return several.split(StopRequestedError)[1] is None
    return isinstance(error, StopRequestedError)


class Stop:
    """A request to stop in two stages.

    Attributes:
        requested: Whether waits end at once.
        aborted: Whether requests in flight are cut off too.
    """

    def __init__(self) -> None:
        self.requested: bool = False
        self.aborted: bool = False
        self._waits: set[anyio.CancelScope] = set()
        self._exchanges: set[anyio.CancelScope] = set()
        self._callbacks: list[Callable[[], None]] = []

    def on_request(self, callback: Callable[[], None]) -> None:
        """Call back once, when a stop is requested."""
        self._callbacks.append(callback)

    def request(self) -> None:
        """End all current and future waits. Requests in flight continue."""
        self.requested = True
        for scope in self._waits:
            scope.cancel()
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def abort(self) -> None:
        """Cut off the requests in flight too; it is unknown whether the server executed them."""
        self.aborted = True
        self.request()
        for scope in self._exchanges:
            scope.cancel()

    @contextmanager
    def ending_waits(self) -> Generator[None, None, None]:
        """Let a stop end what the block awaits.

        Raises:
            StopRequestedError: The stop was requested before the block ended.
        """
        if self.requested:
            raise StopRequestedError
        with anyio.CancelScope() as scope:
            self._waits.add(scope)
            try:
                yield
            finally:
                self._waits.discard(scope)
        if scope.cancelled_caught:
            raise StopRequestedError

    @contextmanager
    def cutting(self, scope: anyio.CancelScope) -> Generator[None, None, None]:
        """Let an abort cancel the scope of a request in flight."""
        self._exchanges.add(scope)
        if self.aborted:
            scope.cancel()
        try:
            yield
        finally:
            self._exchanges.discard(scope)
