"""Flows: the vendor's successor of forms."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import attrs

from cleverreach_async.resources.base import Resource
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.resources.pages import Paginator

__all__ = ["Flow", "FlowSetup", "Flows"]


@attrs.frozen(kw_only=True)
class FlowSetup:
    """How a flow is set up.

    Attributes:
        group_id: Its group, or 0; the API calls it ``groupid``.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    aliases: ClassVar[Mapping[str, str]] = {"groupid": "group_id"}

    group_id: int = 0
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


@attrs.frozen(kw_only=True)
class Flow:
    """A flow, such as the pages on which receivers unsubscribe.

    Attributes:
        id: Flow id, a UUID; also the ``unsubscribe_form_id`` of a mailing.
        name: Name as shown in the account.
        playbook: Kind of flow, such as ``unsubscribe``.
        setup: How it is set up.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    aliases: ClassVar[Mapping[str, str]] = {"uuid": "id"}

    id: str
    name: str = ""
    playbook: str = ""
    setup: FlowSetup = attrs.field(factory=FlowSetup, repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


class Flows(Resource):
    """``cr.flows``: read flows.

    They are not part of the documented API, but one client uses them. The OAuth app needs the right
    ``forms``.
    """

    def list(
        self,
        *,
        playbook: str | None = None,
        order: str | None = None,
        direction: Literal["asc", "desc"] | None = None,
    ) -> Paginator[Flow]:
        """List flows; the API does not page them.

        Args:
            playbook: Only flows of this kind, such as ``unsubscribe``.
            order: Sort key, such as ``name``.
            direction: Sort direction (the vendor's ``dir``).

        Raises:
            PermissionDeniedError: The OAuth app may not read flows.

        ``GET /flow/flow``
        """
        query = {"playbook": playbook, "order": order, "dir": direction}
        return self._list(Flow, "/flow/flow", query=query)

    async def get(self, uuid: str) -> Flow:
        """Return one flow.

        Args:
            uuid: Flow id.

        Raises:
            NotFoundError: The flow does not exist.
            PermissionDeniedError: The OAuth app may not read flows.

        ``GET /flow/flow/{uuid}``
        """
        return await self._call(Flow, "GET", "/flow/flow/{uuid}", path={"uuid": uuid})
