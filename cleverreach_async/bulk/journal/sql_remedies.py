"""Errors of SQL databases that do not pass by waiting, and what to do about them."""

import re
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["sql_remedy"]

_LOGIN: Final = "pass an engine with the right user name and password, which may log in there"
_DATABASE: Final = "create that database, or pass an engine of another one"
_READ_ONLY: Final = "pass an engine whose user may write, of the primary server"
_SHAPE: Final = (
    "its tables cleverreach_journals and cleverreach_journal_rejects have other columns than those"
    " of this version of the library; use another schema or database"
)
_POOLER: Final = (
    "a pooler such as PgBouncer changes the server in between; make an engine that prepares no"
    " statements, as the documentation of shared journals shows"
)
_UNWRITABLE: Final = "check the permissions of the file and its folder, and how it is opened"
_GRANT: Final = (
    "grant its user SELECT, INSERT, UPDATE and DELETE on cleverreach_journals and"
    " cleverreach_journal_rejects, and CREATE on the schema if they do not exist"
)
_BY_STATE: Final[Mapping[str, str]] = {
    "42501": _GRANT,
    "28": _LOGIN,
    "3D": _DATABASE,
    # Another client of the pooler has got the server on which the statement was prepared. Its own
    # statement may have the same name, with other types of parameters.
    **dict.fromkeys(("26000", "42P05", "22P03"), _POOLER),
    "3F": "create that schema, or use another one",
    **dict.fromkeys(("42703", "42804", "42883", "23502", "23514", "22001", "22P02"), _SHAPE),
}
_BY_CODE: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_PERM: _UNWRITABLE,
    sqlite3.SQLITE_READONLY: _UNWRITABLE,
    sqlite3.SQLITE_CANTOPEN: _UNWRITABLE,
    sqlite3.SQLITE_AUTH: _UNWRITABLE,
    sqlite3.SQLITE_NOTADB: "use another file",
    sqlite3.SQLITE_CORRUPT: "restore the file from a backup",
    sqlite3.SQLITE_CONSTRAINT_NOTNULL: _SHAPE,
    sqlite3.SQLITE_CONSTRAINT_CHECK: _SHAPE,
}
# Of MySQL and MariaDB, whose drivers seldom tell a state.
_READ_ONLY_NUMBERS: Final = {1290, 1792, 1836}
_BY_NUMBER: Final[Mapping[int, str]] = {
    **dict.fromkeys((1044, 1045, 1698), _LOGIN),
    1049: _DATABASE,
    **dict.fromkeys((1142, 1143), _GRANT),
    **dict.fromkeys((1048, 1054, 1136, 1265, 1364, 1366, 1406, 3819, 4025), _SHAPE),
}
# libpq does not say the state of a login that failed, and PgBouncer has one for everything. 08P01
# is both an interrupted connection and a statement of somebody else that has the same name.
_BY_TEXT: Final[Mapping[str, str]] = {
    r'database "[^"]*" does not exist|no such database': _DATABASE,
    r"authentication failed|no password supplied|no pg_hba\.conf entry|no such user": _LOGIN,
    'prepared statement "[^"]*" requires|different from what was described': _POOLER,
    "not allowed in statement pooling": "PgBouncer needs pool_mode = transaction, or session",
    r'role "[^"]*" (?:does not exist|is not permitted)|permission denied for database': _LOGIN,
}


def sql_remedy(error: Exception, *, has_worked: bool) -> str | None:
    """Return what to do about an error that stays; ``None`` for one that may pass by itself.

    Args:
        error: The error of SQLAlchemy, or of a driver.
        has_worked: Whether something was written before. Then a server that takes no writes may be
            a replica that becomes the primary server.
    """
    cause: Any = getattr(error, "orig", None) or error
    number = next((it for it in cause.args[:1] if isinstance(it, int)), 0)
    if number in _READ_ONLY_NUMBERS:
        return None if has_worked else _READ_ONLY
    if number in _BY_NUMBER:
        return _BY_NUMBER[number]
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if state == "25006":
        return None if has_worked or "during recovery" in f"{cause}" else _READ_ONLY
    if state and not state.startswith("08"):
        return next((text for start, text in _BY_STATE.items() if state.startswith(start)), None)
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        has_other_columns = re.search("no such column|has no column", f"{cause}")
        return _SHAPE if has_other_columns else _BY_CODE.get(code, _BY_CODE.get(code & 0xFF))
    return _by_text(f"{cause}")


def _by_text(text: str) -> str | None:
    """Return what to do about a connection that is refused by each server that was tried."""
    lines = text.splitlines()
    failures = [line for line in lines if " failed: " in line] or lines[:1]
    found = [
        next((remedy for pattern, remedy in _BY_TEXT.items() if re.search(pattern, line)), None)
        for line in failures
    ]
    return found[0] if found and all(found) else None
