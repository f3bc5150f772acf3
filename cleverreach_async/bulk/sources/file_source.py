"""What the sources that read a file have in common."""

import abc
import io
from collections.abc import Iterator
from typing import BinaryIO

from cleverreach_async.bulk.rows import BadRow, SourceRow
from cleverreach_async.bulk.sources.columns import ColumnMapping
from cleverreach_async.bulk.sources.text_file import TextFile
from cleverreach_async.errors import SourceError

__all__ = ["FileSource"]


class FileSource(abc.ABC):
    """Rows of a file, in its order. Every ``for`` loop reads it from the start.

    Attributes:
        path: The file as the caller named it.
        size: Bytes of the file.
        encoding: Python's name of the encoding.
        delimiter: What stands between the cells of a CSV file; ``None`` for JSON Lines.
        mapping: What column goes where; ``None`` for JSON Lines.
    """

    def __init__(
        self,
        text: TextFile,
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
        self._position = 0
        self._file: BinaryIO | None = None

    @property
    def position(self) -> int:
        """Bytes that the latest loop has read; it runs ahead of the rows by less than 32 KiB."""
        if self._file is not None and not self._file.closed:
            self._position = self._file.tell()
        return self._position

    def __iter__(self) -> Iterator[SourceRow | BadRow]:
        with self._text.open_bytes() as raw:
            self._file = raw
            text = self._text.decode(raw)
            try:
                yield from self._rows(text)
            except (UnicodeError, OSError) as error:
                # The file was whole when it was looked at.
                raise SourceError(
                    f"the file changed while it was read ({type(error).__name__})", path=self.path
                ) from error
            finally:
                self._position = raw.tell()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r}, encoding={self.encoding!r})"

    @abc.abstractmethod
    def _rows(self, file: io.TextIOWrapper) -> Iterator[SourceRow | BadRow]:
        """Read the rows of an opened file."""
