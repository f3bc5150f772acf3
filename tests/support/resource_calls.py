"""Every call of the resources with arguments, for tests of what all of them have in common."""

import inspect
from typing import Any

from cleverreach_async.resources.attributes import Attributes
from cleverreach_async.resources.automation import AbandonedCart, Automation
from cleverreach_async.resources.base import Resource
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
from cleverreach_async.resources.mailings import Mailings
from cleverreach_async.resources.my_content import MyContents
from cleverreach_async.resources.order_models import OrderInput
from cleverreach_async.resources.orders import Orders
from cleverreach_async.resources.pages import Paginator
from cleverreach_async.resources.receiver_models import ReceiverInput
from cleverreach_async.resources.receivers import Receivers
from cleverreach_async.resources.reports import Reports
from cleverreach_async.resources.tags import Tags
from cleverreach_async.resources.templates import Templates
from cleverreach_async.resources.webhooks import Webhooks

RESOURCES = (
    *(Attributes, Automation, Blacklist, Bounces, Channels, Clients, Debug, Events, Filters),
    *(Flows, Forms, Groups, Mailings, MyContents, Orders, Receivers, Reports, Tags, Templates),
    Webhooks,
)
OTHER_NOUNS: dict[type[Resource], str] = {MyContents: "my_content"}
"""The nouns of the client that are not called like their class."""
TEXT_IDS = {"order_id", "external_id", "cart_id", "customer_id", "store_id", "type_id"}
LISTS = {"ids", "group_ids", "receiver_ids"}
ARGUMENTS: dict[str, Any] = {
    "account": {"company": "Wayne"},
    "cart": AbandonedCart(
        store_id="x", return_url="https://shop.example/cart", items=[{"id": "x", "name": "x"}]
    ),
    "cart_id": "x",
    "emails": ["ann@mail.example"],
    "event": "receiver",
    "fields": {"name": "x"},
    "html": "x",
    "mode": "basic",
    "name": "x",
    "order": OrderInput("A", "x"),
    "order_id": "A",
    "options": {"type": "invoice"},
    "receiver": ReceiverInput("ann@mail.example"),
    "receiver_ids": [7],
    "receivers": [ReceiverInput("ann@mail.example")],
    "referer": "x",
    "email": "ann@mail.example",
    "rules": [{"field": "email", "logic": "notisnull"}],
    "sender_email": "ann@mail.example",
    "sender_name": "x",
    "source": {"iban": "x"},
    "store_id": "x",
    "state": "clicked",
    "subject": "x",
    "tag": "x",
    "tags": ["x"],
    "time": 1,
    "type": "text",
    "types": {"firstname": "text"},
    "url": "https://shop.example/hook",
    "user_agent": "x",
    "user_ip": "x",
    "verify": "ten letters",
}


def noun_of(resource: type[Resource]) -> str:
    """Return the name of a resource at the client."""
    return OTHER_NOUNS.get(resource, resource.__name__.lower())


def is_id(name: str) -> bool:
    """Whether a parameter is an id or a list of ids."""
    return name in LISTS or (name.endswith("_id") and name not in TEXT_IDS)


def parameters(resource: type[Resource], method: str) -> dict[str, inspect.Parameter]:
    """Return the parameters of a call without ``self``."""
    found = inspect.signature(getattr(resource, method)).parameters
    return {name: it for name, it in found.items() if name != "self"}


CALLS = [
    (resource, method)
    for resource in RESOURCES
    for base in resource.__mro__
    if issubclass(base, Resource) and base is not Resource
    for method in vars(base)
    if not method.startswith("_")
]


def arguments(resource: type[Resource], method: str, **given: object) -> dict[str, Any]:
    """Return arguments of a call: those given, and valid ones for the others that it needs."""
    found = parameters(resource, method)
    needed = {it for it in found if found[it].default is inspect.Parameter.empty}
    if "link_id" in given:
        needed.add("state")
    valid = {it: ARGUMENTS.get(it, 7 if is_id(it) else "x") for it in needed}
    if method == "send_preview":
        valid["receivers"] = ARGUMENTS["emails"]
    return valid | given


async def call(resource: Resource, method: str, values: dict[str, Any]) -> None:
    """Make a call, and request the first page of a list."""
    result = getattr(resource, method)(**values)
    if isinstance(result, Paginator) or inspect.isawaitable(result):
        await result
