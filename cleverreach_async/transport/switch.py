"""What all gates are: open or closed. They call back those who want to know when that changes."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

__all__ = ["Switch"]


class Switch:
    """Open or closed; it calls back after each change.

    Attributes:
        closed: Whether it is closed.
    """

    def __init__(self) -> None:
        self.closed: bool = False
        self._subscribers: list[Callable[[], None]] = []
        self._awaiting_reopening: list[Callable[[], None]] = []
        self._watchers: list[Callable[[], None]] = []

    @contextmanager
    def on_reopened(self, callback: Callable[[], None]) -> Generator[None, None, None]:
        """Call back, during the block, each time it reopens.

        A closing that began before the block is not reported.
        """
        self._subscribers.append(callback)
        try:
            yield
        finally:
            self._subscribers.remove(callback)
            if callback in self._awaiting_reopening:
                self._awaiting_reopening.remove(callback)

    @contextmanager
    def on_switched(self, callback: Callable[[], None]) -> Generator[None, None, None]:
        """Call back, during the block, each time after it has closed or opened."""
        self._watchers.append(callback)
        try:
            yield
        finally:
            self._watchers.remove(callback)

    def turn(self, *, closed: bool) -> None:
        """Close or open it; what it is already is no change."""
        if closed is self.closed:
            return
        self.closed = closed
        if closed:
            self._awaiting_reopening = self._subscribers.copy()
        else:
            callbacks, self._awaiting_reopening = self._awaiting_reopening, []
            for callback in callbacks:
                callback()
        for callback in self._watchers.copy():
            callback()
