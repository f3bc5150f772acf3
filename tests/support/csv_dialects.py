"""Dialects in which shops and spreadsheets write tables, chosen at random."""

import csv
import io
import random

import attrs

__all__ = ["Dialect", "Row", "make_dialect"]

Row = list[str]


@attrs.frozen
class Dialect:
    """How a table is written.

    Attributes:
        delimiter: Column separator.
        quoting: Of the csv module.
        end: Line end.
        encoding: Encoding.
        header_ends: Whether the header ends with a delimiter.
        rows_end: Whether the rows end with one.
        drops: Whether rows leave out empty cells at their end.
        is_ended: Whether the last line has a line end.
        title: Lines before the header.
        joined: Row before which the header is repeated.
        ctrl_z: Whether the file ends with Ctrl-Z.
    """

    delimiter: str
    quoting: int
    end: str
    encoding: str
    header_ends: bool
    rows_end: bool
    drops: bool
    is_ended: bool
    title: int
    joined: int
    ctrl_z: bool

    def line(self, cells: Row, *, is_ended: bool = False) -> str:
        """Write one record."""
        texts = [*cells, *([""] * is_ended)]
        while self.drops and len(texts) > 1 and not texts[-1]:
            texts.pop()
        out = io.StringIO()
        writer = csv.writer(
            out,
            delimiter=self.delimiter,
            quoting=self.quoting,  # type: ignore[arg-type]
            lineterminator=self.end,
        )
        writer.writerow(texts)
        return out.getvalue()

    def lines(self, header: Row, rows: list[Row]) -> list[str]:
        """Write the rows of a table."""
        found = [self.line(row, is_ended=self.rows_end) for row in rows]
        if 0 < self.joined < len(found):
            repeated = self.line(header, is_ended=self.header_ends)
            found[self.joined] = repeated + found[self.joined]
        return found

    def content(self, header: Row, lines: list[str]) -> bytes:
        """Write a file."""
        head = f"Customers{self.end}" * self.title + self.line(header, is_ended=self.header_ends)
        text = head + "".join(lines)
        if not self.is_ended:
            text = text.removesuffix(self.end)
        return (text + "\x1a" * self.ctrl_z).encode(self.encoding)


def make_dialect(chance: random.Random) -> Dialect:
    """Choose a dialect."""
    end = chance.choice(("\n", "\r\n", "\r"))
    drops, rows_end = chance.choice(((False, False), (False, False), (False, True), (True, False)))
    return Dialect(
        delimiter=chance.choice(";;,\t|"),
        # The writer of the csv module does not quote LF if lines end with CR.
        quoting=csv.QUOTE_ALL if end == "\r" else chance.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)),
        end=end,
        encoding=chance.choice(("utf-8", "utf-8-sig", "utf-16", "cp1252")),
        header_ends=chance.random() < 0.4,
        rows_end=rows_end,
        drops=drops,
        is_ended=drops or chance.random() < 0.6,
        title=chance.choice((0, 0, 0, 2)),
        joined=chance.choice((0, 0, 1, 6)),
        ctrl_z=chance.random() < 0.2,
    )
