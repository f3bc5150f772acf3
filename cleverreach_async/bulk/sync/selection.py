"""Which rows of a source are new or changed: pure, but for the look-ups in the state."""

from collections.abc import Sequence

import attrs

from cleverreach_async.bulk.rows import EncodedRow
from cleverreach_async.bulk.sync.state import Entry, SyncState

__all__ = ["Bits", "Selected", "Selection"]


class Bits:
    """A set of small numbers, one bit each."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __contains__(self, number: int) -> bool:
        at = number >> 3
        return at < len(self._bytes) and bool(self._bytes[at] & 1 << (number & 7))

    def add(self, number: int) -> bool:
        """Add a number; returns whether it is new."""
        at, bit = number >> 3, 1 << (number & 7)
        if at >= len(self._bytes):
            self._bytes.extend(bytes(at + 1 - len(self._bytes)))
        was = self._bytes[at]
        self._bytes[at] = was | bit
        return not was & bit


@attrs.frozen
class Selected:
    """A row that is new or changed.

    Attributes:
        place: Number of the row, as in :class:`EncodedRow`.
        is_known: Whether a row of its address was accepted before.
        address: Fingerprint of the row's address.
        content: Fingerprint of the row.
    """

    place: int
    is_known: bool
    address: bytes
    content: bytes


class Selection:
    """Compares the rows of one run with the state.

    An address may have several rows. Each is compared with the same one of the last run; if one of
    them is sent, so are those after it, since their order decides what the server has in the end.

    Args:
        state: The state.

    Attributes:
        seen: Numbers of the entries that the source has.
    """

    def __init__(self, state: SyncState) -> None:
        self._state = state
        self.seen: Bits = Bits()
        self._has_row = Bits()
        self._sent = Bits()
        self._rows_of: dict[bytes, int] = {}
        """How many rows each address has so far, if there are several."""

    def select(self, rows: Sequence[EncodedRow]) -> list[Selected]:
        """Return the rows that are new or changed; the others are left out."""
        fingerprints = self._state.fingerprints
        addresses = fingerprints.of_addresses([row.key for row in rows])
        contents = fingerprints.of_contents([row.body for row in rows])
        entries = self._find_or_add(addresses)
        selected: list[Selected] = []
        for row, address, content in zip(rows, addresses, contents, strict=True):
            own_address, own = address, entries[address]
            first, must_follow = own, False
            if not self._has_row.add(first.id):
                own_address, own = self._later_entry(row.key, address)
                must_follow = first.id in self._sent
            self.seen.add(own.id)
            if own.content == content and not must_follow:
                continue
            self._sent.add(first.id)
            is_known = first.content is not None
            selected.append(Selected(row.number, is_known, own_address, content))
        return selected

    def see(self, keys: Sequence[str]) -> None:
        """Remember that the source has addresses, although their rows cannot be sent."""
        addresses = self._state.fingerprints.of_addresses(keys)
        for entry in self._state.find(addresses).values():
            self.seen.add(entry.id)

    def _find_or_add(self, addresses: Sequence[bytes]) -> dict[bytes, Entry]:
        entries = self._state.find(addresses)
        missing = dict.fromkeys(address for address in addresses if address not in entries)
        return entries | self._state.add(missing) if missing else entries

    def _later_entry(self, key: str, address: bytes) -> tuple[bytes, Entry]:
        """Return the entry of a further row of an address."""
        number = self._rows_of[address] = self._rows_of.get(address, 1) + 1
        own = self._state.fingerprints.of_later_row(key, number)
        found = self._state.find([own]) or self._state.add({own: address})
        return own, found[own]
