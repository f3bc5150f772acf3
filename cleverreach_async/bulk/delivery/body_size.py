"""The largest body that the server takes, learned from its refusals: pure."""

from collections.abc import Sequence
from typing import Final, Self

import attrs

from cleverreach_async.bulk.rows import EncodedRow

__all__ = ["Ceiling"]

_GOOD_BEFORE_GROWTH: Final = 50
_GROWTH: Final = 1.1
_SAFE_SHARE: Final = 0.9


@attrs.define(eq=False)
class Ceiling:
    """How large bodies may be.

    Whether the server counts rows, bytes or time is not known; halving the bytes serves for all.

    Attributes:
        max_bytes: Most bytes of a body; ``None`` until a refusal has told.
    """

    max_bytes: int | None = None
    _refused: int | None = None
    _good: int = 0

    @classmethod
    def known(cls, max_bytes: int | None) -> Self:
        """Return what an earlier run has learned; about twice as much had been refused."""
        return cls(max_bytes, None if max_bytes is None else 2 * max_bytes)

    def refused(self, rows: Sequence[EncodedRow]) -> None:
        """Take note that a body of these rows was too large."""
        size = sum(len(row.body) for row in rows)
        self._refused = min(size, self._refused or size)
        self.max_bytes = min(size // 2, self.max_bytes or size)
        self._good = 0

    def accepted(self) -> None:
        """Take note of a body that was taken: after many of them a slightly larger one is tried."""
        if self.max_bytes is None or self._refused is None:
            return
        self._good += 1
        if self._good >= _GOOD_BEFORE_GROWTH:
            self._good = 0
            most = int(self._refused * _SAFE_SHARE)
            self.max_bytes = max(self.max_bytes, min(most, int(self.max_bytes * _GROWTH)))

    def parts(self, rows: Sequence[EncodedRow]) -> Sequence[Sequence[EncodedRow]]:
        """Cut rows into bodies below the ceiling; a larger row makes a body of its own."""
        if self.max_bytes is None:
            return [rows]
        parts: list[list[EncodedRow]] = []
        room = 0
        for row in rows:
            if not parts or len(row.body) > room:
                parts.append([])
                room = self.max_bytes
            parts[-1].append(row)
            room -= len(row.body)
        return parts
