"""Words for no value, such as NULL and #NV, are read as empty cells, and counted."""

from pathlib import Path
from typing import Any

import pytest

from cleverreach_async import BadRow, ReceiverInput, SourceRow, read_csv, read_records
from cleverreach_async.sources.null_words import NULL_WORDS
from cleverreach_async.sources.rows import Remark

ANN = "ann@example.org"


@pytest.mark.parametrize("word", sorted(NULL_WORDS))
def test_words_for_no_value_are_empty(tmp_path: Path, word: str) -> None:
    """In files and in databases alike."""
    path = tmp_path / "a.csv"
    path.write_text(f"E-Mail;Ort;Notiz;Abgemeldet am\n{ANN};{word};{word};{word}\n")
    record: dict[str, Any] = {"E-Mail": ANN, "Ort": word, "Notiz": word, "Abgemeldet am": word}
    for source in (read_csv(path), read_records([record])):
        (row,) = source
        assert isinstance(row, SourceRow)
        assert ReceiverInput(ANN) == row.receiver
        assert (
            Remark("changed", f"column 'Ort': {word} read as empty"),
            Remark("changed", f"column 'Abgemeldet am': {word} read as empty"),
        ) == row.remarks


@pytest.mark.parametrize("name", ["Null", "Nan", "none", "NULLER", "NULL GmbH", "N", "#1"])
def test_names_are_kept(tmp_path: Path, name: str) -> None:
    """Only the exact words count."""
    path = tmp_path / "a.csv"
    path.write_text(f"E-Mail;Nachname\n{ANN};{name}\n")
    (row,) = read_csv(path)
    assert SourceRow(ReceiverInput(ANN, global_attributes={"lastname": name}), 2) == row


def test_an_address_may_be_such_a_word(tmp_path: Path) -> None:
    """The row has none then; the record shows the word."""
    path = tmp_path / "a.csv"
    path.write_text("E-Mail;Ort\nNULL;Kiel\n")
    (row,) = read_csv(path)
    assert isinstance(row, BadRow)
    assert ("missing_email", {"E-Mail": "NULL", "Ort": "Kiel"}) == (row.code, row.record)
