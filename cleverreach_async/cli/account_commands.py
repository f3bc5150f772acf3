"""``cleverreach groups``, ``attributes``, ``forms`` and ``whoami``."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import attrs
import typer

from cleverreach_async.cli.connection import connect, run
from cleverreach_async.cli.credentials import Access
from cleverreach_async.cli.imports.destination import existing_group
from cleverreach_async.cli.options import AccountOptions, AsJson
from cleverreach_async.cli.output import Output
from cleverreach_async.cli.tables import day, each, plain_fields, print_list
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import NotFoundError
from cleverreach_async.resources.attributes import Attribute
from cleverreach_async.resources.debug import Whoami
from cleverreach_async.resources.forms import Form
from cleverreach_async.resources.groups import Group, GroupStats

__all__ = ["show_account", "show_attributes", "show_forms", "show_groups"]

OfGroup = Annotated[
    str | None, typer.Option("--group", help="Id or exact name of a group.", metavar="ID|NAME")
]


def show_groups(output: Output, *, as_json: AsJson = False, account: AccountOptions) -> None:
    """List the groups of the account, with the totals that the server has cached.

    Args:
        output: Where to print.
        as_json: Whether to print JSON.
        account: The account.

    Raises:
        ConfigurationError: There are no credentials.
        CleverReachError: A call failed.
    """
    groups = run(partial(_groups, account.access(output)))
    print_list(
        output,
        groups,
        as_json=as_json,
        fields=lambda it: _group_fields(*it),
        head=(">ID", ">RECEIVERS", ">ACTIVE", "CREATED", "CHANGED", "NAME"),
        cells=lambda it: _group_cells(*it),
        empty="the account has no groups",
    )
    _warn_of_shared_names(output, [group for group, _ in groups])


def _warn_of_shared_names(output: Output, groups: Sequence[Group]) -> None:
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for group in groups:
        ids[group.name].append(str(group.id))
    for name, shared in ids.items():
        if len(shared) > 1:
            output.warn(f"{len(shared)} groups are named {name!r}, use the id: {', '.join(shared)}")


async def _groups(access: Access | None) -> list[tuple[Group, GroupStats | None]]:
    async with connect(access) as client:
        groups = list(await client.groups.list())
        return list(zip(groups, await each(groups, partial(_stats, client)), strict=True))


async def _stats(client: CleverReach, group: Group) -> GroupStats | None:
    try:
        return await client.groups.stats(group.id)
    except NotFoundError:
        return None  # deleted meanwhile


def _group_fields(group: Group, stats: GroupStats | None) -> dict[str, object]:
    counts = {} if stats is None else plain_fields(stats)
    named = ("total_count", "active_count", "inactive_count", "bounce_count")
    return {**plain_fields(group), **{name: counts.get(name) for name in named}}


def _group_cells(group: Group, stats: GroupStats | None) -> tuple[str, ...]:
    counts = ("-", "-") if stats is None else (f"{stats.total_count:,}", f"{stats.active_count:,}")
    return (str(group.id), *counts, day(group.stamp), day(group.last_changed), group.name)


def show_attributes(
    output: Output, *, group: OfGroup = None, as_json: AsJson = False, account: AccountOptions
) -> None:
    """List the attributes of the account, and those of a group.

    Args:
        output: Where to print.
        group: The group.
        as_json: Whether to print JSON.
        account: The account.

    Raises:
        ConfigurationError: There are no credentials, or there is no such group.
        CleverReachError: A call failed.
    """
    found = run(partial(_attributes, account.access(output), group))
    print_list(
        output,
        found,
        as_json=as_json,
        fields=plain_fields,
        head=(">ID", "TYPE", "GROUP", "NAME", "DESCRIPTION"),
        cells=lambda it: (
            str(it.id),
            it.type,
            str(it.group_id or "-"),
            it.name,
            it.description,
        ),
        empty="there are no attributes",
    )


async def _attributes(access: Access | None, group: str | None) -> list[Attribute]:
    async with connect(access) as client:
        found = list(await client.attributes.list())
        if group is None:
            return found
        group_id = existing_group(await client.groups.list(), group).id
        own = await client.attributes.list(group_id=group_id)
        # Some responses do not say which group an attribute is of.
        return found + [attrs.evolve(it, group_id=it.group_id or group_id) for it in own]


def show_forms(
    output: Output, *, group: OfGroup = None, as_json: AsJson = False, account: AccountOptions
) -> None:
    """List the forms of the account or of a group.

    Args:
        output: Where to print.
        group: The group.
        as_json: Whether to print JSON.
        account: The account.

    Raises:
        ConfigurationError: There are no credentials, or there is no such group.
        CleverReachError: A call failed.
    """
    found = run(partial(_forms, account.access(output), group))
    print_list(
        output,
        found,
        as_json=as_json,
        fields=plain_fields,
        head=(">ID", "GROUP", "NAME"),
        cells=lambda it: (str(it.id), str(it.group_id or "-"), it.name),
        empty="there are no forms",
    )


async def _forms(access: Access | None, group: str | None) -> list[Form]:
    async with connect(access) as client:
        if group is None:
            return list(await client.forms.list())
        group_id = existing_group(await client.groups.list(), group).id
        return list(await client.forms.list(group_id=group_id))


def show_account(output: Output, *, as_json: AsJson = False, account: AccountOptions) -> None:
    """Show the account that the credentials belong to.

    Args:
        output: Where to print.
        as_json: Whether to print JSON.
        account: The account.

    Raises:
        ConfigurationError: There are no credentials.
        CleverReachError: A call failed.
    """
    fields = plain_fields(run(partial(_whoami, account.access(output))))
    if as_json:
        output.result_json(fields)
        return
    shown = {name: value for name, value in fields.items() if value}
    width = max(map(len, shown))
    for name, value in shown.items():
        output.result(f"{name:{width}}  {value}")


async def _whoami(access: Access | None) -> Whoami:
    async with connect(access) as client:
        return await client.debug.whoami()
