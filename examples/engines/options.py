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
    parser.add_argument("--shop", default="shop", help="module with make_client, open_journal")
    return parser.parse_args()


def customers(first: int, last: int) -> Any:
    """Return invented customers with one order each; one in a thousand has no valid address."""
    numbers = range(first, last)
    orders = [
        [{"order_id": f"A-{it}", "product": "Lamp", "price": 49.9, "currency": "EUR"}]
        for it in numbers
    ]
    addresses = [
        f"customer{it:06}@shop.example" if it % 1000 != 999 else f"customer{it:06}"  # noqa: PLR2004
        for it in numbers
    ]
    return pa.table({"email": addresses, "firstname": ["Ann"] * len(orders), "orders": orders})


def prepare(arguments: argparse.Namespace) -> int:
    """Create the group and the attribute once, before any worker begins; return the group's id."""

    async def ensure() -> int:
        async with import_module(arguments.shop).make_client() as cr:
            await cr.attributes.ensure({"firstname": "text"})
            group = await cr.groups.ensure(name=arguments.group)
            return int(group.id)

    return anyio.run(ensure)
