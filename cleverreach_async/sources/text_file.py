"""Text files: their encoding, and the line where they are not text.

The whole file is inspected before its first row is read. Otherwise an encoding that fails in row
900 000 would be detected after 900 000 rows were sent.
"""

import codecs
import io
import os
import re
import stat
from collections.abc import Iterator
from typing import BinaryIO, Final

import attrs

from cleverreach_async.errors import ConfigurationError, SourceError
from cleverreach_async.sources.resumable import fingerprint

__all__ = ["TextFile", "inspect_text"]

CHUNK: Final = 1 << 18
MAX_LINE: Final = 16 << 20
"""Bytes. A longer line does not hold rows, and would need as much memory."""

# All control characters except tab, line ends, vertical tab and form feed, which word processors
# leave in remarks.
_CONTROLS: Final = bytes([*range(9), *range(14, 32)])
_CTRL_Z: Final = b"\x1a"
_CONTROL: Final = re.compile(f"[{re.escape(_CONTROLS.decode())}]")

# ä, ö, ü, ß, é and the like in UTF-8. As Windows-1252 this would be "Ã¤" and the like.
_UTF8_LETTER: Final = re.compile(rb"\xc3[\x80-\xbf]")

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OTHER_FORMATS: Final = (
    (b"PK\x03\x04", "an Excel workbook or a ZIP archive; save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook; save the sheet as CSV"),
    (b"\x1f\x8b", "compressed; decompress it first"),
    (b"%PDF", "a PDF; export the customers as CSV"),
)


@attrs.frozen
class TextFile:
    """A file that is text from beginning to end.

    Attributes:
        path: The file as the caller named it.
        size: Size in bytes.
        encoding: Python's name of the encoding.
        bom: Number of bytes of the byte order mark.
        sha256: Digest of the content at the time of the inspection, since encoding and columns
            were detected in that content.
    """

    path: str
    size: int
    encoding: str
    bom: int
    sha256: str

    def open(self) -> io.TextIOWrapper:
        """Open the file as text, see :meth:`decode`."""
        return self.decode(self.open_bytes(self.bom))

    def decode(self, file: BinaryIO) -> io.TextIOWrapper:
        """Wrap the opened file. Line ends stay as they are: LF, CRLF or CR."""
        return io.TextIOWrapper(file, encoding=self.encoding, newline="")

    def open_bytes(self, offset: int) -> BinaryIO:
        """Open the file at a byte.

        Raises:
            SourceError: The file cannot be opened any more.
        """
        try:
            file = open(self.path, "rb")  # noqa: SIM115, PTH123 - the wrapper closes it
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


@attrs.frozen
class _Defect:
    """Why a file is not text.

    Attributes:
        kind: ``control``, ``encoding`` or ``line``.
        offset: Byte where it is, or which is shortly before it.
        reason: What was found.
    """

    kind: str
    offset: int
    reason: str


def inspect_text(path: str | os.PathLike[str], encoding: str | None = None) -> TextFile:
    """Read a file once and detect its encoding.

    The caller's encoding is used, else that of a byte order mark. Otherwise the encoding is UTF-8
    if the whole file is valid UTF-8, and Windows-1252 if not.

    Args:
        path: The file.
        encoding: The encoding, if the caller knows it.

    Raises:
        ConfigurationError: Python has no such encoding.
        SourceError: The file cannot be read, is not text, or has another encoding.
    """
    name = os.fsdecode(path)
    codec = None if encoding is None else _codec_name(encoding)
    try:
        size = _size(name)
        with open(name, "rb") as file:  # noqa: PTH123 - the path as the caller wrote it
            if size == 0:
                raise SourceError("the file is empty", path=name)
            head = file.read(4)
            mark = next(((bom, by) for bom, by in _BOMS if head.startswith(bom)), None)
            if mark and codec in {None, mark[1], mark[1].removesuffix("-le").removesuffix("-be")}:
                codec, bom = mark[1], len(mark[0])
            else:
                bom = 0
            if codec is None:
                codec = _detect(file, name)
            else:
                _check(file, name, codec, bom)
            return TextFile(name, size, codec, bom, fingerprint(file))
    except OSError as error:
        raise _unreadable(name, error) from None


def _unreadable(path: str, error: OSError) -> SourceError:
    return SourceError(error.strerror or "cannot be read", path=path)


def _size(path: str) -> int:
    status = os.stat(path)  # noqa: PTH116 - the path as the caller wrote it
    # A pipe can be read only once. A directory cannot be read; the error of open() says so.
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise SourceError("not a regular file; save its content to one first", path=path)
    return status.st_size or stat.S_ISDIR(status.st_mode)


def _codec_name(encoding: str) -> str:
    try:
        # A text stream refuses codecs such as rot13, which lookup() accepts.
        io.TextIOWrapper(io.BytesIO(), encoding=encoding).close()
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise ConfigurationError(
            f"encoding is {encoding!r}; Python has no encoding of that name, try 'utf-8' or"
            " 'cp1252'"
        ) from None
    return "utf-8" if name == "utf-8-sig" else name


def _detect(file: BinaryIO, path: str) -> str:
    defect = _find_defect(file, "utf-8", 0)
    if defect is None:
        return "utf-8"
    if defect.kind != "encoding":
        raise _source_error(file, path, "utf-8", defect)
    if any(b"\xc3" in chunk and _UTF8_LETTER.search(chunk) for chunk in _chunks(file, 0)):
        # As Windows-1252 every umlaut except this one would be stored garbled.
        raise SourceError(
            f"{defect.reason}, while other text in the file is: two encodings are mixed. Repair"
            " the line, or pass encoding= to read the whole file in one of them",
            path=path,
            line=_line_at(file, "utf-8", defect.offset),
        )
    _check(file, path, "cp1252", 0)
    return "cp1252"


def _check(file: BinaryIO, path: str, encoding: str, start: int) -> None:
    defect = _find_defect(file, encoding, start)
    if defect is not None:
        raise _source_error(file, path, encoding, defect)


def _find_defect(file: BinaryIO, encoding: str, start: int) -> _Defect | None:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    is_ascii_based = encoding == "utf-8" or encoding.startswith(("cp125", "iso8859"))
    end = start
    since_line_end = 0
    for chunk in _chunks(file, start):
        end += len(chunk)
        # Before decoding: a binary file has both defects, and this one says more.
        if is_ascii_based and _has_controls(chunk, file):
            return _Defect("control", end - len(chunk), "not a text file")
        try:
            text = decoder.decode(chunk)
        except UnicodeError as error:
            return _undecodable(error, encoding, end)
        plain = chunk if is_ascii_based else text.encode("utf-8", "surrogatepass")
        if not is_ascii_based and _has_controls(plain, file):
            return _Defect("control", end - len(chunk), "not a text file")
        has_line_end = b"\n" in plain or b"\r" in plain
        since_line_end = 0 if has_line_end else since_line_end + len(plain)
        if since_line_end > MAX_LINE:
            return _Defect("line", end, f"a line is longer than {MAX_LINE >> 20} MiB")
    try:
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        return _undecodable(error, encoding, end)
    return None


def _has_controls(plain: bytes, file: BinaryIO) -> bool:
    """Whether text that was just read has control characters.

    Some old programs end a file with Ctrl-Z.
    """
    if len(plain.translate(None, _CONTROLS)) == len(plain):
        return False
    place = file.tell()
    is_end = not file.read(1)
    file.seek(place)
    text = plain.rstrip(_CTRL_Z) if is_end else plain
    return len(text.translate(None, _CONTROLS)) != len(text)


def _undecodable(error: UnicodeError, encoding: str, end: int) -> _Defect:
    label = {"utf-8": "UTF-8", "cp1252": "Windows-1252"}.get(encoding, encoding)
    if not isinstance(error, UnicodeDecodeError):
        return _Defect("encoding", 0, f"not {label}: {error}")
    byte = error.object[error.start]
    # The decoder keeps the bytes of an incomplete character and prepends them to the next chunk.
    offset = end - len(error.object) + error.start
    return _Defect("encoding", offset, f"byte 0x{byte:02X} is not {label}")


def _source_error(file: BinaryIO, path: str, encoding: str, defect: _Defect) -> SourceError:
    if defect.kind == "encoding":
        line = _line_at(file, encoding, defect.offset)
        return SourceError(
            f"{defect.reason}; pass encoding= to name the right one", path=path, line=line
        )
    if defect.kind == "line":
        return SourceError(f"{defect.reason}: the file does not hold rows", path=path)
    file.seek(0)
    head = file.read(8)
    hint = next((f", but {what}" for magic, what in _OTHER_FORMATS if head.startswith(magic)), "")
    if not hint and 0 in head and encoding in {"utf-8", "cp1252"}:
        hint = "; if it is UTF-16, pass encoding='utf-16-le'"
    line = _line_of_control(file, encoding, defect.offset)
    return SourceError(f"{defect.reason}{hint}", path=path, line=line)


def _line_at(file: BinaryIO, encoding: str, offset: int) -> int:
    """Return the line of the byte at an offset."""
    return 1 + sum(text.count("\n") for text in _texts(file, encoding, offset))


def _line_of_control(file: BinaryIO, encoding: str, offset: int) -> int:
    line = 1
    for text in _texts(file, encoding, offset + CHUNK):
        found = _CONTROL.search(text)
        if found:
            return line + text.count("\n", 0, found.start())
        line += text.count("\n")
    return line


def _texts(file: BinaryIO, encoding: str, end: int) -> Iterator[str]:
    """Read up to an offset as text, with every line end as LF."""
    inner = codecs.getincrementaldecoder(encoding)("replace")
    decoder = io.IncrementalNewlineDecoder(inner, translate=True)
    remaining = end
    for chunk in _chunks(file, 0):
        yield decoder.decode(chunk[:remaining])
        remaining -= len(chunk)
        if remaining <= 0:
            return


def _chunks(file: BinaryIO, start: int) -> Iterator[bytes]:
    file.seek(start)
    while chunk := file.read(CHUNK):
        yield chunk
