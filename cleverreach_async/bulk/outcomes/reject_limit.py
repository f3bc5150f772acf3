"""When so many rows are rejected that the import should stop: pure."""

from collections import deque
from typing import Final

import attrs

__all__ = ["RejectLimit"]

_WINDOW: Final = 5000
_IN_A_ROW: Final = 1000
_CANARY_SHARE: Final = 0.5
_CANARY_REJECTS: Final = 10


@attrs.define(eq=False)
class RejectLimit:
    """Limits the rejected rows of an import. Once exceeded it stays so.

    It is exceeded when more than half of the first batch is rejected, when 1000 rows in a row are
    rejected, or when a larger share of the last 5000 rows is rejected than allowed.

    Attributes:
        max_rejects: Most rejected rows, whatever their share; ``None`` for no such limit.
        max_share: Largest share of rejected rows, 0 to 1; 1 leaves only ``max_rejects``.
        exceeded: Why the limit is exceeded; empty until then.
    """

    max_rejects: int | None = None
    max_share: float = 0.1
    exceeded: str = ""
    _rejected: int = 0
    _in_a_row: int = 0
    _is_first: bool = True
    _recent: deque[tuple[int, int]] = attrs.field(factory=deque[tuple[int, int]])
    _recent_rows: int = 0
    _recent_rejected: int = 0

    def add(self, accepted: int, rejected: int, *, answered: bool) -> None:
        """Count rows that have a result.

        Args:
            accepted: Rows accepted, or of unknown outcome.
            rejected: Rows rejected.
            answered: Whether the results are the server's.
        """
        self._rejected += rejected
        self._in_a_row = 0 if accepted else self._in_a_row + rejected
        self._remember(accepted, rejected)
        if not self.exceeded:
            self.exceeded = self._check(accepted, rejected, answered=answered)
        self._is_first = self._is_first and not answered

    def _remember(self, accepted: int, rejected: int) -> None:
        self._recent.append((accepted, rejected))
        self._recent_rows += accepted + rejected
        self._recent_rejected += rejected
        while self._recent and self._recent_rows - sum(self._recent[0]) >= _WINDOW:
            old_accepted, old_rejected = self._recent.popleft()
            self._recent_rows -= old_accepted + old_rejected
            self._recent_rejected -= old_rejected

    def _check(self, accepted: int, rejected: int, *, answered: bool) -> str:
        if self.max_rejects is not None and self._rejected > self.max_rejects:
            return f"{self._rejected} rows are rejected, and {self.max_rejects} are allowed"
        if self.max_share >= 1:
            return ""
        is_canary = answered and self._is_first
        most = _CANARY_SHARE * (accepted + rejected)
        if is_canary and rejected >= _CANARY_REJECTS and rejected > most:
            return f"{rejected} of the first {accepted + rejected} rows sent are rejected"
        if self._in_a_row >= _IN_A_ROW:
            return f"the last {self._in_a_row} rows are all rejected"
        if self._recent_rows >= _WINDOW and self._recent_rejected > (
            self.max_share * self._recent_rows
        ):
            return f"{self._recent_rejected} of the last {self._recent_rows} rows are rejected"
        return ""
