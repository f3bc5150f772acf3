"""The contract of the journal: it restores what was saved, and one import uses it at a time."""

import shutil
import sqlite3
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.clocks import START
from support.journals import MIDWAY, alter, create, create_stopped, resume

from cleverreach_async import ConfigurationError, JournalError
from cleverreach_async.bulk.journal.journal import Journal, JournalState
from cleverreach_async.bulk.journal.rowset import RowSet


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Path of the journal, with characters that are special in a URI."""
    return tmp_path / "shop #1?mode=ro&50%.journal"


def test_a_new_journal_has_the_initial_state(path: Path) -> None:
    """Also if it is resumed before anything was saved."""
    with create(path) as journal:
        assert JournalState() == journal.state
        assert path == journal.path
    with resume(path) as resumed:
        assert JournalState() == resumed.state
        assert journal.id == resumed.id


def test_a_saved_state_is_restored(path: Path) -> None:
    """Every value of it, and another state can replace it."""
    with create(path) as journal:
        journal.save(MIDWAY, now=START)
        assert MIDWAY is journal.state
    with resume(path) as journal:
        assert MIDWAY == journal.state
        journal.save(JournalState(next_row=5000), now=START)
    with resume(path) as journal:
        assert JournalState(next_row=5000) == journal.state


def test_two_journals_have_different_ids(tmp_path: Path) -> None:
    """So lines of a shared rejects file can be assigned to their import."""
    with create(tmp_path / "a") as one, create(tmp_path / "b") as other:
        assert one.id != other.id


def test_the_file_contains_its_origin(path: Path) -> None:
    """Format, library version and time can be read with other tools."""
    create(path).close()
    database = sqlite3.connect(path)
    meta = dict(database.execute("SELECT key, value FROM meta").fetchall())
    database.close()
    assert {"format", "id", "library", "created", "identity"} == meta.keys()
    assert "2" == meta["format"]
    assert "2026-01-01T00:00:00+00:00" == meta["created"]
    assert meta["library"].startswith("cleverreach-async/")


def test_a_snapshot_is_independent() -> None:
    """The import continues while its state is being written."""
    state = JournalState(done=RowSet([5]), sent=RowSet([7]))
    snapshot = state.snapshot()
    state.done.add(6)
    state.sent.difference_update([7])
    state.next_row = 3
    assert JournalState(done=RowSet([5]), sent=RowSet([7])) == snapshot


def test_closing_leaves_one_file(path: Path) -> None:
    """SQLite's helper files are removed; closing twice is allowed."""
    journal = create(path)
    journal.save(MIDWAY, now=START)
    journal.close()
    journal.close()
    assert [path] == list(path.parent.iterdir())


def test_a_closed_journal_cannot_save(path: Path) -> None:
    """The error is a JournalError, not one of SQLite."""
    journal = create(path)
    journal.close()
    with pytest.raises(JournalError, match="cannot be used"):
        journal.save(MIDWAY, now=START)
    assert JournalState() == journal.state


@pytest.mark.skipif(sys.platform == "win32", reason="no permission bits on Windows")
def test_only_the_owner_can_read_it(path: Path) -> None:
    """The same is true for the helper files that SQLite creates."""
    with create(path) as journal:
        journal.save(MIDWAY, now=START)
        files = list(path.parent.iterdir())
        assert 2 == len(files)
        assert {0o600} == {stat.S_IMODE(file.stat().st_mode) for file in files}


def test_it_contains_no_address(path: Path) -> None:
    """Addresses in the identity are masked; a position with an address is refused."""
    identity = {"file": "bruce@wayne.example.csv", "map": {"selina@kyle.example": "email"}}
    with Journal.create(path, identity, now=START) as journal:
        journal.save(MIDWAY, now=START)
        with pytest.raises(ConfigurationError, match="contains an e-mail address") as caught:
            journal.save(JournalState(position=["bruce@wayne.example"]), now=START)
        assert "wayne" not in str(caught.value)
        assert MIDWAY is journal.state
    content = path.read_bytes()
    assert b"wayne" not in content
    assert b"kyle" not in content
    with Journal.resume(path, identity, now=START) as journal:
        assert MIDWAY == journal.state


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (JournalState(next_row=5, position_row=6), "position_row is 6"),
        (JournalState(next_row=5, position_row=0), "position_row is 0"),
        (JournalState(next_row=5, sent=RowSet([4, 9])), "before the next row, 5,"),
        (JournalState(accepted=-1), "accepted is not a number"),
        (JournalState(position=b"bytes"), "not JSON"),
        (JournalState(position=float("inf")), "JSON"),
    ],
)
def test_a_state_that_would_lose_rows_is_not_saved(
    path: Path, state: JournalState, reason: str
) -> None:
    """This would be a bug of the library; stopping is better than resuming after a gap."""
    with create(path) as journal:
        with pytest.raises(ValueError, match=reason):
            journal.save(state, now=START)
        assert JournalState() == journal.state


def test_its_size_does_not_grow_with_the_import(path: Path) -> None:
    """It is the same for ten million rows as for ten; SQLite's log is truncated regularly."""
    largest = 0
    with create(path) as journal:
        for batch in range(1, 700):
            rows = 1 + batch * 15_000
            journal.save(JournalState(next_row=rows, done=RowSet([rows + 5])), now=START)
            largest = max(largest, path.with_name(f"{path.name}-wal").stat().st_size)
    assert largest < 1_500_000
    assert path.stat().st_size < 50_000


@pytest.mark.parametrize("opener", [create, resume])
def test_what_is_saved_is_flushed(path: Path, opener: Callable[[Path], Journal]) -> None:
    """A power loss cannot be tested here, but the settings of SQLite against it can."""
    if opener is resume:
        create_stopped(path)
    with opener(path) as journal:
        database: sqlite3.Connection = vars(journal)["_database"]
        names = ("journal_mode", "synchronous", "locking_mode", "wal_autocheckpoint")
        found = [database.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
    full = 2
    assert ["wal", full, "exclusive", 250] == found


def test_an_existing_journal_is_not_overwritten(path: Path) -> None:
    """It may be the only record of an incomplete import."""
    create_stopped(path)
    with pytest.raises(
        ConfigurationError, match="already contains a journal: resume it, or delete it"
    ):
        create(path)
    with resume(path) as journal:
        assert MIDWAY == journal.state


@pytest.mark.parametrize("size", [None, 0])
def test_there_is_no_journal_to_resume(path: Path, size: int | None) -> None:
    """The file is missing, or empty after a crash. It is not created, but can be."""
    if size is not None:
        path.touch()
    with pytest.raises(ConfigurationError, match=r"No journal to resume at .*; start without"):
        resume(path)
    assert (size is not None) == path.exists()
    create(path).close()
    resume(path).close()


def test_a_blank_database_is_not_a_journal_to_resume(path: Path) -> None:
    """A crash may have happened after SQLite wrote its first page."""
    alter(path, "PRAGMA journal_mode = WAL", "CREATE TABLE t(x)", "DROP TABLE t")
    assert path.stat().st_size > 0
    with pytest.raises(ConfigurationError, match="No journal to resume"):
        resume(path)
    create(path).close()
    resume(path).close()


def test_a_finished_import_is_not_resumed(path: Path) -> None:
    """The message says that it is complete."""
    create_stopped(path, JournalState(next_row=9, finished=True))
    with pytest.raises(ConfigurationError, match="is complete; nothing to resume"):
        resume(path)


def test_another_import_is_refused_with_every_difference(path: Path) -> None:
    """As text, with both values and the remedy; the journal does not change."""
    create_stopped(path)
    other = {"group_id": 9, "mode": "upsert", "source": {"size": 2000, "sha256": "cd" * 32}}
    with pytest.raises(ConfigurationError) as caught:
        resume(path, other)
    assert (
        "the journal belongs to another import: group_id was 7, is 9; "
        "file content differs; file size was 1,204 bytes, is 2,000 bytes; "
        f"use the original or delete {path} to start again"
    ) == str(caught.value)
    with resume(path) as journal:
        assert MIDWAY == journal.state


@pytest.mark.parametrize("opener", [create, resume])
def test_one_journal_at_a_time(path: Path, opener: Callable[[Path], Journal]) -> None:
    """A second one in this process is refused, and the first continues."""
    with create(path) as journal:
        with pytest.raises(JournalError, match="is in use by another import; wait for it to end"):
            opener(path)
        journal.save(MIDWAY, now=START)
    with resume(path) as journal:
        assert MIDWAY == journal.state


def test_a_refused_journal_is_unlocked(path: Path) -> None:
    """A journal that was refused because of its content can be opened again."""
    create_stopped(path)
    for _ in range(3):
        with pytest.raises(ConfigurationError):
            resume(path, {"group_id": 9})
        with pytest.raises(ConfigurationError):
            create(path)
    resume(path).close()


def test_the_log_of_a_deleted_journal_is_not_used(path: Path) -> None:
    """A user who deletes the file after a crash may overlook the helper files of SQLite."""
    log = path.with_name(f"{path.name}-wal")
    with create(path) as journal:
        journal.save(MIDWAY, now=START)
        shutil.copy(log, path.with_name("kept"))
    path.unlink()
    path.with_name("kept").rename(log)
    create(path).close()
    with resume(path) as journal:
        assert JournalState() == journal.state
