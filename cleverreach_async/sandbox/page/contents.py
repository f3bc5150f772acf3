"""The sections that show what the account contains."""

from datetime import UTC, datetime

from cleverreach_async.sandbox.store import ACTIVE, Row, Store
from cleverreach_async.sandbox.values import dump_text, load_list, load_map, parse_number

from .markup import Html, field, table, tag
from .view import PageView

_GROUPS, _RECEIVERS, _LAST = 100, 50, 20


def contents(view: PageView) -> list[Html]:
    """Return the sections."""
    return [_groups(view), _receivers(view), _orders(view), _mails(view), _webhooks(view)]


def time_of(stamp: int) -> str:
    """Return a time in UTC, or a dash; clients may send times that no calendar has."""
    try:
        return f"{datetime.fromtimestamp(stamp, UTC):%Y-%m-%d %H:%M:%S}" if stamp else "-"
    except (OSError, OverflowError, ValueError):
        return str(stamp)


def _shown(number: int, of: int, what: str) -> Html:
    """Say that there is more than is shown."""
    return tag("p", f"The first {number} of {of:,} {what}.") if of > number else Html()


def _number(store: Store, name: str) -> int:
    """Return the number of rows of a table."""
    return int(store.value(f"SELECT count(*) FROM {name}"))  # noqa: S608 - fixed names


# Groups and receivers.


def _groups(view: PageView) -> Html:
    """Return the groups, each a link to its receivers."""
    sql = (
        "SELECT g.id, g.name, g.locked,"
        " (SELECT count(*) FROM members m WHERE m.group_id = g.id) AS receivers,"
        " (SELECT group_concat(f.name || ' (' || f.id || ')', ', ') FROM forms f"
        " WHERE f.group_id = g.id) AS forms FROM recipient_groups g ORDER BY g.id LIMIT ?"
    )
    found = view.account.store.rows(sql, _GROUPS)
    if not found:
        return view.section("groups", "Groups", tag("p", "No group yet."))
    chosen = _chosen_group(view)
    rows = [
        (
            tag(
                "a",
                row["name"],
                href=view.link("receivers", group=row["id"]),
                aria_current="true" if row["id"] == chosen else None,
            ),
            str(row["id"]),
            f"{row['receivers']:,}",
            row["forms"] or "-",
            "yes" if row["locked"] else "no",
        )
        for row in found
    ]
    heads = ("Name", "Id", "Receivers", "Forms", "Locked")
    more = _shown(_GROUPS, _number(view.account.store, "recipient_groups"), "groups")
    return view.section("groups", "Groups", more, table("Groups of the account", heads, rows))


def _chosen_group(view: PageView) -> int:
    """Return the id of the group whose receivers are shown, 0 for none."""
    store = view.account.store
    wanted = parse_number(view.query.get("group", ""))
    if found := store.value("SELECT id FROM recipient_groups WHERE id = ?", wanted):
        return int(found)
    return int(store.value("SELECT min(id) FROM recipient_groups") or 0)


def _receivers(view: PageView) -> Html:
    """Return a page of the receivers of a group."""
    group_id = _chosen_group(view)
    if not group_id:
        return view.section("receivers", "Receivers", tag("p", "No receiver yet."))
    name = view.account.store.value("SELECT name FROM recipient_groups WHERE id = ?", group_id)
    find, after = view.query.get("find", "").strip(), view.query.get("after", "")
    start = parse_number(after) or 0
    sql = (
        "SELECT r.id, r.email, m.registered, m.activated, m.deactivated, m.bounced, m.source,"  # noqa: S608
        f" m.tags, {ACTIVE} AS active,"
        " (SELECT count(*) FROM orders o WHERE o.receiver_id = r.id) AS orders"
        " FROM members m JOIN receivers r ON r.id = m.receiver_id"
        " WHERE m.group_id = ? AND m.receiver_id > ? AND instr(r.email_key, ?)"
        " ORDER BY m.receiver_id LIMIT ?"
    )
    found = view.account.store.rows(sql, group_id, start, find.lower(), _RECEIVERS + 1)
    shown = found[:_RECEIVERS]
    heads = ("Address", "Id", "State", "Registered", "Activated", "Tags", "Orders", "Source")
    label = f"Receivers of {name}"
    links = list[Html]()
    where: dict[str, str | int] = {"group": group_id} | ({"find": find} if find else {})
    if start:
        links.append(tag("a", "First page", href=view.link("receivers", **where)))
    if len(found) > len(shown):
        last = view.link("receivers", **where, after=shown[-1]["id"])
        links.append(tag("a", "Next page", href=last))
    pages = tag("nav", *links, aria_label="Pages of receivers", class_="pages") if links else Html()
    rows = table(label, heads, map(_receiver, shown)) if shown else tag("p", "No receiver.")
    return view.section("receivers", label, _search(view, group_id, find), rows, pages)


def _search(view: PageView, group_id: int, find: str) -> Html:
    """Return the form that finds an address."""
    return tag(
        "form",
        tag("input", type="hidden", name="account", value=view.account.name),
        tag("input", type="hidden", name="group", value=group_id),
        field("Address contains", tag("input", type="search", name="find", value=find)),
        tag("button", "Find"),
        method="get",
        action=f"{view.root or './'}#receivers",
        role="search",
        class_="row",
    )


def _receiver(row: Row) -> tuple[str, ...]:
    """Return the cells of a receiver."""
    return (
        row["email"],
        str(row["id"]),
        _state(row),
        time_of(row["registered"]),
        time_of(row["activated"]),
        ", ".join(map(str, load_list(row["tags"]))) or "-",
        str(row["orders"]),
        row["source"] or "-",
    )


def _state(row: Row) -> str:
    """Return the state of a receiver in words."""
    if row["active"]:
        return "active"
    if row["bounced"]:
        return "bounced"
    return "unsubscribed" if row["deactivated"] else "not confirmed"


# What happened.


def _orders(view: PageView) -> Html:
    """Return the last order lines."""
    sql = (
        "SELECT r.email, o.data FROM orders o JOIN receivers r ON r.id = o.receiver_id"
        " ORDER BY o.line DESC LIMIT ?"
    )
    found = [(email, load_map(data)) for email, data in view.account.store.tuples(sql, _LAST)]
    if not found:
        return view.section("orders", "Orders", tag("p", "No order yet."))
    names = ("product", "quantity", "price", "currency")
    rows = [
        (
            str(data.get("order_id", "-")),
            email,
            *(str(data.get(it, "-")) for it in names),
            time_of(int(data.get("stamp") or 0)),
        )
        for email, data in found
    ]
    heads = ("Order", "Receiver", "Product", "Quantity", "Price", "Currency", "Time")
    note = tag("p", f"Newest first. Order lines in all: {_number(view.account.store, 'orders'):,}.")
    return view.section("orders", "Orders", note, table("The last order lines", heads, rows))


def _mails(view: PageView) -> Html:
    """Return the last e-mails of forms, each with the button that follows its link."""
    sql = "SELECT id, form_id, group_id, email, kind, stamp FROM mails ORDER BY id DESC LIMIT ?"
    found = view.account.store.rows(sql, _LAST)
    if not found:
        text = "No e-mail yet. POST /v3/forms/{id}/send/activate sends one."
        return view.section("mails", "E-mails", tag("p", text))
    rows = [
        (
            row["email"],
            "opt-in" if row["kind"] == "activate" else "opt-out",
            str(row["form_id"]),
            str(row["group_id"]),
            time_of(row["stamp"]),
            _link_of(view, row),
        )
        for row in found
    ]
    heads = ("Receiver", "Kind", "Form", "Group", "Sent", "Its link")
    return view.section("mails", "E-mails", table("The last e-mails of forms", heads, rows))


def _link_of(view: PageView, row: Row) -> Html:
    """Return the button that follows the link in an e-mail."""
    word = "Confirm" if row["kind"] == "activate" else "Unsubscribe"
    return view.form(
        "follow-link",
        tag("input", type="hidden", name="mail", value=row["id"]),
        tag("button", word, tag("span", f" {row['email']}", class_="hidden")),
    )


def _webhooks(view: PageView) -> Html:
    """Return the webhooks that are registered, and the last deliveries."""
    hooks = view.account.store.rows("SELECT event, condition, url FROM webhooks ORDER BY id")
    parts = list[Html]()
    if hooks:
        rows = [(it["event"], it["condition"] or "all", it["url"]) for it in hooks]
        parts.append(table("Registered webhooks", ("Event", "Group or automation", "URL"), rows))
    else:
        parts.append(tag("p", "No webhook is registered."))
    sent = view.account.webhooks[: -_LAST - 1 : -1]
    if sent:
        cells = [
            (
                it.event,
                it.url,
                str(it.status_code or "no response"),
                "accepted" if it.ok else "refused",
                str(it.attempt),
                time_of(it.stamp),
                dump_text(it.body),
            )
            for it in sent
        ]
        heads = ("Event", "URL", "Status", "Outcome", "Attempt", "Sent", "Body")
        parts.append(table("The last deliveries of webhooks", heads, cells))
    elif hooks:
        parts.append(tag("p", "Nothing was delivered yet."))
    return view.section("webhooks", "Webhooks", *parts)
