"""Where a file is not text, and why."""

import codecs
import io
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

import attrs

from cleverreach_async.errors import SourceError

__all__ = ["CHUNK", "MAX_LINE", "Defect", "chunks", "find_defect", "line_at", "source_error"]

CHUNK: Final = 1 << 18
MAX_LINE: Final = 16 << 20
"""Bytes. A longer line does not hold rows, and would need as much memory."""

# All control characters except tab, line ends, vertical tab and form feed, which word processors
# leave in remarks.
_CONTROLS: Final = bytes([*range(9), *range(14, 32)])
_CTRL_Z: Final = b"\x1a"
_CONTROL: Final = re.compile(f"[{re.escape(_CONTROLS.decode())}]")

_ASCII_BASED: Final = ("utf-8", "cp125", "iso8859", "mac-roman", "cp85", "cp437", "koi8")
_SAVE: Final = "save the file in UTF-8, which JSON needs"
_OTHER_FORMATS: Final = (
    (
        b"PK\x03\x04",
        "an Excel workbook or a ZIP archive; name it .xlsx, extract it, or save the sheet as CSV",
    ),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook; name it .xls, or save the sheet as CSV"),
    (b"PAR1", "a Parquet file; name it .parquet"),
    (b"%PDF", "a PDF; export the customers as CSV"),
)


@attrs.frozen
class Defect:
    """Why a file is not text.

    Attributes:
        kind: ``control``, ``encoding`` or ``line``.
        offset: Byte where it is, or which is shortly before it.
        reason: What was found.
    """

    kind: str
    offset: int
    reason: str


def find_defect(
    file: BinaryIO,
    encoding: str,
    start: int,
    max_line: int,
    on_chunk: Callable[[bytes], None] | None = None,
) -> Defect | None:
    """Return why a file is not text, if it is not.

    Args:
        file: The opened file.
        encoding: Its encoding.
        start: Byte after the byte order mark.
        max_line: Bytes that a line may have.
        on_chunk: Called with every part of the file that is text so far.
    """
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    is_ascii_based = encoding.startswith(_ASCII_BASED)
    end = start
    since_line_end = 0
    for chunk in chunks(file, start):
        end += len(chunk)
        # Before decoding: a binary file has both defects, and this one says more.
        if is_ascii_based and _has_controls(chunk, file):
            return Defect("control", end - len(chunk), "not a text file")
        try:
            text = decoder.decode(chunk)
        except UnicodeError as error:
            return _undecodable(error, encoding, end)
        if on_chunk is not None:
            on_chunk(chunk)
        plain = chunk if is_ascii_based else text.encode("utf-8", "surrogatepass")
        if not is_ascii_based and _has_controls(plain, file):
            return Defect("control", end - len(chunk), "not a text file")
        has_line_end = b"\n" in plain or b"\r" in plain
        since_line_end = 0 if has_line_end else since_line_end + len(plain)
        if since_line_end > max_line:
            return Defect("line", end, f"a line is longer than {max_line >> 20} MiB")
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


def _undecodable(error: UnicodeError, encoding: str, end: int) -> Defect:
    label = {"utf-8": "UTF-8", "cp1252": "Windows-1252"}.get(encoding, encoding)
    if not isinstance(error, UnicodeDecodeError):
        return Defect("encoding", 0, f"not {label}: {error}")
    byte = error.object[error.start]
    # The decoder keeps the bytes of an incomplete character and prepends them to the next chunk.
    offset = end - len(error.object) + error.start
    return Defect("encoding", offset, f"byte 0x{byte:02X} is not {label}")


def source_error(
    file: BinaryIO, path: str, encoding: str, defect: Defect, *, utf8_only: bool = False
) -> SourceError:
    """Return the error for a defect, with its line."""
    if defect.kind == "encoding":
        line = line_at(file, encoding, defect.offset)
        remedy = _SAVE if utf8_only else "name the right one with --encoding or encoding="
        return SourceError(f"{defect.reason}; {remedy}", path=path, line=line)
    if defect.kind == "line":
        return SourceError(f"{defect.reason}: the file does not hold rows", path=path)
    file.seek(0)
    head = file.read(8)
    hint = next((f", but {what}" for magic, what in _OTHER_FORMATS if head.startswith(magic)), "")
    if not hint and 0 in head and encoding in {"utf-8", "cp1252"}:
        remedy = _SAVE if utf8_only else "pass --encoding utf-16-le or encoding='utf-16-le'"
        hint = f"; if it is UTF-16, {remedy}"
    line = _line_of_control(file, encoding, defect.offset)
    return SourceError(f"{defect.reason}{hint}", path=path, line=line)


def line_at(file: BinaryIO, encoding: str, offset: int) -> int:
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
    for chunk in chunks(file, 0):
        yield decoder.decode(chunk[:remaining])
        remaining -= len(chunk)
        if remaining <= 0:
            return


def chunks(file: BinaryIO, start: int) -> Iterator[bytes]:
    """Read a file from a byte on."""
    file.seek(start)
    while chunk := file.read(CHUNK):
        yield chunk
