"""Whom the rows are about that cannot be sent: nobody is removed because of a mistake in a row."""

import re
from collections.abc import Iterable
from typing import Any, Final

from cleverreach_async.bulk.intake.valid_addresses import is_address
from cleverreach_async.bulk.rows import email_key
from cleverreach_async.resources.receiver_models import ReceiverInput
from cleverreach_async.sources.addresses import strip_address
from cleverreach_async.sources.records import as_record
from cleverreach_async.sources.rows import BadRow, Item, SourceRow

__all__ = ["Unsendable"]

_word: Final = re.compile(r"[^\s<>'\"(),;:\[\]\\]+").findall
_IS_NOBODY: Final = frozenset({"missing_email", "invalid_email"})
"""Codes of rows that are read in full, and have no address to which mail could be sent."""
_IS_CUT: Final = frozenset({"cut_row", "invalid_json"})
"""Codes of rows after which others may be lost."""


class Unsendable:
    """The rows of a source that cannot be sent.

    Attributes:
        unclear: Rows that may be about anybody, because they cannot be read or are cut.
    """

    def __init__(self) -> None:
        self.unclear: int = 0
        self._keys: set[str] = set()

    def add(self, item: Item, code: str) -> None:
        """Add a row, with the code of what is wrong with it."""
        try:
            found = _addresses_in(item)
        except Exception:  # noqa: BLE001 - no object may end the run
            found = set[str]()
        self._keys |= found
        self.unclear += code in _IS_CUT or not (found or code in _IS_NOBODY)

    def take_keys(self) -> list[str]:
        """Return the addresses in the rows that were added since the last call, as keys."""
        keys, self._keys = [*self._keys], set()
        return keys


def _addresses_in(item: Item) -> set[str]:
    """Return the addresses in a row, in any of its values if it could not be read."""
    words = (_word(strip_address(str(value))) for value in _values_of(item))
    found = (word.strip(".") for part in words for word in part if "@" in word)
    return {email_key(word) for word in map(strip_address, found) if is_address(word)}


def _values_of(item: Any) -> Iterable[Any]:
    if isinstance(item, SourceRow):
        item = item.receiver
    if isinstance(item, str | ReceiverInput):
        return [item if isinstance(item, str) else item.email]
    record = item.record if isinstance(item, BadRow) else as_record(item)
    return () if record is None else record.values()
