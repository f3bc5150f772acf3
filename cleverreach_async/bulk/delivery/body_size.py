"""The largest body that the server accepts, learned from its refusals: pure."""

from collections.abc import Sequence
from typing import Final, Self

import attrs

from cleverreach_async.bulk.rows import EncodedRow

__all__ = ["BodySizeLimit"]

_ACCEPTED_BEFORE_GROWTH: Final = 50
_GROWTH: Final = 1.1
_SAFE_SHARE: Final = 0.9


@attrs.define(eq=False)
class BodySizeLimit:
    """How large bodies may be.

    It is unknown whether the server counts rows, bytes or time; halving the bytes works for all.

    Attributes:
        max_bytes: Most bytes of a body; ``None`` until the server has refused one.
    """

    max_bytes: int | None = None
    _refused: int | None = None
    _accepted: int = 0

    @classmethod
    def known(cls, max_bytes: int | None) -> Self:
        """Return the limit that an earlier run learned; about twice as much had been refused."""
        return cls(max_bytes, None if max_bytes is None else 2 * max_bytes)

    def refused(self, rows: Sequence[EncodedRow]) -> None:
        """Record that a body of these rows was too large."""
        size = sum(len(row.body) for row in rows)
        self._refused = min(size, self._refused or size)
        self.max_bytes = min(size // 2, self.max_bytes or size)
        self._accepted = 0

    def accepted(self) -> None:
        """Record that a body was accepted; after many of them try a slightly larger one."""
        if self.max_bytes is None or self._refused is None:
            return
        self._accepted += 1
        if self._accepted >= _ACCEPTED_BEFORE_GROWTH:
            self._accepted = 0
            most = int(self._refused * _SAFE_SHARE)
            self.max_bytes = max(self.max_bytes, min(most, int(self.max_bytes * _GROWTH)))

    def parts(self, rows: Sequence[EncodedRow]) -> Sequence[Sequence[EncodedRow]]:
        """Divide rows into bodies within the limit; a larger row is a body on its own."""
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
