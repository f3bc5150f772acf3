"""The nouns of the API, as attributes of the client. Each is loaded when it is first named."""

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cleverreach_async.bulk.importer import Bulk
    from cleverreach_async.resources.attributes import Attributes
    from cleverreach_async.resources.automation import Automation
    from cleverreach_async.resources.blacklist import Blacklist
    from cleverreach_async.resources.bounces import Bounces
    from cleverreach_async.resources.channels import Channels
    from cleverreach_async.resources.clients import Clients
    from cleverreach_async.resources.debug import Debug
    from cleverreach_async.resources.events import Events
    from cleverreach_async.resources.filters import Filters
    from cleverreach_async.resources.flows import Flows
    from cleverreach_async.resources.forms import Forms
    from cleverreach_async.resources.groups import Groups
    from cleverreach_async.resources.live_orders import LiveOrders
    from cleverreach_async.resources.mailings import Mailings
    from cleverreach_async.resources.my_content import MyContents
    from cleverreach_async.resources.oauth import OAuth
    from cleverreach_async.resources.receivers import Receivers
    from cleverreach_async.resources.reports import Reports
    from cleverreach_async.resources.tags import Tags
    from cleverreach_async.resources.templates import Templates
    from cleverreach_async.resources.webhooks import Webhooks
    from cleverreach_async.transport.transport import Transport

__all__ = ["Nouns"]


class Nouns:
    """The part of the client that names what the API has."""

    _transport: "Transport"

    @cached_property
    def groups(self) -> "Groups":
        """Recipient lists."""
        from cleverreach_async.resources.groups import Groups

        return Groups(self._transport.call, self._transport.clock)

    @cached_property
    def receivers(self) -> "Receivers":
        """Contacts in the groups."""
        from cleverreach_async.resources.receivers import Receivers

        return Receivers(self._transport.call, self._transport.clock)

    @cached_property
    def attributes(self) -> "Attributes":
        """Further fields of receivers."""
        from cleverreach_async.resources.attributes import Attributes

        return Attributes(self._transport.call)

    @cached_property
    def orders(self) -> "LiveOrders":
        """Orders of receivers."""
        from cleverreach_async.resources.live_orders import LiveOrders

        return LiveOrders(self._transport)

    @cached_property
    def events(self) -> "Events":
        """Events in the history of receivers."""
        from cleverreach_async.resources.events import Events

        return Events(self._transport.call)

    @cached_property
    def tags(self) -> "Tags":
        """Labels of receivers."""
        from cleverreach_async.resources.tags import Tags

        return Tags(self._transport.call)

    @cached_property
    def forms(self) -> "Forms":
        """Sign-up forms and double opt-in mails."""
        from cleverreach_async.resources.forms import Forms

        return Forms(self._transport.call)

    @cached_property
    def mailings(self) -> "Mailings":
        """Drafts and their release."""
        from cleverreach_async.resources.mailings import Mailings

        return Mailings(self._transport.call)

    @cached_property
    def channels(self) -> "Channels":
        """Categories of mailings."""
        from cleverreach_async.resources.channels import Channels

        return Channels(self._transport.call)

    @cached_property
    def templates(self) -> "Templates":
        """Templates of mailings."""
        from cleverreach_async.resources.templates import Templates

        return Templates(self._transport.call)

    @cached_property
    def reports(self) -> "Reports":
        """Reports of sent mailings."""
        from cleverreach_async.resources.reports import Reports

        return Reports(self._transport.call)

    @cached_property
    def blacklist(self) -> "Blacklist":
        """Addresses that get no mail."""
        from cleverreach_async.resources.blacklist import Blacklist

        return Blacklist(self._transport.call)

    @cached_property
    def bounces(self) -> "Bounces":
        """Addresses whose mail bounced."""
        from cleverreach_async.resources.bounces import Bounces

        return Bounces(self._transport.call)

    @cached_property
    def clients(self) -> "Clients":
        """The account, and for agencies those of their customers."""
        from cleverreach_async.resources.clients import Clients

        return Clients(self._transport.call)

    @cached_property
    def filters(self) -> "Filters":
        """Segments of a group."""
        from cleverreach_async.resources.filters import Filters

        return Filters(self._transport.call)

    @cached_property
    def flows(self) -> "Flows":
        """The vendor's successor of forms."""
        from cleverreach_async.resources.flows import Flows

        return Flows(self._transport.call)

    @cached_property
    def my_content(self) -> "MyContents":
        """Content sources for the editor of mailings."""
        from cleverreach_async.resources.my_content import MyContents

        return MyContents(self._transport.call)

    @cached_property
    def webhooks(self) -> "Webhooks":
        """Registrations of webhooks."""
        from cleverreach_async.resources.webhooks import Webhooks

        return Webhooks(self._transport.call)

    @cached_property
    def automation(self) -> "Automation":
        """Automations for abandoned carts."""
        from cleverreach_async.resources.automation import Automation

        return Automation(self._transport.call)

    @cached_property
    def debug(self) -> "Debug":
        """The account, its token, and the state of the API."""
        from cleverreach_async.resources.debug import Debug

        return Debug(self._transport.call)

    @cached_property
    def oauth(self) -> "OAuth":
        """The client's own token."""
        from cleverreach_async.resources.oauth import OAuth

        transport = self._transport
        return OAuth(transport.call, transport.own_account().tokens, transport.clock)

    @cached_property
    def bulk(self) -> "Bulk":
        """The importer for any number of receivers."""
        from cleverreach_async.bulk.importer import Bulk

        return Bulk(self._transport)
