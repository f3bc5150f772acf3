"""How far an import is, as plain values, and as the one row that holds them."""

import json
from collections.abc import Mapping
from typing import Any, Final, Self

import attrs

from cleverreach_async.bulk.journal.rowset import RowSet
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.redaction import mask_emails

__all__ = ["JournalState"]

_NUMBERS: Final = (
    "next_row",
    "window_row",
    "position_row",
    "accepted",
    "rejected",
    "unknown",
    "superseded",
    "rejects_bytes",
    "ceiling",
)


@attrs.define(kw_only=True)
class JournalState:
    """How far an import is. Its size follows the rows on their way, not the rows of the import.

    Attributes:
        next_row: All rows below have their outcome.
        window_row: Where gathering the rows of a batch began anew, last before ``next_row``. A
            resumed import gathers from there, so that the same rows supersede each other.
        position: Where the source goes on, in its own terms; ``None`` is its beginning. JSON.
        position_row: The row that ``position`` belongs to; not above ``next_row``.
        done: Rows from ``next_row`` on that have their outcome.
        sent: Rows from ``next_row`` on that were in a request whose outcome is not known.
        accepted: Rows that the server shows as stored.
        rejected: Rows refused.
        unknown: Rows of unknown outcome.
        superseded: Rows replaced by a later one of the same address.
        rejects_bytes: Length of the rejects file, in bytes.
        ceiling: Largest body that the server takes, in bytes, where that was learned.
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
    rejects_bytes: int = 0
    ceiling: int | None = None
    finished: bool = False

    def snapshot(self) -> Self:
        """Return a copy that changes on its own."""
        return attrs.evolve(self, done=self.done.copy(), sent=self.sent.copy())

    def as_row(self) -> dict[str, str | int | None]:
        """Return the values as SQLite keeps them, by column.

        Raises:
            ValueError: They contradict each other, which would lose rows on resuming; or the
                position is not JSON.
            ConfigurationError: The position holds an e-mail address.
        """
        row = attrs.asdict(self, recurse=False)
        row["position"] = _encode_position(self.position)
        row["done"], row["sent"] = self.done.to_json(), self.sent.to_json()
        self._check()
        return row

    @property
    def last_done(self) -> int:
        """The last row that has its outcome; rows before it may be without."""
        return max([self.next_row - 1, *(last for _, last in self.done.ranges[-1:])])

    def has_done(self, row: int) -> bool:
        """Whether a row has its outcome."""
        return row < self.next_row or row in self.done

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_row` returned; other columns are passed over.

        Raises:
            ValueError: The row does not hold a state.
        """
        try:
            values = {name: row[name] for name in attrs.fields_dict(cls)}
            values["position"] = json.loads(row["position"])
            values["done"] = RowSet.from_json(row["done"])
            values["sent"] = RowSet.from_json(row["sent"])
            values["finished"] = bool(row["finished"])
            state = cls(**values)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no state of an import: {error}") from None
        state._check()
        return state

    def _check(self) -> None:
        for name in _NUMBERS:
            value = getattr(self, name)
            known = value is not None or name != "ceiling"
            if known and not (isinstance(value, int) and value >= 0):
                raise ValueError(f"{name} is no number of rows or bytes")
        if not 1 <= self.position_row <= self.next_row:
            raise ValueError(f"position of row {self.position_row}, next row is {self.next_row}")
        if not 1 <= self.window_row <= self.next_row:
            raise ValueError(f"window of row {self.window_row}, next row is {self.next_row}")
        if any(row < self.next_row for row, _ in self.sent.ranges[:1]):
            raise ValueError(f"rows were sent that lie before the next row, {self.next_row}")


def _encode_position(position: Any) -> str:
    try:
        text = json.dumps(position, allow_nan=False)
    except TypeError as error:
        raise ValueError(f"the position of the source is not JSON: {error}") from None
    if mask_emails(text) != text:
        raise ConfigurationError(
            "the position of the source holds an e-mail address, which a journal must not; "
            "let the source go on by something else, such as a number"
        )
    return text
