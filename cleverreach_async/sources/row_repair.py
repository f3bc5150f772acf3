"""Rows with values that cannot be used: the value is left out, or the row is bad.

Such rows are rare, so they may be read more than once.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import attrs

from cleverreach_async.sources.columns import STRICT_TARGETS
from cleverreach_async.sources.converters import Convert
from cleverreach_async.sources.null_words import NULL_WORDS
from cleverreach_async.sources.rows import BadRow, BadValueError, Remark, SourceRow

__all__ = ["ReadRow", "Repair"]

ReadRow = Callable[[Sequence[Any], int | None], SourceRow | BadRow]
"""A function from the values of all columns, in their order, and the line, to a row."""

_REASONS: Final = {
    "invalid_date": "no plausible day",
    "invalid_number": "no number",
    "unclear_number": "unclear whether its separator is one of thousands or decimals",
    "no_gender": "neither male nor female",
}
_STRICT_CODES: Final = frozenset({"relative_number"})


@attrs.frozen
class Repair:
    """Reads a row again without some of its values.

    Attributes:
        headers: All columns, in their order.
        columns: Column, target and converter of those that are used.
        missing: What is read instead of a value that is left out.
        strict: Whether such a row is always bad.
    """

    headers: Sequence[str]
    columns: Sequence[tuple[str, str, Convert]]
    missing: str | None
    strict: bool = attrs.field(kw_only=True)

    def without_nulls(
        self, read: ReadRow, values: Sequence[Any], line: int | None
    ) -> SourceRow | BadRow:
        """Return the row with words such as NULL read as empty.

        Args:
            read: Reads the values.
            values: The values of all columns.
            line: The line of the row.
        """
        record = dict(zip(self.headers, values, strict=True))
        nulls = {
            it: word for it, word in record.items() if type(word) is str and word in NULL_WORDS
        }
        row = read(self._without(nulls, record), line)
        if isinstance(row, BadRow):
            return attrs.evolve(row, record={**row.record, **nulls})
        row.remarks += tuple(
            Remark("changed", f"column {column!r}: {nulls[column]} read as empty")
            for column, _, _ in self.columns
            if column in nulls
        )
        return row

    def without_bad_values(
        self, read: ReadRow, values: Sequence[Any], line: int | None
    ) -> SourceRow | BadRow:
        """Return the row without those values, or a bad row if they are not optional.

        Args:
            read: Reads the values.
            values: The values of all columns.
            line: The line of the row.
        """
        record = dict(zip(self.headers, values, strict=True))
        left_out: dict[str, BadValueError] = {}
        for column, target, convert in self.columns:
            error = _error_of(convert, record[column])
            if error is None:
                continue
            if self.strict or target in STRICT_TARGETS or error.code in _STRICT_CODES:
                return BadRow(line, error.code, f"column {column!r}: {error}", record)
            left_out[column] = error
        if not left_out:
            message = "the row holds a value that cannot be read"
            return BadRow(line, "invalid_value", message, record)
        row = read(self._without(left_out, record), line)
        if isinstance(row, SourceRow):
            row.remarks += tuple(_remark(column, it) for column, it in left_out.items())
        return row

    def _without(self, columns: Collection[str], record: Mapping[str, Any]) -> list[Any]:
        return [self.missing if it in columns else record[it] for it in self.headers]


def _error_of(convert: Convert, value: Any) -> BadValueError | None:
    try:
        convert(value)
    except BadValueError as error:
        return error
    except Exception as error:  # noqa: BLE001 - no value may end the import
        return BadValueError("invalid_value", f"the value cannot be read ({type(error).__name__})")
    return None


def _remark(column: str, error: BadValueError) -> Remark:
    reason = _REASONS.get(error.code, "a value that cannot be sent")
    return Remark("dropped", f"column {column!r}: {reason}")
