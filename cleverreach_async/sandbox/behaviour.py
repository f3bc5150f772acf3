"""Switches for undocumented behaviour of the real CleverReach.

Where public sources disagree or say nothing, the sandbox can act in each plausible way, so that a
client is tested with all of them. The letter behind each field is the confidence in its default:
H several independent or live-tested sources, M one good source, L one weak source, U unknown.
"""

from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from types import NoneType
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

RowText = Literal["string", "object"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How the sandbox acts where the real API is undocumented; defaults are the most likely.

    Raises:
        ValueError: A switch has a value that it does not know.
    """

    # batches
    bad_row_as: RowText = "string"
    """A refused row of insert, update, upsert: a string (M, v2) or ``{"status": text}``."""
    refused_plus_row: Literal["omit", "string", "object"] = "omit"
    """Whether the plus calls omit refused rows from the response, or report them in place (M)."""
    plus_order: Literal["input", "reversed", "shuffled"] = "input"
    """The order of the rows in responses of the plus calls (U)."""
    plus_nothing_stored: Literal["empty_list", "false"] = "empty_list"
    """The body of upsertplus when every row was refused: ``[]`` or ``false`` (M for false)."""
    plus_with_orders: bool = False
    """Whether upsertplus returns ``orders`` too; the one recorded response has none (M)."""
    repeated_row: Literal["each", "once"] = "each"
    """The plus calls return an address that is twice in a batch for each row, or once (U)."""
    batch_item_id: Literal["int", "str"] = "int"
    """The type of ``id`` in a row's ``{"status", "id"}``; ints were recorded (M)."""
    missing_group_on_batch: Literal[404, 405] = 404
    """The status of a batch call on a group that does not exist; 405 was recorded on v2 (M)."""
    max_rows: int = 1000
    """The most rows in a batch; above it 413. Clients send up to 1000, undocumented (M)."""
    max_body_bytes: int | None = None
    """The largest body; above it 413. None: no limit. Whether bytes are limited is unknown (U)."""
    batch_delete_answer: Literal["objects", "true"] = "objects"
    """The response of a batch delete in a group: ``{"status"}`` per item, or ``true`` (L)."""

    # groups
    repeated_group_name: Literal["accept", "refuse"] = "accept"
    """Whether a second group may have the name of another, or gets 409 (U)."""

    # receivers
    attribute_spelling: Literal["stored", "any"] = "stored"
    """Whether values are stored under the stored name of an attribute only, or also under another
    spelling such as ``First Name``; others are dropped (U)."""
    duplicate_status: Literal[400, 409] = 400
    """The status of a single POST of an address that the group already has (U)."""
    lift_deactivation: bool = True
    """Whether ``deactivated: 0`` reactivates an unsubscribed receiver; a policy may refuse (M)."""
    activated_reactivates: bool = False
    """Whether ``activated`` alone reactivates an unsubscribed receiver (M that it does not)."""
    doi_state_in_one_call: bool = True
    """False: the plus calls ignore ``activated: 0`` on creation and need a second call (L)."""
    create_keeps_inactive: bool = True
    """False: so does the single POST; two clients use it, and neither checks the result (M)."""
    blacklisted_row: Literal["accept", "refuse"] = "accept"
    """Whether a blacklisted address can be written into a group (U)."""
    contact_limit: int | None = None
    """The most receivers in the account; a call that would exceed it gets 403 (M)."""
    put_tags: Literal["add", "replace"] = "add"
    """Whether ``tags`` in a single PUT are added to the stored ones, or replace them (L)."""
    negative_number: Literal["subtract", "store"] = "subtract"
    """Whether a negative JSON number for a number attribute subtracts, as a text does (U)."""
    dedupe_orders: bool = False
    """True: an order line replaces a stored one of the same order_id and product (U: unlikely)."""
    order_quantity_key: Literal["quantity", "amount"] = "quantity"
    """The name of the quantity in returned order lines; v2 used amount (M)."""
    orders_visible_after: int = 0
    """The seconds until a stored order line can be read. A client that looks up an order after a
    lost response has to wait for longer (U)."""
    order_numbers: Literal["number", "decimal"] = "number"
    """Whether price and quantity of returned order lines are numbers, or text such as ``1.0000``,
    which two shop systems send (L)."""
    order_ids: Literal["text", "number", "decimal"] = "text"
    """Whether order ids of digits come back as they are (M), as 4711, or as 4711.0 (U)."""
    product_text: Literal["stored", "escaped", "cut", "collapsed"] = "stored"
    """The product in returned order lines: as sent, with HTML entities, cut after 30 characters, or
    with single spaces (U)."""
    sparse_profiles: bool = False
    """True: profiles lack all fields that some responses lacked; id and email are certain (H)."""
    email_case: Literal["stored", "lower"] = "stored"
    """The spelling of addresses in responses (U)."""
    filter_active_only: bool = True
    """The default of ``activeonly`` in /receivers/filter (L)."""
    oversized_page: Literal["clamp", "error"] = "clamp"
    """Whether a page size above the maximum is reduced, or gets 400 (U)."""
    tags_paging: Literal["page", "offset"] = "page"
    """The paging parameter of /tags: one client uses page, another offset (U)."""
    empty_id_clears_group: bool = False
    """True: DELETE groups/{id}/receivers/ with an empty id clears the group, as on v2 (M)."""
    attribute_cap: int = 40
    """The most attributes, global and local together; an assumption of one importer (M)."""
    attribute_cap_status: Literal[400, 403, 409] = 400
    """The status of creating an attribute above the limit (U)."""
    attribute_letters: Literal["any", "ascii"] = "any"
    """The letters that names of attributes keep; others become underscores (U)."""
    attribute_limits: Literal["limit", "max", "other", "missing"] = "limit"
    """The field of the limit in /attributes/limits, or an unknown structure, or 404 (U)."""
    clone_answer: Literal["receiver", "true", "id"] = "receiver"
    """The response of a clone: the copy (L), ``true``, or an object with its id (U)."""
    set_value_answer: Literal["value", "true"] = "value"
    """The response of writing one attribute value: the value (M), or ``true`` (U)."""
    event_answer: Literal["event", "true"] = "event"
    """The response of creating an event: the event, or ``true`` (U)."""
    bounced_pages: bool = True
    """Whether /receivers/bounced reads ``page``, or sends everybody for each page (L)."""

    # mailings, webhooks, automations
    may_release: bool = True
    """Whether the token has the right to release and stop mailings; else 403 (M)."""
    no_report_receivers: Literal["list", "false"] = "list"
    """An empty list of the receivers of a report: ``[]``, or ``false`` as in old responses (M)."""
    automation_id: Literal["digits", "letters"] = "digits"
    """Whether the id of an automation, which is text, is a number (U)."""

    # shapes
    empty_map: Literal["object", "list"] = "object"
    """An empty ``attributes``: ``{}`` as recorded (H), or ``[]`` as PHP encodes it."""
    arrays: Literal["list", "numbered", "keyed"] = "list"
    """A list that is not empty: a list (H), or as PHP encodes one with gaps: an object whose keys
    are ``0, 1, …``, or the ids of its items, else ``1, 2, …`` (U; seen for ``empty_map``)."""
    single_read: Literal["object", "list"] = "object"
    """GET of one group or receiver: the object, or a list of one, which the SDK unwraps (M)."""
    missing_receiver_read: Literal["error", "empty_list"] = "error"
    """GET of an unknown receiver: 404 (H), or ``[]``, which the SDK treats like 404 (M)."""
    error_shape: Literal["nested", "flat", "string"] = "nested"
    """``{"error": {"code", "message"}}`` (H), ``{"message"}`` (L), ``{"error": "message"}`` (M)."""
    errors_as_200: Literal["never", "refusals", "always"] = "never"
    """Error bodies with HTTP 200: never, for per-call refusals (400, 404, 409), or always (M)."""
    errors_as_html: bool = False
    """True: errors are a page with HTTP 200; one client refuses a 200 that is not JSON (L)."""
    exchange_answer: Literal["object", "string"] = "object"
    """The response of debug/exchange: a token object, or only the token (M)."""

    # OAuth
    refresh_reuse: Literal["refuse", "accept"] = "refuse"
    """Whether a refresh token works a second time after it was rotated (M)."""
    client_credentials_refresh: bool = False
    """Whether the client_credentials grant returns a refresh token too (L)."""

    # forms
    form_send_answer: Literal["true", "success", "email"] = "true"
    """The response to an opt-in e-mail: ``true``, ``{"success": true}`` or the address (M)."""
    not_found_after_create: int = 0
    """How many sends to a new receiver get 404 before forms find it (M)."""
    mail_to_active: Literal["send", "refuse"] = "send"
    """An opt-in e-mail to somebody active: sent, or refused with 400 "already active" (L)."""
    suspicious: tuple[str, ...] = ()
    """Addresses for which an opt-in e-mail is refused with a generic 403 (M)."""

    # the account
    agency: bool = True
    """Whether the account may create accounts of customers and get their tokens; else 403 (L)."""
    lone_client: Literal["list", "object"] = "list"
    """GET /clients of an account without customers: a list of one, or the object (M)."""
    contingent_answer: Literal["number", "object"] = "number"
    """The response of /clients/{id}/contingent: a number, or an object with one (U)."""
    group_blacklist_items: Literal["object", "string"] = "object"
    """The items of a group's blacklist: entries, or nothing but their addresses (M)."""
    group_blacklist_answer: Literal["entry", "true"] = "entry"
    """The response to a new entry in a group's blacklist (U)."""
    filter_rules: Literal["stored", "sent"] = "stored"
    """How rules of a segment are returned: with upper-case logic and attributes as
    ``a<id>.value`` (M), or as they were sent."""
    # webhooks
    webhook_url: Literal["any", "https"] = "any"
    """Whether http is accepted, as tests on one machine need it; the vendor wants https (H)."""
    webhook_value: Literal["secret", "other"] = "secret"
    """Whether the value of the verification is the secret that is returned (U)."""
    repeated_webhook: Literal["refuse", "replace"] = "refuse"
    """Whether a second registration of an event and condition gets 409, or replaces (U)."""
    webhook_retries: tuple[int, ...] = (60, 300)
    """The seconds before each further attempt of a failed delivery; empty: none (U)."""
    webhook_retry_refused: bool = False
    """Whether a delivery that was answered with a status below 500 is tried again too (U)."""
    webhook_repeats: int = 0
    """How often each delivery is sent once more although it was accepted (U; M: it happens)."""
    webhook_order: Literal["events", "reversed", "shuffled"] = "events"
    """The order of deliveries that are due (U)."""
    webhook_ids: Literal["str", "int"] = "str"
    """The type of ids in a delivery (H)."""
    webhook_content_type: str = "application/json"
    """The content type of a delivery; empty: none (U)."""
    webhook_email: Literal["hex", "base64", "plain", "missing"] = "hex"
    """How the address of a deleted receiver is written (M-H: hex)."""
    webhook_key: Literal["sha256", "sha256_text", "secret"] = "sha256"
    """The key of its encryption: a digest of the secret, as bytes or hex, or the secret (M-H)."""
    webhook_vector: Literal["front", "zero", "key"] = "front"
    """The initialisation vector: in front of the data, zeros, or the key's beginning (M-H)."""
    webhook_email_of: Literal["deleted", "all"] = "deleted"
    """Which events have the address too (U)."""
    webhook_deleted_id: Literal["missing", "zero", "stale"] = "missing"
    """The id of a deleted receiver, which is of no use any more (U)."""

    def __post_init__(self) -> None:
        for name, hint in _hints().items():
            if not _is_of_type(value := getattr(self, name), hint):
                raise ValueError(f"Switch {name} needs {_expected(hint)}, not {value!r}")

    @classmethod
    def parse(cls, *specs: str, base: Self | None = None) -> Self:
        """Parse switches of a command line, such as ``put_tags=replace`` or ``agency=no``.

        Lists are separated by commas, as in ``webhook_retries=5,30``; an empty text is an empty
        list, and ``none`` is no limit.

        Args:
            *specs: The switches.
            base: Has the values of the others; the defaults by default.

        Raises:
            ValueError: A switch is unknown, or has not such a value.
        """
        hints = _hints()
        values: dict[str, Any] = {}
        for spec in specs:
            name, equals, text = (part.strip() for part in spec.partition("="))
            name = name.replace("-", "_")
            if name not in hints:
                near = get_close_matches(name, hints)
                raise ValueError(
                    f"Unknown switch {name!r}: did you mean {', '.join(near)}?"
                    if near
                    else f"Unknown switch {name!r}: the fields of Behaviour are the switches"
                )
            if not equals:
                raise ValueError(f"Switch {spec!r} needs a value, such as {name}=VALUE")
            values[name] = _parse_value(name, text, hints[name])
        return cls(**values) if base is None else replace(base, **values)


def as_text(value: Any) -> str:
    """Return the value of a switch as :meth:`Behaviour.parse` reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return "none" if value is None else str(value)


@cache
def _hints() -> dict[str, Any]:
    """Return the types of the switches by name."""
    return get_type_hints(Behaviour)


def _is_of_type(value: object, hint: Any) -> bool:
    """Whether a value is of the type of a switch."""
    if get_origin(hint) is Literal:
        return value in get_args(hint) and not isinstance(value, bool)
    if get_origin(hint) is tuple:
        items = value if isinstance(value, tuple | list) else (None,)  # pyright: ignore[reportUnknownVariableType]
        return all(_is_of_type(item, get_args(hint)[0]) for item in items)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if hint is int or int in get_args(hint):
        is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return is_number or (value is None and NoneType in get_args(hint))
    return isinstance(value, hint)


def _expected(hint: Any) -> str:
    """Return which values a switch of a type has."""
    if get_origin(hint) is Literal:
        return ", ".join(map(str, get_args(hint)))
    if get_origin(hint) is tuple:
        return f"a tuple, each item {_expected(get_args(hint)[0])}"
    names = {bool: "True or False", str: "a text"}
    return names.get(hint, "a whole number" + " or None" * (NoneType in get_args(hint)))


_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _parse_value(name: str, text: str, hint: Any) -> Any:
    """Parse the value of a switch of a type.

    Raises:
        ValueError: It has not such a value.
    """
    expected: str
    if hint is bool:
        if text.lower() in _WORDS:
            return _WORDS[text.lower()]
        expected = "yes or no"
    elif get_origin(hint) is Literal:
        choices = {str(choice): choice for choice in get_args(hint)}
        if text in choices:
            return choices[text]
        expected = ", ".join(choices)
    elif get_origin(hint) is tuple:
        item = get_args(hint)[0]
        return tuple(_parse_value(name, it.strip(), item) for it in text.split(",") if text)
    elif hint is str:
        return text
    else:
        if text.isascii() and text.isdecimal():
            return int(text)
        if NoneType in get_args(hint) and text.lower() == "none":
            return None
        expected = "a whole number"
    raise ValueError(f"Switch {name} needs {expected}, not {text!r}")
