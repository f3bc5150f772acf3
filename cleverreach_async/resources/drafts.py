"""The parts of a mailing draft."""

from collections.abc import Mapping, Sequence

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.transport.paths import check_id, check_ids

__all__ = ["MailingSettings", "audience", "content"]


@attrs.define(kw_only=True)
class MailingSettings:
    """How a mailing is edited, tracked and filed. Fields that are not set stay as they are.

    Attributes:
        editor: ``eddytor``, ``wizard``, ``freeform``, ``advanced`` or ``plaintext``.
        open_tracking: Whether opens are tracked.
        click_tracking: Whether clicks are tracked.
        link_tracking_url: The domain whose links are tracked.
        link_tracking_type: ``google``, ``intelliad`` or ``crconnect``.
        google_campaign_name: Campaign name for ``google``.
        unsubscribe_form_id: Form id or flow id.
        campaign_id: Id of the campaign.
        category_id: Id of the channel.
    """

    editor: str | Unset = UNSET
    open_tracking: bool | Unset = UNSET
    click_tracking: bool | Unset = UNSET
    link_tracking_url: str | Unset = UNSET
    link_tracking_type: str | Unset = UNSET
    google_campaign_name: str | Unset = UNSET
    unsubscribe_form_id: int | str | Unset = UNSET
    campaign_id: int | Unset = UNSET
    category_id: int | Unset = UNSET


def content(html: str | Unset, text: str | Unset) -> Mapping[str, str] | Unset:
    """Return the bodies as the API expects them: a type, and each body under its own type."""
    bodies = {name: it for name, it in (("html", html), ("text", text)) if it is not UNSET}
    return {"type": "/".join(bodies), **bodies} if bodies else UNSET


def audience(
    group_ids: Sequence[int] | Unset, filter_id: int | Unset
) -> Mapping[str, Sequence[int] | str] | Unset:
    """Return the receivers of a mailing as the API expects them.

    Raises:
        ConfigurationError: Both groups and a segment are given, or an id is not one.
    """
    if filter_id is UNSET:
        return UNSET if group_ids is UNSET else {"groups": check_ids("group_ids", group_ids)}
    if group_ids is not UNSET:
        raise ConfigurationError("a mailing goes to group_ids or to filter_id; pass one of them")
    return {"filter": str(check_id("filter_id", filter_id))}
