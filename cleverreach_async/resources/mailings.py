"""Mailings: drafts and their release."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.arguments import as_texts
from cleverreach_async.resources.base import Created, Resource, body, optional_ids
from cleverreach_async.resources.converter import structure
from cleverreach_async.resources.drafts import MailingSettings, audience, content
from cleverreach_async.resources.mailing_models import (
    Mailing,
    MailingLink,
    MailingPreview,
    MailingState,
)
from cleverreach_async.resources.order_models import Order
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.receiver_models import Receiver
from cleverreach_async.resources.times import beginning_on_wire, bound_on_wire
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.numbers import check_number
from cleverreach_async.transport.wire import as_list, as_object, build_request, is_numbered

__all__ = ["Mailings"]

MAX_PAGE_SIZE: Final = 100
MAX_UNPAGED: Final = 1000


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
        page: int = 0,
        prefetch: int = 0,
    ) -> Paginator[Mailing]:
        """List mailings.

        The API pages the mailings of one state. For ``all`` it returns one page of at most 1000
        mailings, so list a large account state by state.

        Args:
            state: Only mailings in this state.
            page_size: Mailings per page: 1 to 100, and for ``all`` 1 to 1000. The maximum by
                default.
            channel_id: Only mailings of this channel.
            start: Lower bound of the time that belongs to the state, aware or in Unix seconds.
            end: Upper bound.
            omit_body: Whether to leave out the bodies.
            page: Zero-based number of the page to start with; ``all`` has only one.
            prefetch: Pages to request together with the one that is needed, 0 to 50.

        Raises:
            ConfigurationError: A number of paging is out of range, or a bound is no time.

        ``GET /mailings``
        """
        paged = state != "all"
        most = MAX_PAGE_SIZE if paged else MAX_UNPAGED
        size = most if page_size is None else page_size
        check_number("page_size", size, least=1, most=most)
        if page and not paged:
            raise ConfigurationError(f"page is {page!r}; state 'all' has one page, number 0")
        query = {
            "state": state,
            "limit": size,
            **optional_ids(channel_id=channel_id),
            "start": bound_on_wire(start, "start"),
            "end": bound_on_wire(end, "end"),
            # Not sent as false, because the server may read any text as true.
            "omit_body": omit_body or None,
        }
        return self._list(
            Mailing,
            "/mailings",
            query=query,
            size_param="limit" if paged else None,
            page_size=size,
            max_size=most,
            page=page,
            prefetch=prefetch,
            read=lambda response: _flatten(response, state),
        )

    async def get(self, mailing_id: int) -> Mailing:
        """Return one mailing with its bodies.

        Raises:
            NotFoundError: The mailing does not exist.

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
        """Create a draft and return its id. The call is not repeated after a lost response.

        Args:
            name: Name as shown in the account.
            subject: Subject line.
            sender_name: Name in the From line.
            sender_email: Address in the From line, verified in the account.
            html: HTML body, with ``{UNSUBSCRIBE}``.
            text: Text body.
            group_ids: The groups that it goes to.
            filter_id: The segment that it goes to, instead of groups.
            settings: Editor, tracking and other settings.
            tags: Tags.

        Raises:
            ConfigurationError: Both groups and a segment are given.
            BadRequestError: The server refused a field. The message names it.

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
        """Change the given parts of a draft. The HTML and the text body are one part.

        Args:
            mailing_id: Mailing id.
            name: Name as shown in the account.
            subject: Subject line.
            sender_name: Name in the From line.
            sender_email: Address in the From line, verified in the account.
            html: HTML body.
            text: Text body.
            group_ids: The groups that it goes to.
            filter_id: The segment that it goes to, instead of groups.
            settings: Editor, tracking and other settings.
            tags: Tags.

        Raises:
            ConfigurationError: Both groups and a segment are given.

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

    async def random_receiver(self, mailing_id: int) -> Receiver:
        """Return a random receiver of a mailing, for a preview.

        Raises:
            NotFoundError: The mailing does not exist, or has no receivers.

        ``GET /mailings/{id}/randomreceiver``
        """
        path = {"mailing_id": mailing_id}
        return await self._call(Receiver, "GET", "/mailings/{mailing_id}/randomreceiver", path=path)

    async def render(
        self,
        *,
        subject: str | Unset = UNSET,
        html: str | Unset = UNSET,
        text: str | Unset = UNSET,
        receiver: Mapping[str, Any] | Unset = UNSET,
    ) -> MailingPreview:
        """Return subject and bodies with the placeholders filled. Nothing is sent.

        The vendor's editor uses this call; it is not documented.

        Args:
            subject: Subject line.
            html: HTML body.
            text: Text body.
            receiver: Whose values fill the placeholders, as the API returns receivers.

        ``POST /gomailer/preview``, which is not below ``/v3``
        """
        fields = body(subject=subject, html=html, text=text, receiver=receiver)
        request = build_request("POST", "/gomailer/preview", json=fields, idempotent=True)
        path = request.template
        # No variable holds what the server sent, since error reports show variables.
        return structure(await self._json(request), MailingPreview, method="POST", path=path)

    async def send_preview(
        self, mailing_id: int, *, receivers: str | Sequence[str], preview_text: str | Unset = UNSET
    ) -> None:
        """Send a test mail. Every call sends one, so it is not repeated after a lost response.

        Args:
            mailing_id: Mailing id.
            receivers: Addresses. The vendor allows those of the account's users.
            preview_text: Note above the test mail.

        Raises:
            ConfigurationError: There is no address, or something else.

        ``POST /mailings/{id}/sendpreview``
        """
        await self._do(
            "POST",
            "/mailings/{mailing_id}/sendpreview",
            path={"mailing_id": mailing_id},
            json=body(
                receivers=as_texts("receivers", receivers, "addresses"), previewText=preview_text
            ),
        )

    async def release(self, mailing_id: int, *, time: datetime | int) -> None:
        """Release a draft for sending. The call is not repeated after a lost response.

        Args:
            mailing_id: Mailing id.
            time: When sending begins, aware or in Unix seconds.

        Raises:
            ConfigurationError: ``time`` is no time.
            PermissionDeniedError: The OAuth app may not release mailings.

        ``POST /mailings/{id}/release``
        """
        await self._do(
            "POST",
            "/mailings/{mailing_id}/release",
            path={"mailing_id": mailing_id},
            json={"time": beginning_on_wire(time, "time")},
        )

    async def stop(self, mailing_id: int) -> None:
        """Stop a mailing that is released or running.

        Raises:
            PermissionDeniedError: The OAuth app may not release mailings.

        ``POST /mailings/{id}/stop``
        """
        path = {"mailing_id": mailing_id}
        await self._do("POST", "/mailings/{mailing_id}/stop", path=path, idempotent=True)


def _flatten(raw: Any, state: str) -> Any:
    """Return a list of mailings with their states. The API may send an object keyed by state."""
    by_state = {} if is_numbered(raw) else as_object(raw)
    if by_state and "id" not in by_state:
        return [
            _with_state(item, name)
            for name, items in by_state.items()
            if items
            for item in as_list(items)
        ]
    if state == "all" or not raw:
        return raw
    return [_with_state(item, state) for item in as_list(raw)]


def _with_state(item: Any, state: str) -> Any:
    fields = as_object(item)
    return {**fields, "state": fields.get("state") or state} if fields else item
