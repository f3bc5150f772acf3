"""Failures of one batch in a row: when its rows are suspected, and when to give up: pure."""

from typing import Final

import attrs

from cleverreach_async.errors import AuthenticationError, CleverReachError
from cleverreach_async.transport.retry import Diagnosis

__all__ = ["FailureStreak"]

_ERRORS_TO_SUSPECT: Final = 3
_REFUSED_TOKENS: Final = 6
_REFUSED_TOKENS_WHILE_OTHERS_SUCCEED: Final = 25


@attrs.define(eq=False)
class FailureStreak:
    """The failed attempts of one batch, one after another.

    Attributes:
        max_outage: Seconds that they may last.
        suspected_at: Number of batches of the import that had succeeded when these rows, among
            others, were first suspected; ``None`` if they are not.
        failures: Number of failed attempts.
    """

    max_outage: float
    suspected_at: int | None = None
    failures: int = 0
    _since: float = 0.0
    _server_errors: int = 0
    _succeeded: int = 0
    _refused_tokens: int = 0
    _succeeded_before: int = 0

    def add(
        self, error: CleverReachError, diagnosis: Diagnosis, *, now: float, succeeded: int
    ) -> None:
        """Record a failed attempt.

        Args:
            error: What was raised.
            diagnosis: What it means.
            now: Clock reading in seconds.
            succeeded: Number of batches of the import that have succeeded so far.

        Raises:
            CleverReachError: The same error, when the failures last for ``max_outage``, or the
                server asks for a longer wait than that, or refuses one renewed token after another.
        """
        if not self.failures:
            self._since, self._succeeded_before = now, succeeded
        self.failures += 1
        if not diagnosis.server_error:
            self._server_errors = 0
        else:
            if not self._server_errors:
                self._succeeded = succeeded if self.suspected_at is None else self.suspected_at
            self._server_errors += 1
        if max(now - self._since, diagnosis.retry_after or 0.0) >= self.max_outage:
            error.add_note(f"gave up: max_outage allows failures for {self.max_outage:g} s")
            raise error
        if isinstance(error, AuthenticationError):
            self._count_refused_token(error, succeeded)

    def _count_refused_token(self, error: CleverReachError, succeeded: int) -> None:
        self._refused_tokens += 1
        others_succeed = succeeded > self._succeeded_before
        most = _REFUSED_TOKENS_WHILE_OTHERS_SUCCEED if others_succeed else _REFUSED_TOKENS
        if self._refused_tokens >= most:
            error.add_note(f"gave up: the server refused {self._refused_tokens} renewed tokens")
            raise error

    def suspects_rows(self, succeeded: int) -> bool:
        """Return whether the rows seem to cause the errors: other batches succeed meanwhile."""
        return self._server_errors >= _ERRORS_TO_SUSPECT and succeeded > self._succeeded
