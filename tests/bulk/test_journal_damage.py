"""Journals that cannot be written or read: full disks, damage, and files of other programs."""

import os
import sqlite3
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from support.clocks import START
from support.journals import MIDWAY, alter, create, create_stopped, resume

from cleverreach_async import ConfigurationError, JournalError
from cleverreach_async.bulk.journal.journal import Journal, JournalState
from cleverreach_async.bulk.journal.rowset import RowSet


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Path of the journal."""
    return tmp_path / "import.journal"


def test_a_full_disk_raises_and_keeps_the_old_state(path: Path) -> None:
    """The import can be resumed when there is space again."""
    state = JournalState(next_row=2, done=RowSet(range(3, 20_000, 2)))
    with create(path) as journal:
        journal.save(MIDWAY, now=START)
        database: sqlite3.Connection = vars(journal)["_database"]
        [pages] = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalError, match="the disk is full; free some space"):
            journal.save(state, now=START)
        assert MIDWAY == journal.state
    with resume(path) as journal:
        assert MIDWAY == journal.state
        journal.save(state, now=START)
    with resume(path) as journal:
        assert state == journal.state


class FailingDatabase:
    """Raises an error of SQLite."""

    def __init__(self, code: int) -> None:
        self.error = sqlite3.OperationalError("reason of SQLite")
        self.error.sqlite_errorcode = code

    def execute(self, *_: object) -> None:
        """Raise the error."""
        raise self.error


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (sqlite3.SQLITE_FULL, "the disk is full"),
        (sqlite3.SQLITE_IOERR | 3 << 8, "cannot be used: reason of SQLite"),
        (sqlite3.SQLITE_READONLY | 4 << 8, "cannot be used: reason of SQLite"),
        (sqlite3.SQLITE_CORRUPT, r"damaged \(reason of SQLite\)"),
        (sqlite3.SQLITE_BUSY, "in use by another import"),
    ],
)
def test_errors_of_sqlite_are_translated(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int, reason: str
) -> None:
    """Details in the upper bytes of SQLite's code are ignored, and the old state is kept."""
    with create(path) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(journal, "_database", FailingDatabase(code))
            with pytest.raises(JournalError, match=reason) as caught:
                journal.save(MIDWAY, now=START)
        assert str(caught.value).startswith(f"{path} ")
        assert JournalState() == journal.state


def write_text(path: Path) -> None:
    """A file of receivers, passed by mistake."""
    path.write_text("email;name\nbruce@wayne.example;Bruce\n" * 500, "utf-8")


def write_short_text(path: Path) -> None:
    """Shorter than the header of a database."""
    path.write_text("x\n", "utf-8")


def write_database(path: Path) -> None:
    """The database of another program."""
    alter(path, "CREATE TABLE receivers (email TEXT)", "INSERT INTO receivers VALUES ('x')")


@pytest.mark.parametrize("write", [write_text, write_short_text, write_database])
@pytest.mark.parametrize("opener", [create, resume])
def test_a_file_of_another_program_is_not_changed(
    path: Path, opener: Callable[[Path], Journal], write: Callable[[Path], None]
) -> None:
    """The message does not say to delete it, and all its bytes remain."""
    write(path)
    before = path.read_bytes()
    with pytest.raises(
        JournalError, match="not the journal of an import; choose another"
    ) as caught:
        opener(path)
    assert "delete" not in str(caught.value)
    assert before == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


def test_a_newer_format_is_refused(path: Path) -> None:
    """The message says which version to use."""
    alter(create_stopped(path), "PRAGMA user_version = 3")
    for opener in (create, resume):
        with pytest.raises(JournalError, match="format 3, and this version of the library"):
            opener(path)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM progress",
        "DELETE FROM meta WHERE key = 'identity'",
        "DELETE FROM meta WHERE key = 'id'",
        "DROP TABLE progress",
        "UPDATE progress SET done = '5,3'",
        "UPDATE progress SET done = x'00'",
        "UPDATE progress SET sent = '1'",
        "UPDATE progress SET position = 'x'",
        "UPDATE progress SET next_row = 'many'",
        "UPDATE progress SET next_row = 0",
        "UPDATE progress SET accepted = 1.5",
        "UPDATE progress SET ceiling = 'high'",
        "UPDATE meta SET value = '[]' WHERE key = 'identity'",
        "UPDATE meta SET value = CAST(x'FF' AS TEXT) WHERE key = 'id'",
    ],
)
def test_invalid_values_in_the_tables_are_damage(path: Path, statement: str) -> None:
    """No import is resumed from an impossible state."""
    alter(create_stopped(path), statement)
    with pytest.raises(JournalError, match=r"damaged|cannot be used"):
        resume(path)


@pytest.mark.parametrize("keep", [2, 50, 200, 4096, 5000])
def test_a_truncated_file_is_refused(path: Path, keep: int) -> None:
    """As left by an interrupted copy."""
    content = create_stopped(path).read_bytes()
    path.write_bytes(content[:keep])
    with pytest.raises(JournalError, match=r"damaged|not the journal"):
        resume(path)


def test_damage_beside_the_state_is_found(path: Path) -> None:
    """If one page of the file is damaged, the others are not used either."""
    database = sqlite3.connect(create_stopped(path))
    [page] = database.execute("SELECT rootpage FROM sqlite_master WHERE type = 'index'").fetchone()
    [size] = database.execute("PRAGMA page_size").fetchone()
    database.close()
    content = path.read_bytes()
    path.write_bytes(content[: (page - 1) * size] + bytes(size) + content[page * size :])
    with pytest.raises(JournalError, match="damaged"):
        resume(path)


@pytest.mark.parametrize("seed", range(60))
def test_any_damage_gives_a_state_or_an_error(path: Path, seed: int) -> None:
    """Whichever bytes are wrong, no other exception is raised."""
    content = bytearray(create_stopped(path).read_bytes())
    for step in range(1, 40):
        content[seed * 7919 * step % len(content)] ^= 1 + seed % 255
    path.write_bytes(content)
    with suppress(JournalError, ConfigurationError):
        resume(path).close()


@pytest.mark.parametrize("opener", [create, resume])
def test_a_folder_is_not_a_journal(tmp_path: Path, opener: Callable[[Path], Journal]) -> None:
    """The message differs from that for a file that cannot be read."""
    with pytest.raises(JournalError, match="is not a file; choose a file"):
        opener(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The journal creates no folders, so that a typing error is noticed."""
    with pytest.raises(
        JournalError, match=r"cannot be used: the folder \S+missing does not exist; create it"
    ):
        create(tmp_path / "missing" / "journal")


def test_a_folder_without_permissions_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any row is sent."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(JournalError, match="cannot be used: Permission denied"):
        create(path)


def test_a_file_that_cannot_be_accessed_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not count as missing."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(JournalError, match="cannot be used: Permission denied"):
        resume(path)


def test_a_read_only_journal_is_refused_before_any_row(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system that is mounted read-only."""
    create_stopped(path)

    def may(_: Path, mode: int) -> bool:
        return not mode & os.W_OK

    monkeypatch.setattr("os.access", may)
    with pytest.raises(JournalError, match="cannot be written; check the permissions"):
        resume(path)


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="needs a user without root rights"
)
@pytest.mark.parametrize("part", ["file", "folder"])
def test_permissions_are_checked(path: Path, part: str) -> None:
    """SQLite writes a second file beside the journal, so file and folder must be writable."""
    create_stopped(path)
    target = path if part == "file" else path.parent
    mode = stat.S_IMODE(target.stat().st_mode)
    target.chmod(mode & ~0o222)
    try:
        with pytest.raises(JournalError, match="cannot be written; check the permissions"):
            resume(path)
    finally:
        target.chmod(mode)
