"""What a failed attempt means for its batch: pure decisions."""

import enum
from http import HTTPStatus
from typing import Final

import attrs

from cleverreach_async.errors import (
    APIConnectionError,
    APIStatusError,
    BadRequestError,
    CleverReachError,
    ConflictError,
    InternalServerError,
    PayloadTooLargeError,
    RateLimitError,
    UnprocessableEntityError,
)
from cleverreach_async.transport.retry import classify

__all__ = ["Trouble", "Verdict", "judge", "throttles"]

_REFUSALS: Final = (BadRequestError, ConflictError, UnprocessableEntityError)
_SUSPICIOUS: Final = 3


class Verdict(enum.Enum):
    """What a failed attempt means for the batch."""

    REPEAT = "repeat"
    """The server or the way to it is in trouble; the rows are not to blame."""
    SHRINK = "shrink"
    """The body is too large; smaller ones will do."""
    SPLIT = "split"
    """The batch as it is was refused; parts of it may be fine."""
    STOP = "stop"
    """No batch can succeed: credentials, rights, or a group that is not there."""


def judge(error: CleverReachError) -> Verdict:
    """Return what an error means for the batch that met it."""
    if classify(error) is not None:
        return Verdict.REPEAT
    if isinstance(error, PayloadTooLargeError):
        return Verdict.SHRINK
    answered_false = isinstance(error, APIStatusError) and error.status_code == HTTPStatus.OK
    return Verdict.SPLIT if answered_false or isinstance(error, _REFUSALS) else Verdict.STOP


def throttles(error: CleverReachError) -> bool:
    """Whether an error asks for fewer requests at a time; a single lost answer does not."""
    if isinstance(error, APIConnectionError):
        return not error.sent
    if isinstance(error, InternalServerError):
        return error.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    return isinstance(error, RateLimitError)


@attrs.define(eq=False)
class Trouble:
    """The failures of one batch, one after the other.

    Attributes:
        max_outage: Seconds that they may last.
        suspected_at: How many batches of the import were answered well when these rows, among
            others, were suspected; ``None`` where they are not.
        failures: How many there were.
    """

    max_outage: float
    suspected_at: int | None = None
    failures: int = 0
    _since: float = 0.0
    _server_errors: int = 0
    _answered: int = 0

    def count(self, error: CleverReachError, *, now: float, answered: int) -> None:
        """Count a failure.

        Args:
            error: What happened.
            now: The clock, in seconds.
            answered: Batches of the import that were answered well so far.

        Raises:
            CleverReachError: The same error, when failures last for ``max_outage``, or the server
                asks for a longer wait than that.
        """
        if not self.failures:
            self._since = now
        self.failures += 1
        if not isinstance(error, InternalServerError) or throttles(error):
            # 503 tells of the server; no row is to blame for it.
            self._server_errors = 0
        else:
            if not self._server_errors:
                self._answered = answered if self.suspected_at is None else self.suspected_at
            self._server_errors += 1
        told: float = getattr(error, "retry_after", None) or 0.0
        if max(now - self._since, told) >= self.max_outage:
            error.add_note(f"waiting longer than {self.max_outage:g} s is not allowed for")
            raise error

    def suspects_rows(self, answered: int) -> bool:
        """Whether the rows seem to be what the server fails on: others succeed meanwhile."""
        return self._server_errors >= _SUSPICIOUS and answered > self._answered
