"""One key for all spellings of an address, for the few addresses that have several."""

from collections.abc import Sequence

from cleverreach_async.bulk.rows import EncodedRow
from cleverreach_async.bulk.spellings import PUNYCODE, unified

__all__ = ["unify_keys"]


def unify_keys(rows: Sequence[EncodedRow]) -> None:
    """Give rows the same key if their addresses are two spellings of one, such as in Punycode."""
    # One look at a slice of rows; most have no such address.
    keys = "\n".join([row.key for row in rows])
    if keys.isascii() and PUNYCODE not in keys:
        return
    for row in rows:
        if not row.key.isascii() or PUNYCODE in row.key:
            row.key = unified(row.key)
