"""The ids of the receivers that an export has read."""

from array import array
from bisect import bisect_left
from typing import Final

__all__ = ["SeenIds"]

_LARGEST: Final = 2**63 - 1


class SeenIds:
    """A set of ids that takes 8 bytes for each id that arrives in ascending order."""

    def __init__(self) -> None:
        self._ascending = array("q")
        self._others: set[int] = set()

    def __contains__(self, number: int) -> bool:
        if abs(number) > _LARGEST:
            return number in self._others
        ids = self._ascending
        place = bisect_left(ids, number)
        return (place < len(ids) and ids[place] == number) or number in self._others

    def __len__(self) -> int:
        return len(self._ascending) + len(self._others)

    def add(self, number: int) -> bool:
        """Add an id, and return whether it is new."""
        ids = self._ascending
        if abs(number) <= _LARGEST and (not ids or number > ids[-1]):
            ids.append(number)
            return True
        if number in self:
            return False
        self._others.add(number)
        return True
