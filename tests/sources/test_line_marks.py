"""Marks that other programs leave between the lines of a file."""

from pathlib import Path

import pytest

from cleverreach_async import BadRow, SourceError
from cleverreach_async.sources import read_csv, read_json_lines, text_defects

MARK = "\ufeff"
HEAD = "E-Mail;Ort\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to write to."""
    return tmp_path / "customers.csv"


def addresses(file: Path, encoding: str | None = None) -> list[str]:
    """The addresses of a file that has no bad rows; reading can begin at each."""
    source = read_csv(file, encoding=encoding)
    found: list[str] = []
    positions = [source.tell()]
    for item in source:
        assert not isinstance(item, BadRow)
        found.append(item.receiver.email)
        positions.append(source.tell())
    for place, position in enumerate(positions):
        source.seek(position)
        rest = [item.receiver.email for item in source if not isinstance(item, BadRow)]
        assert found[place:] == rest
    return found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_mark_where_a_file_was_joined_is_dropped(file: Path, encoding: str, end: str) -> None:
    """It would be part of the address, or of a quote."""
    lines = [*f"{MARK}{HEAD}a@x.example;Kiel\n{MARK}b@x.example;Ulm\n".splitlines()]
    lines += [f'{MARK}"c@x.example";Bonn', f"{MARK}{MARK}d@x.example;Jena", ""]
    file.write_bytes(end.join(lines).encode(encoding))
    argument = None if encoding in {"utf-8", "utf-16-le", "utf-16-be"} else encoding
    assert addresses(file, argument) == [f"{name}@x.example" for name in "abcd"]


def test_a_mark_at_the_edge_of_a_portion_is_found(file: Path) -> None:
    """The file is searched in portions."""
    row = "a@x.example;Kiel\n"
    for shift in range(4):
        size = text_defects.CHUNK - len(HEAD) - shift
        body = (row * (size // len(row))).ljust(size - 1) + "\n"
        file.write_text(f"{HEAD}{body}{MARK}b@x.example;Ulm\n", "utf-8")
        *_, last = read_csv(file)
        assert not isinstance(last, BadRow)
        assert last.receiver.email == "b@x.example"


def test_a_mark_inside_a_line_stays(file: Path) -> None:
    """Only the start of a line is known to be no part of the text."""
    file.write_text(f"{HEAD}a@x.example;Ki{MARK}el\n", "utf-8")
    (row,) = read_csv(file)
    assert not isinstance(row, BadRow)
    assert row.receiver.global_attributes == {"city": f"Ki{MARK}el"}


def test_json_lines_may_be_joined(file: Path) -> None:
    """As with any text file."""
    file.write_text(f'{{"email": "a@x.example"}}\n{MARK}{{"email": "b@x.example"}}\n\x1a', "utf-8")
    assert not any(isinstance(item, BadRow) for item in read_json_lines(file))


@pytest.mark.parametrize("before", ["", "\n", "\r\n"])
@pytest.mark.parametrize("encoding", [None, "cp1252", "utf-16-le"])
@pytest.mark.parametrize("count", [1, 7])
def test_ctrl_z_at_the_end_is_dropped(
    file: Path, before: str, encoding: str | None, count: int
) -> None:
    """Some old programs end a file so; the row before it is complete."""
    text = f"{HEAD}a@x.example;Köln\nb@x.example;Ulm{before}" + "\x1a" * count
    file.write_bytes(text.encode(encoding or "utf-8"))
    assert addresses(file, encoding) == ["a@x.example", "b@x.example"]
    *_, last = read_csv(file, encoding=encoding)
    assert not isinstance(last, BadRow)
    assert last.receiver.global_attributes == {"city": "Ulm"}


def test_ctrl_z_elsewhere_is_refused(file: Path) -> None:
    """As any other control character."""
    file.write_text(f"{HEAD}a@x.example;Kiel\n\x1ab@x.example;Ulm\n")
    with pytest.raises(SourceError, match="line 3: not a text file"):
        read_csv(file)
