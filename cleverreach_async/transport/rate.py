"""How many rows or requests may be sent per second: a pure decision."""

from cleverreach_async.transport.numbers import check_above_zero

__all__ = ["RateLimit"]


class RateLimit:
    """Limits what is sent per second in the long run (generic cell rate algorithm).

    At most one reservation exceeds the rate: unused time is not saved up.

    Args:
        per_second: Most rows or requests per second.
        name: What to call it in a message.
        after: A limit whose reserved turns count too.

    Attributes:
        free_at: Clock reading at which the next turn is free.

    Raises:
        ConfigurationError: The rate is no number above 0.
    """

    def __init__(
        self,
        per_second: float,
        name: str = "max_rows_per_second",
        *,
        after: "RateLimit | None" = None,
    ) -> None:
        check_above_zero(name, per_second)
        self._rate = per_second
        self.free_at: float = float("-inf") if after is None else after.free_at

    def wait(self, now: float) -> float:
        """Return the seconds until the next free turn, which is not reserved.

        Args:
            now: Clock reading in seconds.
        """
        return max(0.0, self.free_at - now)

    def reserve(self, count: int, now: float) -> float:
        """Reserve the next free turn.

        Args:
            count: Number of rows or requests.
            now: Clock reading in seconds.

        Returns:
            Seconds to wait before they may be sent.
        """
        starts_at = max(self.free_at, now)
        self.free_at = starts_at + count / self._rate
        return starts_at - now
