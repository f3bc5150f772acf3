"""Reports of sent mailings."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.base import Resource, optional_ids
from cleverreach_async.resources.converter import structure
from cleverreach_async.resources.field_types import Extra
from cleverreach_async.resources.mailing_models import MailingLink
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.receiver_models import Detail, Receiver, detail_on_wire
from cleverreach_async.resources.times import bound_on_wire
from cleverreach_async.transport.paths import check_id
from cleverreach_async.transport.wire import as_object, build_request

__all__ = ["Report", "ReportCounters", "Reports"]

MAX_PAGE_SIZE: Final = 100
MAX_RECEIVERS_PAGE_SIZE: Final = 5000

Reaction = Literal[
    "sent", "opened", "clicked", "notopened", "notclicked", "bounced", "unsubscribed"
]


@attrs.frozen(kw_only=True)
class ReportCounters:
    """How the receivers of a mailing reacted.

    Attributes:
        delivered: Number of delivered mails.
        unique_opened: Number of receivers who opened it.
        unique_clicks: Number of receivers who clicked a link.
        unsubscribed: Number of receivers who unsubscribed.
        spam: Number of spam complaints.
        bounced: Number of mails that bounced.
        dropouts: Number of mails that were not sent.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    delivered: int = 0
    unique_opened: int = 0
    unique_clicks: int = 0
    unsubscribed: int = 0
    spam: int = 0
    bounced: int = 0
    dropouts: int = 0
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


@attrs.frozen(kw_only=True)
class Report:
    """The report of a mailing. Its fields are not documented; there may be more in ``extra``.

    Attributes:
        id: Report id, the same as the mailing id.
        name: Name of the mailing.
        subject: Subject line.
        sender_name: Name in the From line.
        sender_email: Address in the From line.
        finished: When sending ended.
        stats: Statistics as the API sends them.
        links: Links and their clicks.
        groups: The groups that it went to, as the API sends them. The keys of an object, which may
            be ids, are in ``extra``; the same holds for tags and versions.
        tags: Tags, as the API sends them.
        versions: Versions of a split test, as the API sends them.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    id: int
    name: str = ""
    subject: str = attrs.field(default="", repr=False)
    sender_name: str = attrs.field(default="", repr=False)
    sender_email: str = attrs.field(default="", repr=False)
    finished: datetime | None = None
    stats: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=False)
    links: tuple[MailingLink, ...] = attrs.field(default=(), repr=False)
    groups: tuple[Any, ...] = attrs.field(default=(), repr=False)
    tags: tuple[Any, ...] = attrs.field(default=(), repr=False)
    versions: tuple[Any, ...] = attrs.field(default=(), repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)

    @property
    def counters(self) -> ReportCounters:
        """The counters in ``stats``, or in ``stats.basic`` for ``mode="full"``."""
        counters = as_object(self.stats.get("basic")) or self.stats
        return structure(counters, ReportCounters, method="GET", path="/reports/{report_id}")


class Reports(Resource):
    """``cr.reports``: read the reports of sent mailings. Times are aware or in Unix seconds."""

    def list(
        self,
        *,
        group_id: int | None = None,
        channel_id: int | None = None,
        start: datetime | int | None = None,
        end: datetime | int | None = None,
        mode: Literal["full", "basic"] | None = None,
        page_size: int = 50,
        page: int = 0,
        prefetch: int = 0,
    ) -> Paginator[Report]:
        """List reports.

        Args:
            group_id: Only mailings to this group.
            channel_id: Only mailings of this channel.
            start: Lower bound of the time of sending; needs ``end``.
            end: Upper bound; needs ``start``.
            mode: Amount of detail.
            page_size: Reports per page, 1 to 100.
            page: Zero-based number of the page to start with.
            prefetch: Pages to request together with the one that is needed, 0 to 50.

        Raises:
            ConfigurationError: Only one of start and end is given, one is no time, or a number of
                paging is out of range.

        ``GET /reports``
        """
        if (start is None) != (end is None):
            raise ConfigurationError("start and end go together; pass both or neither")
        query = {
            **optional_ids(group_id=group_id, channel_id=channel_id),
            "start": bound_on_wire(start, "start"),
            "end": bound_on_wire(end, "end"),
            "mode": mode,
        }
        return self._list(
            Report,
            "/reports",
            query=query,
            size_param="pagesize",
            page_size=page_size,
            max_size=MAX_PAGE_SIZE,
            page=page,
            prefetch=prefetch,
        )

    async def get(self, report_id: int) -> Report:
        """Return the report of a mailing.

        Raises:
            NotFoundError: The report does not exist.
            PermissionDeniedError: It is part of a split test. The message names the whole test.

        ``GET /reports/{id}``
        """
        return await self._call(Report, "GET", "/reports/{report_id}", path=_path(report_id))

    async def delete(self, report_id: int) -> None:
        """Delete a report.

        ``DELETE /reports/{id}``
        """
        await self._do("DELETE", "/reports/{report_id}", path=_path(report_id))

    def receivers(
        self,
        report_id: int,
        state: Reaction,
        *,
        detail: Detail = Detail.NONE,
        start: datetime | int | None = None,
        end: datetime | int | None = None,
        link_id: int | None = None,
        page_size: int = 100,
        page: int = 0,
        prefetch: int = 0,
    ) -> Paginator[Receiver]:
        """List the receivers of a mailing who reacted in a certain way.

        Args:
            report_id: Report id, the same as the mailing id.
            state: Only receivers with this reaction.
            detail: What to return for each receiver beside the profile.
            start: Lower bound of the time of the reaction.
            end: Upper bound.
            link_id: Only receivers who clicked this link; needs the state ``clicked``.
            page_size: Receivers per page, 1 to 5000.
            page: Zero-based number of the page to start with.
            prefetch: Pages to request together with the one that is needed, 0 to 50.

        Raises:
            ConfigurationError: ``link_id`` is given with another state, a bound is no time, or a
                number is out of range.

        ``GET /reports/{id}/receivers/{state}``
        """
        if link_id is not None and state != "clicked":
            raise ConfigurationError(f"link_id needs the state 'clicked', not {state!r}")
        query = {
            "detail": detail_on_wire(detail) or None,
            "from": bound_on_wire(start, "start"),
            "to": bound_on_wire(end, "end"),
            "linkid": None if link_id is None else check_id("link_id", link_id),
        }
        return self._list(
            Receiver,
            "/reports/{report_id}/receivers/{state}",
            path={**_path(report_id), "state": state},
            query=query,
            size_param="pagesize",
            page_size=page_size,
            max_size=MAX_RECEIVERS_PAGE_SIZE,
            page=page,
            prefetch=prefetch,
        )

    async def stats(self, report_id: int, mode: str) -> Any:
        """Return one view of a report's statistics as the API sends it.

        Args:
            report_id: Report id, the same as the mailing id.
            mode: ``basic``, ``full``, ``links``, or another mode of the API.

        ``GET /reports/{id}/stats/{mode}``
        """
        path = {**_path(report_id), "mode": mode}
        request = build_request("GET", "/reports/{report_id}/stats/{mode}", path=path)
        return await self._json(request)


def _path(report_id: int) -> dict[str, str | int]:
    return {"report_id": report_id}
