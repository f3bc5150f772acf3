"""Receivers in groups: load, change and save them."""

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, cast

from msgspec import Struct

from .behaviour import Behaviour
from .rows import AttributeRules, InputRow
from .store import Store
from .values import change_tags, dump_text, load_list, load_texts, parse_number

COLUMNS = (
    "r.id, r.email, r.email_key, r.global_attributes, m.group_id, m.registered, m.activated,"
    " m.deactivated, m.imported, m.bounced, m.last_changed, m.source, m.attributes, m.tags"
)
"""The columns for :func:`_from_columns`, of ``receivers r`` joined with ``members m``."""

ANY_OF = "IN (SELECT value FROM json_each(?))"
"""SQL for "is in a list"; the list is bound as JSON and may have any length."""


class Member(Struct, gc=False):
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


def _from_columns(columns: tuple[Any, ...]) -> Member:
    """Make a member from a result row of :data:`COLUMNS`."""
    (
        receiver_id,
        email,
        key,
        shared,
        group_id,
        registered,
        activated,
        deactivated,
        imported,
        bounced,
        last_changed,
        source,
        attributes,
        tags,
    ) = columns
    if group_id is None:
        return receiver_without_group(receiver_id, email, load_texts(shared))
    return Member(
        receiver_id,
        email,
        key,
        load_texts(shared),
        group_id,
        registered,
        activated,
        deactivated,
        imported,
        bounced,
        last_changed,
        source,
        load_texts(attributes),
        load_list(tags),
    )


def load_members(store: Store, rest: str, *values: object) -> list[Member]:
    """Return members; ``rest`` is the query from WHERE on."""
    sql = (
        f"SELECT {COLUMNS} FROM receivers r"  # noqa: S608 - `rest` is made of fixed and mapped names
        f" JOIN members m ON m.receiver_id = r.id {rest}"
    )
    return store.each(_from_columns, sql, *values)


def find_members(store: Store, group_id: int, keys: Iterable[str]) -> dict[str, Member]:
    """Return the known receivers among some lower-case addresses, by address."""
    sql = (
        f"SELECT {COLUMNS} FROM json_each(?) k"  # noqa: S608 - fixed names
        " CROSS JOIN receivers r ON r.email_key = k.value"
        " LEFT JOIN members m ON m.receiver_id = r.id AND m.group_id = ?"
    )
    found = store.each(_from_columns, sql, dump_text(list(dict.fromkeys(keys))), group_id)
    return {member.key: member for member in found}


def find_member(store: Store, group_id: int, receiver: str) -> Member | None:
    """Return a receiver of a group by id or address (H: both work in a path)."""
    key = key_of(store, receiver)
    if key is None:
        return None
    found = load_members(store, "WHERE m.group_id = ? AND r.email_key = ?", group_id, key)
    return found[0] if found else None


def key_of(store: Store, receiver: str) -> str | None:
    """Return the address in lower case of a receiver with an id or address; None if unknown."""
    if "@" in receiver:
        return receiver.lower()
    number = parse_number(receiver)
    return cast("str | None", store.value("SELECT email_key FROM receivers WHERE id = ?", number))


def memberships(store: Store, receiver_id: int) -> list[Member]:
    """Return a receiver once for each of its groups."""
    return load_members(store, "WHERE r.id = ? ORDER BY m.group_id", receiver_id)


def rule_values(member: Member) -> Mapping[str, Any]:
    """Return the values of a receiver that rules can refer to."""
    values: dict[str, Any] = {**member.global_attributes, **member.attributes}
    for name in ("email", "registered", "activated", "deactivated", "bounced", "source", "tags"):
        values[name] = getattr(member, name)
    return values


def ids_after(store: Store) -> Iterable[int]:
    """Return the ids of the next new receivers."""
    last = store.value("SELECT seq FROM sqlite_sequence WHERE name = 'receivers'")
    return count((last or 0) + 1)


def join_group(
    member: Member, group_id: int, row: InputRow, now: int, *, ignore_pending: bool = False
) -> None:
    """Add a receiver to a group.

    Args:
        member: The receiver.
        group_id: The id of the group.
        row: The times of the request.
        now: The time in unix seconds.
        ignore_pending: Whether to ignore ``activated: 0``.
    """
    member.group_id = group_id
    member.registered = now if row.registered is None else row.registered
    # H: without any of the three times a new receiver is active at once, else only `activated`
    # activates it. M: `activated: 0`, or `registered` alone, is the state before double opt-in.
    untimed = row.registered is row.activated is row.deactivated is None
    member.activated = now if untimed else row.activated or 0
    member.deactivated = row.deactivated or 0
    if ignore_pending and row.activated == 0 and not member.deactivated:
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


def change_times(member: Member, row: InputRow, behaviour: Behaviour) -> None:
    """Change the times of a member; omitted times are kept (H)."""
    if row.registered is not None:
        member.registered = row.registered
    if row.activated is not None:
        member.activated = row.activated
        if row.activated and behaviour.activated_reactivates:
            member.deactivated = 0
    # M: `activated` does not reactivate an unsubscribed receiver; `deactivated: 0` may do so.
    if row.deactivated is not None and (row.deactivated or behaviour.lift_deactivation):
        member.deactivated = row.deactivated


def change_data(
    member: Member, row: InputRow, local: AttributeRules, shared: AttributeRules, now: int
) -> None:
    """Apply a row to a member, except times and orders."""
    if row.source is not None:
        member.source = row.source
    if row.attributes:
        member.attributes = local.merge(member.attributes, row.attributes)
    if row.global_attributes:
        member.global_attributes = shared.merge(member.global_attributes, row.global_attributes)
    if row.tags:
        member.tags = change_tags(member.tags, row.tags)
    member.last_changed = now
