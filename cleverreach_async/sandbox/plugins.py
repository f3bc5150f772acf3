"""Calls of the vendor's shop plugins: automations for abandoned carts, and reports of a set-up."""

from .accounts import AccountState
from .call import Call, required, text
from .errors import ApiError, not_found
from .hook_queue import public_id
from .members import find_member
from .routing import route
from .values import Json, as_list, as_map, dump_text


def create_cart_automation(call: Call) -> Json:
    """POST /automation/createfromtemplate/abandonedcart (M)."""
    fields = call.fields()
    data = {
        "name": required(fields, "name"),
        "description": text(fields, "description"),
        "type": "abandonedcart",
        "lastExecuted": None,
        "active": False,
    }
    automation_id = call.store.insert(
        "automations", store_id=required(fields, "storeid"), data=dump_text(data)
    )
    return {"id": public_id(automation_id, call.behaviour), **data}


def set_automation(account: AccountState, public: str, *, active: bool) -> None:
    """Activate or deactivate an automation; the API cannot.

    Raises:
        ValueError: There is none with this id.
    """
    sql = "UPDATE automations SET data = json_set(data, '$.active', json(?)) WHERE id = ?"
    account.store.run(sql, "true" if active else "false", _automation(account, public))


def delete_automation(account: AccountState, public: str) -> None:
    """Delete an automation; the API cannot.

    Raises:
        ValueError: There is none with this id.
    """
    account.store.run("DELETE FROM automations WHERE id = ?", _automation(account, public))


def _automation(account: AccountState, public: str) -> int:
    """Return the number of an automation."""
    for (number,) in account.store.tuples("SELECT id FROM automations"):
        if public in {str(number), public_id(number, account.behaviour)}:
            return int(number)
    raise ValueError(f"There is no automation {public!r}")


def trigger_cart(call: Call) -> Json:
    """POST /trigger/abandonedcart: the store needs an automation (U: the check and its text)."""
    fields = call.fields()
    group_id, pool_id = required(fields, "groupid"), required(fields, "poolid")
    if not group_id.isdecimal() or find_member(call.store, int(group_id[:15]), pool_id) is None:
        raise not_found("receiver")
    cart = as_map(fields.get("abandonedCartData"))
    if cart is None or not as_list(cart.get("cartItems")):
        raise ApiError(400, "Bad Request: missing abandonedCartData")
    store_id = required(cart, "storeId")
    if call.store.value("SELECT 1 FROM automations WHERE store_id = ?", store_id) is None:
        raise not_found("automation")
    call.store.insert(
        "carts",
        receiver_id=int(pool_id[:15]),
        cart_id=required(fields, "cartId"),
        data=dump_text(fields),
        stamp=call.now(),
    )
    return True


def report(call: Call) -> Json:
    """POST /oauth/finish and /oauth/settings: nothing else shows what they change (M)."""
    call.fields()
    return True


ROUTES = (
    route("POST", "/v3/automation/createfromtemplate/abandonedcart", create_cart_automation),
    route("POST", "/v3/trigger/abandonedcart", trigger_cart),
    route("POST", "/v3/oauth/finish", report),
    route("POST", "/v3/oauth/settings", report),
)
