"""The progress of an import, as plain values and as the one row that a journal contains."""

import json
from collections.abc import Mapping
from typing import Any, Final, Self

import attrs

from cleverreach_async.bulk.journal.rowset import RowSet
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.redaction import mask_emails

__all__ = ["JournalState"]

_TEXTS: Final = ("position", "done", "sent")
"""Values that SQLite stores as text; the others are numbers."""


@attrs.define(kw_only=True)
class JournalState:
    """The progress of an import. Its size depends on the rows in flight, not on the source.

    Attributes:
        next_row: The first row without a result.
        window_row: First row of a batch, not after ``next_row``. A resumed import gathers batches
            from here, so that the same rows supersede each other.
        position: Position at which the source resumes, in its own format: a JSON value; ``None``
            for its beginning.
        position_row: The row at ``position``; not after ``next_row``.
        done: Rows from ``next_row`` on that have a result.
        sent: Rows from ``next_row`` on that were sent and have no known result.
        accepted: Rows that the server shows as stored.
        rejected: Rows refused.
        unknown: Rows of unknown outcome.
        superseded: Rows replaced by a later one of the same address.
        excluded: Rows not sent because they say that the person is not subscribed.
        rejects_bytes: Length of the rejects file in bytes.
        ceiling: Largest body in bytes that the server accepts, if known.
        finished: Whether the whole source has been imported.
    """

    next_row: int = 1
    window_row: int = 1
    position: Any = None
    position_row: int = 1
    done: RowSet = attrs.field(factory=RowSet)
    sent: RowSet = attrs.field(factory=RowSet)
    accepted: int = 0
    rejected: int = 0
    unknown: int = 0
    superseded: int = 0
    excluded: int = 0
    rejects_bytes: int = 0
    ceiling: int | None = None
    finished: bool = False

    def snapshot(self) -> Self:
        """Return an independent copy."""
        return attrs.evolve(self, done=self.done.copy(), sent=self.sent.copy())

    def as_row(self) -> dict[str, str | int | None]:
        """Return the values as SQLite stores them, by column.

        Raises:
            ValueError: The values contradict each other, so that a resumed import would lose rows,
                or the position is not JSON.
            ConfigurationError: The position contains an e-mail address.
        """
        row = attrs.asdict(self, recurse=False)
        row["position"] = _encode_position(self.position)
        row["done"], row["sent"] = self.done.to_json(), self.sent.to_json()
        row["finished"] = int(self.finished)
        self._check()
        return row

    @property
    def last_done(self) -> int:
        """The last row that has a result; rows before it may have none."""
        return max([self.next_row - 1, *(last for _, last in self.done.ranges[-1:])])

    def has_done(self, row: int) -> bool:
        """Whether a row has a result."""
        return row < self.next_row or row in self.done

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Read the row that :meth:`as_row` returned; other columns are ignored.

        Raises:
            ValueError: The row is not a valid state.
        """
        try:
            values = {name: row[name] for name in attrs.fields_dict(cls)}
            values["position"] = json.loads(row["position"])
            values["done"] = RowSet.from_json(row["done"])
            values["sent"] = RowSet.from_json(row["sent"])
            values["finished"] = bool(row["finished"])
            state = cls(**values)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not the state of an import: {error}") from None
        state._check()
        return state

    def _check(self) -> None:
        for name, value in attrs.asdict(self, recurse=False).items():
            is_number = isinstance(value, int) and value >= 0
            if not (is_number or name in _TEXTS or (name == "ceiling" and value is None)):
                raise ValueError(f"{name} is not a number of rows or bytes")
        for name in ("position_row", "window_row"):
            if not 1 <= getattr(self, name) <= self.next_row:
                raise ValueError(f"{name} is {getattr(self, name)}, next row is {self.next_row}")
        if any(row < self.next_row for row, _ in self.sent.ranges[:1]):
            raise ValueError(f"rows before the next row, {self.next_row}, are marked as sent")


def _encode_position(position: Any) -> str:
    try:
        text = json.dumps(position, allow_nan=False)
    except TypeError as error:
        raise ValueError(f"the position of the source is not JSON: {error}") from None
    if mask_emails(text) != text:
        raise ConfigurationError(
            "the position of the source contains an e-mail address, which must not be written to"
            " a journal; use another position, such as a number"
        )
    return text
