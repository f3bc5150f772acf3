"""Long steps of an import run one at a time, so that the event loop is never held for long."""

import anyio

__all__ = ["Turns"]


class Turns:
    """Gives each long step of several tasks a pass of the event loop of its own.

    A pass runs all tasks that are ready: steps that are short one by one would hold the event loop
    for long together.
    """

    def __init__(self) -> None:
        self._lock = anyio.Lock()

    async def take(self) -> None:
        """Wait for a pass in which no other step has a turn."""
        async with self._lock:
            pass  # to acquire it takes a pass, even if it is free
