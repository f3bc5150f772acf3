"""The list of receivers who are to get an opt-in mail, and what became of each.

Kept in a file, it survives a killed process: nobody is forgotten, and nobody gets a second mail.
"""

import enum
import sqlite3
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import attrs

from cleverreach_async.bulk.rows import email_key
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.files import create_empty, replace_file
from cleverreach_async.transport.wire import encode_json

__all__ = ["OptInList", "OptInMail", "OptInState"]

_APPLICATION_ID: Final = 0x4352_6F69
"""Marks an SQLite file as such a list: the letters CRoi."""

_TABLES: Final = (
    "CREATE TABLE about (text TEXT NOT NULL)",
    (
        "CREATE TABLE mails (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,"
        " email TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL)"
    ),
    "CREATE INDEX waiting ON mails (number) WHERE state = 'pending'",
)
_CUT_SHORT: Final = "the program ended before an answer came"


class OptInState(enum.Enum):
    """What became of a mail."""

    PENDING = "pending"
    """It is still to be sent."""
    SENDING = "sending"
    """It is on its way."""
    SENT = "sent"
    """The server says that it sent it."""
    REFUSED = "refused"
    """The server did not send it, and would not if asked again."""
    UNKNOWN = "unknown"
    """The answer was lost. It is not sent again, since it may have been sent."""


@attrs.frozen
class OptInMail:
    """A mail.

    Attributes:
        number: Its number in the list, from 1.
        email: The address.
        state: What became of it.
        reason: Why it was not sent, in words; empty otherwise.
    """

    number: int
    email: str = attrs.field(repr=False)
    state: OptInState = OptInState.PENDING
    reason: str = ""


class OptInList:
    """Addresses that are to get an opt-in mail, each once, whatever its case.

    Use it in a ``with`` block. What was on its way when the process ended is ``UNKNOWN`` then.

    Args:
        path: The file, made for its owner's eyes only; ``None`` keeps the list in memory.
        about: What the mails are for, such as group and form, as JSON values. A list of something
            else is refused.

    Raises:
        ConfigurationError: The file is something else, of another group or form, or in use.
    """

    def __init__(
        self, path: str | Path | None = None, *, about: Mapping[str, Any] | None = None
    ) -> None:
        self._path = None if path is None else Path(path)
        with self._in_words():
            self._database = self._open()
        try:
            with self._in_words():
                self._prepare(encode_json(dict(about or {})).decode())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the list in memory is gone."""
        self._database.close()

    def remove(self) -> None:
        """Close the list and delete its file."""
        self.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def add(self, emails: Iterable[str]) -> int:
        """Add addresses at the end; returns how many were not in the list yet.

        Raises:
            ConfigurationError: One is empty, or the list cannot be written.
        """
        rows = [(email_key(email), email.strip()) for email in emails]
        if not all(key for key, _ in rows):
            raise ConfigurationError("an address is empty; nobody was added to the list")
        sql = "INSERT OR IGNORE INTO mails (key, email, state, reason) VALUES (?, ?, 'pending', '')"
        with self._in_words(), self._transaction():
            before = self._database.total_changes
            self._database.executemany(sql, rows)
            return self._database.total_changes - before

    def claim(self) -> OptInMail | None:
        """Take the next that is pending, and note that it is on its way; ``None`` at the end."""
        sql = "SELECT number, email FROM mails WHERE state = 'pending' ORDER BY number LIMIT 1"
        with self._in_words():
            found = self._database.execute(sql).fetchone()
            if found is None:
                return None
            self.settle(found[0], OptInState.SENDING)
        return OptInMail(found[0], found[1], OptInState.SENDING)

    def settle(self, number: int, state: OptInState, reason: str = "") -> None:
        """Note what became of a mail.

        Args:
            number: Its number.
            state: What became of it; ``PENDING`` lets it be sent again.
            reason: Why, in words, when it was not sent.
        """
        sql = "UPDATE mails SET state = ?, reason = ? WHERE number = ?"
        with self._in_words():
            self._database.execute(sql, (state.value, reason, number))

    def counts(self) -> Counter[OptInState]:
        """Return how many mails are in each state."""
        sql = "SELECT state, count(*) FROM mails GROUP BY state"
        with self._in_words():
            rows = self._database.execute(sql).fetchall()
        return Counter({OptInState(state): count for state, count in rows})

    def unsent(self) -> Iterator[OptInMail]:
        """Iterate over the mails of which it is not certain that they were sent."""
        sql = "SELECT number, email, state, reason FROM mails WHERE state <> 'sent' ORDER BY number"
        for number, email, state, reason in self._database.execute(sql):
            yield OptInMail(number, email, OptInState(state), reason)

    def write_unsent(self, path: str | Path) -> int:
        """Write the mails that were refused, are unknown or pending as JSON Lines.

        Args:
            path: The file; it is replaced, and not made when there are none.

        Returns:
            How many there are.
        """
        count = sum(self.counts().values()) - self.counts()[OptInState.SENT]
        with self._in_words():
            if count:
                replace_file(Path(path), map(_as_line, self.unsent()))
            else:
                Path(path).unlink(missing_ok=True)
        return count

    def _open(self) -> sqlite3.Connection:
        if self._path is None:
            return sqlite3.connect(":memory:", isolation_level=None)
        create_empty(self._path)
        return sqlite3.connect(self._path, isolation_level=None, timeout=0)

    def _prepare(self, about: str) -> None:
        database = self._database
        # Two processes with one list would send every mail twice. The lock ends with the process.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        with self._transaction():
            [mark] = database.execute("PRAGMA application_id").fetchone()
            if mark == 0 and not database.execute("SELECT 1 FROM sqlite_master").fetchone():
                for table in _TABLES:
                    database.execute(table)
                database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                database.execute("INSERT INTO about VALUES (?)", (about,))
            elif mark != _APPLICATION_ID:
                raise ConfigurationError(f"{self._path} is no list of opt-in mails; name another")
            [found] = database.execute("SELECT text FROM about").fetchone()
            if found != about:
                raise ConfigurationError(
                    f"{self._path} holds opt-in mails of something else: {found} instead of"
                    f" {about}. Send those first, or name another file"
                )
            database.execute(
                "UPDATE mails SET state = 'unknown', reason = ? WHERE state = 'sending'",
                (_CUT_SHORT,),
            )
        # Each mail is written down twice; this way that costs a fraction of a millisecond.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._database.execute("BEGIN EXCLUSIVE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @contextmanager
    def _in_words(self) -> Generator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            in_use = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY
            why = "another process uses it" if in_use else str(error)
            raise ConfigurationError(f"{self._path}: the list of opt-in mails: {why}") from None


def _as_line(mail: OptInMail) -> bytes:
    fields = {"email": mail.email, "state": mail.state.value, "reason": mail.reason}
    return encode_json(fields) + b"\n"
