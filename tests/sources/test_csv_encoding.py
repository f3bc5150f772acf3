"""Text files in the encodings that shops and spreadsheets write."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from cleverreach_async import ConfigurationError, SourceError, SourceRow
from cleverreach_async.sources import read_csv
from cleverreach_async.sources.text_defects import CHUNK, MAX_LINE
from cleverreach_async.sources.text_file import inspect_text

TEXT = "E-Mail;Nachname\r\nann@example.org;Müßig-Čapek\r\n"
WESTERN = "E-Mail;Nachname\r\nann@example.org;Müßig “€”\r\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Path of a file that does not exist yet."""
    return tmp_path / "customers.csv"


def last_name(path: Path, encoding: str | None = None) -> Any:
    """Read the only name of the file."""
    (row,) = read_csv(path, encoding=encoding)
    assert isinstance(row, SourceRow)
    attributes = row.receiver.global_attributes
    assert isinstance(attributes, dict)
    return attributes["lastname"]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (b"\xef\xbb\xbf" + TEXT.encode(), "utf-8"),
        (b"\xff\xfe" + TEXT.encode("utf-16-le"), "utf-16-le"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-16-be"),
    ],
)
def test_unicode_is_detected(file: Path, content: bytes, encoding: str) -> None:
    """By the byte order mark, or because the whole file is valid."""
    file.write_bytes(content)
    assert encoding == read_csv(file).encoding
    assert last_name(file) == "Müßig-Čapek"


def test_a_mark_before_a_quoted_header_is_not_part_of_it(file: Path) -> None:
    """After a mark the quotes would not be recognised."""
    file.write_bytes(b'\xef\xbb\xbf"E-Mail"\nann@example.org\n')
    for encoding in (None, "utf-8", "utf-8-sig"):
        assert len(list(read_csv(file, encoding=encoding))) == 1


def test_windows_1252_is_detected(file: Path) -> None:
    """If a file is not UTF-8, it has the encoding of Windows in Germany."""
    file.write_bytes(WESTERN.encode("cp1252"))
    assert read_csv(file).encoding == "cp1252"
    assert last_name(file) == "Müßig “€”"


def test_one_late_byte_decides(file: Path) -> None:
    """The whole file is inspected, not only its beginning."""
    filler = b"ann@example.org;Ann\r\n" * (CHUNK // 10)
    file.write_bytes(b"E-Mail;Vorname\r\n" + filler + b"b@example.org;J\xf6rg\r\n")
    assert read_csv(file).encoding == "cp1252"


@pytest.mark.parametrize("shift", range(4))
def test_a_letter_split_between_two_reads_is_valid(file: Path, shift: int) -> None:
    """The file is read in chunks; letters of several bytes can be split between two."""
    head = "E-Mail;Nachname\nann@example.org;"
    name = "x" * (CHUNK - len(head) - shift) + "€€"
    file.write_text(head + name + "\n", encoding="utf-8")
    assert read_csv(file).encoding == "utf-8"
    assert name == last_name(file)


def test_two_encodings_in_one_file_are_refused(file: Path) -> None:
    """As Windows-1252 every other umlaut would be stored garbled."""
    rows = b"a@x.example;M\xc3\xbcller\r\n" * 3 + b"b@x.example;J\xf6rg\r\n"
    file.write_bytes(b"E-Mail;Nachname\r\n" + rows)
    with pytest.raises(SourceError, match="0xF6 is not UTF-8, while other") as caught:
        read_csv(file)
    assert caught.value.line == 5
    assert len(list(read_csv(file, encoding="cp1252"))) == 4


def test_the_callers_encoding_is_used(file: Path) -> None:
    """One-byte encodings cannot be detected."""
    file.write_bytes("E-Mail;Nachname\nann@example.org;Čapek\n".encode("iso8859-2"))
    assert last_name(file, "iso8859-2") == "Čapek"
    assert read_csv(file, encoding="latin2").encoding == "iso8859-2"


def test_utf_16_without_a_mark_needs_the_argument(file: Path) -> None:
    """The message says what to pass."""
    file.write_bytes(TEXT.encode("utf-16-le"))
    with pytest.raises(SourceError, match="encoding='utf-16-le'") as caught:
        read_csv(file)
    assert caught.value.line == 1
    assert last_name(file, "utf-16-le") == "Müßig-Čapek"


@pytest.mark.parametrize(
    ("content", "encoding", "line", "words"),
    [
        (
            b"E-Mail\ra@x.example\r\nb\x81@x\n",
            None,
            3,
            "0x81 is not UTF-8, and its letters are not",
        ),
        (b"E-Mail\ra@x.example\r\nb\x81@x\n", "cp1252", 3, "0x81 is not Windows-1252; name"),
        (
            b"E-Mail\n\na\xe4@x.example\n",
            "utf-8",
            3,
            "is not UTF-8; name the right one with --encoding",
        ),
        (b"E-Mail\na@x\xc3", "utf-8", 2, "0xC3 is not UTF-8"),
        (b"E-Mail\n\xe4", "ascii", 2, "0xE4 is not ascii"),
        ("E-Mail\n".encode("utf-16-le"), "utf-16", 1, "not utf-16"),
        (b"\xff\xfeE\x00\n\x00\x00\xdc", None, 2, "is not utf-16-le"),
        (b"\xef\xbb\xbfE-Mail\n\xe4", None, 2, "0xE4 is not UTF-8"),
    ],
)
def test_a_wrong_encoding_is_reported_with_its_line(
    file: Path, content: bytes, encoding: str | None, line: int, words: str
) -> None:
    """Before the first row is read."""
    file.write_bytes(content)
    with pytest.raises(SourceError, match=words) as caught:
        read_csv(file, encoding=encoding)
    assert line == caught.value.line


@pytest.mark.parametrize("name", ["klingon", "rot13", "utf 8 \x00", ""])
def test_an_unknown_encoding_is_refused(file: Path, name: str) -> None:
    """It is an error of the caller."""
    file.write_bytes(b"email\n")
    with pytest.raises(ConfigurationError, match="encoding is"):
        read_csv(file, encoding=name)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"email\na@x.example\n\x00\x01", "line 3: not a text file$"),
        (b"email\r\nf\xfcr\r\n\x1b[0m\r\n", "line 3: not a text file$"),
        (
            b"PK\x03\x04\x14\x00",
            "not a text file, but an Excel workbook or a ZIP archive; name it .xlsx",
        ),
        (b"\xd0\xcf\x11\xe0\xa1\x00", "an Excel workbook; name it .xls, or save"),
        (b"PAR1\x15\x00", "a Parquet file; name it .parquet"),
        (b"%PDF-1.7\n\x00", "a PDF"),
        ("\ufeffemail\nx\x07\n".encode("utf-16-be"), "line 2: not a text file$"),
    ],
)
def test_what_is_not_text_is_refused(file: Path, content: bytes, words: str) -> None:
    """With the line, and a hint for formats that are mistaken for CSV."""
    file.write_bytes(content)
    with pytest.raises(SourceError, match=words):
        read_csv(file)


def test_control_bytes_are_detected_late_in_the_file(file: Path) -> None:
    """The line is counted over several reads, and CRLF counts once."""
    row = b"ann@example.org\r\n"
    file.write_bytes(b"email\r\n" + row * CHUNK + b"\x00\r\n")
    with pytest.raises(SourceError) as caught:
        read_csv(file)
    assert caught.value.line == CHUNK + 2


def test_control_characters_of_word_processors_are_text(file: Path) -> None:
    """Remarks contain tabs, vertical tabs and form feeds."""
    file.write_bytes(b'email;Nachname\na@x.example;"a\tb\x0bc\x0cd"\n')
    assert last_name(file) == "a\tb\x0bc\x0cd"


def test_a_line_without_end_is_refused(file: Path) -> None:
    """The whole line would be read into memory."""
    with file.open("wb") as out:
        out.seek(MAX_LINE + 2 * CHUNK)
        out.write(b"\n")
    file.write_bytes(file.read_bytes().replace(b"\x00", b"x"))
    with pytest.raises(SourceError, match="a line is longer than 16 MiB"):
        inspect_text(file)


def test_a_file_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    """The reason of the system, and the path as the caller passed it."""
    missing = tmp_path / "nowhere.csv"
    with pytest.raises(SourceError, match="No such file or directory") as caught:
        read_csv(str(missing))
    assert (caught.value.path, caught.value.line) == (str(missing), None)
    with pytest.raises(SourceError, match="Is a directory"):
        read_csv(tmp_path)


def test_a_file_that_may_not_be_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A superuser may always read, so the error is simulated."""
    file.write_bytes(b"email\n")

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(SourceError, match=r"Permission denied$"):
        read_csv(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """It can be read only once, and opening it would block."""
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with pytest.raises(SourceError, match="not a regular file"):
        read_csv(pipe)


def test_a_file_that_changes_is_detected(file: Path) -> None:
    """Between the inspection and the first row it may be changed or removed."""
    file.write_bytes("email\nü@x.example\n".encode())
    source = read_csv(file)
    file.write_bytes(b"email\n\xff\n")
    with pytest.raises(SourceError, match="the file changed while it was read"):
        list(source)
    file.unlink()
    with pytest.raises(SourceError, match="No such file"):
        list(source)


def test_a_file_that_shrinks_is_an_error(file: Path) -> None:
    """Its rows would be missing silently."""
    file.write_bytes(b"\n\nemail\na@x.example\n")
    source = read_csv(file)
    file.write_bytes(b"\n")
    with pytest.raises(SourceError, match="changed while it was read"):
        list(source)
