"""What the three examples have in common: their command line, and customers with orders."""

import argparse
from importlib import import_module
from typing import Any

import anyio
import pyarrow as pa

__all__ = ["customers", "prepare", "read_arguments"]


def read_arguments(engine: str) -> argparse.Namespace:
    """Return the command line of an example."""
    parser = argparse.ArgumentParser(description=f"Load customers with {engine}.")
    parser.add_argument("--group", default="Customers", help="its name; created if missing")
    parser.add_argument("--job", default=f"{engine}-2026-11-28", help="another one for each load")
    parser.add_argument("--results", default="results", help="folder for rejected rows")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--bad-every", type=int, default=1000, help="0 for no bad address")
    parser.add_argument("--settle", type=float, default=5.0, help="see ImportOptions")
    parser.add_argument("--shop", default="shop", help="module with make_client, open_journal")
    return parser.parse_args()


def customers(first: int, last: int, *, bad_every: int) -> Any:
    """Return invented customers with one order each, of which some have no valid address."""
    numbers = range(first, last)
    orders = [
        [{"order_id": f"A-{it}", "product": "Lamp", "price": 49.9, "currency": "EUR"}]
        for it in numbers
    ]
    names = [f"customer{it:06}" for it in numbers]
    addresses = [
        name if bad_every and it % bad_every == bad_every - 1 else f"{name}@shop.example"
        for it, name in zip(numbers, names, strict=True)
    ]
    return pa.table({"email": addresses, "firstname": ["Ann"] * len(names), "orders": orders})


def prepare(arguments: argparse.Namespace) -> int:
    """Create the group and the attribute once, before any worker begins; return the group's id."""

    async def ensure() -> int:
        async with import_module(arguments.shop).make_client() as cr:
            await cr.attributes.ensure({"firstname": "text"})
            group = await cr.groups.ensure(name=arguments.group)
            return int(group.id)

    return anyio.run(ensure)
