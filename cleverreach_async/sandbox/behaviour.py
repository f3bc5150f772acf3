"""Switches for what nobody outside knows about the real CleverReach.

Where public material disagrees or is silent, the sandbox can play each plausible variant, so that a
client is tested under all of them. The letter behind each field is the confidence in its default:
H several independent or live-tested sources, M one good source, L one weak source, U unknown.
"""

from dataclasses import dataclass
from typing import Literal

RowText = Literal["string", "object"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How the sandbox acts where the real API is undocumented; each default is the likeliest."""

    # batches
    bad_row_as: RowText = "string"
    """A refused row of insert, update, upsert: a string (M, v2) or ``{"status": text}``."""
    refused_plus_row: Literal["omit", "string", "object"] = "omit"
    """The plus calls leave refused rows out of the answer, or report them in place (M)."""
    plus_order: Literal["input", "reversed", "shuffled"] = "input"
    """The order of the rows that the plus calls answer (U)."""
    plus_nothing_stored: Literal["empty_list", "false"] = "empty_list"
    """The body of upsertplus when every row was refused: ``[]`` or ``false`` (M for false)."""
    plus_with_orders: bool = False
    """Whether upsertplus answers ``orders`` too; the one recorded answer has none (M)."""
    repeated_row: Literal["each", "once"] = "each"
    """An address twice in one batch is answered per row, or once in the plus calls (U)."""
    batch_item_id: Literal["int", "str"] = "int"
    """The type of ``id`` in a row's ``{"status", "id"}``; ints were recorded (M)."""
    missing_group_on_batch: Literal[404, 405] = 404
    """The status of a batch call on a group that does not exist; 405 was recorded on v2 (M)."""
    max_rows: int = 1000
    """More rows than this in one batch get 413; 1000 is field practice, not vendor text (M)."""
    max_body_bytes: int | None = None
    """Larger bodies get 413; None means no ceiling. Whether rows or bytes count is open (U)."""
    batch_delete_answer: Literal["objects", "true"] = "objects"
    """A batch delete in a group answers ``{"status"}`` per item, or bare ``true`` (L)."""

    # receivers
    duplicate_status: Literal[400, 409] = 400
    """The status for a single POST of an address the group already has (U)."""
    lift_deactivation: bool = True
    """Whether ``deactivated: 0`` brings an unsubscribed receiver back; a policy may refuse (M)."""
    doi_state_in_one_call: bool = True
    """False: the plus calls ignore ``activated: 0`` on creation and need a second call (L)."""
    blacklisted_row: Literal["accept", "refuse"] = "accept"
    """Whether a blacklisted address can be written into a group (U)."""
    contact_limit: int | None = None
    """More receivers than this in the account: the whole write gets 403 (M)."""
    put_tags: Literal["add", "replace"] = "add"
    """``tags`` in a single PUT are added, or replace the stored ones (L)."""
    dedupe_orders: bool = False
    """True: a line with a known order_id and product replaces the stored one; assume not (U)."""
    order_quantity_key: Literal["quantity", "amount"] = "quantity"
    """The name under which an order line reads back its quantity; v2 said amount (M)."""
    sparse_profiles: bool = False
    """True: profiles lack what answers were seen to lack; only id and email are sure (H)."""
    email_case: Literal["stored", "lower"] = "stored"
    """The spelling of addresses in answers (U)."""
    filter_active_only: bool = True
    """What /receivers/filter does without ``activeonly`` (L)."""
    oversized_page: Literal["clamp", "error"] = "clamp"
    """A page size above the maximum is cut down, or gets 400 (U)."""
    tags_paging: Literal["page", "offset"] = "page"
    """Which parameter of /tags counts: one client pages with page, another with offset (U)."""
    empty_id_clears_group: bool = False
    """True: DELETE groups/{id}/receivers/ with an empty id clears the group, as v2 once did (M)."""
    attribute_cap: int = 40
    """The most attributes, global and local together; one importer's assumption (M)."""
    attribute_cap_status: Literal[400, 403, 409] = 400
    """The status of creating one attribute too many (U)."""
    attribute_limits: Literal["limit", "max", "other", "missing"] = "limit"
    """/attributes/limits names the cap so, in words unknown to clients, or is not there (U)."""

    # shapes
    empty_map: Literal["object", "list"] = "object"
    """An empty ``attributes`` is ``{}`` as recorded (H), or ``[]`` as PHP likes it."""
    single_read: Literal["object", "list"] = "object"
    """GET of one group or receiver: the object, or a list of one, as the SDK unwraps (M)."""
    missing_receiver_read: Literal["error", "empty_list"] = "error"
    """GET of an unknown receiver: 404 (H), or ``[]``, which the vendor's SDK treats alike (M)."""
    error_shape: Literal["nested", "flat", "string"] = "nested"
    """``{"error": {"code", "message"}}`` (H), ``{"message"}`` (L), ``{"error": "message"}`` (M)."""
    errors_as_200: Literal["never", "refusals", "always"] = "never"
    """Error bodies with HTTP 200: never, for per-call refusals (400, 404, 409), or always (M)."""
    exchange_answer: Literal["object", "string"] = "object"
    """debug/exchange answers a token object, or the bare token (M)."""

    # OAuth
    refresh_reuse: Literal["refuse", "accept"] = "refuse"
    """Whether a refresh token works a second time after it was rotated (M)."""
    client_credentials_refresh: bool = False
    """Whether the client_credentials grant hands out a refresh token as well (L)."""

    # forms
    form_send_answer: Literal["true", "success", "email"] = "true"
    """The body after a double opt-in mail: ``true``, ``{"success": true}`` or the address (M)."""
    not_found_after_create: int = 0
    """So many sends for a new receiver get 404 before it is visible to forms (M)."""
    suspicious: tuple[str, ...] = ()
    """Addresses to which an opt-in mail is refused with a generic 403 (M)."""
