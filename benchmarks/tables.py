"""Tables of what the suites have measured, in Markdown."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Final

from benchmarks.bulk import RAW
from benchmarks.latency import cap
from benchmarks.measure import Comparison, Ratio, ratio
from benchmarks.ours import OURS, OURS_AIOHTTP
from benchmarks.results import SuiteResult

__all__ = ["body", "table", "wins"]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are figures."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ratio(value: Ratio) -> str:
    return f"{value.value:.2f} ({value.low:.2f} to {value.high:.2f})"


def _middle(comparison: Comparison, case: str, column: str) -> float:
    return median(comparison.samples[case][column])


def _cost(comparison: Comparison, case: str, column: str = "cpu") -> str:
    cost = median(comparison.each(case, column))
    return f"{cost:,.0f}" if cost >= 100 else f"{cost:.3g}"  # noqa: PLR2004


def _per_second(comparison: Comparison, case: str) -> str:
    return f"{1e6 / median(comparison.each(case, 'wall')):,.0f}"


def calls(comparisons: Sequence[Comparison]) -> str:
    """Return a table for each connection, plain or TLS."""
    header = ("case", "CPU µs", "CPU ratio", "p50 µs", "p99 µs", "p99 ratio", "server's CPU µs")

    def row(comparison: Comparison, case: str) -> list[str]:
        late = [comparison.samples[name]["p99"] for name in (case, comparison.baseline)]
        return [
            _cost(comparison, case),
            _ratio(comparison.ratio(case)),
            f"{_middle(comparison, case, 'p50'):,.0f}",
            f"{_middle(comparison, case, 'p99'):,.0f}",
            _ratio(ratio(*late)),
            _cost(comparison, case, "server_cpu"),
        ]

    return _one_table_each(comparisons, header, row)


def pool(comparisons: Sequence[Comparison]) -> str:
    """Return a table for each number of accounts."""
    header = (
        *("case", "share of the ideal", "new connections of 1,000 requests"),
        *("p50 ms", "p99 ms", "CPU µs", "server's CPU µs"),
    )

    def row(comparison: Comparison, case: str) -> list[str]:
        columns = comparison.samples[case]
        opened = sum(columns["connections"]) / sum(columns["measured"])
        return [
            f"{_middle(comparison, case, 'share'):.1%}",
            f"{opened * 1000:,.0f}",
            f"{_middle(comparison, case, 'p50'):,.0f}",
            f"{_middle(comparison, case, 'p99'):,.0f}",
            _cost(comparison, case),
            _cost(comparison, case, "server_cpu"),
        ]

    return _one_table_each(comparisons, header, row)


def bulk(comparisons: Sequence[Comparison]) -> str:
    """Return a table of ratios and one of costs for each of the vendor's calls."""
    parts: list[str] = []
    for call in ("upsertplus", "upsert"):
        mine = [one for one in comparisons if one.title.startswith(f"{call}, ")]
        if not mine:
            continue
        header = ["case", *(one.title.removeprefix(f"{call}, ") for one in mine)]
        cases = list(dict.fromkeys(case for one in mine for case in one.samples))
        ratios = [
            [case, *(_ratio(one.ratio(case)) if case in one.samples else "-" for one in mine)]
            for case in cases
        ]
        costs = [
            [case, *(_cost(one, case) if case in one.samples else "-" for one in mine)]
            for case in cases
        ]
        server = [_cost(one, OURS, "server_cpu") for one in mine]
        parts += [
            f"`{call}`, CPU relative to `{mine[0].baseline}`:",
            table(header, ratios),
            f"`{call}`, CPU in µs per row:",
            table(header, [*costs, ["the server, for ours", *server]]),
        ]
    return "\n\n".join(parts)


def latency(comparisons: Sequence[Comparison]) -> str:
    """Return shares of the ideal."""
    cases = list(dict.fromkeys(case for one in comparisons for case in one.samples))

    def share(comparison: Comparison, case: str) -> str:
        if case not in comparison.samples:
            return "-"
        middle = _middle(comparison, case, "share")
        return f"{middle:.1%} ({_per_second(comparison, case)} rows/s)"

    rows = [[case, *(share(one, case) for one in comparisons)] for case in cases]
    counts = [int(one.samples[OURS]["count"][0]) for one in comparisons]
    rows.append(
        [
            "cap that the first round trip sets for ours",
            *(f"{cap(count):.1%}" for count in counts),
        ]
    )
    return table(["case", *(one.title for one in comparisons)], rows)


def lag(comparisons: Sequence[Comparison]) -> str:
    """Return a table for each latency of the server."""
    header = ("case", "p50 ms", "p99 ms", "max ms", "idle p99 ms", "p99 above idle ms")

    def row(comparison: Comparison, case: str) -> list[str]:
        columns = ("p50", "p99", "max", "idle_p99")
        values = [_middle(comparison, case, column) for column in columns]
        return [f"{value:.2f}" for value in (*values, values[1] - values[3])]

    return _one_table_each(comparisons, header, row)


def memory(comparisons: Sequence[Comparison]) -> str:
    """Return peaks, and the growth between the first and the last number of rows."""
    header = ["case", "before MB", *(f"peak MB, {one.title}" for one in comparisons), "growth MB"]
    few, many = comparisons[0], comparisons[-1]
    rows: list[list[str]] = []
    for case in few.samples:
        peaks = [
            f"{_middle(one, case, 'peak'):.1f}" if case in one.samples else "-"
            for one in comparisons
        ]
        growth = "-"
        if case in many.samples:
            growth = f"{_middle(many, case, 'peak') - _middle(few, case, 'peak'):+.1f}"
        rows.append([case, f"{_middle(few, case, 'before'):.1f}", *peaks, growth])
    return table(header, rows)


def export(comparisons: Sequence[Comparison]) -> str:
    """Return costs per receiver."""
    header = ("case", "CPU µs", "CPU ratio", "receivers/s", "server's CPU µs")

    def row(comparison: Comparison, case: str) -> list[str]:
        return [
            _cost(comparison, case),
            _ratio(comparison.ratio(case)),
            _per_second(comparison, case),
            _cost(comparison, case, "server_cpu"),
        ]

    return _one_table_each(comparisons, header, row)


def _one_table_each(
    comparisons: Sequence[Comparison],
    header: Sequence[str],
    row: Callable[[Comparison, str], list[str]],
) -> str:
    parts: list[str] = []
    for comparison in comparisons:
        if len(comparisons) > 1:
            parts.append(f"{comparison.title[0].upper()}{comparison.title[1:]}:")
        parts.append(table(header, [[case, *row(comparison, case)] for case in comparison.samples]))
    return "\n\n".join(parts)


_TABLES: Final[Mapping[str, Callable[[Sequence[Comparison]], str]]] = {
    "calls": calls,
    "pool": pool,
    "bulk": bulk,
    "latency": latency,
    "lag": lag,
    "memory": memory,
    "export": export,
}


def body(result: SuiteResult) -> str:
    """Return what a suite has found, and which of its cases were skipped."""
    parts: list[str] = []
    if result.comparisons:
        parts.append(_TABLES[result.comparisons[0].suite](result.comparisons))
    if result.text:
        text = result.text.rstrip()
        parts.append(text if text.startswith("|") else f"```\n{text}\n```")
    skipped = {case: why for one in result.comparisons for case, why in one.skipped.items()}
    parts += [f"Skipped: {case}, because {why}." for case, why in skipped.items()]
    return "\n\n".join(parts)


def wins(comparisons: Sequence[Comparison]) -> str:
    """Return whom ours beats, and who beats ours, in CPU time."""
    rows: list[list[str]] = []
    for comparison in comparisons:
        for mine in (OURS, OURS_AIOHTTP):
            if mine not in comparison.samples:
                continue
            cost = comparison.each(mine, "cpu")
            others = {
                case: ratio(cost, comparison.each(case, "cpu")).value
                for case in comparison.samples
                if not case.startswith((OURS, RAW))
            }
            cheaper = [f"{case} {value:.2f}" for case, value in others.items() if value < 1]
            dearer = [f"{case} {value:.2f}" for case, value in others.items() if value >= 1]
            name = f"{comparison.suite}, {comparison.title}, {mine}"
            rows.append([name, ", ".join(cheaper) or "-", ", ".join(dearer) or "-"])
    return table(["", "costs less than", "costs as much as or more than"], rows).replace(
        "---:", "---"
    )
