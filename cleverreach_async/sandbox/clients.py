"""The account, and the accounts that an agency created for its customers.

Each of these is an account of the sandbox of its own; its name is its id.
"""

from datetime import UTC, datetime

from .accounts import AccountState
from .call import Call
from .errors import ApiError, not_found
from .routing import route
from .tokens import add_access_token, make_jwt
from .values import Json, dump_text, load_map

_FIELDS = (
    *("salutation", "name", "firstname", "company", "street", "zip", "city", "country", "email"),
    *("phone", "fax", "login_domain", "whitelabel_id", "lang"),
)
"""The fields of a recorded response of whoami (H)."""

_OWN = {
    "name": "Muster",
    "firstname": "Mia",
    "company": "Sandbox",
    "city": "Hamburg",
    "country": "DE",
    "email": "mia@example.org",
    "whitelabel_id": "0",
    "lang": "de",
}
_ADDRESS = ("company", "firstname", "name", "street", "zip", "city", "country", "email")
_MAILS, _RECEIVERS = 1000, 250
MAX_PAGE = 500


def client_json(account: AccountState, client_id: int) -> dict[str, Json]:
    """Return the JSON of an account: the own one, or that of a customer."""
    row = account.accounts.row(client_id)
    if client_id != account.id and (row is None or row["owner"] != account.id):
        raise not_found("client")
    fields = load_map(row["data"]) if row and row["owner"] else _OWN
    if row and not row["owner"]:
        fields = _OWN | {"company": row["name"]}
    domain = {"login_domain": f"{client_id}.eu2.cleverreach.example"}
    return {"id": str(client_id), **dict.fromkeys(_FIELDS, ""), **fields, **domain}


def _client(call: Call) -> dict[str, Json]:
    """Return the JSON of the account in the path."""
    return client_json(call.account, call.number("client", "client"))


def _client_id(call: Call) -> int:
    """Return the id of the account in the path, which must exist."""
    return int(_client(call)["id"])


def _with_payment(call: Call, client: dict[str, Json]) -> dict[str, Json]:
    """Add what was written about payments; what the real API returns is unknown (U)."""
    rows = call.store.tuples("SELECT name, data FROM payments WHERE client_id = ?", client["id"])
    return client | {name: load_map(data) for name, data in rows}


def list_clients(call: Call) -> Json:
    """GET /clients: the account, and those of its customers (M)."""
    limit, offset = call.page(MAX_PAGE)
    ids = [call.account.id, *call.account.accounts.customers(call.account.id)]
    found = [client_json(call.account, client_id) for client_id in ids]
    if len(found) == 1 and not offset and call.behaviour.lone_client == "object":
        return found[0]
    return found[offset : offset + limit]


def get_client(call: Call) -> Json:
    """GET /clients/{id}."""
    return _with_payment(call, _client(call))


def client_by_domain(call: Call) -> Json:
    """GET /clients/domain/{domain}."""
    name, dot, _ = call.params["domain"].partition(".eu2.cleverreach.example")
    if not (dot and name.isascii() and name.isdecimal()):
        raise not_found("client")
    return client_json(call.account, int(name[:15]))


def _count(call: Call, sql: str) -> Json:
    """Return a count of the account in the path."""
    account = call.account.accounts.with_id(_client_id(call))
    return account.store.value(sql) if account else 0


def receiver_count(call: Call) -> Json:
    """GET /clients/{id}/receivercount: a number (H)."""
    return _count(call, "SELECT count(*) FROM receivers")


def active_receiver_count(call: Call) -> Json:
    """GET /clients/{id}/activereceivercount: a number (M)."""
    return _count(
        call,
        "SELECT count(DISTINCT receiver_id) FROM members"
        " WHERE activated > 0 AND deactivated = 0 AND bounced = 0",
    )


def plan(call: Call) -> Json:
    """GET /clients/{id}/plan, with recorded fields (H)."""
    _client_id(call)
    return {
        "id": "1",
        "name": "Lite",
        "flatrate": 0,
        "emails": _MAILS,
        "receiver_cap": _receiver_cap(call),
        "runtime": "1 month",
        "price": 0.0,
        "currency": "EUR",
    }


def _receiver_cap(call: Call) -> int:
    """Return how many receivers the account may have."""
    limit = call.behaviour.contact_limit
    return _RECEIVERS if limit is None else limit


def contingent(call: Call) -> Json:
    """GET /clients/{id}/contingent: the mails of the plan that were not sent yet (U)."""
    sent = _count(call, "SELECT count(*) FROM mails")
    left = max(0, _MAILS - sent)
    return left if call.behaviour.contingent_answer == "number" else {"emails": left}


def invoice_address(call: Call) -> Json:
    """GET /clients/{id}/invoiceaddress; its fields are not recorded anywhere (U)."""
    client = _client(call)
    return {name: client[name] for name in _ADDRESS}


def limits(call: Call) -> Json:
    """GET /clients/{id}/limits; its fields are not recorded anywhere (U)."""
    _client_id(call)
    return {"receivers": _receiver_cap(call), "attributes": call.behaviour.attribute_cap}


def next_invoice_date(call: Call) -> Json:
    """GET /clients/{id}/nextinvoicedate: unix seconds (M), here the first of the next month."""
    _client_id(call)
    today = datetime.fromtimestamp(call.now(), UTC)
    years, month = divmod(today.month, 12)
    return int(datetime(today.year + years, month + 1, 1, tzinfo=UTC).timestamp())


def users(call: Call) -> Json:
    """GET /clients/{id}/users: only ``lang`` is known (L)."""
    client = _client(call)
    return [{"id": client["id"], "email": client["email"], "lang": client["lang"]}]


def payment_methods(_call: Call) -> Json:
    """GET /clients/paymentmethods; its response is not recorded anywhere (U)."""
    return ["invoice", "directdebit"]


def _save_payment(call: Call, name: str) -> Json:
    """Store what a request says about payments; its fields are not known (U)."""
    client_id, fields = _client_id(call), call.fields()
    if not fields:
        raise ApiError(400, "Bad Request: nothing to change")
    sql = "INSERT OR REPLACE INTO payments VALUES (?, ?, ?)"
    call.store.run(sql, client_id, name, dump_text(fields))
    return True


def save_payment_options(call: Call) -> Json:
    """PUT /clients/{id}/paymentoptions."""
    return _save_payment(call, "payment_options")


def save_payment_source(call: Call) -> Json:
    """PUT /clients/{id}/paymentsource."""
    return _save_payment(call, "payment_source")


def _check_agency(call: Call) -> None:
    """Refuse what only agencies may do (L)."""
    if not call.behaviour.agency:
        raise ApiError(403, "Forbidden: no agency")


def create_account(call: Call) -> Json:
    """POST /clients/createAccount: the account of a customer (L: body and response)."""
    _check_agency(call)
    fields = call.fields()
    data = {name: str(fields[name]) for name in _FIELDS if name in fields}
    data["whitelabel_id"] = str(call.account.id)
    account = call.account.accounts.add_customer(call.account.id, dump_text(data))
    return {"id": str(account.id), "success": True}


def create_client_token(call: Call) -> Json:
    """GET /clients/{id}/token: a JSON string with a token for the account (M)."""
    _check_agency(call)
    account, now = call.account.accounts.with_id(_client_id(call)), call.now()
    if account is None:
        raise not_found("client")
    expires_at = now + account.token_lifetime
    token = make_jwt(account.id, now, expires_at)
    add_access_token(account, token, expires_at)
    return token


_ONE = "/v3/clients/{client}"
ROUTES = (
    route("GET", "/v3/clients", list_clients),
    route("GET", "/v3/clients/paymentmethods", payment_methods),
    route("POST", "/v3/clients/createAccount", create_account),
    route("GET", _ONE, get_client),
    route("GET", "/v3/clients/domain/{domain}", client_by_domain),
    route("GET", f"{_ONE}/receivercount", receiver_count),
    route("GET", f"{_ONE}/activereceivercount", active_receiver_count),
    route("GET", f"{_ONE}/contingent", contingent),
    route("GET", f"{_ONE}/invoiceaddress", invoice_address),
    route("GET", f"{_ONE}/limits", limits),
    route("GET", f"{_ONE}/nextinvoicedate", next_invoice_date),
    route("GET", f"{_ONE}/plan", plan),
    route("GET", f"{_ONE}/users", users),
    route("GET", f"{_ONE}/token", create_client_token),
    route("PUT", f"{_ONE}/paymentoptions", save_payment_options),
    route("PUT", f"{_ONE}/paymentsource", save_payment_source),
)
