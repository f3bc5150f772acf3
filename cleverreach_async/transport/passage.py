"""What a gate is: every call of an account passes it, and reports how it went.

There are two: :class:`AccountGate` for the calls of one process, and a gate that several processes
share.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from inspect import iscoroutine
from typing import Protocol

from cleverreach_async.errors import ConfigurationError, RateLimitError
from cleverreach_async.transport.clock import Clock, Random
from cleverreach_async.transport.retry import MAX_PAUSE, Diagnosis
from cleverreach_async.transport.stop import Stop

__all__ = ["Gate", "Passage", "SharedAccount", "check_shared", "paused"]


class Passage(Protocol):
    """One call that passes a gate."""

    @property
    def probe(self) -> bool:
        """Whether this call goes first to test the server."""
        ...

    def succeeded(self) -> None:
        """Record that the server responded, whatever the response says."""
        ...

    def failed(self, diagnosis: Diagnosis) -> None:
        """Record a failed call.

        Args:
            diagnosis: What the failure means.
        """
        ...


class Gate(Protocol):
    """The circuit breaker that all calls of one account pass."""

    @property
    def closed(self) -> bool:
        """Whether calls have to wait, as far as this process knows."""
        ...

    def on_reopened(self, callback: Callable[[], None]) -> AbstractContextManager[None]:
        """Call back, during the block, each time the gate reopens."""
        ...

    def on_switched(self, callback: Callable[[], None]) -> AbstractContextManager[None]:
        """Call back, during the block, each time after the gate has closed or opened."""
        ...

    def passage(
        self, *, max_wait: float, max_pause: float = MAX_PAUSE, stop: Stop | None = None
    ) -> AbstractAsyncContextManager[Passage]:
        """Return a passage, which waits for the gate when it is entered.

        Args:
            max_wait: Longest wait in seconds, including that for probes of other calls.
            max_pause: Longest time in seconds for which a ``Retry-After`` to this call closes the
                gate.
            stop: Ends the wait.

        Raises:
            RateLimitError: Entering it: the gate stays closed, or has no permit, for longer than
                ``max_wait``.
            StopRequestedError: Entering it: a stop was requested while the call had to wait.
        """
        ...


class SharedAccount(Protocol):
    """An account that several processes share; see :class:`RedisAccount`."""

    def gate(self, clock: Clock, rng: Random) -> Gate:
        """Return the gate of a client.

        Args:
            clock: Source of time.
            rng: Source of jitter.
        """
        ...


def check_shared(account: object) -> None:
    """Check what was passed, or returned, as an account that several processes share.

    Raises:
        ConfigurationError: It has no gate.
    """
    if not callable(getattr(account, "gate", None)):
        if iscoroutine(account):
            account.close()  # otherwise Python warns that nobody awaits it
        raise ConfigurationError(
            f"shared is of type {type(account).__name__}; use RedisAccount(redis, key)"
        )


def paused(remaining: float, asked_for: float) -> RateLimitError:
    """Return the error for a call that cannot wait until a gate opens.

    Args:
        remaining: Seconds until a probe is sent.
        asked_for: Seconds that the server asked to wait, if that is longer; otherwise 0.
    """
    reason = "the server throttles or cannot be reached"
    if asked_for:
        reason = (
            f"the server asked to wait for {asked_for:.12g} s; one call is tried then,"
            " whatever it asked"
        )
    return RateLimitError(
        f"calls of the account are paused for {remaining:.0f} s more, because {reason}",
        status_code=429,
        retry_after=remaining,
    )
