"""Models of a receiver: as written, as read, and as an item of a batch response."""

import enum
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import attrs

from cleverreach_async.resources.field_types import AttributeValues, Extra, Number
from cleverreach_async.resources.order_models import Order, OrderInput
from cleverreach_async.resources.success import failure_in, is_word_of_success
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.error_bodies import words_in
from cleverreach_async.transport.hiding import hide
from cleverreach_async.transport.numbers import check_number
from cleverreach_async.transport.wire import as_object

__all__ = [
    "AttributeValue",
    "BatchItem",
    "Detail",
    "Event",
    "Receiver",
    "ReceiverInput",
    "ReceiverState",
    "detail_on_wire",
    "read_batch_item",
]

_MOST_DIGITS: Final = 40

ReceiverState = Literal["all", "active", "inactive", "bounce"]
AttributeValue = str | int | float | None


class Detail(enum.IntFlag):
    """What a list of receivers contains for each of them. Values can be combined with ``|``."""

    NONE = 0
    EVENTS = 1
    ORDERS = 2
    TAGS = 4
    ALL = 7


def detail_on_wire(detail: Detail) -> int:
    """Return what a list contains, as a number.

    Raises:
        ConfigurationError: It is something else.
    """
    check_number("detail", detail)
    return int(detail)


@attrs.define
class ReceiverInput:
    """A receiver to write. Fields that are not set stay as they are on the server.

    A new receiver without any of the three times is **active at once**. For double opt-in, send
    ``registered`` and ``activated=0``, then let a form send the activation mail. Times are aware
    ``datetime`` objects or Unix seconds, from 1970 to 2099.

    Attributes:
        email: E-mail address. It identifies the receiver within a group, regardless of case.
        registered: When they signed up.
        activated: When they confirmed. 0 for not yet, which sets an active receiver inactive.
            ``None`` for not yet too, but it leaves existing receivers as they are: only
            ``registered`` is sent. ``True`` for an unknown time: that of ``registered`` is sent.
        deactivated: When they unsubscribed; 1 or ``True`` for an unknown time. 0 is not sent, since
            it could make people active who unsubscribed; see ``cr.receivers.activate()``.
        source: Origin of the contact, shown in the account.
        attributes: Values of the group's own attributes, by lower-case name; ``None`` unsets. The
            API adds ``"+1"`` to a number, and subtracts ``"-1"`` from it.
        global_attributes: Values of the account's attributes, by lower-case name.
        tags: Tags to add, ``name`` or ``origin.name``; a leading ``-`` removes the tag.
        orders: Order lines to add.
    """

    email: str
    registered: datetime | int | Unset = UNSET
    activated: datetime | int | Unset | None = UNSET
    deactivated: datetime | int | Unset = UNSET
    source: str | Unset = UNSET
    attributes: Mapping[str, AttributeValue] | Unset = UNSET
    global_attributes: Mapping[str, AttributeValue] | Unset = UNSET
    tags: Sequence[str] | Unset = UNSET
    orders: Sequence[OrderInput] | Unset = UNSET


@attrs.frozen(kw_only=True)
class Event:
    """An event in the history of a receiver.

    Attributes:
        stamp: Time of the event.
        type: Such as ``mail_open``, ``mail_click`` or ``user_unsubscribe``; the API may add others.
        type_id: What the type refers to, such as a link, a form or a bounce category.
        value: IP address, SMTP text or note.
        mailing_id: The mailing, or 0.
        groups_id: The group, or 0.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    stamp: datetime | None = None
    type: str = ""
    type_id: str = ""
    value: str = attrs.field(default="", repr=False)
    mailing_id: int = 0
    groups_id: int = 0
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


@attrs.frozen(kw_only=True)
class Receiver:
    """A receiver as the API returns it. Only ``id`` and ``email`` are always set.

    Attributes:
        id: Pool id, the same in all groups.
        email: E-mail address.
        group_id: The group that it was read from, or 0 if it was read without a group.
        active: Whether they get mail, or ``None`` if the response does not say.
        registered: When they signed up.
        activated: When they confirmed; ``None`` for not yet.
        deactivated: When they unsubscribed; ``None`` for never.
        imported: When they were imported.
        bounced: When mail to them bounced.
        last_changed: When the receiver last changed.
        source: Origin of the contact.
        points: The vendor's points.
        stars: The vendor's rating, 0 to 5.
        last_ip: The IP address that the vendor saw last.
        last_location: Its place.
        last_client: The mail program or browser that the vendor saw last.
        open_rate: Opened mails, as a share of those that were sent; ``None`` if the response does
            not say, likewise for the other rates.
        click_rate: Mails in which a link was clicked.
        conversion_rate: Mails that led to an order.
        attributes: Values of the group's own attributes, by name. They are texts; only a truth
            value, a list or an object that the API sends stays what it is.
        global_attributes: Values of the account's attributes, likewise; empty texts if they are
            not set.
        tags: Tags, if the response contains them.
        events: The last 250 events, if the response contains them.
        orders: Order lines, if the response contains them.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    id: int
    email: str
    group_id: int = 0
    active: bool | None = None
    registered: datetime | None = attrs.field(default=None, repr=False)
    activated: datetime | None = attrs.field(default=None, repr=False)
    deactivated: datetime | None = attrs.field(default=None, repr=False)
    imported: datetime | None = attrs.field(default=None, repr=False)
    bounced: datetime | None = attrs.field(default=None, repr=False)
    last_changed: datetime | None = attrs.field(default=None, repr=False)
    source: str = attrs.field(default="", repr=False)
    points: Number = attrs.field(default=0, repr=False)
    stars: Number = attrs.field(default=0, repr=False)
    last_ip: str = attrs.field(default="", repr=False)
    last_location: str = attrs.field(default="", repr=False)
    last_client: str = attrs.field(default="", repr=False)
    open_rate: float | None = attrs.field(default=None, repr=False)
    click_rate: float | None = attrs.field(default=None, repr=False)
    conversion_rate: float | None = attrs.field(default=None, repr=False)
    attributes: AttributeValues = attrs.field(factory=dict[str, Any], repr=False)
    global_attributes: AttributeValues = attrs.field(factory=dict[str, Any], repr=False)
    tags: tuple[str, ...] = attrs.field(default=(), repr=False)
    events: tuple[Event, ...] = attrs.field(default=(), repr=False)
    orders: tuple[Order, ...] = attrs.field(default=(), repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


@attrs.frozen
class BatchItem:
    """The result of one row of a batch call.

    Attributes:
        status: The vendor's text, such as ``insert success`` or ``duplicate address``.
        id: Pool id, if the response contains it.
        email: E-mail address, if the response contains it.
    """

    status: str
    id: int | None = None
    email: str | None = attrs.field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether the row was stored."""
        return is_word_of_success(self.status)


def read_batch_item(raw: Any, secrets: Iterable[str] = ()) -> BatchItem:
    """Read one item of a batch response: an object, an error text, or a full profile.

    Args:
        raw: The item.
        secrets: Credentials that it may quote.
    """
    if isinstance(raw, str):
        return BatchItem(hide(raw, secrets))
    fields = as_object(raw)
    number = str(fields.get("id") or "")
    email = fields.get("email")
    return BatchItem(
        hide(_status_in(fields), secrets),
        int(number) if number.isdecimal() and len(number) <= _MOST_DIGITS else None,
        email if isinstance(email, str) else None,
    )


def _status_in(fields: Mapping[str, Any]) -> str:
    """Return the vendor's text about a row, ``success`` for a whole receiver, or nothing."""
    texts = [words_in(fields.get(name)) for name in ("status", "error", "errors", "message")]
    if fields and failure_in(fields) is None:
        return next(filter(is_word_of_success, texts), "success")
    return next((it for it in texts if it and not is_word_of_success(it)), "")
