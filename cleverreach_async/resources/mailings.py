"""Mailings: drafts, their release, and what became of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.base import UNSET, Created, Resource, Unset, body
from cleverreach_async.resources.converter import Extra
from cleverreach_async.resources.drafts import MailingSettings, audience, content
from cleverreach_async.resources.orders import Order
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.transport.wire import as_list, as_object, to_unix

__all__ = [
    "Mailing",
    "MailingGroups",
    "MailingLink",
    "MailingState",
    "Mailings",
]

MAX_PAGE_SIZE: Final = 100
MAX_UNPAGED: Final = 1000

MailingState = Literal["draft", "waiting", "running", "finished", "automation"]


def _derived_state(mailing: "Mailing") -> MailingState:
    if mailing.finished:
        return "finished"
    if mailing.started:
        return "running"
    return "waiting" if mailing.ready else "draft"


@attrs.frozen(kw_only=True)
class MailingGroups:
    """The groups a mailing goes to.

    Attributes:
        group_ids: Their ids.
        extra: What the answer holds beyond these fields.
    """

    group_ids: tuple[int, ...] = ()
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


@attrs.frozen(kw_only=True)
class MailingLink:
    """A link in a mailing.

    Attributes:
        id: Link id.
        link: Its address.
        total_clicks: Clicks, repeated ones included.
        extra: What the answer holds beyond these fields.
    """

    id: int = 0
    link: str = ""
    total_clicks: int = 0
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


@attrs.frozen(kw_only=True)
class Mailing:
    """A mailing as the API returns it.

    Attributes:
        id: Mailing id, also that of its report.
        name: Name as shown in the account.
        state: ``draft``, ``waiting``, ``running``, ``finished`` or ``automation``; the set is open.
            Where the answer does not tell, it follows from the times.
        subject: Subject line.
        sender_name: Name in the From line.
        sender_email: Address in the From line.
        body_html: HTML body, where the call returns it.
        body_text: Text body, where the call returns it.
        category_id: Channel, or 0.
        stamp: When it was created.
        last_changed: When it last changed.
        ready: When it was released.
        send_on: When it is to be sent.
        started: When sending began.
        finished: When sending ended.
        m_type: 1 for text, 2 for HTML, anything else for both.
        type_name: The same as a word.
        is_html: Whether it has an HTML body.
        is_text: Whether it has a text body.
        is_splittest: Whether it is a split test.
        is_trackable: Whether opens and clicks can be tracked.
        external_id: Id in another system.
        unsubscribe_form_id: Form id or flow id.
        last_version_id: Version, or 0.
        mailing_groups: The groups it goes to.
        tags: Tags.
        extra: What the answer holds beyond these fields.
    """

    id: int
    name: str = ""
    subject: str = attrs.field(default="", repr=False)
    sender_name: str = attrs.field(default="", repr=False)
    sender_email: str = attrs.field(default="", repr=False)
    body_html: str = attrs.field(default="", repr=False)
    body_text: str = attrs.field(default="", repr=False)
    category_id: int = attrs.field(default=0, repr=False)
    stamp: datetime | None = attrs.field(default=None, repr=False)
    last_changed: datetime | None = attrs.field(default=None, repr=False)
    ready: datetime | None = attrs.field(default=None, repr=False)
    send_on: datetime | None = attrs.field(default=None, repr=False)
    started: datetime | None = attrs.field(default=None, repr=False)
    finished: datetime | None = attrs.field(default=None, repr=False)
    # Its default looks at the times, so it stands after them.
    state: MailingState | str = attrs.Factory(_derived_state, takes_self=True)
    # Its default looks at the times, so it stands after them.
    m_type: int = attrs.field(default=0, repr=False)
    type_name: str = attrs.field(default="", repr=False)
    is_html: bool = attrs.field(default=False, repr=False)
    is_text: bool = attrs.field(default=False, repr=False)
    is_splittest: bool = attrs.field(default=False, repr=False)
    is_trackable: bool = attrs.field(default=False, repr=False)
    external_id: str = attrs.field(default="", repr=False)
    unsubscribe_form_id: str = attrs.field(default="", repr=False)
    last_version_id: int = attrs.field(default=0, repr=False)
    mailing_groups: MailingGroups = attrs.field(factory=MailingGroups, repr=False)
    tags: tuple[str, ...] = attrs.field(default=(), repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


class Mailings(Resource):
    """``cr.mailings``: draft, preview and release mailings."""

    def list(
        self,
        *,
        state: MailingState | Literal["all"] = "all",
        page_size: int | None = None,
        channel_id: int | None = None,
        start: datetime | int | None = None,
        end: datetime | int | None = None,
        omit_body: bool = True,
    ) -> Paginator[Mailing]:
        """List mailings.

        The API pages the mailings of one state. All of them come in one answer, which is cut at
        1000: in a large account ask state by state.

        Args:
            state: Only mailings in this state.
            page_size: Mailings per page, 1 to 100; for ``all`` most mailings in the one answer,
                1 to 1000. The largest size when left out.
            channel_id: Only mailings of this channel.
            start: Lower bound of the time that belongs to the state.
            end: Upper bound.
            omit_body: Whether to leave out the bodies.

        ``GET /mailings``
        """
        paged = state != "all"
        most = MAX_PAGE_SIZE if paged else MAX_UNPAGED
        size = most if page_size is None else page_size
        if not 1 <= size <= most:
            raise ConfigurationError(
                f"page_size is {page_size}; it goes from 1 to {most} for state {state!r}"
            )
        query = {
            "state": state,
            "limit": size,
            "channel_id": channel_id,
            "start": to_unix(start),
            "end": to_unix(end),
            # Left out rather than sent as false, which a server may take for any text: true.
            "omit_body": omit_body or None,
        }
        return self._list(
            Mailing,
            "/mailings",
            query=query,
            size_param="limit" if paged else None,
            page_size=size,
            max_size=most,
            read=lambda response: _flatten(response, state),
        )

    async def get(self, mailing_id: int) -> Mailing:
        """Return one mailing with its bodies.

        Raises:
            NotFoundError: No such mailing.

        ``GET /mailings/{id}``
        """
        return await self._call(
            Mailing, "GET", "/mailings/{mailing_id}", path={"mailing_id": mailing_id}
        )

    async def create(
        self,
        *,
        name: str,
        subject: str,
        sender_name: str,
        sender_email: str,
        html: str | Unset = UNSET,
        text: str | Unset = UNSET,
        group_ids: Sequence[int] | Unset = UNSET,
        filter_id: int | Unset = UNSET,
        settings: MailingSettings | Unset = UNSET,
        tags: Sequence[str] | Unset = UNSET,
    ) -> int:
        """Create a draft and return its id. Two calls make two drafts.

        Args:
            name: Name as shown in the account.
            subject: Subject line.
            sender_name: Name in the From line.
            sender_email: Address in the From line, verified in the account.
            html: HTML body; put ``{UNSUBSCRIBE}`` in.
            text: Text body.
            group_ids: The groups it goes to.
            filter_id: The segment it goes to, instead of groups.
            settings: Editor, tracking and the like.
            tags: Tags.

        Raises:
            ConfigurationError: Both groups and a segment.
            BadRequestError: The message names the field.

        ``POST /mailings``
        """
        fields = body(
            name=name,
            subject=subject,
            sender_name=sender_name,
            sender_email=sender_email,
            content=content(html, text),
            receivers=audience(group_ids, filter_id),
            settings=settings,
            tags=tags,
        )
        return (await self._call(Created, "POST", "/mailings", json=fields)).id

    async def update(
        self,
        mailing_id: int,
        *,
        name: str | Unset = UNSET,
        subject: str | Unset = UNSET,
        sender_name: str | Unset = UNSET,
        sender_email: str | Unset = UNSET,
        html: str | Unset = UNSET,
        text: str | Unset = UNSET,
        group_ids: Sequence[int] | Unset = UNSET,
        filter_id: int | Unset = UNSET,
        settings: MailingSettings | Unset = UNSET,
        tags: Sequence[str] | Unset = UNSET,
    ) -> None:
        """Change a draft; parts that are left out are kept. The bodies are one part.

        Args:
            mailing_id: Mailing id.
            name: Name as shown in the account.
            subject: Subject line.
            sender_name: Name in the From line.
            sender_email: Address in the From line, verified in the account.
            html: HTML body.
            text: Text body.
            group_ids: The groups it goes to.
            filter_id: The segment it goes to, instead of groups.
            settings: Editor, tracking and the like.
            tags: Tags.

        Raises:
            ConfigurationError: Both groups and a segment.

        ``PUT /mailings/{id}``
        """
        fields = body(
            name=name,
            subject=subject,
            sender_name=sender_name,
            sender_email=sender_email,
            content=content(html, text),
            receivers=audience(group_ids, filter_id),
            settings=settings,
            tags=tags,
        )
        path = {"mailing_id": mailing_id}
        await self._do("PUT", "/mailings/{mailing_id}", path=path, json=fields)

    def links(self, mailing_id: int) -> Paginator[MailingLink]:
        """List the links in a mailing; the API does not page them.

        ``GET /mailings/{id}/links``
        """
        path = {"mailing_id": mailing_id}
        return self._list(MailingLink, "/mailings/{mailing_id}/links", path=path)

    def orders(self, mailing_id: int) -> Paginator[Order]:
        """List the order lines that a mailing led to; the API does not page them.

        ``GET /mailings/{id}/orders``
        """
        path = {"mailing_id": mailing_id}
        return self._list(Order, "/mailings/{mailing_id}/orders", path=path)

    async def send_preview(
        self, mailing_id: int, *, receivers: str | Sequence[str], preview_text: str | Unset = UNSET
    ) -> None:
        """Send a test. A second call sends a second mail, so it is not repeated.

        Args:
            mailing_id: Mailing id.
            receivers: Addresses; the vendor allows those of the account's users.
            preview_text: Note above the test mail.

        ``POST /mailings/{id}/sendpreview``
        """
        addresses = [receivers] if isinstance(receivers, str) else [*receivers]
        if not addresses:
            raise ConfigurationError("receivers is empty; a test mail goes to at least one address")
        await self._do(
            "POST",
            "/mailings/{mailing_id}/sendpreview",
            path={"mailing_id": mailing_id},
            json=body(receivers=addresses, previewText=preview_text),
        )

    async def release(self, mailing_id: int, *, time: datetime | int) -> None:
        """Release a draft to be sent to its receivers. It is not repeated after a lost answer.

        Args:
            mailing_id: Mailing id.
            time: When sending begins, aware or in unix seconds.

        Raises:
            PermissionDeniedError: The OAuth app lacks the right to release.

        ``POST /mailings/{id}/release``
        """
        await self._do(
            "POST",
            "/mailings/{mailing_id}/release",
            path={"mailing_id": mailing_id},
            json=body(time=time),
        )

    async def stop(self, mailing_id: int) -> None:
        """Stop a mailing that is released or running.

        Raises:
            PermissionDeniedError: The OAuth app lacks the right to release.

        ``POST /mailings/{id}/stop``
        """
        path = {"mailing_id": mailing_id}
        await self._do("POST", "/mailings/{mailing_id}/stop", path=path, idempotent=True)


def _flatten(raw: Any, asked: str) -> Any:
    """Return a plain list of an object keyed by state, each mailing told its state."""
    by_state = as_object(raw)
    if by_state and "id" not in by_state:
        return [
            _with_state(item, state)
            for state, items in by_state.items()
            if items
            for item in _values(items)
        ]
    if asked == "all" or not raw:
        return raw
    return [_with_state(item, asked) for item in as_list(raw)]


def _values(items: Any) -> Sequence[Any]:
    """Return a list that PHP may have sent as an object with numbers for keys."""
    numbered = as_object(items)
    return [*numbered.values()] if numbered and "id" not in numbered else as_list(items)


def _with_state(item: Any, state: str) -> Any:
    fields = as_object(item)
    return {**fields, "state": fields.get("state") or state} if fields else item
