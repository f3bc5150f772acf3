"""A JSON list of receivers, read item by item."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async import BadRow, ConfigurationError, SourceError, SourceRow
from cleverreach_async.sources import JsonListSource, read_json_lines, read_json_list, read_rows
from cleverreach_async.sources.json_list import items

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Path of a file that does not exist yet."""
    return tmp_path / "customers.json"


def rows_of(path: Path) -> list[tuple[int | None, str]]:
    """The line and the address, or the code, of each item."""
    return [
        (row.line, row.receiver.email if isinstance(row, SourceRow) else row.code)
        for row in read_json_list(path)
    ]


def receivers(count: int) -> list[dict[str, Any]]:
    """Receivers with braces, quotes and commas in their values."""
    text = 'a "quoted" }],{[ \\ text\n'
    return [
        {"email": f"n{i}@example.org", "global_attributes": {"note": text}, "tags": ["a", "b"]}
        for i in range(count)
    ]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_list_is_read_on_one_line_or_many(file: Path, indent: int | None, end: str) -> None:
    """With the line on which each item begins."""
    text = json.dumps(receivers(3), indent=indent).replace("\n", end)
    file.write_bytes(text.encode())
    found = rows_of(file)
    assert [address for _, address in found] == [f"n{i}@example.org" for i in range(3)]
    assert [line for line, _ in found] == ([1, 1, 1] if indent is None else [2, 12, 22])


def test_a_large_list_on_one_line_is_read(file: Path) -> None:
    """The limit for lines of text is for files with rows on lines."""
    item = {"email": "ann@example.org", "source": "x" * 10_000}
    file.write_bytes(json.dumps([item] * 1700).encode())
    assert file.stat().st_size > 16 << 20
    assert 1700 == sum(1 for _ in read_json_list(file))


def test_the_suffix_and_the_first_character_tell(file: Path, tmp_path: Path) -> None:
    """A file named .json may hold either format."""
    file.write_bytes(b'\xef\xbb\xbf \n[{"email": "ann@example.org"}]')
    assert isinstance(read_rows(file), JsonListSource)
    for name in ("customers", "customers.txt.json", "customers.jsonl"):
        path = tmp_path / name
        path.write_bytes(b'[{"email": "ann@example.org"}]')
        assert read_rows(path).kind == "json list"
        path.write_bytes(b'{"email": "ann@example.org"}\n')
        assert read_rows(path).kind == "json lines"
    with pytest.raises(SourceError, match=r"read_json_list\(\)"):
        read_json_lines(file)
    with pytest.raises(ConfigurationError, match="is a JSON list: mapping"):
        read_rows(file, mapping={"a": "email"})


def test_an_item_that_is_no_receiver_is_a_bad_row(file: Path) -> None:
    """The others are read."""
    file.write_text(
        '[{"email": "ann@example.org"},\n{"mail": 1},\n7, null,\n{"email": },\n'
        '{"email": "ben@example.org"}]',
        "utf-8",
    )
    assert rows_of(file) == [
        (1, "ann@example.org"),
        (2, "unknown_field"),
        (3, "invalid_value"),
        (3, "invalid_value"),
        (4, "invalid_json"),
        (5, "ben@example.org"),
    ]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ('[\n{"email": "a@x.example"},\n{"email": "b', 3, "not closed, the file may be cut"),
        ('[\n{"email": "a@x.example"}\n', 3, "not closed, the file may be cut"),
        ('[\n{"email": 1}\n{"email": 2}]', 3, "a comma between two items is missing"),
        ('[\n{"email": 1},\n]', 3, "no item beside a comma"),
        ('[,\n{"email": 1}]', 1, "no item beside a comma"),
        ('[\n{"email": [1}\n]', 2, r"a } closes what a \[ opened"),
        ('[{"email": 1}]\n[{"email": 2}]', 2, "more after the end"),
        ('[{"email": 1}]\nx', 2, "more after the end"),
        ('x\n[{"email": 1}]', 2, "begins with a bracket"),
        ('{"email": 1}', 1, "begins with a bracket"),
        ("x", 1, "not closed"),
        ('[\n"' + "x" * (2 << 20) + '"]', 1, "an item is longer than 1024 KiB"),
    ],
)
def test_a_broken_list_is_refused_with_its_line(
    file: Path, content: str, line: int, words: str
) -> None:
    """Before its first row is read."""
    file.write_text(content, "utf-8")
    with pytest.raises(SourceError, match=words) as caught:
        read_json_list(file)
    assert line == caught.value.line


@pytest.mark.parametrize("content", ["[]", " [\n] \n"])
def test_an_empty_list_has_no_rows(file: Path, content: str) -> None:
    """It is complete."""
    file.write_text(content, "utf-8")
    assert [] == rows_of(file)


def test_reading_goes_on_after_any_item(file: Path) -> None:
    """A position is the number of items."""
    file.write_text(json.dumps(receivers(5)), "utf-8")
    everything = rows_of(file)
    for count in range(6):
        source = read_json_list(file)
        rows = iter(source)
        for _ in range(count):
            next(rows)
        again = read_json_list(file)
        again.seek(source.tell())
        assert source.identity() == again.identity()
        found = [row.receiver.email for row in again if isinstance(row, SourceRow)]
        assert found == [address for _, address in everything[count:]]


@given(
    st.lists(VALUES),
    st.sampled_from([None, 0, 1]),
    st.booleans(),
    st.integers(min_value=1, max_value=9),
)
def testitems_are_those_of_the_json_module(
    values: list[Any], indent: int | None, escaped: bool, portion: int
) -> None:
    """However the text is cut into portions."""

    class Cut:
        def __init__(self, text: str) -> None:
            self.text = text

        def read(self, _: int) -> str:
            part, self.text = self.text[:portion], self.text[portion:]
            return part

    text = json.dumps(values, indent=indent, ensure_ascii=escaped)
    found = [json.loads(item) for _, item in items(Cut(text), "file")]  # type: ignore[arg-type]
    assert found == values


def test_bad_rows_keep_what_was_read(file: Path) -> None:
    """For the rejects file."""
    file.write_text('[{"email": "ann@example.org", "age": 3}]', "utf-8")
    (row,) = read_json_list(file)
    assert isinstance(row, BadRow)
    assert row.record == {"email": "ann@example.org", "age": 3}
