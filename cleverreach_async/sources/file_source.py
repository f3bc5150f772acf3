"""What the sources that read a file have in common."""

import abc
import contextlib
import os
from collections.abc import Generator, Iterator, Mapping
from datetime import tzinfo
from itertools import islice
from typing import Any, BinaryIO, ClassVar, TextIO

from cleverreach_async.errors import SourceError
from cleverreach_async.sources.columns import ColumnMapping
from cleverreach_async.sources.line_offsets import Lines, Place, measure_of, place_of
from cleverreach_async.sources.resumable import Position, zone_name
from cleverreach_async.sources.rows import BadRow, SourceRow
from cleverreach_async.sources.text_file import TextFile

__all__ = ["FileSource"]


class FileSource(abc.ABC):
    """Rows of a file, in its order.

    Every ``for`` loop reads it from the start, but for the one after :meth:`seek`.

    Attributes:
        kind: The format, in a word or two.
        path: The file as the caller named it.
        size: Bytes of the file.
        encoding: Python's name of the encoding.
        delimiter: What stands between the cells of a CSV file; ``None`` for JSON Lines.
        mapping: What column goes where; ``None`` for JSON Lines.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        text: TextFile,
        zone: tzinfo,
        *,
        delimiter: str | None = None,
        mapping: ColumnMapping | None = None,
    ) -> None:
        self.path = text.path
        self.size = text.size
        self.encoding = text.encoding
        self.delimiter = delimiter
        self.mapping = mapping
        self._text = text
        self._zone = zone
        self._measure = measure_of(text.encoding)
        self._start = Place(text.bom, 1)
        self._lines = Lines(self._start, self._measure)
        self._is_sought = False
        self._bytes_read = 0
        self._file: BinaryIO | None = None

    @property
    def bytes_read(self) -> int:
        """How far the latest loop is in the file; it is ahead of the rows by less than 32 KiB."""
        if self._file is not None and not self._file.closed:
            self._bytes_read = self._file.tell()
        return self._bytes_read

    def identity(self) -> Mapping[str, Any]:
        """Return what makes the rows what they are: content, encoding and time zone.

        Neither name nor date of the file: a copy is the same file. The content is that which was
        looked at when the source was made, as encoding and columns are.
        """
        return {
            "kind": self.kind,
            "size": self.size,
            "sha256": self._text.sha256,
            "encoding": self.encoding,
            "timezone": zone_name(self._zone),
        }

    def tell(self) -> Position:
        """Return where the row after the one yielded last begins; asked between rows only.

        It is of the loop begun last; before any, it is where the first will begin. The place is
        exact to the byte, and costs a few microseconds. In encodings whose bytes do not follow
        from the text, such as UTF-7, it is the number of rows.
        """
        if self._measure is None:
            return {"rows": self._lines.rows}
        return self._lines.place().as_json()

    def seek(self, position: Position) -> None:
        """Let the next loop, and only that, begin where :meth:`tell` was asked.

        Raises:
            SourceError: No line of the file begins there, or the file cannot be opened.
        """
        found = self._rows_of(position) if self._measure is None else self._place_of(position)
        if found is None:
            raise SourceError(
                f"no row begins at {str(position)[:80]!r}; it is a position in another file, or in"
                " this one before it changed. Begin at the start",
                path=self.path,
            )
        self._lines = found
        self._is_sought = True

    def __iter__(self) -> Iterator[SourceRow | BadRow]:
        if not self._is_sought:
            self._lines = Lines(self._start, self._measure)
        self._is_sought = False
        rows = self._read(self._lines)
        return rows if self._measure else self._counted(self._lines, rows)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r}, encoding={self.encoding!r})"

    @abc.abstractmethod
    def _rows(self, file: TextIO, lines: Lines) -> Iterator[SourceRow | BadRow]:
        """Read the rows of an opened file from a place on."""

    def _read(self, lines: Lines) -> Generator[SourceRow | BadRow]:
        with self._text.open_bytes(lines.place().byte) as raw:
            self._file = raw
            text = self._text.decode(raw)
            try:
                self._check_size(raw)
                yield from self._rows(text, lines)
                self._check_size(raw)
            except (UnicodeError, OSError) as error:
                # The file was whole when it was looked at.
                raise SourceError(
                    f"the file changed while it was read ({type(error).__name__})", path=self.path
                ) from error
            finally:
                self._bytes_read = raw.tell()

    def _check_size(self, file: BinaryIO) -> None:
        """Refuse a file that was cut or grew: no fault of its text would tell."""
        size = os.fstat(file.fileno()).st_size
        if size != self.size:
            raise SourceError(
                f"the file changed while it was read: it had {self.size:,} bytes, and has {size:,}",
                path=self.path,
            )

    def _counted(
        self, lines: Lines, rows: Generator[SourceRow | BadRow]
    ) -> Iterator[SourceRow | BadRow]:
        """Count rows, and begin after as many as are counted already."""
        with contextlib.closing(rows):
            passed = sum(1 for _ in islice(rows, lines.rows))
            if passed < lines.rows:
                raise SourceError(
                    f"the file has {passed:,} rows, and reading was to begin after"
                    f" {lines.rows:,}; it is another file. Begin at the start",
                    path=self.path,
                )
            for row in rows:
                lines.rows += 1
                yield row

    def _rows_of(self, position: Position) -> Lines | None:
        match position:
            case {"rows": int(rows), **others} if rows >= 0 and not others:
                return Lines(self._start, None, rows)
            case _:
                return None

    def _place_of(self, position: Position) -> Lines | None:
        place = place_of(position)
        if place is None or (place.line == 1) != (place.byte == self._start.byte):
            return None
        if not self._text.begins_line(place.byte):
            return None
        return Lines(place, self._measure)
