"""Receivers: the contacts in the groups."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from cleverreach_async.errors import ConfigurationError, UnprocessableEntityError
from cleverreach_async.resources.base import (
    decode_list,
    group_path,
    receiver_path,
    refuse_none,
    unwrap,
)
from cleverreach_async.resources.batch_responses import (
    all_are_gone,
    is_profile,
    items_of,
    raise_first_failure,
)
from cleverreach_async.resources.converter import structure
from cleverreach_async.resources.lost_values import lost_attributes
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.parts import fits_into_url, in_parts
from cleverreach_async.resources.receiver_arguments import ReceiverLike, as_receiver, as_receivers
from cleverreach_async.resources.receiver_models import (
    BatchItem,
    Detail,
    Receiver,
    ReceiverInput,
    ReceiverState,
    read_batch_item,
)
from cleverreach_async.resources.receiver_wire import receiver_on_wire
from cleverreach_async.resources.relative import has_relative_values
from cleverreach_async.resources.signing_up import SigningUp
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.paths import check_ids, check_receiver_ids
from cleverreach_async.transport.wire import Response, as_object, build_request, decode_json

__all__ = ["Receivers"]

_log: Final = logging.getLogger("cleverreach_async")

MAX_BATCH: Final = 1000
MAX_PAGE_SIZE: Final = 5000

_IN_GROUP: Final = "/groups/{group_id}/receivers/{receiver_id}"


class Receivers(SigningUp):
    """``cr.receivers``: read and write receivers, one or up to 1000 at a time.

    ``receiver_id`` is a pool id or an e-mail address. For more than 1000 receivers use ``cr.bulk``.
    Calls with orders, or with relative values such as ``"+1"``, are not repeated after a lost
    response, because the server might count them twice.

    Receivers to write are :class:`ReceiverInput` objects, or mappings of their fields. Tags may be
    one text with commas.

    As in every resource, an id is a number of 1 or more, or its digits as text. Anything else
    raises ``ConfigurationError``, and no request is sent.
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
        """List the receivers of a group.

        Args:
            group_id: Group id.
            state: Only receivers in this state (the vendor's ``type``).
            detail: What to return for each receiver beside the profile.
            emails: Only these addresses. An empty sequence is refused, because the API would
                return all receivers. More than fit into a URL of 4 kB, about 120, are requested in
                parts; then a page is that of ``page_size`` addresses.
            ids: Only these pool ids, likewise.
            order_by: Field and direction, such as ``registered ASC``. With a stable order pages do
                not shift while others write.
            page_size: Receivers per page, 1 to 5000.

        Raises:
            ConfigurationError: ``emails`` or ``ids`` is empty or contains something else, or has to
                be requested in parts while ``order_by`` or both are given; or the page size is out
                of range.

        ``GET /groups/{group_id}/receivers``
        """
        for name, wanted in (("emails", emails), ("ids", ids)):
            if wanted is not None and not wanted:
                raise ConfigurationError(f"{name} is empty; leave it out to list all receivers")
        query: dict[str, Any] = {
            "type": state,
            "detail": int(detail) or None,
            "email_list": None if emails is None else _addresses(emails),
            "id_list": None if ids is None else check_ids("ids", ids),
            "order_by": order_by,
        }
        template, path = "/groups/{group_id}/receivers", {"group_id": group_id}
        listing = self._list(
            Receiver,
            template,
            path=path,
            query=query,
            size_param="pagesize",
            page_size=page_size,
            max_size=MAX_PAGE_SIZE,
        )
        if fits_into_url(template, path, query):
            return listing
        return in_parts(self._json, Receiver, template, path, query, page_size)

    async def get(self, receiver_id: int | str, *, group_id: int | None = None) -> Receiver:
        """Return one receiver, with events, orders and tags when read from a group.

        Args:
            receiver_id: Pool id or e-mail address.
            group_id: Group id. Without it, the fields that belong to a group are empty.

        Raises:
            NotFoundError: The receiver does not exist there.

        ``GET /groups/{group_id}/receivers/{pool_id}``, ``GET /receivers/{id}``
        """
        template, path = receiver_path(receiver_id, group_id)
        return await self._call(Receiver, "GET", template, path=path)

    async def create(self, receiver: ReceiverLike, *, group_id: int) -> Receiver:
        """Add one receiver.

        Values of attributes that the answer does not have are logged as a warning, by name.

        Raises:
            DuplicateReceiverError: The group has a receiver with this address.

        ``POST /groups/{group_id}/receivers``
        """
        return await self._write(
            receiver_on_wire(as_receiver(receiver)),
            "POST",
            "/groups/{group_id}/receivers",
            path={"group_id": group_id},
        )

    async def update(
        self, receiver_id: int | str, receiver: ReceiverLike, *, group_id: int
    ) -> Receiver:
        """Change one receiver. Fields that are not set stay as they are.

        Values of attributes that the answer does not have are logged as a warning, by name.
        With orders or relative values such as ``"+1"`` the call is not repeated after a lost
        response, because the server might count them twice.

        Raises:
            NotFoundError: The receiver is not in the group.

        ``PUT /groups/{group_id}/receivers/{id}``
        """
        receiver = as_receiver(receiver)
        return await self._write(
            receiver_on_wire(receiver, creates=False),
            "PUT",
            _IN_GROUP,
            path={"group_id": group_id, "receiver_id": receiver_id},
            idempotent=_is_repeatable(receiver),
        )

    async def upsert(self, receiver: ReceiverLike, *, group_id: int) -> Receiver:
        """Add or change one receiver with its tags and orders.

        Values of attributes that the answer does not have are logged as a warning, by name.
        With orders or relative values such as ``"+1"`` the call is not repeated after a lost
        response, because the server might count them twice.

        Raises:
            UnprocessableEntityError: The server refused the receiver, without a reason.

        ``POST /groups/{group_id}/receivers/upsertplus``
        """
        stored = await self.upsertplus_many([as_receiver(receiver)], group_id=group_id)
        if not stored:
            raise UnprocessableEntityError(
                "the server refused the receiver: check its address and the blacklist",
                status_code=422,
                method="POST",
                path="/groups/{group_id}/receivers/upsertplus",
            )
        return stored[0]

    async def delete(self, receiver_id: int | str, *, group_id: int | Unset = UNSET) -> None:
        """Delete one receiver from a group, or from the whole account without ``group_id``.

        Raises:
            ConfigurationError: ``group_id`` is ``None``, or an id is not one.

        ``DELETE /groups/{group_id}/receivers/{pool_id}``, ``DELETE /receivers/{pool_id}``
        """
        refuse_none(group_id)
        template, path = receiver_path(receiver_id, group_id)
        await self._do("DELETE", template, path=path)

    async def activate(self, receiver_id: int | str, *, group_id: int) -> None:
        """Activate a receiver now, without double opt-in.

        ``PUT /groups/{group_id}/receivers/{id}/activate``
        """
        path = {"group_id": group_id, "receiver_id": receiver_id}
        await self._do("PUT", f"{_IN_GROUP}/activate", path=path)

    async def deactivate(self, receiver_id: int | str, *, group_id: int) -> None:
        """Deactivate a receiver now, as if they had unsubscribed.

        ``PUT /groups/{group_id}/receivers/{pool_id}/deactivate``
        """
        path = {"group_id": group_id, "receiver_id": receiver_id}
        await self._do("PUT", f"{_IN_GROUP}/deactivate", path=path)

    async def insert_many(
        self, receivers: Iterable[ReceiverLike], *, group_id: int
    ) -> tuple[BatchItem, ...]:
        """Add up to 1000 receivers. Addresses that exist are refused, the others are added.

        ``POST /groups/{group_id}/receivers/insert``
        """
        items, response = await self._batch("POST", "insert", receivers, group_id)
        return tuple(read_batch_item(item, response.secrets) for item in items)

    async def update_many(
        self, receivers: Iterable[ReceiverLike], *, group_id: int
    ) -> tuple[BatchItem, ...]:
        """Change up to 1000 existing receivers.

        ``PUT /groups/{group_id}/receivers/update``
        """
        items, response = await self._batch("PUT", "update", receivers, group_id)
        return tuple(read_batch_item(item, response.secrets) for item in items)

    async def upsert_many(
        self, receivers: Iterable[ReceiverLike], *, group_id: int
    ) -> tuple[BatchItem, ...]:
        """Add or change up to 1000 receivers, and return the result of each.

        ``POST /groups/{group_id}/receivers/upsert``
        """
        items, response = await self._batch("POST", "upsert", receivers, group_id)
        return tuple(read_batch_item(item, response.secrets) for item in items)

    async def updateplus_many(
        self, receivers: Iterable[ReceiverLike], *, group_id: int
    ) -> tuple[Receiver, ...]:
        """Change up to 1000 existing receivers and return them without the refused ones.

        Values of attributes that the answer does not have are logged as a warning, by name.

        ``PUT /groups/{group_id}/receivers/updateplus``
        """
        return await self._batch_profiles("PUT", "updateplus", receivers, group_id)

    async def upsertplus_many(
        self, receivers: Iterable[ReceiverLike], *, group_id: int
    ) -> tuple[Receiver, ...]:
        """Add or change up to 1000 receivers and return them without the refused ones.

        Values of attributes that the answer does not have are logged as a warning, by name.

        ``POST /groups/{group_id}/receivers/upsertplus``
        """
        return await self._batch_profiles("POST", "upsertplus", receivers, group_id)

    async def delete_many(
        self, receiver_ids: Iterable[int | str], *, group_id: int | Unset = UNSET
    ) -> None:
        """Delete receivers from a group, or from the whole account without ``group_id``.

        Receivers that do not exist are ignored. Without any receiver, no request is sent.

        Raises:
            ConfigurationError: ``group_id`` is ``None``, or an id is not one.

        ``POST /groups/{group_id}/receivers/delete``, ``POST /receivers/delete``
        """
        refuse_none(group_id)
        ids = check_receiver_ids("receiver_ids", receiver_ids)
        if not ids:
            return
        template, path = group_path("/receivers/delete", group_id)
        json = {"receivers": ids} if group_id is UNSET else ids
        await self._do(
            "POST", template, path=path, json=json, idempotent=True, shows_success=all_are_gone
        )

    async def _write(
        self,
        receiver: ReceiverInput,
        method: str,
        template: str,
        path: Mapping[str, str | int],
        *,
        idempotent: bool | None = None,
    ) -> Receiver:
        """Send one receiver and return it as the server shows it."""
        request = build_request(method, template, path=path, json=receiver, idempotent=idempotent)
        stored = unwrap(await self._done(request), request)
        try:
            _warn_of_lost_values([(receiver, stored)])
            return structure(stored, Receiver, method=method, path=template)
        finally:
            del stored  # An error report of this frame shows its variables.

    async def _batch_profiles(
        self, method: str, verb: str, receivers: Iterable[ReceiverLike], group_id: int
    ) -> tuple[Receiver, ...]:
        sent = as_receivers(receivers)
        path = f"/groups/{{group_id}}/receivers/{verb}"
        items, response = await self._batch(method, verb, sent, group_id)
        stored = {str(as_object(it).get("email")).lower(): it for it in items if is_profile(it)}
        try:
            if not stored:
                raise_first_failure(items, response, method, path)
            _warn_of_lost_values((it, stored.get(str(it.email).strip().lower())) for it in sent)
            return decode_list([*filter(is_profile, items)], Receiver, method=method, path=path)
        finally:
            del items, stored  # An error report of this frame shows its variables.

    async def _batch(
        self, method: str, verb: str, receivers: Iterable[ReceiverLike], group_id: int
    ) -> tuple[Sequence[Any], Response]:
        """Send up to 1000 receivers and return the items of the response, and the response."""
        creates = verb not in {"update", "updateplus"}
        rows = [receiver_on_wire(receiver, creates=creates) for receiver in as_receivers(receivers)]
        if len(rows) > MAX_BATCH:
            raise ConfigurationError(
                f"{len(rows)} receivers in one call; the API takes {MAX_BATCH}, use cr.bulk for"
                " more"
            )
        request = build_request(
            method,
            f"/groups/{{group_id}}/receivers/{verb}",
            path={"group_id": group_id},
            json=rows,
            # Repeated inserts are refused as duplicates.
            idempotent=verb != "insert" and all(map(_is_repeatable, rows)),
        )
        response = await self._send(request)
        return items_of(decode_json(response, request), response, request), response


def _is_repeatable(receiver: ReceiverInput) -> bool:
    """Whether writing a receiver twice has the same effect as writing them once.

    Orders might be stored twice, and a relative value such as "+1" counted twice.
    """
    maps = (receiver.attributes, receiver.global_attributes)
    return not (receiver.orders or any(map(has_relative_values, maps)))


def _addresses(emails: Sequence[str]) -> Sequence[str]:
    addresses = [emails] if isinstance(emails, str) else [*emails]
    if not all("@" in str(address) for address in addresses):
        raise ConfigurationError("emails has something that is not an e-mail address")
    return addresses


def _warn_of_lost_values(pairs: Iterable[tuple[ReceiverInput, Any]]) -> None:
    """Log the names of attributes whose values the server has not stored; no values.

    Args:
        pairs: Each receiver as it was sent, and as the answer shows it.
    """
    lost: dict[str, None] = {}
    for receiver, stored in pairs:
        sent = {
            "attributes": receiver.attributes or {},
            "global_attributes": receiver.global_attributes or {},
        }
        lost |= dict.fromkeys(lost_attributes(sent, as_object(stored)))
    if lost:
        _log.warning(
            "the server has not stored the values of %s; create attributes with cr.attributes"
            " before values are sent",
            ", ".join(lost),
        )
