"""Orders and events of receivers."""

from .batch import check_size
from .call import Call, text, whole
from .errors import not_found
from .profiles import MAX_EVENTS, events_of, order_json, orders_of
from .receivers import path_receiver
from .routing import route
from .rows import parse_order, parse_order_changes
from .saving import save_orders
from .values import Json, as_list, dump_text, load_map


def list_orders(call: Call) -> Json:
    """GET …/orders: orders belong to the receiver, not to a group (M)."""
    member = path_receiver(call)
    return orders_of(call, [member.id]).get(member.id, [])


def add_orders(call: Call) -> Json:
    """POST …/orders: an order line (H), or a list of them, as older clients send (L)."""
    member = path_receiver(call)
    body = call.body()
    items = as_list(body)
    if items is not None:
        check_size(call, items)
    lines = [parse_order(item, call.now()) for item in ([body] if items is None else items)]
    with call.store.transaction():
        pairs = [(member.id, line) for line in lines]
        save_orders(call.store, pairs, call.now(), dedupe=call.behaviour.dedupe_orders)
    answer = [order_json(line, call.behaviour) for line in lines]
    return answer[0] if items is None else answer


def change_order(call: Call) -> Json:
    """PUT …/orders/{order_id}: changes every line of the order."""
    member = path_receiver(call)
    changes = parse_order_changes(call.fields())
    with call.store.transaction():
        lines = call.store.tuples(
            "SELECT line, data FROM orders WHERE receiver_id = ? AND order_id = ?",
            member.id,
            call.params["order"],
        )
        if not lines:
            raise not_found("order")
        changed = [(line, load_map(data) | changes) for line, data in lines]
        call.store.many(
            "UPDATE orders SET order_id = ?, product = ?, data = ? WHERE line = ?",
            [(data["order_id"], data["product"], dump_text(data), line) for line, data in changed],
        )
    return order_json(changed[0][1], call.behaviour)


def delete_order(call: Call) -> Json:
    """DELETE …/orders/{order_id}: deletes every line of the order."""
    gone = call.store.run(
        "DELETE FROM orders WHERE receiver_id = ? AND order_id = ?",
        path_receiver(call).id,
        call.params["order"],
    )
    if not gone:
        raise not_found("order")
    return True


def list_events(call: Call) -> Json:
    """GET …/events: at most the last 250 (M)."""
    member = path_receiver(call)
    return events_of(call, [member.id]).get(member.id, [])[-MAX_EVENTS:]


def add_event(call: Call) -> Json:
    """POST …/events; its fields are inferred from responses (L)."""
    member = path_receiver(call)
    fields = call.fields()
    event = {
        "stamp": whole(fields, "stamp", call.now()),
        "type": text(fields, "type", "api") or "api",
        "type_id": text(fields, "type_id"),
        "value": text(fields, "value"),
        "mailing_id": str(whole(fields, "mailing_id")),
        "groups_id": str(member.group_id),
    }
    call.store.insert(
        "events", receiver_id=member.id, group_id=member.group_id, data=dump_text(event)
    )
    return event if call.behaviour.event_answer == "event" else True


ROUTES = tuple(
    route(method, f"{owner}/{path}", operation)
    for owner in ("/v3/groups/{group}/receivers/{receiver}", "/v3/receivers/{receiver}")
    for method, path, operation in (
        ("GET", "orders", list_orders),
        ("POST", "orders", add_orders),
        ("PUT", "orders/{order}", change_order),
        ("DELETE", "orders/{order}", delete_order),
        ("GET", "events", list_events),
        ("POST", "events", add_event),
    )
)
