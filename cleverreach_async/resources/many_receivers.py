"""Up to 1000 receivers in one call, and what single writes share with them."""

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.base import Resource, decode_list, group_path, refuse_none
from cleverreach_async.resources.batch_responses import (
    all_are_gone,
    is_profile,
    items_of,
    raise_first_failure,
)
from cleverreach_async.resources.lost_values import lost_attributes
from cleverreach_async.resources.receiver_arguments import ReceiverLike, as_receivers
from cleverreach_async.resources.receiver_models import (
    BatchItem,
    Receiver,
    ReceiverInput,
    read_batch_item,
)
from cleverreach_async.resources.receiver_wire import receiver_on_wire
from cleverreach_async.resources.relative import has_relative_values
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.paths import check_receiver_ids
from cleverreach_async.transport.wire import Response, as_object, build_request, decode_json

__all__ = ["MAX_BATCH", "ManyReceivers", "is_repeatable", "warn_of_lost_values"]

_log: Final = logging.getLogger("cleverreach_async")

MAX_BATCH: Final = 1000


class ManyReceivers(Resource):
    """The calls of ``cr.receivers`` that write or delete up to 1000 receivers."""

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
            warn_of_lost_values((it, stored.get(str(it.email).strip().lower())) for it in sent)
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
            idempotent=verb != "insert" and all(map(is_repeatable, rows)),
        )
        response = await self._send(request)
        return items_of(decode_json(response, request), response, request), response


def is_repeatable(receiver: ReceiverInput) -> bool:
    """Whether writing a receiver twice has the same effect as writing them once.

    Orders might be stored twice, and a relative value such as "+1" counted twice.
    """
    maps = (receiver.attributes, receiver.global_attributes)
    return not (receiver.orders or any(map(has_relative_values, maps)))


def warn_of_lost_values(pairs: Iterable[tuple[ReceiverInput, Any]]) -> None:
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
