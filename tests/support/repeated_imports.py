"""Imports with a journal that are begun, stopped and continued, and what they have stored."""

from collections.abc import Callable
from typing import Any

from cleverreach_async import ImportReport, OrderInput, ReceiverInput
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.transport.clock import SYSTEM_CLOCK, Clock
from support.model_server import ModelServer, Reply, transport_to

__all__ = ["load", "next_server", "refusing_from", "totals", "with_orders"]

CLASSES = ("accepted", "rejected", "unknown", "superseded", "excluded")


def with_orders(count: int) -> list[ReceiverInput]:
    """Return rows that must not be sent twice."""
    return [
        ReceiverInput(f"p{n}@example.org", orders=[OrderInput(f"A-{n}", "Lamp")])
        for n in range(count)
    ]


async def load(
    server: ModelServer, rows: Any, journal: Any, *, clock: Clock = SYSTEM_CLOCK, **options: Any
) -> ImportReport:
    """Import rows with a journal, which is created or resumed."""
    usual = {"batch_size": 10, "concurrency": 1, "canary": False, "settle": 0, "resume": "auto"}
    options = {**usual, "max_reject_share": 1, **options}
    report = await Bulk(transport_to(server, clock=clock)).upsert(
        rows, group_id=7, journal=journal, **options
    )
    report.assert_balanced()
    return report


def totals(report: ImportReport) -> dict[str, int]:
    """Return the counters of all runs together that are not zero."""
    return {name: n for name in CLASSES if (n := report.total(name))}


def next_server(server: ModelServer, script: Any = None) -> ModelServer:
    """Return a server with the same receivers for the next run."""
    following = ModelServer(script)
    following.stored, following.orders = server.stored, server.orders
    following.created = server.created
    return following


def refusing_from(number: int) -> Callable[[int, Any], Reply | None]:
    """Refuse every request from this number on, so that the import stops."""
    return lambda n, _: Reply(403, executed=False, content=b"{}") if n >= number else None
