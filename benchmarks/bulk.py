"""What an import costs: the library against code written by hand."""

import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal

import attrs

from benchmarks.measure import Comparison, Skipped, Work, alternate
from benchmarks.ours import OURS, OURS_AIOHTTP, open_ours
from benchmarks.raw import open_raw
from benchmarks.rivals import (
    CONCURRENCY,
    HEADERS,
    REQUESTS_JSON,
    RIVALS,
    Import,
    batches,
    encode,
    open_rival,
)
from benchmarks.rows import csv_rows, dicts, receivers, write_csv
from benchmarks.servers import Server, served
from benchmarks.settings import Settings
from cleverreach_async import CleverReach, read_csv

__all__ = ["FROM_MAPPINGS", "RAW", "import_rows", "run"]

Call = Literal["upsertplus", "upsert"]

RAW: Final = "raw sockets, encoded before"
FROM_MAPPINGS: Final = ", mappings"
"""Ending of the cases that pass mappings to the library instead of its row class."""


@attrs.frozen(kw_only=True)
class _Rows:
    """Rows of a comparison, in the form that each case takes; sources are read again each time."""

    count: int
    csv: Path | None
    dicts: list[dict[str, Any]]
    receivers: list[Any]

    def for_rival(self) -> Any:
        """Return dicts."""
        return csv_rows(self.csv) if self.csv else self.dicts

    def for_ours(self, case: str) -> Any:
        """Return what the library is given."""
        if self.csv:
            return read_csv(self.csv)
        return self.dicts if case.endswith(FROM_MAPPINGS) else self.receivers


async def run(settings: Settings) -> list[Comparison]:
    """Compare the cases for each source and call, without and with TLS."""
    comparisons: list[Comparison] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv")
        write_csv(path, settings.rows)
        calls: tuple[Call, ...] = ("upsertplus", "upsert")
        with served() as plain, served(tls=True) as tls:
            for csv, call, server in product((None, path), calls, (plain, tls)):
                comparisons.append(await _compare(settings, server, call, csv=csv))
    return comparisons


async def _compare(
    settings: Settings, server: Server, call: Call, *, csv: Path | None
) -> Comparison:
    title = f"{call}, {'CSV' if csv else 'ready rows'}, {server.kind}"
    comparison = Comparison(
        suite="bulk", title=title, unit="row", baseline=REQUESTS_JSON, samples={}
    )
    count = settings.rows
    has_orders = call == "upsertplus"  # upsert takes none
    rows = _Rows(
        count=count,
        csv=csv,
        dicts=[] if csv else list(dicts(count, orders=has_orders)),
        receivers=[] if csv else list(receivers(count, orders=has_orders)),
    )
    async with AsyncExitStack() as stack:
        works: dict[str, Work] = {}
        for case in RIVALS:
            send = await stack.enter_async_context(open_rival(case, server, call))
            works[case] = _by_hand(send, rows)
        if not csv:
            works[RAW] = await _raw(stack, server, call, rows)
        for base in (OURS, OURS_AIOHTTP):
            try:
                cr = await stack.enter_async_context(open_ours(base, server))
            except Skipped as reason:
                comparison.skipped[base] = str(reason)
                continue
            for case in (base,) if csv else (base, base + FROM_MAPPINGS):
                works[case] = _ours(cr, rows, case, call)
        comparison.samples = await alternate(works, server, rounds=settings.bulk_rounds)
    return comparison


async def import_rows(cr: CleverReach, rows: Any, call: Call = "upsertplus") -> int:
    """Import rows with the library."""
    report = await cr.bulk.upsert(rows, group_id=1, strategy=call, concurrency=CONCURRENCY)
    report.raise_for_failures()
    return report.accepted


def _by_hand(send: Import, rows: _Rows) -> Work:
    async def work() -> Mapping[str, float]:
        return {"count": await send(rows.for_rival())}

    return work


def _ours(cr: CleverReach, rows: _Rows, case: str, call: Call) -> Work:
    async def work() -> Mapping[str, float]:
        return {"count": await import_rows(cr, rows.for_ours(case), call)}

    return work


async def _raw(stack: AsyncExitStack, server: Server, call: Call, rows: _Rows) -> Work:
    url = f"{server.url}/v3/groups/1/receivers/{call}"
    bodies = [encode(batch) for batch in batches(rows.dicts)]
    send = await stack.enter_async_context(open_raw(url, server.ssl_context, HEADERS, CONCURRENCY))

    async def work() -> Mapping[str, float]:
        await send(bodies)
        return {"count": rows.count}

    return work
