"""One wrong bit in a journal, or in the log of SQLite beside it, is damage or changes nothing."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from support.clocks import START
from support.journals import MIDWAY, alter, create, create_stopped, resume, state_of

from cleverreach_async import ConfigurationError, JournalError
from cleverreach_async.bulk.sqlite_log import loses_transactions

SAVES = 20
EXAMPLES = 200


def log_of(path: Path) -> Path:
    """The log of SQLite beside a journal."""
    return path.with_name(f"{path.name}-wal")


def killed(folder: Path, saves: int = SAVES) -> Path:
    """A journal as a killed process leaves it: copied with its log while it is open."""
    with create(folder / "open") as journal:
        for number in range(1, saves + 1):
            journal.save(state_of(number), now=START)
        for suffix in ("", "-wal"):
            shutil.copy(folder / f"open{suffix}", folder / f"copy{suffix}")
    return folder / "copy"


def flipped(file: Path, *, seed: int) -> Iterator[int]:
    """Flip one bit of a file, at a place that is yielded, then another one instead."""
    content = file.read_bytes()
    random = Random(seed)
    # The first bytes say what kind of file it is, so each of them counts.
    places = [*range(100), *random.choices(range(len(content)), k=EXAMPLES)]
    for place in places:
        altered = bytearray(content)
        altered[place] ^= 1 << random.randrange(8)
        file.write_bytes(altered)
        yield place


@pytest.mark.no_cover
@pytest.mark.parametrize("seed", range(2))
def test_one_wrong_bit_of_a_journal_never_changes_the_state(tmp_path: Path, seed: int) -> None:
    """It is found, or it is in a byte that means nothing."""
    path = create_stopped(tmp_path / "j")
    outcomes: set[str] = set()
    for place in flipped(path, seed=seed):
        try:
            with resume(path) as journal:
                assert MIDWAY == journal.state, f"byte {place}"
            outcomes.add("same")
        except JournalError:
            outcomes.add("damage")

    assert {"same", "damage"} == outcomes


@pytest.mark.no_cover
@pytest.mark.parametrize("seed", range(2))
def test_one_wrong_bit_of_a_log_takes_nothing_back(tmp_path: Path, seed: int) -> None:
    """Except for the last transaction: after a power cut it may have been written in part."""
    path = killed(tmp_path)
    journal, log = path.read_bytes(), log_of(path).read_bytes()
    last = len(log) - 4096 - 24
    messages: set[str] = set()
    for place in flipped(log_of(path), seed=seed):
        path.write_bytes(journal)
        try:
            with resume(path) as found:
                number = found.state.next_row
            assert number == SAVES or (number == SAVES - 1 and place >= last), f"byte {place}"
        except JournalError as error:
            messages.add(str(error))
    assert {f"{path} is damaged (its log); restore it, or delete it to start again"} == messages


@pytest.mark.no_cover
def test_one_wrong_bit_of_a_killed_journal_changes_nothing(tmp_path: Path) -> None:
    """Its log has newer pages than the file, and is not ignored."""
    path = killed(tmp_path)
    log = log_of(path).read_bytes()
    for place in flipped(path, seed=1):
        log_of(path).write_bytes(log)
        try:
            with resume(path) as journal:
                assert state_of(SAVES) == journal.state, f"byte {place}"
        except JournalError:
            continue


@pytest.mark.parametrize("cut", [1, 24, 25, 2000, 4095, 4096, 4119, 4120])
def test_a_last_transaction_that_was_cut_is_no_damage(tmp_path: Path, cut: int) -> None:
    """The process died while it was written, so nothing was done in consequence of it."""
    path = killed(tmp_path)
    log = log_of(path).read_bytes()
    log_of(path).write_bytes(log[: len(log) - cut])

    with resume(path) as journal:
        assert state_of(SAVES - 1) == journal.state


@pytest.mark.parametrize("saves", [1, 248, 249, 250, 251, 300, 600])
def test_a_log_that_was_begun_again_is_no_damage(tmp_path: Path, saves: int) -> None:
    """What follows the new transactions is older, and was stored in the file before."""
    path = killed(tmp_path, saves)

    with resume(path) as journal:
        assert state_of(saves) == journal.state


@pytest.mark.parametrize("log", [b"\0" * 57, b"x" * 5000])
def test_a_log_that_is_none_is_damaged(log: bytes) -> None:
    """Whatever is in it."""
    assert loses_transactions(log)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE progress SET finished = 1",
        "UPDATE progress SET next_row = 2002",
        "UPDATE progress SET accepted = accepted + 1",
        "UPDATE progress SET updated = 1.0",
        "UPDATE progress SET done = '3001-4001,4005'",
        "UPDATE meta SET value = replace(value, '7', '8') WHERE key = 'identity'",
        "INSERT INTO meta VALUES ('more', '')",
    ],
)
def test_a_possible_state_that_was_not_saved_is_damage(tmp_path: Path, statement: str) -> None:
    """Such as a complete import, or one of another group."""
    path = create_stopped(tmp_path / "j")
    alter(path, statement)

    with pytest.raises(JournalError, match="its checksum is wrong"):
        resume(path)


def test_a_name_that_is_no_text_is_damage(tmp_path: Path) -> None:
    """The module of Python raises an error of its own for it."""
    path = create_stopped(tmp_path / "j")
    content = path.read_bytes()
    assert content.count(b"rejects_bytes INTEGER") == 1
    path.write_bytes(content.replace(b"rejects_bytes INTEGER", b"rejects_byt\xe5s INTEGER"))

    with pytest.raises((JournalError, ConfigurationError), match="is damaged"):
        resume(path)


def test_sqlite_writes_a_log_as_this_library_reads_it(tmp_path: Path) -> None:
    """Also with another size of pages, and with several pages per transaction."""
    path = tmp_path / "any"
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA page_size = 512")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE t (x)")
    for number in range(20):
        database.execute("INSERT INTO t VALUES (?)", ("x" * 300 * number,))
    log = log_of(path).read_bytes()
    database.close()

    assert not loses_transactions(log)
    assert loses_transactions(log[:5000] + b"!" + log[5001:])
