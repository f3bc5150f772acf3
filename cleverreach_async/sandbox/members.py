"""Receivers in groups: load, change and save them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from .behaviour import Behaviour
from .rows import InputRow, merge_attributes
from .store import Store
from .values import Json, change_tags, dump_text, load_list

COLUMNS = (
    "r.id, r.email, r.email_key, r.global_attributes, m.group_id, m.registered, m.activated,"
    " m.deactivated, m.imported, m.bounced, m.last_changed, m.source, m.attributes, m.tags"
)
"""The columns for :func:`from_tuples`, of ``receivers r`` joined with ``members m``."""

ANY_OF = "IN (SELECT value FROM json_each(?))"
"""SQL for "is in a list"; the list is bound as JSON and may have any length."""


@dataclass(slots=True)
class Member:
    """A receiver in a group; ``group_id`` 0: in the account but not in the group."""

    id: int
    email: str
    key: str
    global_attributes: dict[str, str]
    group_id: int
    registered: int
    activated: int
    deactivated: int
    imported: int
    bounced: int
    last_changed: int
    source: str
    attributes: dict[str, str]
    tags: list[str]

    @property
    def active(self) -> bool:
        """Whether the receiver gets mailings (H: the rule that clients use)."""
        return self.activated > 0 and self.deactivated == 0 and self.bounced == 0


def receiver_without_group(
    receiver_id: int, email: str, shared: dict[str, str] | None = None
) -> Member:
    """Return a receiver that is not in a group yet."""
    return Member(receiver_id, email, email.lower(), shared or {}, 0, 0, 0, 0, 0, 0, 0, "", {}, [])


def from_tuples(rows: Iterable[Sequence[Any]]) -> list[Member]:
    """Make members from result rows of :data:`COLUMNS`.

    All JSON columns are decoded together: a batch of 1000 rows has 3000 of them.
    """
    rows = list(rows)
    texts = [text or "null" for row in rows for text in (row[3], row[12], row[13])]
    columns = iter(load_list(f"[{','.join(texts)}]"))
    members: list[Member] = []
    for row in rows:
        shared, attributes, tags = next(columns), next(columns), next(columns)
        if row[4] is None:
            members.append(receiver_without_group(row[0], row[1], shared))
        else:
            values: tuple[Any, ...] = (*row[:3], shared, *row[4:12], attributes, tags)
            members.append(Member(*values))
    return members


def load_members(store: Store, rest: str, *values: object) -> list[Member]:
    """Return members; ``rest`` is the query from WHERE on."""
    sql = (
        f"SELECT {COLUMNS} FROM receivers r"  # noqa: S608 - `rest` is made of fixed and mapped names
        f" JOIN members m ON m.receiver_id = r.id {rest}"
    )
    return from_tuples(store.tuples(sql, *values))


def find_members(store: Store, group_id: int, keys: Iterable[str]) -> dict[str, Member]:
    """Return the known receivers among some lower-case addresses, by address."""
    sql = (
        f"SELECT {COLUMNS} FROM receivers r"  # noqa: S608 - fixed names
        " LEFT JOIN members m ON m.receiver_id = r.id AND m.group_id = ?"
        f" WHERE r.email_key {ANY_OF}"
    )
    rows = store.tuples(sql, group_id, dump_text(list(keys)))
    return {member.key: member for member in from_tuples(rows)}


def find_member(store: Store, group_id: int, receiver: str) -> Member | None:
    """Return a receiver of a group by id or address (H: both work in a path)."""
    by_email = "@" in receiver
    if not by_email and not (receiver.isascii() and receiver.isdigit()):
        return None
    column, value = ("r.email_key", receiver.lower()) if by_email else ("r.id", int(receiver[:15]))
    found = load_members(store, f"WHERE m.group_id = ? AND {column} = ?", group_id, value)
    return found[0] if found else None


def memberships(store: Store, receiver_id: int) -> list[Member]:
    """Return a receiver once for each of its groups."""
    return load_members(store, "WHERE r.id = ? ORDER BY m.group_id", receiver_id)


def ids_after(store: Store) -> Iterable[int]:
    """Return the ids of the next new receivers."""
    last = store.value("SELECT seq FROM sqlite_sequence WHERE name = 'receivers'")
    return count((last or 0) + 1)


def join_group(
    member: Member,
    group_id: int,
    times: Mapping[str, int],
    now: int,
    *,
    ignore_pending: bool = False,
) -> None:
    """Add a receiver to a group.

    Args:
        member: The receiver.
        group_id: The id of the group.
        times: The times in the request.
        now: The time in unix seconds.
        ignore_pending: Whether to ignore ``activated: 0``.
    """
    member.group_id = group_id
    member.registered = times.get("registered", now)
    # H: without any of the three times a new receiver is active at once, else only `activated`
    # activates it. M: `activated: 0`, or `registered` alone, is the state before double opt-in.
    member.activated = times.get("activated", 0) if times else now
    member.deactivated = times.get("deactivated", 0)
    if ignore_pending and times.get("activated") == 0 and not member.deactivated:
        member.activated = now


def leave_group(store: Store, member: Member) -> None:
    """Delete a receiver from its group, and from the account when that was its last group."""
    store.run(
        "DELETE FROM members WHERE group_id = ? AND receiver_id = ?", member.group_id, member.id
    )
    if store.value("SELECT 1 FROM members WHERE receiver_id = ?", member.id) is None:
        delete_receiver(store, member.id)


def delete_receiver(store: Store, receiver_id: int) -> None:
    """Delete a receiver with its memberships, orders and events."""
    for table in ("members", "orders", "events"):
        sql = f"DELETE FROM {table} WHERE receiver_id = ?"  # noqa: S608 - fixed names
        store.run(sql, receiver_id)
    store.run("DELETE FROM receivers WHERE id = ?", receiver_id)


def change_times(member: Member, times: Mapping[str, int], behaviour: Behaviour) -> None:
    """Change the times of a member; omitted times are kept (H)."""
    member.registered = times.get("registered", member.registered)
    member.activated = times.get("activated", member.activated)
    # M: `activated` does not reactivate an unsubscribed receiver; `deactivated: 0` may do so.
    deactivated = times.get("deactivated", member.deactivated)
    if deactivated or behaviour.lift_deactivation:
        member.deactivated = deactivated


def change_data(
    member: Member,
    row: InputRow,
    local: Mapping[str, str],
    shared: Mapping[str, str],
    now: int,
    behaviour: Behaviour,
) -> None:
    """Apply a row to a member, except times and orders."""
    if row.source is not None:
        member.source = row.source
    if row.attributes:
        member.attributes = merge_attributes(member.attributes, row.attributes, local, behaviour)
    if row.global_attributes:
        member.global_attributes = merge_attributes(
            member.global_attributes, row.global_attributes, shared, behaviour
        )
    if row.tags:
        member.tags = change_tags(member.tags, row.tags)
    member.last_changed = now


def save_members(store: Store, members: Sequence[Member]) -> None:
    """Save members, and what the account stores of them."""
    store.many(
        "INSERT INTO receivers (id, email_key, email, global_attributes) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET global_attributes = excluded.global_attributes"
        " WHERE global_attributes <> excluded.global_attributes",
        [(m.id, m.key, m.email, dump_text(m.global_attributes)) for m in members],
    )
    store.many(
        "INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                m.group_id,
                m.id,
                m.registered,
                m.activated,
                m.deactivated,
                m.imported,
                m.bounced,
                m.last_changed,
                m.source,
                dump_text(m.attributes),
                dump_text(m.tags),
            )
            for m in members
        ],
    )


def save_orders(
    store: Store, orders: Iterable[tuple[int, Mapping[str, Json]]], *, dedupe: bool = False
) -> None:
    """Append order lines to receivers.

    Args:
        store: The database.
        orders: Pairs of receiver id and order line.
        dedupe: Whether a line replaces a stored one of the same order_id and product.
    """
    rows = [(receiver_id, o["order_id"], o["product"], dump_text(o)) for receiver_id, o in orders]
    if dedupe:
        # U: assume that the real API does not do this: a retry would be a second purchase.
        store.many(
            "DELETE FROM orders WHERE receiver_id = ? AND order_id = ? AND product = ?",
            [row[:3] for row in rows],
        )
    store.many(
        "INSERT INTO orders (receiver_id, order_id, product, data) VALUES (?, ?, ?, ?)", rows
    )
