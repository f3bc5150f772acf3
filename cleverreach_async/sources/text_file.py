"""Text files: their encoding, and the line where they are not text.

The whole file is inspected before its first row is read. Otherwise an encoding that fails in row
900 000 would be detected after 900 000 rows were sent.
"""

import codecs
import io
from typing import BinaryIO, Final

import attrs

from cleverreach_async.errors import ConfigurationError, SourceError
from cleverreach_async.sources.content import Content, FilePath, StoredFile, open_content
from cleverreach_async.sources.resumable import fingerprint
from cleverreach_async.sources.text_defects import MAX_LINE
from cleverreach_async.sources.text_inspection import Inspection
from cleverreach_async.sources.unchanged_file import Stamp, changed, open_unchanged

__all__ = ["TextFile", "check_encoding", "inspect_text"]

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@attrs.frozen
class TextFile:
    """A file that is text from beginning to end.

    Attributes:
        content: Its bytes.
        size: Size in bytes.
        encoding: Python's name of the encoding.
        bom: Number of bytes of the byte order mark.
        sha256: Digest of the content at the time of the inspection, since encoding and columns
            were detected in that content.
        stamp: Its stamp at that time; ``None`` if nobody else can change it.
    """

    content: Content
    size: int
    encoding: str
    bom: int
    sha256: str
    stamp: Stamp | None = None

    @property
    def path(self) -> str:
        """The file as the caller named it."""
        return self.content.path

    def open(self) -> io.TextIOWrapper:
        """Open the file as text, see :meth:`decode`."""
        return self.decode(self.open_bytes(self.bom))

    def decode(self, file: BinaryIO) -> io.TextIOWrapper:
        """Wrap the opened file. Line ends stay as they are: LF, CRLF or CR."""
        return io.TextIOWrapper(file, encoding=self.encoding, newline="")

    def open_bytes(self, offset: int) -> BinaryIO:
        """Open the file at a byte. Reading it raises ``SourceError`` as soon as it has changed.

        Raises:
            SourceError: The file cannot be opened any more.
        """
        try:
            if self.stamp is None:
                file = self.content.open()
            else:
                file = open_unchanged(self.path, self.stamp, self.sha256)
        except OSError as error:
            raise _unreadable(self.path, error) from None
        file.seek(offset)
        return file

    def begins_line(self, offset: int) -> bool:
        """Whether a line begins at a byte, or the file ends there.

        Raises:
            SourceError: The file cannot be opened any more.
        """
        if offset in {self.bom, self.size}:
            return True
        feed, carriage = "\n".encode(self.encoding), "\r".encode(self.encoding)
        width = len(feed)
        if not self.bom < offset < self.size or (offset - self.bom) % width:
            return False
        with self.open_bytes(offset - width) as file:
            before, after = file.read(width), file.read(width)
        return before == feed or (before == carriage and after != feed)


def inspect_text(
    path: FilePath | Content,
    encoding: str | None = None,
    *,
    utf8_only: bool = False,
    max_line: int = MAX_LINE,
) -> TextFile:
    """Read a file once and detect its encoding.

    The caller's encoding is used, else that of a byte order mark. Otherwise the encoding is UTF-8
    if the whole file is valid UTF-8, and Windows-1252 if its letters fit that.

    Args:
        path: The file, which may be compressed by gzip, or its content.
        encoding: The encoding, if the caller knows it.
        utf8_only: Whether the format of the file, such as JSON, has no other encoding.
        max_line: Bytes that a line may have.

    Raises:
        ConfigurationError: Python has no such encoding.
        SourceError: The file cannot be read, is not text, or has another encoding.
    """
    codec = "utf-8" if utf8_only else check_encoding(encoding)
    content = open_content(path)
    try:
        size = content.size()
        with content.open() as file:
            if size == 0:
                raise SourceError("the file is empty", path=content.path)
            stamp = Stamp.of(file.fileno()) if isinstance(content, StoredFile) else None
            head = file.read(4)
            mark = next(((bom, by) for bom, by in _BOMS if head.startswith(bom)), None)
            bom, found = 0, codec
            if mark and codec in {None, mark[1], mark[1].removesuffix("-le").removesuffix("-be")}:
                found, bom = mark[1], len(mark[0])
            inspection = Inspection(
                file, content.path, max_line, is_named=codec is not None, utf8_only=utf8_only
            )
            if found is None:
                found = inspection.detect()
            else:
                inspection.check(found, bom)
            digest = fingerprint(file)
            if stamp not in {None, Stamp.of(file.fileno())}:
                raise changed(content.path)
            return TextFile(content, size, found, bom, digest, stamp)
    except OSError as error:
        raise _unreadable(content.path, error) from None


def _unreadable(path: str, error: OSError) -> SourceError:
    return SourceError(error.strerror or "cannot be read", path=path)


def check_encoding(encoding: str | None) -> str | None:
    """Return Python's name of an encoding.

    Raises:
        ConfigurationError: Python has no such encoding.
    """
    if encoding is None:
        return None
    try:
        # A text stream refuses codecs such as rot13, which lookup() accepts.
        io.TextIOWrapper(io.BytesIO(), encoding=encoding).close()
        codecs.getincrementaldecoder(encoding)("ignore").decode(b"a")  # not one for host names
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError, TypeError):
        raise ConfigurationError(
            f"encoding is {encoding!r}; Python has no encoding of that name, try 'utf-8' or"
            " 'cp1252'"
        ) from None
    return "utf-8" if name == "utf-8-sig" else name
