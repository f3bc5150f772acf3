"""Base of the sources that read a text file."""

import abc
import contextlib
import os
from collections.abc import Generator, Iterator, Mapping
from datetime import tzinfo
from itertools import islice
from typing import Any, BinaryIO, ClassVar, TextIO

from cleverreach_async.errors import SourceError
from cleverreach_async.sources.columns import ColumnMapping
from cleverreach_async.sources.later import InspectsLater
from cleverreach_async.sources.line_marks import has_marks
from cleverreach_async.sources.line_offsets import Lines, LineStart, byte_counter, line_start
from cleverreach_async.sources.resumable import Position, check_size, no_row_at, zone_name
from cleverreach_async.sources.rows import BadRow, SourceRow
from cleverreach_async.sources.text_file import TextFile

__all__ = ["FileSource"]


class FileSource(InspectsLater, abc.ABC):
    """Rows of a file, in its order.

    Every loop begins at the start of the file, except the one after :meth:`seek`. The whole file
    is inspected before: when the source is created, or, if that happens in a coroutine, by
    :meth:`inspect` in a worker thread, which an import awaits. Anything but ``path`` and ``kind``
    inspects it in place if that has not happened.

    Attributes:
        kind: Name of the format.
        path: The file as the caller named it.
        size: Size of the file in bytes.
        encoding: Python's name of the encoding.
        delimiter: Column separator of a CSV file; ``None`` for JSON Lines.
        mapping: Target of each column; ``None`` for JSON Lines.
    """

    kind: ClassVar[str]
    counts_rows: ClassVar[bool] = False
    """Whether a position is a number of rows, since rows do not begin with a line."""

    def __init__(
        self,
        text: TextFile,
        zone: tzinfo,
        *,
        delimiter: str | None = None,
        mapping: ColumnMapping | None = None,
    ) -> None:
        self.path: str = text.path
        self.size: int = text.size
        self.encoding: str = text.encoding
        self.delimiter = delimiter
        self.mapping = mapping
        self._text = text
        self._zone = zone
        self._count_bytes = None if self.counts_rows else byte_counter(text.encoding)
        self._has_marks = has_marks(text)
        self._start = LineStart(text.bom, 1)
        self._lines = self._lines_from(self._start)
        self._is_sought = False
        self._after_skipped: Generator[SourceRow | BadRow] | None = None
        self._bytes_read = 0
        self._file: BinaryIO | None = None

    @property
    def bytes_read(self) -> int:
        """Progress of the latest loop in the file; at most 32 KiB ahead of the rows."""
        if self._file is not None and not self._file.closed:
            self._bytes_read = self._file.tell()
        return self._bytes_read

    def identity(self) -> Mapping[str, Any]:
        """Return what determines the rows: content, encoding and time zone.

        Neither name nor date of the file: a copy is the same file. The content is that of the
        inspection when the source was created, as are encoding and columns.
        """
        return {
            "kind": self.kind,
            "size": self.size,
            "sha256": self._text.sha256,
            "encoding": self.encoding,
            "timezone": zone_name(self._zone),
        }

    def tell(self) -> Position:
        """Return where the row after the one yielded last begins; call it between rows only.

        It refers to the loop that began last, or, before any, to the start of the first. The
        position is exact to the byte and costs a few microseconds. In encodings whose number of
        bytes does not follow from the text, such as UTF-7, it is the number of rows.
        """
        if self._count_bytes is None:
            return {"rows": self._lines.rows}
        return self._lines.start().as_json()

    def seek(self, position: Position) -> None:
        """Begin the next loop, and only that one, at a position that :meth:`tell` returned.

        Raises:
            SourceError: No line of the file begins there, or the file cannot be opened.
        """
        found = self._after_rows(position) if self._count_bytes is None else self._at(position)
        if found is None:
            raise no_row_at(position, self.path)
        self._lines = found
        self._is_sought = True
        self._after_skipped = None
        self._is_ready = self._count_bytes is not None

    def __iter__(self) -> Iterator[SourceRow | BadRow]:
        if not self._is_sought:
            self._lines = self._lines_from(self._start)
        self._is_sought = False
        if self._count_bytes:
            return self._read(self._lines)
        after, self._after_skipped = self._after_skipped, None
        return self._count_rows(self._lines, after)

    def __repr__(self) -> str:
        if not self.is_inspected:
            return f"{type(self).__name__}({self.path!r})"
        return f"{type(self).__name__}({self.path!r}, encoding={self.encoding!r})"

    @abc.abstractmethod
    def _rows(self, file: TextIO, lines: Lines) -> Iterator[SourceRow | BadRow]:
        """Read the rows of an opened file, from the first of the lines on."""

    def _lines_from(self, start: LineStart, rows: int = 0) -> Lines:
        return Lines(start, self._count_bytes, rows, has_marks=self._has_marks)

    def _read(self, lines: Lines) -> Generator[SourceRow | BadRow]:
        with self._text.open_bytes(lines.start().byte) as raw:
            self._file = raw
            text = self._text.decode(raw)
            try:
                self._check_size(raw)
                yield from self._rows(text, lines)
                self._check_size(raw)
            except (UnicodeError, OSError) as error:
                # The file had no such error when it was inspected.
                raise SourceError(
                    f"the file changed while it was read ({type(error).__name__})", path=self.path
                ) from error
            finally:
                self._bytes_read = raw.tell()

    def _check_size(self, file: BinaryIO) -> None:
        check_size(self.path, self.size, os.fstat(file.fileno()).st_size)

    def _prepare(self) -> None:
        if self._is_sought and self._count_bytes is None:
            self._after_skipped = self._skip(self._lines)

    def _skip(self, lines: Lines) -> Generator[SourceRow | BadRow]:
        """Read the rows that are counted already, and return those after them."""
        rows = self._read(lines)
        skipped = sum(1 for _ in islice(rows, lines.rows))
        if skipped < lines.rows:
            raise SourceError(
                f"the file has {skipped:,} rows, and reading was to begin after"
                f" {lines.rows:,}; it is another file. Begin at the start",
                path=self.path,
            )
        return rows

    def _count_rows(
        self, lines: Lines, after: Generator[SourceRow | BadRow] | None
    ) -> Iterator[SourceRow | BadRow]:
        """Count rows, and skip those that are counted already, unless that was done."""
        with contextlib.closing(after or self._skip(lines)) as rows:
            for row in rows:
                lines.rows += 1
                yield row

    def _after_rows(self, position: Position) -> Lines | None:
        match position:
            case {"rows": int(rows), **others} if rows >= 0 and not others:
                return self._lines_from(self._start, rows)
            case _:
                return None

    def _at(self, position: Position) -> Lines | None:
        start = line_start(position)
        if start is None or (start.line == 1) != (start.byte == self._start.byte):
            return None
        return self._lines_from(start) if self._text.begins_line(start.byte) else None
