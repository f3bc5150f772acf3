"""``cleverreach receiver``: what the account has of one person."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Final

import attrs
import typer

from cleverreach_async.cli.connection import connect, run
from cleverreach_async.cli.credentials import Access
from cleverreach_async.cli.imports.destination import existing_group
from cleverreach_async.cli.options import AccountOptions, AsJson
from cleverreach_async.cli.output import Output
from cleverreach_async.cli.tables import each, plain_fields
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import ConfigurationError, NotFoundError
from cleverreach_async.resources.groups import Group
from cleverreach_async.resources.receiver_models import Receiver

__all__ = ["show_receiver"]

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="E-mail address or pool id.")]
OneGroup = Annotated[
    str | None,
    typer.Option("--group", help="Look into this group only, by id or name.", metavar="ID|NAME"),
]

_TIMES: Final = ("registered", "activated", "deactivated", "bounced", "imported", "last_changed")


@attrs.frozen
class _InGroup:
    """A receiver in one of their groups."""

    group: Group
    receiver: Receiver


def show_receiver(
    output: Output,
    email: Email,
    *,
    group: OneGroup = None,
    as_json: AsJson = False,
    account: AccountOptions,
) -> None:
    """Show a receiver in every group that has them.

    Args:
        output: Where to print.
        email: E-mail address or pool id.
        group: Look into this group only.
        as_json: Whether to print JSON.
        account: The account.

    Raises:
        ConfigurationError: There are no credentials, or no group has the receiver.
        CleverReachError: A call failed.
    """
    found = run(partial(_find, account.access(output), email.strip(), group))
    if not found:
        where = "the group does not have" if group else "no group has"
        raise ConfigurationError(f"{where} this receiver")
    if as_json:
        output.result_json([_fields(it) for it in found])
        return
    for place, one in enumerate(found):
        if place:
            output.result("")
        for line in _lines(one):
            output.result(line)


async def _find(access: Access | None, email: str, group: str | None) -> list[_InGroup]:
    async with connect(access) as client:
        groups = list(await client.groups.list())
        if group is not None:
            groups = [existing_group(groups, group)]
        found = await each(groups, partial(_in_group, client, email))
        return [it for it in found if it is not None]


async def _in_group(client: CleverReach, email: str, group: Group) -> _InGroup | None:
    try:
        return _InGroup(group, await client.receivers.get(email, group_id=group.id))
    except NotFoundError:
        return None


def _fields(found: _InGroup) -> dict[str, Any]:
    return {
        **plain_fields(found.receiver),
        "extra": dict(found.receiver.extra),
        "group_id": found.group.id,
        "group_name": found.group.name,
    }


def _lines(found: _InGroup) -> Iterator[str]:
    receiver = found.receiver
    yield f"{receiver.email} in {found.group.name} ({found.group.id})"
    shown: dict[str, object] = {"id": receiver.id, "state": _state(receiver)}
    for name in _TIMES:
        moment = getattr(receiver, name)
        shown[name] = moment and f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
    shown |= {"source": receiver.source, "tags": ", ".join(receiver.tags)}
    shown |= _values(receiver.global_attributes, "")
    shown |= _values(receiver.attributes, "attributes.")
    shown |= {"orders": len(receiver.orders), "events": len(receiver.events)}
    present = {name: value for name, value in shown.items() if value}
    width = max(map(len, present))
    for name, value in present.items():
        yield f"  {name:{width}}  {value}"


def _state(receiver: Receiver) -> str:
    if receiver.bounced:
        return "bounced"
    if receiver.deactivated:
        return "unsubscribed"
    if receiver.active or receiver.activated:
        return "active"
    return "not confirmed"


def _values(values: Mapping[str, Any], prefix: str) -> dict[str, object]:
    return {f"{prefix}{name}": value for name, value in values.items()}
