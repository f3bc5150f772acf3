"""Models of mailings, their links and their groups."""

from datetime import datetime
from typing import Any, Literal

import attrs

from cleverreach_async.resources.field_types import Extra

__all__ = ["Mailing", "MailingGroups", "MailingLink", "MailingPreview", "MailingState"]

MailingState = Literal["draft", "waiting", "running", "finished", "automation"]


def _derived_state(mailing: "Mailing") -> MailingState:
    if mailing.finished:
        return "finished"
    if mailing.started:
        return "running"
    return "waiting" if mailing.ready else "draft"


@attrs.frozen(kw_only=True)
class MailingGroups:
    """The groups that a mailing goes to.

    Attributes:
        group_ids: Their ids.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    group_ids: tuple[int, ...] = ()
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


@attrs.frozen(kw_only=True)
class MailingLink:
    """A link in a mailing.

    Attributes:
        id: Link id.
        link: Its URL.
        total_clicks: Number of clicks, including repeated ones.
        extra: Fields of the response that this model does not know, and values that it cannot read.
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
        state: ``draft``, ``waiting``, ``running``, ``finished`` or ``automation``; the API may add
            others. If the response does not contain it, it is derived from the times.
        subject: Subject line.
        sender_name: Name in the From line.
        sender_email: Address in the From line.
        body_html: HTML body, if the response contains it.
        body_text: Text body, if the response contains it.
        category_id: Id of the channel, or 0.
        stamp: When it was created.
        last_changed: When it last changed.
        ready: When it was released.
        send_on: When it will be sent.
        started: When sending began.
        finished: When sending ended.
        m_type: 1 for text, 2 for HTML, anything else for both.
        type_name: Name of the type.
        is_html: Whether it has an HTML body.
        is_text: Whether it has a text body.
        is_fixed: The vendor's flag of this name; what it means is not documented.
        is_mailing: Likewise.
        is_campaign: Likewise.
        is_dynamic: Likewise.
        is_splittest: Whether it is a split test.
        is_trackable: Whether opens and clicks can be tracked.
        position: The vendor's number of this name.
        external_id: Id in another system.
        unsubscribe_link: The link for unsubscribing.
        unsubscribe_form_id: Form id or flow id.
        last_version_id: Id of the version, or 0.
        mailing_groups: The groups that it goes to.
        tags: Tags.
        extra: Fields of the response that this model does not know, and values that it cannot read.
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
    # The default needs the times, so this field comes after them.
    state: MailingState | str = attrs.Factory(_derived_state, takes_self=True)
    m_type: int = attrs.field(default=0, repr=False)
    type_name: str = attrs.field(default="", repr=False)
    is_html: bool = attrs.field(default=False, repr=False)
    is_text: bool = attrs.field(default=False, repr=False)
    is_fixed: bool = attrs.field(default=False, repr=False)
    is_mailing: bool = attrs.field(default=False, repr=False)
    is_campaign: bool = attrs.field(default=False, repr=False)
    is_dynamic: bool = attrs.field(default=False, repr=False)
    is_splittest: bool = attrs.field(default=False, repr=False)
    is_trackable: bool = attrs.field(default=False, repr=False)
    position: int = attrs.field(default=0, repr=False)
    external_id: str = attrs.field(default="", repr=False)
    unsubscribe_link: str = attrs.field(default="", repr=False)
    unsubscribe_form_id: str = attrs.field(default="", repr=False)
    last_version_id: int = attrs.field(default=0, repr=False)
    mailing_groups: MailingGroups = attrs.field(factory=MailingGroups, repr=False)
    tags: tuple[str, ...] = attrs.field(default=(), repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)


@attrs.frozen(kw_only=True)
class MailingPreview:
    """A mailing as one receiver would get it.

    Attributes:
        subject: Subject line.
        html: HTML body.
        text: Text body.
        extra: Fields of the response that this model does not know, and values that it cannot read.
    """

    subject: str = ""
    html: str = attrs.field(default="", repr=False)
    text: str = attrs.field(default="", repr=False)
    extra: Extra = attrs.field(factory=dict[str, Any], repr=False)
