"""What senders and the command do with stored entries: plain functions on one transaction."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from cleverreach_async.bulk.delivery.evidence import order_number
from cleverreach_async.outbox.entries import (
    ENTRY_STATES,
    Claimed,
    EntryState,
    OutboxEntry,
    Verdict,
    moment,
)
from cleverreach_async.outbox.parcels import Parcel, as_parcel
from cleverreach_async.outbox.statements import Dialect, Rows

__all__ = [
    "Execute",
    "claim",
    "counts",
    "drop",
    "entries",
    "entry",
    "mend_times",
    "remove_addresses",
    "renew",
    "retry",
    "settle",
]

Execute = Callable[[str, Sequence[Any]], Rows]
"""Runs a statement in the transaction, and returns its rows."""

_CLAIMED: Final = "id, account, receiver, group_id, creates, body, doubtful, attempts, since"
_ORDERS_OF_RECEIVER: Final = """
SELECT DISTINCT entry, order_id FROM cleverreach_outbox_lines
    WHERE account = ? AND receiver = ?
"""
_MOST_LEFT_OUT: Final = 1000
_SHOWN: Final = "id, account, group_id, state, doubtful, attempts, reason, created, changed"


def claim(
    execute: Execute,
    dialect: Dialect,
    *,
    owner: str,
    now: float,
    until: float,
    accounts: Sequence[str] | None,
    but_not: Sequence[str] = (),
) -> Claimed | None:
    """Store the entry that is due first as sent, and return it; ``None`` if none is due.

    The entries of one receiver are sent one after the other: the first may create the receiver.
    An entry that was stored as sent already was perhaps sent: it is doubtful.

    Args:
        execute: Runs statements.
        dialect: The database.
        owner: A new mark.
        now: Unix time.
        until: Unix time from which others may take it.
        accounts: The accounts to look for; ``None`` for all.
        but_not: Accounts that are left out.
    """
    if accounts is not None and not accounts:
        return None
    out = but_not[:_MOST_LEFT_OUT]
    places = "" if accounts is None else f" AND account IN ({_places(accounts)})"
    places += f" AND account NOT IN ({_places(out)})" if out else ""
    rows = execute(
        "UPDATE cleverreach_outbox SET state = 'sent', owner = ?, due = ?, changed = ?,"  # noqa: S608 - no values
        " since = CASE WHEN attempts = 0 THEN ? ELSE since END,"
        " attempts = attempts + 1, doubtful = CASE WHEN state = 'sent' THEN 1 ELSE 0 END"
        " WHERE id = (SELECT id FROM cleverreach_outbox this"
        f" WHERE state IN ('waiting', 'sent') AND due <= ?{places} AND NOT EXISTS"
        " (SELECT 1 FROM cleverreach_outbox first WHERE first.digest = this.digest"
        " AND first.id < this.id AND first.state IN ('waiting', 'sent'))"
        f" ORDER BY due, id LIMIT 1{dialect.skip_locked}) RETURNING {_CLAIMED}",
        (owner, until, now, now, now, *(accounts or ()), *out),
    )
    if not rows:
        return None
    fields: dict[str, Any] = dict(zip(_CLAIMED.split(", "), rows[0], strict=True))
    parcel = as_parcel(fields)
    return Claimed(
        id=fields["id"],
        parcel=parcel,
        doubtful=bool(fields["doubtful"]),
        is_whole=bool(fields["doubtful"]) and _is_whole(execute, fields["id"], parcel),
        attempts=fields["attempts"],
        since=fields["since"],
        owner=owner,
    )


def _is_whole(execute: Execute, number: int, parcel: Parcel) -> bool:
    """Whether no other entry has lines of the same orders, in whatever form of their numbers."""
    own: set[str] = set()
    others: set[str] = set()
    for holder, order_id in execute(_ORDERS_OF_RECEIVER, (parcel.account, parcel.receiver_digest)):
        (own if holder == number else others).add(order_number(order_id))
    return own.isdisjoint(others)


def _places(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def renew(execute: Execute, claimed: Claimed, *, until: float) -> bool:
    """Keep a claim for longer; returns whether it is still ours."""
    return bool(
        execute(
            "UPDATE cleverreach_outbox SET due = ? WHERE id = ? AND owner = ? AND state = 'sent'"
            " RETURNING id",
            (until, claimed.id, claimed.owner),
        )
    )


def settle(execute: Execute, claimed: Claimed, verdict: Verdict, *, now: float) -> bool:
    """Store what becomes of an entry and end the claim; returns whether it was still ours."""
    return bool(
        execute(
            "UPDATE cleverreach_outbox SET state = ?, doubtful = ?, reason = ?, due = ?,"
            " changed = ?, owner = '' WHERE id = ? AND owner = ? AND state = 'sent' RETURNING id",
            (
                verdict.state,
                int(verdict.doubtful),
                verdict.reason,
                now + verdict.wait,
                now,
                claimed.id,
                claimed.owner,
            ),
        )
    )


def entries(
    execute: Execute, *, state: EntryState | None, account: str | None, limit: int
) -> list[OutboxEntry]:
    """Return entries, oldest first."""
    conditions = [("state", state), ("account", account)]
    given = [(name, value) for name, value in conditions if value is not None]
    where = " AND ".join(f"{name} = ?" for name, _ in given) or "1 = 1"
    rows = execute(
        f"SELECT {_SHOWN} FROM cleverreach_outbox WHERE {where} ORDER BY id LIMIT ?",  # noqa: S608 - no values
        (*(value for _, value in given), limit),
    )
    return [_entry(execute, row) for row in rows]


def entry(execute: Execute, number: int) -> OutboxEntry:
    """Return one entry."""
    rows = execute(
        f"SELECT {_SHOWN} FROM cleverreach_outbox WHERE id = ?",  # noqa: S608 - no values
        (number,),
    )
    return _entry(execute, rows[0])


def _entry(execute: Execute, row: Sequence[Any]) -> OutboxEntry:
    fields = dict(zip(_SHOWN.split(", "), row, strict=True))
    lines = execute(
        "SELECT DISTINCT order_id FROM cleverreach_outbox_lines WHERE entry = ? ORDER BY order_id",
        (fields["id"],),
    )
    return OutboxEntry(
        id=fields["id"],
        account=fields["account"],
        group_id=fields["group_id"],
        state=fields["state"],
        doubtful=bool(fields["doubtful"]),
        order_ids=tuple(str(line[0]) for line in lines),
        attempts=fields["attempts"],
        reason=fields["reason"],
        created=moment(fields["created"]),
        changed=moment(fields["changed"]),
    )


def counts(execute: Execute) -> dict[EntryState, int]:
    """Return the number of entries by state."""
    rows = execute("SELECT state, count(*) FROM cleverreach_outbox GROUP BY state", ())
    found = {row[0]: int(row[1]) for row in rows}
    return {state: found.get(state, 0) for state in ENTRY_STATES}


def retry(execute: Execute, ids: Sequence[int] | None, *, now: float, resend_doubtful: bool) -> int:
    """Let dead entries be sent again; returns how many.

    Those in doubt become ``sent`` again, so that they are looked up first.

    Args:
        execute: Runs statements.
        ids: The entries; ``None`` for all.
        now: Unix time.
        resend_doubtful: Whether those in doubt are sent without a look-up.
    """
    doubtful = "0" if resend_doubtful else "doubtful"
    changed = _change(
        execute,
        "UPDATE cleverreach_outbox SET state = CASE WHEN "  # noqa: S608 - no values
        f"{doubtful} = 1 THEN 'sent' ELSE 'waiting' END, doubtful = {doubtful},"
        # A request may have begun just now: it is not looked up before it has settled.
        " due = CASE WHEN due <= ? THEN ? WHEN changed > ? THEN ? + due - changed ELSE due END,"
        " since = ?, changed = ?, attempts = 0 WHERE state = 'dead'",
        (now,) * 6,
        ids,
    )
    return len(changed)


def drop(execute: Execute, ids: Sequence[int] | None, *, now: float) -> int:
    """Delete entries that are dead, and of those with the numbers also some that wait.

    Args:
        execute: Runs statements.
        ids: The entries; ``None`` for all that are dead.
        now: Unix time. An entry that is sent waits too if no sender has it, or its lease ended.

    Returns:
        How many there were.
    """
    delete, values = "DELETE FROM cleverreach_outbox WHERE state = 'dead'", list[float]()
    if ids is not None:
        delete = (
            "DELETE FROM cleverreach_outbox WHERE (state IN ('dead', 'waiting')"
            " OR (state = 'sent' AND (owner = '' OR due <= ?)))"
        )
        values = [now]
    found = _change(execute, delete, values, ids)
    for entry in found:  # so that they can be put again
        execute("DELETE FROM cleverreach_outbox_lines WHERE entry = ?", (entry,))
    return len(found)


def mend_times(execute: Execute, *, now: float) -> None:
    """Let entries wait from now on whose times are in the future: the clock was set back.

    They would wait for as long as it was set back, or keep an address for longer. An entry that a
    sender has now stays with it for another lease.
    """
    for states in ("state IN ('waiting', 'sent')", "state = 'done' AND body <> ''"):  # by an index
        execute(
            "UPDATE cleverreach_outbox SET due = ? + due - changed, changed = ?,"  # noqa: S608 - no values
            f" since = CASE WHEN since > ? THEN ? ELSE since END WHERE {states} AND changed > ?",
            (now,) * 5,
        )


def remove_addresses(execute: Execute, *, before: float) -> int:
    """Remove addresses and data of entries that were done before a Unix time; returns how many."""
    rows = execute(
        "UPDATE cleverreach_outbox SET receiver = '', body = ''"
        " WHERE state = 'done' AND body <> '' AND changed < ? RETURNING id",
        (before,),
    )
    return len(rows)


def _change(
    execute: Execute, statement: str, values: Sequence[Any], ids: Sequence[int] | None
) -> list[int]:
    """Run a statement on some entries, or on all; returns the numbers of those it changed."""
    if ids is None:
        return [row[0] for row in execute(f"{statement} RETURNING id", values)]
    return [
        row[0]
        for number in ids
        for row in execute(f"{statement} AND id = ? RETURNING id", (*values, number))
    ]
