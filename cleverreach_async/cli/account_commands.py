"""``cleverreach groups`` and ``cleverreach whoami``."""

from datetime import datetime
from functools import partial

import attrs

from cleverreach_async.cli.connection import connect, run
from cleverreach_async.cli.credentials import Access
from cleverreach_async.cli.options import AccountOptions, AsJson
from cleverreach_async.cli.output import Output
from cleverreach_async.resources.debug import Whoami
from cleverreach_async.resources.groups import Group

__all__ = ["show_account", "show_groups"]


def show_groups(output: Output, *, as_json: AsJson = False, account: AccountOptions) -> None:
    """List the groups of the account.

    Args:
        output: Where to print.
        as_json: Whether to print JSON.
        account: The account.

    Raises:
        ConfigurationError: There are no credentials.
        CleverReachError: A call failed.
    """
    groups = run(partial(_groups, account.access(output)))
    if as_json:
        output.result_json([_fields(group) for group in groups])
    elif not groups:
        output.info("the account has no groups")
    else:
        width = max(len(str(group.id)) for group in groups)
        output.result(f"{'ID':>{width}}  CREATED     CHANGED     NAME")
        for group in groups:
            days = f"{_day(group.stamp)}  {_day(group.last_changed)}"
            output.result(f"{group.id:>{width}}  {days}  {group.name}")


async def _groups(access: Access | None) -> list[Group]:
    async with connect(access) as client:
        return list(await client.groups.list())


def _fields(model: Group | Whoami) -> dict[str, object]:
    fields = attrs.asdict(model, filter=attrs.filters.exclude("extra"))
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in fields.items()
    }


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d}" if moment else "-" + " " * 9


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
    fields = _fields(run(partial(_whoami, account.access(output))))
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
