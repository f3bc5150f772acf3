"""JSON Lines: one receiver per line."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from cleverreach_async import (
    BadRow,
    ConfigurationError,
    OrderInput,
    ReceiverInput,
    SourceError,
    SourceRow,
)
from cleverreach_async.sources import JsonLinesSource, read_json_lines, read_json_list
from cleverreach_async.sources.json_lines import OrderRow, ReceiverRow
from cleverreach_async.sources.rejects_file import read_rejects


def source_of(tmp_path: Path, *lines: str) -> JsonLinesSource:
    """Write a file and open it."""
    path = tmp_path / "customers.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    return read_json_lines(path)


def bad(tmp_path: Path, line: str) -> BadRow:
    """Read a file of one bad line."""
    (item,) = source_of(tmp_path, line)
    assert isinstance(item, BadRow)
    return item


def test_a_line_becomes_a_receiver(tmp_path: Path) -> None:
    """Every field of the input arrives, orders included."""
    line: dict[str, Any] = {
        "email": " ann@example.org ",
        "registered": "2025-12-31T14:30:05+01:00",
        "activated": 0,
        "deactivated": 1767187805,
        "source": "Shop",
        "attributes": {"branch": "Köln", "points": 4.5, "old": None},
        "global_attributes": {"firstname": "Ann", "age": 40},
        "tags": ["a", "-b"],
        "orders": [
            {
                "order_id": "A-17",
                "product": "Lamp",
                "product_id": "L",
                "price": "49.90",
                "currency": "EUR",
                "quantity": 2,
                "mailing_id": 7,
                "source": "Shop",
                "brand": "X",
                "product_category": "a,b",
                "attributes": "c:d",
                "stamp": "31.12.2025",
            },
            {"order_id": "A-18", "product": "Bulb", "price": 1.5},
        ],
    }
    order = OrderInput(
        *("A-17", "Lamp", "L", Decimal("49.90"), "EUR", 2, 7, "Shop", "X", "a,b", "c:d"),
        1767135600,
    )
    expected = ReceiverInput(
        "ann@example.org",
        registered=1767187805,
        activated=0,
        deactivated=1767187805,
        source="Shop",
        attributes={"branch": "Köln", "points": 4.5},
        global_attributes={"firstname": "Ann", "age": 40},
        tags=["a", "-b"],
        orders=[order, OrderInput("A-18", "Bulb", price=1.5)],
    )
    assert list(source_of(tmp_path, json.dumps(line))) == [SourceRow(expected, 1)]


def test_missing_keys_are_not_sent(tmp_path: Path) -> None:
    """An empty map or list is kept as it is."""
    lines = '{"email": "a@x.example"}', '{"email": "b@x.example", "tags": [], "orders": []}'
    first, second = source_of(tmp_path, *lines)
    assert first == SourceRow(ReceiverInput("a@x.example"), 1)
    assert second == SourceRow(ReceiverInput("b@x.example", tags=[]), 2)


@pytest.mark.parametrize(("row", "model"), [(ReceiverRow, ReceiverInput), (OrderRow, OrderInput)])
def test_the_file_has_the_fields_of_the_model(row: Any, model: Any) -> None:
    """A field that is added to one must be added to the other."""
    assert tuple(field.name for field in attrs.fields(model)) == row.__struct_fields__


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_blank_lines_are_skipped(tmp_path: Path, end: str) -> None:
    """They count as lines; a byte order mark is not part of the first line."""
    path = tmp_path / "a.jsonl"
    lines = ["\ufeff", " ", '{"email": "a@x.example"}', "", '{"email": "b@x.example"}']
    path.write_bytes(end.join(lines).encode())
    source = read_json_lines(path)
    assert [item.line for item in source] == [3, 5]
    assert (source.mapping, source.delimiter, source.encoding) == (None, None, "utf-8")
    assert source.bytes_read == source.size == path.stat().st_size


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    """A failed export must not look successful."""
    path = tmp_path / "a.jsonl"
    path.touch()
    with pytest.raises(SourceError, match="the file is empty"):
        read_json_lines(path)


def test_repaired_rejects_are_read(tmp_path: Path) -> None:
    """Of a line of a rejects file only the receiver is read."""
    line = {
        "row": 7,
        "line": 8,
        "outcome": "rejected",
        "code": "invalid_email",
        "receiver": {"email": "ann@example.org", "tags": ["a"]},
    }
    (item,) = source_of(tmp_path, json.dumps(line))
    assert item == SourceRow(ReceiverInput("ann@example.org", tags=["a"]), 1)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ('{"email": "a@x.example"', "invalid_json", "not JSON at column 24"),
        ('{"email" "a@x.example"}', "invalid_json", "not JSON at column 10: Expecting ':'"),
        ("hello", "invalid_json", "not JSON at column 1"),
        ('{"email": "a", "attributes": {"x": NaN}}', "invalid_json", "not JSON: "),
        ('{"a":' * 100_000, "invalid_json", "nested too deeply"),
        ('{"email": ""}', "missing_email", "key 'email': the e-mail address is missing"),
        ("{}", "missing_email", "'email'"),
        ('{"receiver": {}}', "missing_email", "'email'"),
        ('{"receiver": "a@x.example"}', "invalid_value", "one JSON object"),
        ("12", "invalid_value", "one JSON object"),
        ("null", "invalid_value", "one JSON object"),
        ('{"email": 5}', "invalid_value", "'email' is of type int; it takes text"),
        ('{"email": "a", "registered": -1}', "invalid_date", "registered is -1"),
        ('{"email": "a", "registered": true}', "invalid_date", "registered is of type bool"),
        ('{"email": "a", "source": 7}', "invalid_value", "'source' is of type int"),
        ('{"email": "a", "attributes": {"x": [1]}}', "invalid_value", "'attributes.x'"),
        ('{"email": "a", "orders": {}}', "invalid_value", "'orders' is of type dict"),
        ('{"email": "a", "orders": [5]}', "invalid_value", "'orders' is of type int"),
        ('{"email": "a", "orders": [{"product": "x"}]}', "invalid_value", "'order_id' of an order"),
        ('{"mail": "a"}', "unknown_field", "unknown key 'mail'; known are email, registered"),
        ('{"email": "a", "orders": [{"amount": 1}]}', "unknown_field", "'amount' of an order"),
        (
            '{"email": "a", "registered": "31.02.2024"}',
            "invalid_date",
            "'registered': '31.02.2024'",
        ),
        (
            '{"email": "a", "orders": [{"order_id": "1", "product": "x", "stamp": "Ostern"}]}',
            "invalid_date",
            "'stamp': the text in it: not a date",
        ),
    ],
)
def test_a_bad_line_is_rejected(tmp_path: Path, line: str, code: str, words: str) -> None:
    """With a stable code, the place, and the reason."""
    item = bad(tmp_path, line)
    assert (code, 1) == (item.code, item.line)
    assert words in item.message


def test_the_record_of_a_bad_line_is_kept(tmp_path: Path) -> None:
    """As an object or, if it is not one, as text, so that it can be repaired."""
    assert bad(tmp_path, '{"mail": "a"}').record == {"mail": "a"}
    assert bad(tmp_path, '{"mail": ').record == {"text": '{"mail":'}


def test_other_lines_are_read(tmp_path: Path) -> None:
    """A bad line does not affect the others."""
    lines = '{"email": "a@x.example"}', "{", '{"email": "b@x.example"}'
    items = list(source_of(tmp_path, *lines))
    assert [type(item) for item in items] == [SourceRow, BadRow, SourceRow]


@pytest.mark.parametrize("field", ["price", "quantity"])
def test_a_number_with_a_million_digits_is_a_bad_row(tmp_path: Path, field: str) -> None:
    """A few characters in a file would fill the memory."""
    order = {"order_id": "A-1", "product": "Lamp", field: "1e999999"}
    line = json.dumps({"email": "a@x.example", "orders": [order]})
    (item,) = source_of(tmp_path, line)
    assert isinstance(item, BadRow)
    assert "invalid_value" == item.code


def test_a_json_list_is_refused(tmp_path: Path) -> None:
    """It looks similar to JSON Lines; the message explains the difference."""
    with pytest.raises(SourceError, match=r"a JSON list, not JSON Lines.*; use read_json_list\(\)"):
        source_of(tmp_path, "", " [", '{"email": "a@x.example"}', "]")


@pytest.mark.parametrize("read", [read_json_lines, read_json_list, read_rejects])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le"])
def test_other_encodings_are_refused(
    tmp_path: Path, read: Callable[[Path], object], encoding: str
) -> None:
    """JSON is UTF-8, so no other encoding can be named; the message says what to do instead."""
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"email": "a@x.example"}\n{"source": "Süd"}\n'.encode(encoding))
    with pytest.raises(SourceError, match="save the file in UTF-8, which JSON needs") as caught:
        read(path)
    assert "encoding=" not in str(caught.value)
    assert caught.value.line == (2 if encoding == "cp1252" else 1)


def test_the_zone_is_the_callers(tmp_path: Path) -> None:
    """For dates without an offset."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"email": "a@x.example", "registered": "2025-12-31"}')
    (item,) = read_json_lines(path, timezone="UTC")
    assert item == SourceRow(ReceiverInput("a@x.example", registered=1767139200), 1)
    with pytest.raises(ConfigurationError):
        read_json_lines(path, timezone="Mars")
