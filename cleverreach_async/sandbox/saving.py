"""Save receivers in groups, and order lines."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from .members import ANY_OF, Member
from .store import Store
from .values import Json, dump_text

_MEMBER_COLUMNS = (
    "group_id, receiver_id, registered, activated, deactivated, imported, bounced,"
    " last_changed, source, attributes, tags"
)
_CHANGE_MEMBER = " ON CONFLICT DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in _MEMBER_COLUMNS.split(", ")[2:]
)
_CHANGE_SHARED = (
    " ON CONFLICT (id) DO UPDATE SET global_attributes = excluded.global_attributes"
    " WHERE global_attributes <> excluded.global_attributes"
)


def save_members(
    store: Store, members: Sequence[Member], known: Mapping[int, Member] | None = None
) -> None:
    """Save members, and what the account stores of them.

    Args:
        store: The database.
        members: The members. If ``known`` is given, all are in one group and changed at one time.
        known: What is stored of some of them, by id. Only what differs is written.
    """
    known = known or {}
    receivers: list[object] = []
    rows: list[object] = []
    same: list[int] = []
    for member in members:
        before = known.get(member.id)
        if before is None or before.global_attributes != member.global_attributes:
            shared = dump_text(member.global_attributes)
            receivers.extend((member.id, member.key, member.email, shared))
        if before is None or not _is_same(before, member):
            rows.extend(_columns(member))
        elif before.last_changed != member.last_changed:
            same.append(member.id)
    store.insert_all(
        "receivers", "id, email_key, email, global_attributes", receivers, _CHANGE_SHARED
    )
    store.insert_all("members", _MEMBER_COLUMNS, rows, _CHANGE_MEMBER)
    if same:
        store.run(
            f"UPDATE members SET last_changed = ? WHERE group_id = ? AND receiver_id {ANY_OF}",  # noqa: S608 - fixed names
            members[0].last_changed,
            members[0].group_id,
            str(same),
        )


def _is_same(before: Member, after: Member) -> bool:
    """Whether a group stores the same of a receiver, except the time of the change."""
    # The attributes of the account are compared and saved on their own.
    return after == replace(
        before, last_changed=after.last_changed, global_attributes=after.global_attributes
    )


def _columns(member: Member) -> tuple[object, ...]:
    """Return the values of :data:`_MEMBER_COLUMNS`."""
    return (
        member.group_id,
        member.id,
        member.registered,
        member.activated,
        member.deactivated,
        member.imported,
        member.bounced,
        member.last_changed,
        member.source,
        dump_text(member.attributes),
        dump_text(member.tags),
    )


def save_orders(
    store: Store, orders: Sequence[tuple[int, Mapping[str, Json]]], now: int, *, dedupe: bool
) -> None:
    """Append order lines to receivers.

    Args:
        store: The database.
        orders: Pairs of receiver id and order line.
        now: The time in unix seconds.
        dedupe: Whether a line replaces a stored one of the same order_id and product.
    """
    columns = "receiver_id, order_id, product, data, saved"
    rows = [(it, line["order_id"], line["product"], dump_text(line), now) for it, line in orders]
    if not dedupe:
        store.insert_all("orders", columns, [value for row in rows for value in row])
        return
    # U: assume that the real API does not do this: a retry would be a second purchase.
    for row in rows:
        store.run(
            "DELETE FROM orders WHERE receiver_id = ? AND order_id = ? AND product = ?", *row[:3]
        )
        store.insert_all("orders", columns, row)
