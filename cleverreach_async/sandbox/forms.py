"""Forms and double opt-in e-mails."""

from dataclasses import dataclass
from html import escape

from msgspec.structs import replace

from .accounts import AccountState
from .call import Call, required, whole
from .errors import ApiError, not_found
from .members import find_member
from .routing import route
from .saving import save_members
from .store import Row
from .values import Json, as_map, dump_text, load_map

PROOF = ("user_ip", "referer", "user_agent")
"""The required parts of the proof of consent (H)."""


@dataclass(frozen=True, slots=True)
class SentMail:
    """An e-mail that a form sent.

    Attributes:
        form_id: The id of the form.
        group_id: The id of the group.
        receiver_id: The id of the receiver.
        email: The address of the receiver.
        kind: ``activate`` or ``deactivate``.
        doidata: The proof of consent from the request.
        stamp: When it was sent, in unix seconds.
    """

    form_id: int
    group_id: int
    receiver_id: int
    email: str
    kind: str
    doidata: dict[str, Json]
    stamp: int


def form_json(row: Row) -> dict[str, Json]:
    """Return the JSON of a form."""
    return {"id": str(row["id"]), "name": row["name"], "customer_tables_id": str(row["group_id"])}


def add_form(account: AccountState, group_id: int, name: str) -> int:
    """Store a form and return its id."""
    return account.store.insert("forms", group_id=group_id, name=name)


def load_form(call: Call) -> Row:
    """Return the form in the path, which must exist."""
    row = call.store.one("SELECT * FROM forms WHERE id = ?", call.number("form", "form"))
    if row is None:
        raise not_found("form")
    return row


def list_forms(call: Call) -> Json:
    """GET /forms."""
    return [form_json(row) for row in call.store.rows("SELECT * FROM forms ORDER BY id")]


def list_group_forms(call: Call) -> Json:
    """GET /groups/{id}/forms."""
    rows = call.store.rows("SELECT * FROM forms WHERE group_id = ? ORDER BY id", call.group())
    return [form_json(row) for row in rows]


def get_form(call: Call) -> Json:
    """GET /forms/{id}."""
    return form_json(load_form(call))


def delete_form(call: Call) -> Json:
    """DELETE /forms/{id}."""
    call.store.run("DELETE FROM forms WHERE id = ?", load_form(call)["id"])
    return True


def form_code(call: Call) -> Json:
    """GET /forms/{id}/code: a JSON string with HTML (M)."""
    row = load_form(call)
    form = f'<form id="form-{row["id"]}"><h1>{escape(row["name"])}</h1><input name="email"></form>'
    return (
        form if call.query_flag("embedded") else f"<!DOCTYPE html><html><body>{form}</body></html>"
    )


def create_from_template(call: Call) -> Json:
    """POST /forms/{group}/createfromtemplate/{type}."""
    form_id = add_form(call.account, call.group(), required(call.fields(), "name"))
    return {"id": str(form_id), "success": True}


def send_mail(call: Call) -> Json:
    """POST /forms/{id}/send/{activate or deactivate}: sends a double opt-in e-mail."""
    form = load_form(call)
    if call.params["type"] not in {"activate", "deactivate"}:
        raise not_found()
    fields = call.fields()
    email = required(fields, "email")
    proof = as_map(fields.get("doidata")) or {}
    for part in PROOF:
        required(proof, part)  # M: an empty user_ip is refused
    group_id = whole(fields, "groups_id", form["group_id"])
    call.store.insert(
        "mails",
        form_id=form["id"],
        group_id=group_id,
        receiver_id=_recipient_id(call, form, email, group_id),
        email=email,
        kind=call.params["type"],
        doidata=dump_text(proof),
        stamp=call.now(),
    )
    # M: sources disagree about the response.
    answers: dict[str, Json] = {"true": True, "success": {"success": True}, "email": email}
    return answers[call.behaviour.form_send_answer]


def _recipient_id(call: Call, form: Row, email: str, group_id: int) -> int:
    """Return the id of the receiver of an e-mail."""
    member = find_member(call.store, group_id, email) if "@" in email else None
    if member is None:
        raise not_found("receiver")  # H: the receiver must exist
    if email.lower() in map(str.lower, call.behaviour.suspicious):
        raise ApiError(403, "Forbidden")  # M: a generic 403 for suspicious addresses
    refuses = call.behaviour.mail_to_active == "refuse" and call.params["type"] == "activate"
    if refuses and member.active:
        raise ApiError(400, "Bad Request: receiver is already active")  # L: the status is unknown
    pair = form["id"], member.id
    call.account.sends[pair] += 1
    if call.account.sends[pair] <= call.behaviour.not_found_after_create:
        raise not_found("receiver")  # M: 404 directly after creation; clients retry
    return member.id


def sent_mails(account: AccountState) -> list[SentMail]:
    """Return all e-mails that were sent, oldest first."""
    rows = account.store.rows(
        "SELECT form_id, group_id, receiver_id, email, kind, doidata, stamp FROM mails ORDER BY id"
    )
    for row in rows:
        row["doidata"] = load_map(row["doidata"])
    return [SentMail(**row) for row in rows]


def follow_link(account: AccountState, mail: SentMail) -> None:
    """Activate or deactivate the receiver of an e-mail, as its link does."""
    member = find_member(account.store, mail.group_id, str(mail.receiver_id))
    if member is None:
        raise LookupError(f"The receiver of this e-mail of form {mail.form_id} is gone")
    now = account.now()
    if mail.kind == "activate":
        member = replace(member, activated=now, deactivated=0, last_changed=now)
    else:
        member = replace(member, deactivated=now, last_changed=now)
    save_members(account.store, [member])


ROUTES = (
    route("GET", "/v3/forms", list_forms),
    route("GET", "/v3/groups/{group}/forms", list_group_forms),
    route("GET", "/v3/forms/{form}", get_form),
    route("DELETE", "/v3/forms/{form}", delete_form),
    route("GET", "/v3/forms/{form}/code", form_code),
    route("POST", "/v3/forms/{form}/send/{type}", send_mail),
    route("POST", "/v3/forms/{group}/createfromtemplate/{type}", create_from_template),
)
