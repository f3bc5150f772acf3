"""Invisible characters of addresses: removed around them, refused inside."""

import json
from pathlib import Path

import pytest

from cleverreach_async import Outcome, ReceiverInput, SourceRow, read_csv, read_json_lines
from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.rows import EncodedRow, RowResult
from cleverreach_async.sources.addresses import INVISIBLE, strip_address
from cleverreach_async.sources.rows import Item

ANN = "ann@example.org"
NAMED = ["\u200b", "\u00ad", "\u2060", "\ufeff", "\u200e", "\u200d"]


def encode(item: Item) -> EncodedRow | RowResult:
    """Encode one row."""
    rows, results = Encoder().encode([item], [1])
    return (rows or results)[0]


@pytest.mark.parametrize("letter", [*INVISIBLE, "\u00a0", "\u2003", "\u3000", "\u0085"])
def test_nobody_sees_them_so_they_are_removed_around_an_address(letter: str) -> None:
    """From every source."""
    for text in (letter + ANN, ANN + letter, f" {letter} {ANN}{letter} "):
        assert ANN == strip_address(text)
        for item in (text, ReceiverInput(text), {"email": text}, SourceRow(ReceiverInput(text), 2)):
            row = encode(item)
            assert isinstance(row, EncodedRow)
            assert ANN == row.key == json.loads(row.body)["email"]


@pytest.mark.parametrize("letter", INVISIBLE)
def test_inside_an_address_they_are_refused(letter: str) -> None:
    """Which letter was meant is not known."""
    for text in (
        f"an{letter}n@example.org",
        f"ann@exam{letter}ple.org",
        f"ann@example.o{letter}rg",
    ):
        result = encode(ReceiverInput(text))
        assert isinstance(result, RowResult)
        assert (Outcome.REJECTED, "invalid_email") == (result.outcome, result.code)


@pytest.mark.parametrize("letter", NAMED)
def test_the_change_is_counted(tmp_path: Path, letter: str) -> None:
    """With the column, and without the address; blanks are not worth a remark."""
    table = tmp_path / "a.csv"
    table.write_text(f"Vorname;E-Mail\nAnn;{letter}{ANN}\nBen; ben@example.org \n", "utf-8")
    lines = tmp_path / "a.jsonl"
    lines.write_text(
        "\n".join(json.dumps({"email": it}) for it in (ANN + letter, " ben@example.org ")), "utf-8"
    )
    for source, name in (
        (read_csv(table), "column 'E-Mail'"),
        (read_json_lines(lines), "key 'email'"),
    ):
        first, second = source
        assert isinstance(first, SourceRow)
        assert isinstance(second, SourceRow)
        (remark,) = first.remarks
        assert f"{name}: invisible characters around the address removed" == remark.text
        assert (ANN, "ben@example.org") == (first.receiver.email, second.receiver.email)
        assert () == second.remarks


@pytest.mark.parametrize(
    "address", ["jürgen@example.org", "用户@例子.广告", "ann+x@müller.example"]
)
def test_other_letters_are_kept(address: str) -> None:
    """Addresses may have any letter."""
    row = encode(ReceiverInput(address))
    assert isinstance(row, EncodedRow)
    assert address == json.loads(row.body)["email"]
