"""Events in the history of receivers, such as opened mails."""

from datetime import datetime
from typing import Any

from cleverreach_async.resources.base import Resource, body, receiver_path
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.receiver_models import Event
from cleverreach_async.resources.success import failure_in
from cleverreach_async.resources.times import seconds_on_wire
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.paths import check_id
from cleverreach_async.transport.wire import as_object

__all__ = ["Events"]


class Events(Resource):
    """``cr.events``: a receiver's events, in all groups or in one.

    ``receiver_id`` is a pool id or an e-mail address.
    """

    def list(self, receiver_id: int | str, *, group_id: int | None = None) -> Paginator[Event]:
        """List a receiver's events, at most the last 250; the API does not page them.

        ``GET /receivers/{pool_id}/events``, ``GET /groups/{group_id}/receivers/{pool_id}/events``
        """
        template, path = receiver_path(receiver_id, group_id)
        return self._list(Event, f"{template}/events", path=path)

    async def create(
        self,
        receiver_id: int | str,
        *,
        type: str | Unset = UNSET,  # noqa: A002 - the name of the API
        type_id: str | Unset = UNSET,
        value: str | Unset = UNSET,
        stamp: datetime | int | Unset = UNSET,
        mailing_id: int | Unset = UNSET,
        group_id: int | None = None,
    ) -> None:
        """Add an event of your own. The call is not repeated after a lost response.

        The names of the fields are those of events that are read; for writing they are not
        documented.

        Args:
            receiver_id: Pool id or e-mail address.
            type: What happened.
            type_id: What the type refers to.
            value: A note.
            stamp: When it happened, aware or in Unix seconds; now by default.
            mailing_id: The mailing that it belongs to.
            group_id: The group that it belongs to.

        Raises:
            ConfigurationError: An id is not one, or ``stamp`` is no time.

        ``POST /receivers/{pool_id}/events``,
        ``POST /groups/{group_id}/receivers/{pool_id}/events``
        """
        template, path = receiver_path(receiver_id, group_id)
        fields = body(
            type=type,
            type_id=type_id,
            value=value,
            stamp=UNSET if stamp is UNSET else seconds_on_wire(stamp, "stamp"),
            mailing_id=UNSET if mailing_id is UNSET else check_id("mailing_id", mailing_id),
        )
        await self._do(
            "POST", f"{template}/events", path=path, json=fields, shows_success=_is_event
        )


def _is_event(response: Any) -> bool:
    """Whether a response is the stored event, which has no id."""
    fields = as_object(response)
    return bool(fields.get("stamp")) and failure_in({"id": 1, **fields}) is None
