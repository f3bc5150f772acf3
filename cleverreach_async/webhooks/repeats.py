"""Notice deliveries that were handled already, or are being handled."""

from collections.abc import Callable
from threading import Lock
from typing import Literal, Protocol

import attrs

from cleverreach_async.transport.clock import SYSTEM_CLOCK

__all__ = ["Claim", "MemoryRepeatStore", "RepeatStore"]


@attrs.frozen
class Claim:
    """Whether a delivery may be handled.

    Attributes:
        state: ``new``: handle it; ``busy``: it is being handled; ``repeat``: it was handled.
        seconds: How long that remains so.
    """

    state: Literal["new", "busy", "repeat"]
    seconds: float = 0.0


class RepeatStore(Protocol):
    """Remembers the last event about each subject, such as a receiver in a group.

    A delivery is a repeat if the last event about its subject was the same one. So an
    unsubscription that follows another event about the same person is never taken for a repeat.
    """

    async def claim(self, subject: str, event: str, owner: str, lease: float) -> Claim:
        """Claim a delivery, as one atomic step.

        Args:
            subject: What the event is about: a keyed hash, without personal data.
            event: Name of the event.
            owner: A text that no other delivery has.
            lease: Seconds after which the claim ends, should the process die.
        """
        ...

    async def finish(self, subject: str, event: str, owner: str, window: float) -> None:
        """Remember for ``window`` seconds that it was handled, unless another event came since."""
        ...

    async def release(self, subject: str, event: str, owner: str) -> None:
        """Forget a claim, because handling failed. The repeat is then handled."""
        ...


@attrs.frozen
class _Remembered:
    event: str
    owner: str
    is_done: bool
    until: float


class MemoryRepeatStore:
    """Remembers the events of this process. Several processes need a store that they share.

    Args:
        now: Returns seconds that never jump. Only differences have a meaning.
    """

    def __init__(self, now: Callable[[], float] = SYSTEM_CLOCK.monotonic) -> None:
        self._now = now
        self._last: dict[str, _Remembered] = {}
        self._lock = Lock()  # a web framework may have an event loop for each thread

    async def claim(self, subject: str, event: str, owner: str, lease: float) -> Claim:
        """Claim a delivery."""
        now = self._now()
        with self._lock:
            self._forget(now)
            last = self._last.get(subject)
            if last is not None and last.event == event and last.until > now:
                return Claim("repeat" if last.is_done else "busy", last.until - now)
            self._remember(subject, _Remembered(event, owner, False, now + lease))
        return Claim("new")

    async def finish(self, subject: str, event: str, owner: str, window: float) -> None:
        """Remember that it was handled."""
        with self._lock:
            if self._is_of(subject, owner):
                until = self._now() + window
                self._remember(subject, _Remembered(event, owner, True, until))

    async def release(self, subject: str, event: str, owner: str) -> None:  # noqa: ARG002 - protocol
        """Forget a claim."""
        with self._lock:
            if self._is_of(subject, owner):
                del self._last[subject]

    def _is_of(self, subject: str, owner: str) -> bool:
        last = self._last.get(subject)
        return last is not None and last.owner == owner

    def _remember(self, subject: str, what: _Remembered) -> None:
        self._last.pop(subject, None)  # the newest are at the end
        self._last[subject] = what

    def _forget(self, now: float) -> None:
        """Forget the oldest, up to the first that is still of use."""
        while self._last:
            subject = next(iter(self._last))
            if self._last[subject].until > now:
                return
            del self._last[subject]
