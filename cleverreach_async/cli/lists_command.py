"""``cleverreach blacklist`` and ``webhooks``: lists of the account that have few columns."""

from functools import partial

from cleverreach_async.cli.account_commands import OfGroup
from cleverreach_async.cli.connection import connect, run
from cleverreach_async.cli.credentials import Access
from cleverreach_async.cli.imports.destination import existing_group
from cleverreach_async.cli.options import AccountOptions, AsJson
from cleverreach_async.cli.output import Output
from cleverreach_async.cli.tables import day, plain_fields, print_list
from cleverreach_async.resources.blacklist import BlacklistEntry
from cleverreach_async.resources.webhooks import Webhook

__all__ = ["show_blacklist", "show_webhooks"]


def show_blacklist(
    output: Output, *, group: OfGroup = None, as_json: AsJson = False, account: AccountOptions
) -> None:
    """List the addresses on the blacklist of the account, or of a group.

    Args:
        output: Where to print.
        group: The group.
        as_json: Whether to print JSON.
        account: The account.

    Raises:
        ConfigurationError: There are no credentials, or there is no such group.
        CleverReachError: A call failed.
    """
    found = run(partial(_blacklist, account.access(output), group))
    print_list(
        output,
        found,
        as_json=as_json,
        fields=plain_fields,
        head=("ADDED", "ADDRESS", "COMMENT"),
        cells=lambda it: (day(it.stamp), it.email, it.comment),
        empty="the blacklist is empty",
    )


async def _blacklist(access: Access | None, group: str | None) -> list[BlacklistEntry]:
    async with connect(access) as client:
        if group is None:
            return list(await client.blacklist.list())
        group_id = existing_group(await client.groups.list(), group).id
        return list(await client.blacklist.list(group_id=group_id))


def show_webhooks(output: Output, *, as_json: AsJson = False, account: AccountOptions) -> None:
    """List the registered webhooks.

    Args:
        output: Where to print.
        as_json: Whether to print JSON.
        account: The account.

    Raises:
        ConfigurationError: There are no credentials.
        CleverReachError: A call failed.
    """
    found = run(partial(_webhooks, account.access(output)))
    print_list(
        output,
        found,
        as_json=as_json,
        fields=lambda it: {"event": it.event, "condition": it.condition, "url": it.url},
        head=("EVENT", "CONDITION", "URL"),
        cells=lambda it: (it.event, it.condition or "-", it.url),
        empty="there are no webhooks",
    )


async def _webhooks(access: Access | None) -> list[Webhook]:
    async with connect(access) as client:
        return list(await client.webhooks.list())
