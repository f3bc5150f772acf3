"""How long ``Outbox.put()`` takes: the part of an order that a checkout waits for.

``python -m benchmarks.outbox`` stores 2,000 orders one by one in a new SQLite file of the current
folder, whose disk counts; ``--database postgresql://…`` in an outbox of PostgreSQL. ``put()`` calls
nobody, so it takes as long while CleverReach is down.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence

from benchmarks.measure import percentile
from cleverreach_async import OrderInput, Outbox, PostgresOutbox, ReceiverInput

__all__ = ["main", "milliseconds"]

_PAUSE = 0.001
"""Seconds between two orders: a checkout is no loop."""


async def milliseconds(outbox: Outbox | PostgresOutbox, count: int) -> list[float]:
    """Return how long each of some calls took."""
    times: list[float] = []
    run = time.time_ns()
    for number in range(count):
        order = OrderInput(f"{run}-{number}", "Mug", price=9.9, currency="EUR")
        receiver = ReceiverInput(f"customer{number}@shop.example", orders=[order])
        started = time.perf_counter()
        await outbox.put(receiver, account="benchmark", group_id=1)
        times.append(1000 * (time.perf_counter() - started))
        await asyncio.sleep(_PAUSE)
    return times


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.outbox", description="Measure how long Outbox.put() takes."
    )
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--database", help="URL of a PostgreSQL database, instead of a file")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        database = options.database
        outbox = PostgresOutbox(database) if database else Outbox(f"{folder}/orders.db")
        times = asyncio.run(milliseconds(outbox, options.orders))
    shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    shown = ", ".join(f"{name} {percentile(times, it):.2f} ms" for name, it in shares.items())
    print(f"{len(times):,} orders: {shown}")


if __name__ == "__main__":
    main()
