"""The results of one batch so far."""

from collections.abc import Iterable, Sequence

import attrs

from cleverreach_async.bulk.rows import EncodedRow, RowResult
from cleverreach_async.sources.rows import Remark

__all__ = ["BatchResult"]


@attrs.define(eq=False)
class BatchResult:
    """The results of one batch. Filled as responses arrive, so it is correct at any moment.

    Attributes:
        accepted: Rows that the server shows as stored.
        results: Results of the other rows that have one.
        in_doubt: Numbers of rows that a request may have stored.
        resent: Numbers of rows that were sent again after such a request.
        requests: Requests sent.
        retries: Requests that repeated an earlier one.
        splits: Requests that splitting has cost.
        unexpected: Items of responses that match no row sent.
        remarks: Values of accepted rows that the server did not store.
        refused_at: Requests of the import that had succeeded when a body of the batch was first
            refused as too large; ``None`` if none was.
        perhaps_shown: Numbers of rows that one of the unexpected items may mean.
        ids: The server's ids of accepted rows, by number; ``None`` if they are not needed.
    """

    accepted: list[EncodedRow] = attrs.field(factory=list[EncodedRow])
    results: list[RowResult] = attrs.field(factory=list[RowResult])
    in_doubt: set[int] = attrs.field(factory=set[int])
    resent: set[int] = attrs.field(factory=set[int])
    requests: int = 0
    retries: int = 0
    splits: int = 0
    unexpected: int = 0
    remarks: list[tuple[EncodedRow, Remark]] = attrs.field(factory=list[tuple[EncodedRow, Remark]])
    perhaps_shown: set[int] = attrs.field(factory=set[int])
    ids: dict[int, int] | None = None
    refused_at: int | None = None

    def doubt(self, rows: Iterable[EncodedRow]) -> None:
        """Record that it is unknown whether these rows were stored."""
        self.in_doubt.update([row.number for row in rows])

    def clear_doubt(self, rows: Iterable[EncodedRow]) -> None:
        """Record that no request so far has stored these rows, as far as it is known."""
        self.in_doubt.difference_update([row.number for row in rows])

    def without_result(self, rows: Sequence[EncodedRow]) -> list[EncodedRow]:
        """Return the rows of the batch that have no result yet."""
        if len(self.accepted) + len(self.results) == len(rows):
            return []
        done = {row.number for row in self.accepted} | {result.row for result in self.results}
        return [row for row in rows if row.number not in done]
