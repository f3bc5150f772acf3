"""Journals of an example import: create, resume, stop and alter them."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cleverreach_async.bulk.journal.journal import Journal, JournalState
from cleverreach_async.bulk.journal.rowset import RowSet
from support.clocks import START

IDENTITY: Final = {"group_id": 7, "mode": "upsert", "source": {"size": 1204, "sha256": "ab" * 32}}
MIDWAY: Final = JournalState(
    next_row=2001,
    position={"byte": 71_204, "line": 2019},
    position_row=1990,
    done=RowSet([*range(3001, 4001), 4005]),
    sent=RowSet(range(2001, 3001)),
    accepted=2950,
    rejected=31,
    unknown=7,
    superseded=13,
    rejects_bytes=8_191,
    ceiling=131_072,
)


def create(path: Path) -> Journal:
    """Create a journal of the example import."""
    return Journal.create(path, IDENTITY, now=START)


def resume(path: Path, identity: Mapping[str, Any] | None = None) -> Journal:
    """Resume the journal of the example import, or of another."""
    return Journal.resume(path, IDENTITY if identity is None else identity, now=START + 60)


def create_stopped(path: Path, state: JournalState = MIDWAY) -> Path:
    """Create a journal, save a state and close it."""
    with create(path) as journal:
        journal.save(state, now=START + 1)
    return path


def alter(path: Path, *statements: str) -> None:
    """Execute SQL statements on a journal file."""
    database = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        database.execute(statement)
    database.close()


def state_of(number: int) -> JournalState:
    """Return a state whose values derive from one number, to detect a mixture of two states."""
    return JournalState(
        next_row=number,
        position={"byte": number * 71},
        position_row=number,
        done=RowSet(range(number + 2, number + 50 + 2 * (number % 200), 2)),
        sent=RowSet([number]),
        accepted=number - 1,
        rejects_bytes=number * 13,
    )
