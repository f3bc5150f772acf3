"""Receivers: the people in the groups."""

import enum
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import attrs

from cleverreach_async.errors import ConfigurationError, UnprocessableEntityError
from cleverreach_async.resources.base import (
    UNSET,
    Resource,
    Unset,
    decode_list,
    receiver_path,
    to_unix,
)
from cleverreach_async.resources.converter import Extra, StringMap
from cleverreach_async.resources.orders import Order, OrderInput, order_on_wire
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.transport.wire import as_list, as_object, build_request

__all__ = [
    "BatchItem",
    "Detail",
    "Event",
    "Receiver",
    "ReceiverInput",
    "ReceiverState",
    "Receivers",
    "read_batch_item",
    "receiver_on_wire",
]

MAX_BATCH: Final = 1000
MAX_PAGE_SIZE: Final = 5000

ReceiverState = Literal["all", "active", "inactive", "bounce"]
AttributeValue = str | int | float | None


class Detail(enum.IntFlag):
    """What a listing adds to each receiver."""

    NONE = 0
    EVENTS = 1
    ORDERS = 2
    TAGS = 4
    ALL = 7


@attrs.define
class ReceiverInput:
    """A receiver to write. Fields that are left out stay as they are on the server.

    A new receiver for whom none of the three times is sent is **active at once**. For double
    opt-in send ``registered`` and ``activated=0``, then have the form mail the confirmation.

    Attributes:
        email: Address; it identifies the receiver within a group, whatever its case.
        registered: When they signed up, aware or in unix seconds.
        activated: When they confirmed; 0 for not yet.
        deactivated: When they unsubscribed; anything but 0 is final for an integration.
        source: Where the contact comes from, shown in the account.
        attributes: Values of the group's own attributes, by lower-case name; ``None`` unsets.
        global_attributes: Values of the account's attributes, by lower-case name.
        tags: Tags to add, ``name`` or ``origin.name``; a leading ``-`` removes one.
        orders: Order lines to add.
    """

    email: str
    registered: datetime | int | Unset = UNSET
    activated: datetime | int | Unset = UNSET
    deactivated: datetime | int | Unset = UNSET
    source: str | Unset = UNSET
    attributes: Mapping[str, AttributeValue] | Unset = UNSET
    global_attributes: Mapping[str, AttributeValue] | Unset = UNSET
    tags: Sequence[str] | Unset = UNSET
    orders: Sequence[OrderInput] | Unset = UNSET


@attrs.frozen(kw_only=True)
class Event:
    """Something that happened to a receiver.

    Attributes:
        stamp: When.
        type: Such as ``mail_open``, ``mail_click`` or ``user_unsubscribe``; the set is open.
        type_id: What the type refers to: a link, a form, a bounce category.
        value: IP address, SMTP text or note.
        mailing_id: The mailing, or 0.
        groups_id: The group, or 0.
        extra: What the answer holds beyond these fields.
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
    """A receiver as the API returns it. No field but ``id`` and ``email`` is guaranteed.

    Attributes:
        id: Pool id, the same in all groups.
        email: Address.
        group_id: The group it was read from; 0 in a read across groups.
        active: Whether mail is sent, or ``None`` when the answer does not say.
        registered: When they signed up.
        activated: When they confirmed; ``None`` for not yet.
        deactivated: When they unsubscribed; ``None`` for not.
        imported: When they were imported.
        bounced: When mail to them bounced.
        last_changed: When the receiver last changed.
        source: Where the contact comes from.
        points: The vendor's points.
        stars: The vendor's rating, 0 to 5.
        attributes: Values of the group's own attributes.
        global_attributes: Values of the account's attributes; unset ones are empty.
        tags: Tags, where the call returns them.
        events: The last 250 events, where the call returns them.
        orders: Order lines, where the call returns them.
        extra: What the answer holds beyond these fields.
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
    points: int = attrs.field(default=0, repr=False)
    stars: int = attrs.field(default=0, repr=False)
    attributes: StringMap = attrs.field(factory=dict[str, str], repr=False)
    global_attributes: StringMap = attrs.field(factory=dict[str, str], repr=False)
    tags: tuple[str, ...] = attrs.field(default=(), repr=False)
    events: tuple[Event, ...] = attrs.field(default=(), repr=False)
    orders: tuple[Order, ...] = attrs.field(default=(), repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


@attrs.frozen
class BatchItem:
    """What a batch call says of one row.

    Attributes:
        status: The vendor's words, such as ``insert success`` or ``duplicate address``.
        id: Pool id, where the answer gives one.
        email: Address, where the answer gives one.
    """

    status: str
    id: int | None = None
    email: str | None = attrs.field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether the row was stored."""
        return self.status.lower().endswith("success")


def read_batch_item(raw: Any) -> BatchItem:
    """Read one item of a batch answer: an object, a bare error text, or a full profile."""
    if isinstance(raw, str):
        return BatchItem(raw)
    fields = as_object(raw)
    number = str(fields.get("id") or "")
    email = fields.get("email")
    address = email if isinstance(email, str) else None
    # A full profile has no status: it shows the stored receiver, which is proof enough.
    status = fields.get("status") or fields.get("error") or ("success" if address else "")
    return BatchItem(str(status), int(number) if number.isdecimal() else None, address)


def receiver_on_wire(receiver: ReceiverInput) -> ReceiverInput:
    """Return the receiver with times in unix seconds; the input is left as it is."""
    changes: dict[str, Any] = {}
    if isinstance(receiver.registered, datetime):
        changes["registered"] = to_unix(receiver.registered)
    if isinstance(receiver.activated, datetime):
        changes["activated"] = to_unix(receiver.activated)
    if isinstance(receiver.deactivated, datetime):
        changes["deactivated"] = to_unix(receiver.deactivated)
    if receiver.orders:
        changes["orders"] = [order_on_wire(order) for order in receiver.orders]
    return attrs.evolve(receiver, **changes) if changes else receiver


class Receivers(Resource):
    """``cr.receivers``: read and write receivers, one or up to 1000 at a time.

    A receiver is named by pool id or by e-mail address. For more rows than one call takes, use
    ``cr.bulk``.
    """

    def list(
        self,
        *,
        group_id: int,
        state: ReceiverState = "all",
        detail: Detail = Detail.NONE,
        emails: Sequence[str] | None = None,
        ids: Sequence[int] | None = None,
        order_by: str | None = None,
        page_size: int = 500,
    ) -> Paginator[Receiver]:
        """List a group's receivers.

        Args:
            group_id: Group id.
            state: The vendor's ``type``: only receivers in this state.
            detail: What to add to each receiver.
            emails: Only these addresses.
            ids: Only these pool ids.
            order_by: Field and direction, such as ``registered ASC``; a stable order keeps pages
                from shifting while others write.
            page_size: Receivers per page, 1 to 5000.

        ``GET /groups/{group_id}/receivers``
        """
        query = {
            "type": state,
            "detail": int(detail) or None,
            "email_list": emails,
            "id_list": ids,
            "order_by": order_by,
        }
        return self._list(
            Receiver,
            "/groups/{group_id}/receivers",
            path={"group_id": group_id},
            query=query,
            size_param="pagesize",
            page_size=page_size,
            max_size=MAX_PAGE_SIZE,
        )

    async def get(self, receiver_id: int | str, *, group_id: int | None = None) -> Receiver:
        """Return one receiver, with events, orders and tags when read from a group.

        Args:
            receiver_id: Pool id or e-mail address.
            group_id: Group; without one the group's fields are empty.

        Raises:
            NotFoundError: No such receiver there.

        ``GET /groups/{group_id}/receivers/{pool_id}``, ``GET /receivers/{id}``
        """
        template, path = receiver_path(receiver_id, group_id)
        return await self._call(Receiver, "GET", template, path=path)

    async def create(self, receiver: ReceiverInput, *, group_id: int) -> Receiver:
        """Add one receiver; an address that is in the group already is an error.

        ``POST /groups/{group_id}/receivers``
        """
        return await self._call(
            Receiver,
            "POST",
            "/groups/{group_id}/receivers",
            path={"group_id": group_id},
            json=receiver_on_wire(receiver),
        )

    async def update(
        self, receiver_id: int | str, receiver: ReceiverInput, *, group_id: int
    ) -> Receiver:
        """Change one receiver; fields that are left out stay as they are.

        Raises:
            NotFoundError: No such receiver in the group.

        ``PUT /groups/{group_id}/receivers/{id}``
        """
        template, path = receiver_path(receiver_id, group_id)
        return await self._call(
            Receiver,
            "PUT",
            template,
            path=path,
            json=receiver_on_wire(receiver),
            idempotent=not receiver.orders,
        )

    async def upsert(self, receiver: ReceiverInput, *, group_id: int) -> Receiver:
        """Add or change one receiver, tags and orders included.

        With orders the call is not repeated after a lost answer, since the server may not
        recognise a repeated order.

        Raises:
            UnprocessableEntityError: The server refused the row; it does not say why.

        ``POST /groups/{group_id}/receivers/upsertplus``
        """
        stored = await self.upsertplus_many([receiver], group_id=group_id)
        if not stored:
            raise UnprocessableEntityError(
                "the server refused the receiver: check its address and the blacklist",
                status_code=422,
                method="POST",
                path="/groups/{group_id}/receivers/upsertplus",
            )
        return stored[0]

    async def delete(self, receiver_id: int | str, *, group_id: int | None = None) -> None:
        """Remove one receiver from a group, or from the whole account without ``group_id``.

        ``DELETE /groups/{group_id}/receivers/{pool_id}``, ``DELETE /receivers/{pool_id}``
        """
        template, path = receiver_path(receiver_id, group_id)
        await self._do("DELETE", template, path=path)

    async def activate(self, receiver_id: int | str, *, group_id: int) -> None:
        """Set a receiver active now, without double opt-in.

        ``PUT /groups/{group_id}/receivers/{id}/activate``
        """
        template, path = receiver_path(receiver_id, group_id)
        await self._do("PUT", f"{template}/activate", path=path)

    async def deactivate(self, receiver_id: int | str, *, group_id: int) -> None:
        """Set a receiver inactive now, as an unsubscription does.

        ``PUT /groups/{group_id}/receivers/{pool_id}/deactivate``
        """
        template, path = receiver_path(receiver_id, group_id)
        await self._do("PUT", f"{template}/deactivate", path=path)

    async def insert_many(
        self, receivers: Iterable[ReceiverInput], *, group_id: int
    ) -> tuple[BatchItem, ...]:
        """Add up to 1000 receivers; addresses that exist are refused one by one.

        ``POST /groups/{group_id}/receivers/insert``
        """
        rows = _batch(receivers)
        raw = await self._batch("POST", "insert", rows, group_id, idempotent=False)
        return tuple(read_batch_item(item) for item in as_list(raw))

    async def update_many(
        self, receivers: Iterable[ReceiverInput], *, group_id: int
    ) -> tuple[BatchItem, ...]:
        """Change up to 1000 receivers that exist.

        ``PUT /groups/{group_id}/receivers/update``
        """
        rows = _batch(receivers)
        raw = await self._batch("PUT", "update", rows, group_id, idempotent=_repeatable(rows))
        return tuple(read_batch_item(item) for item in as_list(raw))

    async def upsert_many(
        self, receivers: Iterable[ReceiverInput], *, group_id: int
    ) -> tuple[BatchItem, ...]:
        """Add or change up to 1000 receivers; the answer says of each row what happened.

        ``POST /groups/{group_id}/receivers/upsert``
        """
        rows = _batch(receivers)
        raw = await self._batch("POST", "upsert", rows, group_id, idempotent=_repeatable(rows))
        return tuple(read_batch_item(item) for item in as_list(raw))

    async def updateplus_many(
        self, receivers: Iterable[ReceiverInput], *, group_id: int
    ) -> tuple[Receiver, ...]:
        """Change up to 1000 receivers that exist and return them; refused rows are missing.

        ``PUT /groups/{group_id}/receivers/updateplus``
        """
        rows = _batch(receivers)
        return await self._plus("PUT", "updateplus", rows, group_id)

    async def upsertplus_many(
        self, receivers: Iterable[ReceiverInput], *, group_id: int
    ) -> tuple[Receiver, ...]:
        """Add or change up to 1000 receivers and return them; refused rows are missing.

        ``POST /groups/{group_id}/receivers/upsertplus``
        """
        rows = _batch(receivers)
        return await self._plus("POST", "upsertplus", rows, group_id)

    async def delete_many(
        self, receiver_ids: Iterable[int | str], *, group_id: int | None = None
    ) -> None:
        """Remove receivers from a group, or from the whole account without ``group_id``.

        Addresses that are not there are passed over.

        ``POST /groups/{group_id}/receivers/delete``, ``POST /receivers/delete``
        """
        ids = [str(receiver_id) for receiver_id in receiver_ids]
        if group_id is None:
            await self._do("POST", "/receivers/delete", json={"receivers": ids}, idempotent=True)
        else:
            await self._do(
                "POST",
                "/groups/{group_id}/receivers/delete",
                path={"group_id": group_id},
                json=ids,
                idempotent=True,
            )

    async def _plus(
        self, method: str, verb: str, rows: Sequence[ReceiverInput], group_id: int
    ) -> tuple[Receiver, ...]:
        template = f"/groups/{{group_id}}/receivers/{verb}"
        raw = await self._batch(method, verb, rows, group_id, idempotent=_repeatable(rows))
        profiles = [item for item in as_list(raw) if as_object(item).get("email")]
        return decode_list(profiles, Receiver, method=method, path=template)

    async def _batch(
        self,
        method: str,
        verb: str,
        rows: Sequence[ReceiverInput],
        group_id: int,
        *,
        idempotent: bool,
    ) -> Any:
        request = build_request(
            method,
            f"/groups/{{group_id}}/receivers/{verb}",
            path={"group_id": group_id},
            json=rows,
            idempotent=idempotent,
        )
        return await self._json(request)


def _batch(receivers: Iterable[ReceiverInput]) -> Sequence[ReceiverInput]:
    rows = [receiver_on_wire(receiver) for receiver in receivers]
    if len(rows) > MAX_BATCH:
        raise ConfigurationError(
            f"{len(rows)} receivers in one call; the API takes {MAX_BATCH}, use cr.bulk for more"
        )
    return rows


def _repeatable(rows: Sequence[ReceiverInput]) -> bool:
    """Whether sending twice stores the same; nobody knows it of orders."""
    return not any(row.orders for row in rows)
