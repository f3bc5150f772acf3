"""Receivers: the contacts in the groups."""

from collections.abc import Mapping
from typing import Final

from cleverreach_async.errors import UnprocessableEntityError
from cleverreach_async.resources.account_receivers import AccountReceivers
from cleverreach_async.resources.base import receiver_path, refuse_none, unwrap
from cleverreach_async.resources.converter import structure
from cleverreach_async.resources.many_receivers import (
    ManyReceivers,
    is_repeatable,
    warn_of_lost_values,
)
from cleverreach_async.resources.receiver_arguments import ReceiverLike, as_receiver
from cleverreach_async.resources.receiver_lists import ReceiverLists
from cleverreach_async.resources.receiver_models import Receiver, ReceiverInput
from cleverreach_async.resources.receiver_wire import receiver_on_wire
from cleverreach_async.resources.signing_up import SigningUp
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.wire import build_request

__all__ = ["Receivers"]

_IN_GROUP: Final = "/groups/{group_id}/receivers/{receiver_id}"


class Receivers(SigningUp, ReceiverLists, ManyReceivers, AccountReceivers):
    """``cr.receivers``: read and write receivers, one or up to 1000 at a time.

    ``receiver_id`` is a pool id or an e-mail address. For more than 1000 receivers use ``cr.bulk``.
    Calls with orders, or with relative values such as ``"+1"``, are not repeated after a lost
    response, because the server might count them twice.

    Receivers to write are :class:`ReceiverInput` objects, or mappings of their fields. Tags may be
    one text with commas.

    As in every resource, an id is a number of 1 or more, or its digits as text. Anything else
    raises ``ConfigurationError``, and no request is sent.
    """

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
            idempotent=is_repeatable(receiver),
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
            warn_of_lost_values([(receiver, stored)])
            return structure(stored, Receiver, method=method, path=template)
        finally:
            del stored  # An error report of this frame shows its variables.
