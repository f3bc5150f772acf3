"""The list of receivers who are to get an activation mail, and the state of each mail.

It is a file, so that a killed process neither forgets a receiver nor sends a second mail.
"""

import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

import attrs

from cleverreach_async.bulk.rows import email_key
from cleverreach_async.bulk.sqlite_file import SqliteFormat, is_blank, make_durable
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.files import create_empty, replace_file
from cleverreach_async.transport.wire import encode_json

__all__ = ["OptInList", "OptInMail", "OptInState"]

_FORMAT: Final = SqliteFormat(
    name="a list of opt-in mails",
    application_id=0x4352_6F69,  # the letters CRoi
    version=0,
    tables=(
        "CREATE TABLE about (text TEXT NOT NULL)",
        (
            "CREATE TABLE mails (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,"
            " email TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL)"
        ),
        "CREATE INDEX waiting ON mails (number) WHERE state = 'pending'",
    ),
    error=ConfigurationError,
)
_INTERRUPTED: Final = "the program ended before a response arrived"


class OptInState(enum.Enum):
    """The state of a mail."""

    PENDING = "pending"
    """It is to be sent."""
    SENDING = "sending"
    """The request is in flight."""
    SENT = "sent"
    """The server says that it was sent."""
    REFUSED = "refused"
    """The server refused to send it and would refuse again."""
    UNKNOWN = "unknown"
    """The response was lost. It is not sent again, because it may have been sent."""


@attrs.frozen
class OptInMail:
    """A mail.

    Attributes:
        number: Number in the list, from 1.
        email: The address.
        state: Its state.
        reason: Why it was not sent, as text; empty otherwise.
    """

    number: int
    email: str = attrs.field(repr=False)
    state: OptInState = OptInState.PENDING
    reason: str = ""


class OptInList:
    """Addresses that are to get an activation mail. Upper and lower case are the same.

    Use it in a ``with`` block. Mails that were in flight when the process ended become ``UNKNOWN``.

    Args:
        path: The file. It is created if necessary; only its owner can read it.
        about: What the mails are for, such as group and form, as JSON values. A list for something
            else is refused.

    Raises:
        ConfigurationError: The file is in use, is not such a list, or is for something else.
    """

    def __init__(self, path: str | Path, *, about: Mapping[str, Any]) -> None:
        self._path = Path(path)
        with _FORMAT.errors(self._path):
            create_empty(self._path)
            with _FORMAT.opening(self._path) as self._database:
                self._prepare(encode_json(dict(about)).decode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def remove(self) -> None:
        """Close the list and delete its file."""
        self.close()
        self._path.unlink(missing_ok=True)

    def add(self, emails: Iterable[str]) -> None:
        """Add addresses at the end; those that are in the list already are ignored.

        Raises:
            ConfigurationError: An address is empty, or the list cannot be written.
        """
        rows = [(email_key(email), email.strip()) for email in emails]
        if not all(key for key, _ in rows):
            raise ConfigurationError("an address is empty; none of them was added to the list")
        sql = "INSERT OR IGNORE INTO mails (key, email, state, reason) VALUES (?, ?, 'pending', '')"
        with _FORMAT.errors(self._path), self._database as database:
            database.execute("BEGIN")
            database.executemany(sql, rows)

    def take_next(self) -> OptInMail | None:
        """Return the next pending mail, now in state ``SENDING``; ``None`` if there is none."""
        sql = "SELECT number, email FROM mails WHERE state = 'pending' ORDER BY number LIMIT 1"
        with _FORMAT.errors(self._path):
            found = self._database.execute(sql).fetchone()
        if found is None:
            return None
        self.record(found[0], OptInState.SENDING)
        return OptInMail(found[0], found[1], OptInState.SENDING)

    def record(self, number: int, state: OptInState, reason: str = "") -> None:
        """Record the state of a mail.

        Args:
            number: Number of the mail.
            state: Its state; ``PENDING`` allows it to be sent again.
            reason: Why it was not sent, as text.
        """
        sql = "UPDATE mails SET state = ?, reason = ? WHERE number = ?"
        with _FORMAT.errors(self._path):
            self._database.execute(sql, (state.value, reason, number))

    def counts(self) -> Counter[OptInState]:
        """Return the number of mails in each state."""
        sql = "SELECT state, count(*) FROM mails GROUP BY state"
        with _FORMAT.errors(self._path):
            rows = self._database.execute(sql).fetchall()
        return Counter({OptInState(state): count for state, count in rows})

    def unsent(self) -> Iterator[OptInMail]:
        """Iterate over all mails except those in state ``SENT``."""
        sql = "SELECT number, email, state, reason FROM mails WHERE state <> 'sent' ORDER BY number"
        for number, email, state, reason in self._database.execute(sql):
            yield OptInMail(number, email, OptInState(state), reason)

    def write_unsent(self, path: str | Path) -> int:
        """Write the mails of :meth:`unsent` as JSON Lines.

        Args:
            path: The file; it is replaced, or deleted if there are none.

        Returns:
            The number of mails.
        """
        counts = self.counts()
        count = counts.total() - counts[OptInState.SENT]
        path = Path(path)
        with _FORMAT.errors(path):
            if count:
                replace_file(path, map(_as_line, self.unsent()))
            else:
                path.unlink(missing_ok=True)
        return count

    def _prepare(self, about: str) -> None:
        """Create the tables, or check that the file is a list for the same purpose."""
        database = self._database
        if is_blank(database):
            with database:
                database.execute("BEGIN")
                _FORMAT.create(database)
                database.execute("INSERT INTO about VALUES (?)", (about,))
        _FORMAT.check(database, self._path)
        [found] = database.execute("SELECT text FROM about").fetchone()
        if found != about:
            raise ConfigurationError(
                f"{self._path} contains opt-in mails for {found}, not for {about}. Send those"
                " first, or choose another file"
            )
        make_durable(database)
        database.execute(
            "UPDATE mails SET state = 'unknown', reason = ? WHERE state = 'sending'",
            (_INTERRUPTED,),
        )


def _as_line(mail: OptInMail) -> bytes:
    fields = {"email": mail.email, "state": mail.state.value, "reason": mail.reason}
    return encode_json(fields) + b"\n"
