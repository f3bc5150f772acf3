"""Receivers in groups: loading, the rules of their state, saving."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from .behaviour import Behaviour
from .rows import InputRow, merge_attributes
from .store import Store
from .values import Json, change_tags, dump_text, load_list, load_map

COLUMNS = (
    "r.id, r.email, r.email_key, r.global_attributes, m.group_id, m.registered, m.activated,"
    " m.deactivated, m.imported, m.bounced, m.last_changed, m.source, m.attributes, m.tags"
)
"""What :func:`from_tuple` takes, for ``receivers r`` joined with ``members m``."""


@dataclass(slots=True)
class Member:
    """A receiver in a group; ``group_id`` 0 means known to the account but not in the group."""

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
        """Whether mail goes out to the receiver (H: the rule clients use)."""
        return self.activated > 0 and self.deactivated == 0 and self.bounced == 0


def stranger(receiver_id: int, email: str, shared: dict[str, str] | None = None) -> Member:
    """A receiver that is in no group yet."""
    return Member(receiver_id, email, email.lower(), shared or {}, 0, 0, 0, 0, 0, 0, 0, "", {}, [])


def from_tuple(row: Sequence[Any]) -> Member:
    """A member out of a result row of :data:`COLUMNS`."""
    shared = load_map(row[3])
    if row[4] is None:
        return stranger(row[0], row[1], shared)
    attributes, tags = load_map(row[12]), load_list(row[13])
    return Member(*row[:3], shared, *row[4:12], attributes, tags)


def find_members(store: Store, group_id: int, keys: Iterable[str]) -> dict[str, Member]:
    """The known receivers among some addresses, by lower-case address."""
    sql = (
        f"SELECT {COLUMNS} FROM receivers r"  # noqa: S608 - fixed names
        " LEFT JOIN members m ON m.receiver_id = r.id AND m.group_id = ?"
        " WHERE r.email_key IN (SELECT value FROM json_each(?))"
    )
    rows = store.tuples(sql, group_id, dump_text(list(keys)))
    return {row[2]: from_tuple(row) for row in rows}


def find_member(store: Store, group_id: int, receiver: str) -> Member | None:
    """The receiver of a group by id or address (H: both work in the same place)."""
    by_email = "@" in receiver
    if not by_email and not (receiver.isascii() and receiver.isdigit()):
        return None
    sql = (
        f"SELECT {COLUMNS} FROM receivers r JOIN members m ON m.receiver_id = r.id"  # noqa: S608 - fixed names
        f" WHERE m.group_id = ? AND {'r.email_key' if by_email else 'r.id'} = ?"
    )
    rows = store.tuples(sql, group_id, receiver.lower() if by_email else int(receiver[:15]))
    return from_tuple(rows[0]) if rows else None


def ids_after(store: Store) -> Iterable[int]:
    """The ids that new receivers will get."""
    last = store.value("SELECT seq FROM sqlite_sequence WHERE name = 'receivers'")
    return count((last or 0) + 1)


def join_group(
    member: Member, group_id: int, times: Mapping[str, int], now: int, *, ignore_pending: bool = False
) -> None:
    """Make a receiver a member of a group, with the times of a new one.

    Args:
        member: The receiver.
        group_id: The group.
        times: The times that were sent.
        now: The time in unix seconds.
        ignore_pending: Whether ``activated: 0`` does not count on creation.
    """
    member.group_id = group_id
    member.registered = times.get("registered", now)
    # H: with none of the three times a new receiver is active at once; with any of them it is active only
    # by `activated`. M: `activated: 0`, or `registered` alone, is the state before double opt-in.
    member.activated = times.get("activated", 0) if times else now
    member.deactivated = times.get("deactivated", 0)
    if ignore_pending and times.get("activated") == 0 and not member.deactivated:
        member.activated = now


def change_times(member: Member, times: Mapping[str, int], behaviour: Behaviour) -> None:
    """Change the times of a member; what was not sent stays (H)."""
    member.registered = times.get("registered", member.registered)
    member.activated = times.get("activated", member.activated)
    # M: an unsubscribed receiver stays so when only `activated` is sent; `deactivated: 0` may lift it.
    deactivated = times.get("deactivated", member.deactivated)
    if deactivated or behaviour.lift_deactivation:
        member.deactivated = deactivated


def change_data(
    member: Member, row: InputRow, local: Mapping[str, str], shared: Mapping[str, str], now: int
) -> None:
    """Write everything but times and orders of a row into a member."""
    if row.source is not None:
        member.source = row.source
    if row.attributes:
        member.attributes = merge_attributes(member.attributes, row.attributes, local)
    if row.global_attributes:
        member.global_attributes = merge_attributes(member.global_attributes, row.global_attributes, shared)
    if row.tags:
        member.tags = change_tags(member.tags, row.tags)
    member.last_changed = now


def save_members(store: Store, members: Sequence[Member]) -> None:
    """Write members and the account's part of them."""
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
        orders: Pairs of receiver id and line.
        dedupe: Whether a line replaces one of the same order_id and product.
    """
    rows = [(receiver_id, o["order_id"], o["product"], dump_text(o)) for receiver_id, o in orders]
    if dedupe:
        # U: assume that the real API does not do this and count a blind retry as a second purchase.
        store.many(
            "DELETE FROM orders WHERE receiver_id = ? AND order_id = ? AND product = ?",
            [row[:3] for row in rows],
        )
    store.many("INSERT INTO orders (receiver_id, order_id, product, data) VALUES (?, ?, ?, ?)", rows)
