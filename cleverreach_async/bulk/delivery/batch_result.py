"""What has become of one batch so far."""

from collections.abc import Iterable, Sequence

import attrs

from cleverreach_async.bulk.rows import EncodedRow, RowResult

__all__ = ["Tally"]


@attrs.define(eq=False)
class Tally:
    """Filled as outcomes arrive, so that it is true at any moment.

    Attributes:
        accepted: Rows that the server shows as stored.
        results: The other rows that arrived at their outcome.
        in_doubt: Numbers of rows of which nobody knows whether an attempt has stored them.
        replayed: Numbers of rows that were sent again after such an attempt.
        requests: Requests sent.
        retries: Requests that repeated an earlier one.
        splits: Requests that splitting has cost.
        unexpected: Items of answers that belong to no row sent.
    """

    accepted: list[EncodedRow] = attrs.field(factory=list[EncodedRow])
    results: list[RowResult] = attrs.field(factory=list[RowResult])
    in_doubt: set[int] = attrs.field(factory=set[int])
    replayed: set[int] = attrs.field(factory=set[int])
    requests: int = 0
    retries: int = 0
    splits: int = 0
    unexpected: int = 0

    def doubt(self, rows: Iterable[EncodedRow]) -> None:
        """Take note that nobody knows whether these rows were stored."""
        self.in_doubt.update(row.number for row in rows)

    def trust(self, rows: Iterable[EncodedRow]) -> None:
        """Take note that an attempt with these rows was answered, or has not reached the server."""
        self.in_doubt.difference_update([row.number for row in rows])

    def left_of(self, rows: Sequence[EncodedRow]) -> list[EncodedRow]:
        """Return those of a batch's rows that have no outcome yet."""
        if len(self.accepted) + len(self.results) == len(rows):
            return []
        done = {row.number for row in self.accepted} | {result.row for result in self.results}
        return [row for row in rows if row.number not in done]
