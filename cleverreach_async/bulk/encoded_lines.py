"""The JSON of rows that were encoded together."""

import msgspec

__all__ = ["EncodedLines"]


class EncodedLines(msgspec.Struct, gc=False):
    """Rows that were encoded together, each a line of JSON.

    Most are sent together too, so they are cut into single rows only when one is needed.

    Attributes:
        first: Number of the first row; those of the others follow.
        count: Number of rows.
    """

    first: int
    count: int
    _text: bytes
    _rows: list[bytes] = []

    def row(self, number: int) -> bytes:
        """Return the JSON of the row with a number."""
        if not self._rows:
            self._rows = self._text.split(b"\n")  # JSON has no line feed in texts
            self._text = b""
        return self._rows[number - self.first]

    @property
    def size(self) -> int:
        """Bytes of the rows."""
        return sum(map(len, self._rows)) if self._rows else len(self._text) - self.count

    @property
    def elements(self) -> bytes:
        """The rows as elements of a JSON array."""
        if self._rows:
            return b",".join(self._rows[: self.count])
        return self._text.removesuffix(b"\n").replace(b"\n", b",")

    @property
    def numbers(self) -> list[int]:
        """The numbers of the rows."""
        return [*range(self.first, self.first + self.count)]
