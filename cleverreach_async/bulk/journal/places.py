"""What the stores of journals have in common: their arguments, and calls that block."""

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import anyio.to_thread

from cleverreach_async.auth.credentials import check_text
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.numbers import check_above_zero

__all__ = ["check_lease", "check_name", "run_abandoning"]

T = TypeVar("T")

_LONGEST_NAME: Final = 200


def check_name(key: object) -> str:
    """Return the key of a journal.

    Raises:
        ConfigurationError: It is empty, too long or no text, or cannot be stored everywhere.
    """
    if not isinstance(key, str) or not 0 < len(key) <= _LONGEST_NAME:
        raise ConfigurationError(
            f"key is {key!r:.80}; use a text of 1 to {_LONGEST_NAME} characters that names one"
            " import, such as 'nightly-2026-11-28/3'"
        )
    if key != key.strip():  # some databases do not distinguish them
        raise ConfigurationError(f"key is {key!r}; remove the spaces around it")
    check_text(key, "key")
    return key


def check_lease(lease: float) -> float:
    """Return the seconds of a lease.

    Raises:
        ConfigurationError: They are not above 0.
    """
    check_above_zero("lease", lease, "number of seconds")
    return float(lease)


async def run_abandoning(call: Callable[[], T]) -> T:
    """Run a call that blocks in a thread; a time-out leaves the thread to itself."""
    return await anyio.to_thread.run_sync(partial(call), abandon_on_cancel=True)
