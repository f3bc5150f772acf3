"""Open questions about the API, each as calls in a group of its own and an answer in words.

They send requests as plain values, since what is asked is what the server makes of these.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from cleverreach_async import APIStatusError, CleverReach
from cleverreach_async.transport.wire import as_list, as_object

__all__ = ["PROBES", "Probe"]

Probe = Callable[["Group"], Awaitable[str]]

_SINCE: Final = 1_700_000_000
_OPERATORS: Final = (
    *("eq", "neq", "contains", "nocontains", "bg", "sm", "isnull", "notisnull"),
    *("startswith", "endswith", "in", "bw"),
)


class Group:
    """A group, whose calls return what the server responds, also if it refuses.

    Args:
        cr: The client.
        group_id: The group.
    """

    def __init__(self, cr: CleverReach, group_id: int) -> None:
        self.cr = cr
        self.id = group_id
        self.email = self.new_email()

    def new_email(self) -> str:
        """Return an address that nobody has."""
        return f"probe-{secrets.token_hex(6)}@example.org"

    async def call(self, method: str, path: str, json: Any = None, **query: Any) -> Any:
        """Call the API below the group."""
        return await self.call_account(method, f"/groups/{self.id}{path}", json, **query)

    async def call_account(self, method: str, path: str, json: Any = None, **query: Any) -> Any:
        """Call the API; a refusal is returned as text."""
        body = {} if json is None else {"json": json}
        try:
            return await self.cr.request(method, path, query=query, **body)
        except APIStatusError as error:
            return f"{error.status_code} {error.message}".strip()

    async def write(self, name: str, *rows: Mapping[str, Any]) -> Any:
        """Send rows by a batch call."""
        method = "PUT" if name.startswith("update") else "POST"
        return await self.call(method, f"/receivers/{name}", [*rows])

    async def read(self, email: str | None = None) -> Mapping[str, Any]:
        """Return a receiver; empty if there is none."""
        return first(await self.call("GET", f"/receivers/{email or self.email}"))


async def token_life(group: Group) -> str:
    """Read how long the token lasts."""
    ttl = await group.cr.debug.ttl()
    return f"{ttl.ttl} seconds"


async def operations_listed(group: Group) -> str:
    """Count what the vendor lists."""
    found = await group.call_account("GET", "/explorer/swagger.json")
    paths = as_object(first(found).get("paths"))
    if not paths:
        return f"not there: {found}"
    operations = [as_object(it) for path in paths.values() for it in as_object(path).values()]
    deprecated = sum(bool(it.get("deprecated")) for it in operations)
    return f"{len(operations)} operations, {deprecated} deprecated"


def batch(name: str) -> Probe:
    """Return the probe of a batch call: a good row, an invalid one, and the good one again."""

    async def probe(group: Group) -> str:
        rows = {"email": group.email}, {"email": "no address"}, {"email": group.email}
        return shape(await group.write(name, *rows))

    return probe


async def many_rows(group: Group) -> str:
    """Send one row more than clients do."""
    rows = [{"email": group.new_email()} for _ in range(1001)]
    found = await group.write("upsert", *rows)
    return f"{len(as_list(found))} items" if isinstance(found, list) else shape(found)


async def relative_numbers(group: Group) -> str:
    """Send +1 twice."""
    await group.call("POST", "/attributes", {"name": "probe_count", "type": "number"})
    for value in ("5", "+1", "-2"):
        await group.write("upsert", {"email": group.email, "attributes": {"probe_count": value}})
    found = await group.read()
    return f"5, +1, -2 give {as_object(found.get('attributes')).get('probe_count')!r}"


def reactivation(**row: Any) -> Probe:
    """Return the probe of what makes an unsubscribed receiver active again."""

    async def probe(group: Group) -> str:
        await group.write("upsert", {"email": group.email})
        await group.call("PUT", f"/receivers/{group.email}/deactivate")
        before = (await group.read()).get("active")
        answer = await group.write("upsert", {"email": group.email, **row})
        after = (await group.read()).get("active")
        return f"active {before} becomes {after}; {shape(answer)}"

    return probe


async def tags_of_put(group: Group) -> str:
    """Change tags by PUT."""
    await group.write("upsertplus", {"email": group.email, "tags": ["probe.a"]})
    await group.call("PUT", f"/receivers/{group.email}", {"tags": ["probe.b"]})
    return f"a, then b: {sorted((await group.read()).get('tags') or [])}"


async def tags_paging(group: Group) -> str:
    """Ask for the second tag in both ways."""
    await group.write("upsertplus", {"email": group.email, "tags": ["probe.a", "probe.b"]})
    first = await group.call_account("GET", "/tags", group_id=group.id, limit=1)
    offset = await group.call_account("GET", "/tags", group_id=group.id, limit=1, offset=1)
    page = await group.call_account("GET", "/tags", group_id=group.id, limit=1, page=1)
    ways = {"offset": offset, "page": page}
    return f"works: {', '.join(way for way, found in ways.items() if found != first) or 'neither'}"


async def unknown_attributes(group: Group) -> str:
    """Send a value of an attribute that does not exist."""
    row = {"email": group.email, "attributes": {"probe_unknown": "x"}}
    answer = await group.write("upsert", row)
    stored = "probe_unknown" in ((await group.read()).get("attributes") or {})
    return f"{'stored' if stored else 'not stored'}; {shape(answer)}"


async def empty_map(group: Group) -> str:
    """Read a receiver without attributes."""
    await group.write("upsert", {"email": group.email})
    return f"{(await group.read()).get('attributes')!r}"


async def order_fields(group: Group) -> str:
    """Write an order and read it."""
    await group.write("upsert", {"email": group.email})
    order = {"order_id": "P-1", "product": "Lamp", "price": 9.9, "quantity": 2}
    answer = await group.call("POST", f"/receivers/{group.email}/orders", order)
    found = await group.call("GET", f"/receivers/{group.email}/orders")
    return f"{shape(answer)}; read back: {sorted(first(found))}"


async def events(group: Group) -> str:
    """Write an event and read it."""
    await group.write("upsert", {"email": group.email})
    answer = await group.call(
        "POST", f"/receivers/{group.email}/events", {"type": "probe", "value": "seen"}
    )
    found = await group.call("GET", f"/receivers/{group.email}/events")
    return f"{shape(answer)}; read back: {first(found).get('type')}"


async def filter_operators(group: Group) -> str:
    """Create a segment with each operator."""
    accepted: list[str] = []
    for logic in _OPERATORS:
        rule = {"operator": "", "field": "email", "logic": logic, "condition": "example.org"}
        body = {"name": f"probe {logic}", "operator": "AND", "rules": [rule]}
        found = await group.call("POST", "/filters", body)
        if first(found).get("id"):
            accepted.append(logic)
    return f"accepted: {', '.join(accepted) or 'none'}"


async def listing_by_address(group: Group) -> str:
    """Ask for addresses by POST, as a list and as a text."""
    await group.write("upsert", {"email": group.email})
    ways: dict[str, Any] = {"list": [group.email], "text": group.email}
    found = {
        way: await group.call("POST", "/get_receivers", {"email_list": emails})
        for way, emails in ways.items()
    }
    works = [way for way, answer in found.items() if first(answer)]
    return f"works: {', '.join(works) or 'neither'}"


async def large_page(group: Group) -> str:
    """Ask for more than the largest page."""
    return shape(await group.call("GET", "/receivers", pagesize=5001))


async def duplicate(group: Group) -> str:
    """Create a receiver twice."""
    await group.call("POST", "/receivers", {"email": group.email})
    return shape(await group.call("POST", "/receivers", {"email": group.email}))


async def attribute_limits(group: Group) -> str:
    """Read how many attributes the account may have."""
    return shape(await group.call_account("GET", "/attributes/limits"))


def first(answer: Any) -> Mapping[str, Any]:
    """Return an object, or the first one of a list; empty if it is something else."""
    items = as_list(answer) if isinstance(answer, list) else [answer]
    return as_object(items[0]) if items else {}


def shape(answer: Any) -> str:
    """Return what an answer looks like, without addresses and ids."""
    if isinstance(answer, list):
        items = as_list(answer)
        shapes = dict.fromkeys(map(shape, items))
        return f"[{', '.join(shapes)}] of {len(items)}" if items else "[]"
    if isinstance(answer, dict):
        fields = sorted(as_object(answer).items())
        return f"{{{', '.join(f'{name}={said(value)}' for name, value in fields)}}}"
    return repr(answer) if isinstance(answer, str) else said(answer)


def said(value: Any) -> str:
    """Return words and truth values, and the type of anything else."""
    if isinstance(value, bool) or (isinstance(value, str) and "@" not in value and " " in value):
        return repr(value)
    return type(value).__name__


PROBES: Final[Mapping[str, Probe]] = {
    "life of the token": token_life,
    "operations that the vendor lists": operations_listed,
    "insert: good, invalid, good again": batch("insert"),
    "upsert: good, invalid, good again": batch("upsert"),
    "upsertplus: good, invalid, good again": batch("upsertplus"),
    "update: unknown, invalid, unknown again": batch("update"),
    "1001 rows in a batch": many_rows,
    "number attribute": relative_numbers,
    "unsubscribed, then activated": reactivation(activated=_SINCE),
    "unsubscribed, then deactivated 0": reactivation(deactivated=0),
    "tags of PUT": tags_of_put,
    "paging of tags": tags_paging,
    "value of an unknown attribute": unknown_attributes,
    "no attributes": empty_map,
    "order": order_fields,
    "event": events,
    "operators of segments": filter_operators,
    "get_receivers by address": listing_by_address,
    "page of 5001": large_page,
    "create twice": duplicate,
    "limits of attributes": attribute_limits,
}
