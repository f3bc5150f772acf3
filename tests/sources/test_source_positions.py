"""Reading a file can continue exactly at any row."""

import json
import tempfile
import tracemalloc
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cleverreach_async import BadRow, SourceError, SourceRow
from cleverreach_async.sources import FileSource, line_offsets, read_csv, read_json_lines
from cleverreach_async.sources.line_offsets import LineStart, byte_counter, line_start
from cleverreach_async.sources.resumable import Position, Resumable

Items = list[SourceRow | BadRow]

ENCODINGS = {
    "utf-8": None,
    "utf-8-sig": None,
    "utf-16": None,
    "utf-16-be": "utf-16-be",
    "utf-32-le": "utf-32-le",
    "cp1252": "cp1252",
    "iso8859-15": "iso-8859-15",
    "utf-7": "utf-7",
    "gb18030": "gb18030",
}
"""Encoding of a file, and the argument for the reader."""

ENDS = st.sampled_from(["\n", "\r\n", "\r"])
PORTIONS = st.sampled_from([1, 7, 1 << 13])
"""Characters read at once: lines and records are split between portions."""

BROKEN = 'email;x\n"a@x.example;1\nb@x.example\nc@x.example;2\n'
"""The quote of line 2 is never closed, so line 3, with one cell, is not accepted."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to write to."""
    return tmp_path / "customers.csv"


def read_all(source: FileSource) -> tuple[Items, list[Position]]:
    """Read all rows, and the positions before, between and after them."""
    rows = iter(source)
    positions = [source.tell()]
    items: Items = []
    for item in rows:
        items.append(item)
        # As stored in a journal.
        positions.append(json.loads(json.dumps(source.tell())))
    return items, positions


def check_every_position(make: Callable[[], FileSource]) -> list[Position]:
    """Begin at every position and compare rows and positions with those of the whole file."""
    items, positions = read_all(make())
    other = make()
    for number, position in reversed(list(enumerate(positions))):
        other.seek(position)
        assert (items[number:], positions[number:]) == read_all(other)
    return positions


def check_content(content: bytes, make: Callable[[Path], FileSource], portion: int) -> None:
    """Check every position of a file with some content."""
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(line_offsets, "_PORTION", portion),
    ):
        path = Path(folder, "customers")
        path.write_bytes(content)
        check_every_position(lambda: make(path))


@given(
    body=st.text('ab@;"\n\r, üš€', max_size=80),
    end=ENDS,
    encoding=st.sampled_from(sorted(ENCODINGS)),
    portion=PORTIONS,
)
@example(body=BROKEN.partition("\n")[2], end="\n", encoding="utf-8", portion=1)
def test_any_csv_file_can_be_continued(body: str, end: str, encoding: str, portion: int) -> None:
    """With unclosed quotes, blank lines and ragged rows, in every kind of encoding."""
    text = f'sep=;{end}"x{end}y";email;z{end}{body}'
    content = text.encode(encoding, "replace")
    argument = ENCODINGS[encoding]
    check_content(content, lambda path: read_csv(path, delimiter=";", encoding=argument), portion)


@given(
    lines_of_file=st.lists(
        st.sampled_from(
            ['{"email": "a@x.example", "source": "ü"}', '{"email": ""}', "", " ", "{", "7", "\v"]
        ),
        max_size=12,
    ),
    end=ENDS,
    mark=st.sampled_from(["", "\ufeff"]),
    is_ended=st.booleans(),
    portion=PORTIONS,
)
def test_any_json_lines_can_be_continued(
    lines_of_file: list[str], end: str, mark: str, is_ended: bool, portion: int
) -> None:
    """With bad and blank lines."""
    text = mark + end.join(["", *lines_of_file]) + end * is_ended
    check_content(text.encode() or b"\n", read_json_lines, portion)


@given(
    names=st.lists(st.text('ab"\n\r;ü€😀', max_size=9), max_size=6),
    end=ENDS,
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-32-be"]),
)
def test_the_position_is_exact(names: list[str], end: str, encoding: str) -> None:
    """It is the byte and the line after the row, as counted by the writer."""
    head = f"E-Mail;Vorname{end}"
    quoted = [name.replace('"', '""') for name in names]
    records = [f'a@x.example;"{name}"{end}' for name in quoted]
    expected: list[Position] = []
    content = head.encode(encoding)
    line = 2
    for record in records:
        plain = encoding.removesuffix("-sig")
        content += record.encode(plain)
        line += record.replace("\r\n", "\n").replace("\r", "\n").count("\n")
        expected.append({"byte": len(content), "line": line})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "customers.csv")
        path.write_bytes(content)
        source = read_csv(path, encoding=encoding.removesuffix("-sig"), delimiter=";")
        assert expected == read_all(source)[1][1:]


def test_doubt_about_a_broken_record_is_kept(file: Path) -> None:
    """A row that is not accepted in the whole file is not accepted when reading begins with it."""
    file.write_text(BROKEN, newline="")
    codes = [item.code if isinstance(item, BadRow) else "" for item in read_csv(file)]
    assert codes == ["unclosed_quote", "ragged_row", ""]
    positions = check_every_position(lambda: read_csv(file))
    assert [position.get("doubtful") for position in positions] == [None, 4, 4, None]
    source = read_csv(file)
    source.seek({"byte": positions[1]["byte"], "line": 3})
    assert [type(item) for item in source] == [SourceRow, SourceRow]


def test_doubt_lasts_after_a_broken_record_inside(file: Path) -> None:
    """A second one, which ends sooner, does not make the rest of the first acceptable."""
    file.write_text('email;x\n"a@x.example;1\nb@x.example;""c""\nd@x.example\n', newline="")
    source = read_csv(file)
    codes = [item.code if isinstance(item, BadRow) else "" for item in source]
    assert codes == ["unclosed_quote", "unclosed_quote", "ragged_row"]
    check_every_position(lambda: read_csv(file))


@pytest.mark.parametrize(
    ("encoding", "mark"), [("utf-16-le", "\xff\xfe"), ("utf-16-be", "\xfe\xff")]
)
def test_a_mark_decides_the_kind_of_utf_16(file: Path, encoding: str, mark: str) -> None:
    """Without a mark UTF-16 could not be read from the middle of the file."""
    file.write_bytes(mark.encode("latin-1") + "email\na@x.example\n".encode(encoding))
    source = read_csv(file, encoding="utf-16")
    assert encoding == source.encoding
    assert read_all(source)[1] == [
        {"byte": 2, "line": 1},
        {"byte": file.stat().st_size, "line": 3},
    ]


def test_a_long_file_can_be_continued(file: Path) -> None:
    """Across all portions, with positions requested as the importer does."""
    rows = (f'p{n}@x.example;"Jörg{chr(10) * (n % 3)}"\r\n' for n in range(5000))
    file.write_text("email;Vorname\r\n" + "".join(rows), encoding="utf-8", newline="")
    source = read_csv(file)
    items = list(source)
    reader = iter(source)
    other = read_csv(file)
    for done in range(64, 5000, 64):
        assert len(list(islice(reader, 64))) == 64
        other.seek(source.tell())
        assert items[done : done + 3] == list(islice(other, 3))


def most_memory(file: Path, lines: int) -> int:
    """The bytes that reading so many lines takes at most."""
    file.write_text("email\n" + "ann@x.example\n" * lines)
    source = read_csv(file)
    tracemalloc.start()
    try:
        assert sum(1 for _ in source) == lines
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.no_cover
def test_lines_are_discarded(file: Path) -> None:
    """Memory does not grow with the file even if no position is requested."""
    first = most_memory(file, 10_000)
    grown = most_memory(file, 30_000) - first
    assert grown < 20_000  # one byte for each line more, which has fourteen


@pytest.mark.parametrize("encoding", ["utf-8", "utf-7"])
def test_only_the_next_loop_begins_there(file: Path, encoding: str) -> None:
    """Every other loop begins at the start; a running loop continues."""
    file.write_text("email\n" + "".join(f"p{n}@x.example\n" for n in range(4)))
    source = read_csv(file, encoding=encoding)
    start = source.tell()
    under_way = iter(source)
    assert [item.line for item in islice(under_way, 2)] == [2, 3]
    position = source.tell()
    source.seek(position)
    assert [item.line for item in under_way] == [4, 5]
    assert position == source.tell()
    sought = iter(source)
    assert position == source.tell()
    assert [item.line for item in sought] == [4, 5]
    end = source.tell()
    assert [item.line for item in source] == [2, 3, 4, 5]
    assert end == source.tell()
    source.seek(end)
    assert list(source) == []
    source.seek(start)
    assert [item.line for item in source] == [2, 3, 4, 5]


def test_a_loop_that_ended_early_has_a_position(file: Path) -> None:
    """The position is still known after the file was closed."""
    file.write_text("email\n" + "".join(f"p{n}@x.example\n" for n in range(4)))
    source = read_csv(file)
    for item in source:
        if item.line == 3:
            break
    source.seek(source.tell())
    assert [item.line for item in source] == [4, 5]


def test_bytes_read_continue_after_a_seek(file: Path) -> None:
    """The progress bar does not start again."""
    file.write_text("email\n" + "ann@x.example\n" * 10_000)
    size = file.stat().st_size
    source = read_csv(file)
    assert source.bytes_read == 0
    rows = iter(source)
    assert len(list(islice(rows, 5000))) == 5000
    position = source.tell()
    other = read_csv(file)
    other.seek(position)
    rest = iter(other)
    next(rest)
    assert position["byte"] < other.bytes_read < position["byte"] + (32 << 10) < size
    assert len(list(rest)) == 4999
    assert other.bytes_read == size


@pytest.mark.parametrize(
    "position",
    [
        None,
        "x",
        7,
        {},
        {"byte": 9},
        {"line": 2},
        {"rows": 1},
        {"byte": "9", "line": 2},
        {"byte": 9.0, "line": 2},
        {"byte": 9, "line": 2, "skip": 1},
        {"byte": 9, "line": 2, "doubtful": None},
        {"byte": 9, "line": 0},
        {"byte": 9, "line": 1},
        {"byte": 0, "line": 2},
        {"byte": -1, "line": 2},
        {"byte": 8, "line": 2},
        {"byte": 10, "line": 2},
        {"byte": 21, "line": 2},
        {"byte": 1 << 70, "line": 2},
    ],
)
def test_a_line_start_of_another_file_is_refused(file: Path, position: Any) -> None:
    """Reading from the middle of a row would invent a row."""
    file.write_bytes(b"email;x\r\na@x.example;\r\n")
    source = read_csv(file)
    with pytest.raises(SourceError, match=r"no row begins at .* Begin at the start"):
        source.seek(position)
    assert len(list(source)) == 1
    source.seek({"byte": 9, "line": 2})
    assert len(list(source)) == 1


@pytest.mark.parametrize(("byte", "is_line"), [(1, False), (13, False), (17, False), (14, True)])
def test_a_position_inside_a_character_is_refused(file: Path, byte: int, is_line: bool) -> None:
    """The bytes 0A 00 of two neighbouring characters are not a line end."""
    file.write_bytes("\ufeffemail\n\u0a05\u0100@x.example\n".encode("utf-16-le"))
    source = read_csv(file)
    if is_line:
        source.seek({"byte": byte, "line": 2})
        assert len(list(source)) == 1
    else:
        with pytest.raises(SourceError, match="no row begins at"):
            source.seek({"byte": byte, "line": 2})


@pytest.mark.parametrize(
    "position", [{"byte": 6, "line": 2}, {"rows": -1}, {"rows": 1, "x": 1}, None]
)
def test_rows_are_the_position_where_bytes_cannot_be(file: Path, position: Any) -> None:
    """For encodings whose bytes do not follow from the text no other position is accepted."""
    file.write_bytes(b"email\na@x.example\n")
    source = read_csv(file, encoding="utf-7")
    with pytest.raises(SourceError, match="no row begins at"):
        source.seek(position)
    assert read_all(source)[1] == [{"rows": 0}, {"rows": 1}]


def test_a_position_after_the_last_row_is_refused(file: Path) -> None:
    """It is another file, and none of its rows were sent."""
    file.write_bytes(b"email\na@x.example\n")
    source = read_csv(file, encoding="utf-7")
    source.seek({"rows": 2})
    with pytest.raises(SourceError, match="the file has 1 rows, and reading was to begin after 2"):
        list(source)


@pytest.mark.parametrize("content", [b"email\n", b"email\na@x.example\nb@x.example\n"])
def test_a_file_of_another_size_is_refused(file: Path, content: bytes) -> None:
    """A file cut between two lines is still text, and rows would be missing silently."""
    file.write_bytes(b"email\na@x.example\n")
    source = read_csv(file)
    rows = iter(source)
    position = source.tell()
    next(rows)
    file.write_bytes(content)
    with pytest.raises(SourceError, match="changed while it was read: it had 18 bytes, and has"):
        list(rows)
    source.seek(position)
    with pytest.raises(SourceError, match="changed while it was read"):
        # No row is yielded first.
        next(iter(source))


def test_a_missing_file_is_refused(file: Path) -> None:
    """The error is a ``SourceError``."""
    file.write_bytes(b"email\na@x.example\nb@x.example\n")
    source = read_csv(file)
    file.unlink()
    with pytest.raises(SourceError, match="No such file"):
        source.seek({"byte": 18, "line": 3})


def test_files_are_resumable(file: Path) -> None:
    """The importer detects it by the protocol."""
    file.write_bytes(b"email\na@x.example\n")
    assert isinstance(read_csv(file), Resumable)
    file.write_bytes(b'{"email": "a@x.example"}\n')
    assert isinstance(read_json_lines(file), Resumable)
    assert not isinstance([], Resumable)


@given(
    st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "cp1252", "iso8859-1"]),
    st.text(st.characters(codec="latin-1"), max_size=20) | st.text("€😀\n"),
)
def test_bytes_follow_from_text(encoding: str, text: str) -> None:
    """The count is the same as the encoder's."""
    content = text.encode(encoding, "ignore")
    count_bytes = byte_counter(encoding)
    assert count_bytes is not None
    assert len(content) == count_bytes(content.decode(encoding))


@pytest.mark.parametrize(
    "encoding", ["utf-7", "utf-16", "utf-32", "gb18030", "iso2022_jp", "cp932"]
)
def test_bytes_do_not_always_follow_from_text(encoding: str) -> None:
    """A text has two encodings, or a mark is needed: rows are counted instead."""
    assert byte_counter(encoding) is None


def test_a_line_start_can_be_stored_as_json() -> None:
    """Unused values are omitted."""
    for position in (LineStart(9, 2), LineStart(9, 2, 5)):
        assert position == line_start(json.loads(json.dumps(position.as_json())))
    assert LineStart(9, 2).as_json() == {"byte": 9, "line": 2}
