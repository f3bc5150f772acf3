"""The largest body that the server accepts, learned from its refusals: pure.

A refusal with status 413 may have nothing to do with the size: a gateway under load, a firewall. So
a body is not blamed if a larger one was accepted, and a limit is learned from two refusals only.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import Final, Self

import attrs

from cleverreach_async.bulk.rows import EncodedRow, size_of

__all__ = ["BodySizeLimit"]

_body: Final = attrgetter("body")

_ACCEPTED_BEFORE_GROWTH: Final = 25
_MOST_ACCEPTED_BEFORE_GROWTH: Final = 800
_GROWTH: Final = 1.25
_SAFE_SHARE: Final = 0.9
_SIMILAR: Final = 1.1
_STEPS_BELOW_REFUSED: Final = 8

# No server refuses a single row that is smaller than this for its size.
_SMALL_ROW: Final = 8 * 1024
_ATTEMPTS_WITH_LARGE_ROW: Final = 2
_ATTEMPTS_WITH_SMALL_ROW: Final = 10
_ATTEMPTS_WITH_SMALLER_BODY: Final = 3


@attrs.define(eq=False)
class BodySizeLimit:
    """How large bodies may be.

    It is unknown whether the server counts rows, bytes or time; smaller bodies help in all cases.

    Attributes:
        max_bytes: Most bytes of a body; ``None`` until the server has refused two.
    """

    max_bytes: int | None = None
    _refused: int | None = None
    _refusals: int = 0
    _accepted: int = 0
    _patience: int = _ACCEPTED_BEFORE_GROWTH
    _steps_below: int = 0
    # Rows and bytes of the largest body accepted.
    _largest: tuple[int, int] = (0, 0)

    @classmethod
    def known(cls, max_bytes: int | None) -> Self:
        """Return the limit that an earlier run learned; about twice as much had been refused."""
        if max_bytes is None:
            return cls()
        return cls(max_bytes, 2 * max_bytes, 2)

    def is_blamed(self, rows: Sequence[EncodedRow], attempts: int) -> bool:
        """Return whether a body that was refused seems to be too large.

        Args:
            rows: Its rows.
            attempts: How often it was refused so far.
        """
        if len(rows) > 1:
            least = _ATTEMPTS_WITH_SMALLER_BODY if self._was_larger_accepted(rows) else 1
        elif self._was_larger_accepted(rows) or self.is_small_row(rows):
            least = _ATTEMPTS_WITH_SMALL_ROW
        else:
            least = _ATTEMPTS_WITH_LARGE_ROW
        return attempts >= least

    def is_small_row(self, rows: Sequence[EncodedRow]) -> bool:
        """Return whether a body is one row that cannot be too large."""
        return len(rows) == 1 and size_of(rows) < _SMALL_ROW

    def refused(self, rows: Sequence[EncodedRow]) -> None:
        """Record that a body of these rows seems to be too large."""
        size = size_of(rows)
        self._accepted = 0
        if self._was_larger_accepted(rows):
            self._largest = (0, 0)  # the server accepts less than before
        self._refusals += 1
        if self._refusals < 2:  # noqa: PLR2004 - two refusals are no accident
            return
        if self.max_bytes is not None and size <= _GROWTH * self.max_bytes:
            self._patience = min(2 * self._patience, _MOST_ACCEPTED_BEFORE_GROWTH)
        self._refused = min(size, self._refused or size)
        self._steps_below = 0
        good = self._largest[1]
        lower = good if size // 2 <= good < size else size // 2
        self.max_bytes = min(lower, self.max_bytes or lower)

    def accepted(self, rows: int, size: int) -> None:
        """Record that a body was accepted; after many of them try larger ones.

        Args:
            rows: Number of its rows.
            size: Bytes of its rows.
        """
        if rows >= self._largest[0] and size >= self._largest[1]:
            self._largest = (rows, size)
        if self.max_bytes is None:
            return
        if self._refused is not None and size >= self._refused:
            # So the refusals had another cause.
            self.max_bytes = self._refused = None
            self._refusals = self._accepted = 0
            return
        self._accepted += 1
        if self._accepted >= self._patience:
            self._accepted = 0
            self._grow(self.max_bytes)

    def _grow(self, limit: int) -> None:
        grown = int(limit * _GROWTH)
        if self._refused is not None and grown > self._refused * _SAFE_SHARE:
            # What was refused once may be accepted now, but is not tried soon.
            self._steps_below += 1
            if self._steps_below < _STEPS_BELOW_REFUSED:
                grown = int(self._refused * _SAFE_SHARE)
            else:
                self._steps_below = 0
        self.max_bytes = max(limit, grown)

    def parts(self, rows: Sequence[EncodedRow]) -> Sequence[Sequence[EncodedRow]]:
        """Divide rows into bodies within the limit; a larger row is a body on its own."""
        if self.max_bytes is None:
            return [rows]
        return _divide(rows, self.max_bytes)

    def smaller_parts(self, rows: Sequence[EncodedRow]) -> Sequence[Sequence[EncodedRow]]:
        """Divide rows whose body was refused."""
        parts = self.parts(rows)
        if len(parts) > 1:
            return parts
        half = next(at for at, size in enumerate(_sizes(rows), 1) if 2 * size >= size_of(rows))
        half = min(half, len(rows) - 1)
        return [rows[:half], rows[half:]]

    def _was_larger_accepted(self, rows: Sequence[EncodedRow]) -> bool:
        count, size = self._largest
        return len(rows) <= count and size_of(rows) <= _SIMILAR * size


def _sizes(rows: Sequence[EncodedRow]) -> Iterator[int]:
    """Return the bytes of the first row, of the first two, and so on."""
    return accumulate(map(len, map(_body, rows)))


def _divide(rows: Sequence[EncodedRow], max_bytes: int) -> Sequence[Sequence[EncodedRow]]:
    """Divide rows into parts of about the same size."""
    total = size_of(rows)
    count = -(-total // max_bytes)
    parts: list[list[EncodedRow]] = []
    room = before = 0
    for row in rows:
        size = len(row.body)
        if not parts or size > room or before * count >= total * len(parts):
            parts.append([])
            room = max_bytes
        parts[-1].append(row)
        room -= size
        before += size
    return parts
