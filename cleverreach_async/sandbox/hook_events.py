"""What happens in the account, written down by triggers while webhooks are registered.

Every way to change a receiver is noticed, and without webhooks nothing takes any time.
"""

from .store import Row, Store

FAMILIES: dict[str, tuple[str, ...]] = {
    "receiver": ("subscribed", "unsubscribed", "created", "updated", "deleted"),
    "form": ("created", "updated", "deleted"),
    "filter": ("created", "updated", "deleted"),
    "group": ("created", "updated", "deleted"),
    "automation": ("activated", "deactivated", "deleted"),
}
"""The events that can be registered (H)."""

_ACTIVE = "({0}.activated > 0 AND {0}.deactivated = 0 AND {0}.bounced = 0)"


def _note(event: str, row: str, condition: str = "1") -> str:
    """Return SQL that writes down an event about a member."""
    return (
        "INSERT INTO hook_events (event, group_id, receiver_id, email)"  # noqa: S608 - fixed names
        f" SELECT 'receiver.{event}', {row}.group_id, {row}.receiver_id, r.email"
        f" FROM receivers r WHERE r.id = {row}.receiver_id AND {condition};"
    )


def _note_object(noun: str, action: str, row: str, group: str) -> str:
    """Return SQL that writes down an event about a group, a form or a segment."""
    return (
        "INSERT INTO hook_events (event, group_id, object_id)"
        f" SELECT '{noun}.{action}', {row}.{group}, {row}.id;"
    )


_LEFT = "(OLD.deactivated = 0 AND NEW.deactivated > 0)"
_JOINED = f"({_ACTIVE.format('NEW')} AND NOT {_ACTIVE.format('OLD')})"

_IS_ACTIVE = "json_extract({0}.data, '$.active')"

_FORGET_SHARED = (
    "DELETE FROM hook_events"
    " WHERE shared AND receiver_id = NEW.receiver_id AND group_id = NEW.group_id; "
)

_TRIGGERS = {
    "hook_member_created": "AFTER INSERT ON members BEGIN "
    + _note("created", "NEW")
    + _note("subscribed", "NEW", _ACTIVE.format("NEW"))
    + " END",
    # A receiver is saved before its members: what was noted then is the same change.
    "hook_member_updated": "AFTER UPDATE ON members BEGIN "
    + _FORGET_SHARED
    + _note("unsubscribed", "NEW", _LEFT)
    + _note("subscribed", "NEW", _JOINED)
    + _note("updated", "NEW", f"NOT {_LEFT} AND NOT {_JOINED}")
    + " END",
    "hook_member_deleted": f"AFTER DELETE ON members BEGIN {_note('deleted', 'OLD')} END",
    "hook_receiver_updated": "AFTER UPDATE OF email, global_attributes ON receivers BEGIN"
    " INSERT INTO hook_events (event, group_id, receiver_id, email, shared)"
    " SELECT 'receiver.updated', m.group_id, NEW.id, NEW.email, 1"
    " FROM members m WHERE m.receiver_id = NEW.id; END",
    **{
        f"hook_{noun}_{action}": f"AFTER {change} ON {table} BEGIN "
        + _note_object(noun, action, row, group)
        + " END"
        for noun, table, group, columns in (
            ("group", "recipient_groups", "id", "name, locked, backup, receiver_info"),
            ("form", "forms", "group_id", "name"),
            ("filter", "filters", "group_id", "name, operator, rules"),
        )
        for action, change, row in (
            ("created", "INSERT", "NEW"),
            ("updated", f"UPDATE OF {columns}", "NEW"),
            ("deleted", "DELETE", "OLD"),
        )
    },
    # The API only creates automations, which are not active then.
    "hook_automation_changed": "AFTER UPDATE OF data ON automations"
    f" WHEN {_IS_ACTIVE.format('NEW')} <> {_IS_ACTIVE.format('OLD')} BEGIN"
    " INSERT INTO hook_events (event, group_id, object_id)"
    f" SELECT CASE WHEN {_IS_ACTIVE.format('NEW')} THEN 'automation.activated'"
    " ELSE 'automation.deactivated' END, 0, NEW.id; END",
    "hook_automation_deleted": "AFTER DELETE ON automations BEGIN"
    " INSERT INTO hook_events (event, group_id, object_id)"
    " VALUES ('automation.deleted', 0, OLD.id); END",
}


def watch(store: Store) -> bool:
    """Write down what happens from now on, if a webhook is registered; else stop.

    Returns:
        Whether a webhook is registered.
    """
    is_needed = store.value("SELECT 1 FROM webhooks") is not None
    if not is_needed and store.value("SELECT 1 FROM temp.sqlite_master") is None:
        return False  # as in most tests
    for name, body in _TRIGGERS.items():
        store.run(f"DROP TRIGGER IF EXISTS temp.{name}")
        if is_needed:
            store.run(f"CREATE TEMP TRIGGER {name} {body}")
    if not is_needed:
        store.run("DELETE FROM hook_events")
    return is_needed


def take_events(store: Store) -> list[Row]:
    """Return what has happened, oldest first, and forget it."""
    with store.transaction():
        rows = store.rows("SELECT * FROM hook_events ORDER BY seq")
        if rows:
            store.run("DELETE FROM hook_events WHERE seq <= ?", rows[-1]["seq"])
    return rows
