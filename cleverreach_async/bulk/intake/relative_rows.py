"""Find the rows with relative values such as "+1", at little cost for slices without any."""

from collections.abc import Container, Sequence
from typing import Final

import msgspec

from cleverreach_async.bulk.rows import EncodedRow
from cleverreach_async.resources.relative import has_relative_values

__all__ = ["mark_relative_rows"]

_MAPS: Final = ("attributes", "global_attributes")
_BEFORE_A_VALUE: Final = (b'"', b":", b" ")


def mark_relative_rows(rows: Sequence[EncodedRow], names: Container[str] | None) -> None:
    """Mark rows with relative values: they are not repeatable.

    Args:
        rows: A slice of rows.
        names: The number attributes; ``None`` if they are not known, so that any may be one.
    """
    if names is not None and not names:
        return
    # To look at all bytes of a slice at once takes a small part of the time of a look at each row.
    if not _may_have_relative_values(b"".join([row.body for row in rows])):
        return
    for row in rows:
        if _may_have_relative_values(row.body) and _has_relative_values(row.body, names):
            row.relative, row.repeatable = True, False


def _may_have_relative_values(body: bytes) -> bool:
    """Return whether a value in JSON begins with a sign, or with a space before it."""
    return any(
        part.endswith(_BEFORE_A_VALUE) for sign in (b"+", b"-") for part in body.split(sign)[:-1]
    )


def _has_relative_values(body: bytes, names: Container[str] | None) -> bool:
    fields = msgspec.json.decode(body)
    if not isinstance(fields, dict):
        return False  # an address, to be deleted
    return any(has_relative_values(fields.get(name), names) for name in _MAPS)
