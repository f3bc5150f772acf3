"""The report of an import as one HTML file that loads no other files.

E-mail addresses are masked, so the file can be shared.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

import attrs

from cleverreach_async import __version__
from cleverreach_async.bulk.report import ImportReport
from cleverreach_async.cli.output import printable
from cleverreach_async.cli.report.headline import headline, rows_per_second
from cleverreach_async.cli.report.plots import Plot, Series, clock, draw
from cleverreach_async.cli.report.reasons import Reason, find_exclusions, find_remarks
from cleverreach_async.cli.report.timeline import NO_RESPONSE, Point, Timeline
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.files import check_replaceable, replace_file
from cleverreach_async.transport.redaction import mask_emails

__all__ = ["RunFacts", "check_report_path", "render_report_page", "write_report_page"]

_PLOT_POINTS: Final = 160
"""Most points of a chart; with more they are too narrow to touch."""
_TABLE_POINTS: Final = 40
_MINUTE: Final = 60

_STYLES: Final = {"read": "", "accepted": "good", "rejected": "bad", "unknown": "bad"}

# The address of nobody, in the message about texts that are no addresses.
_PLACEHOLDER: Final = re.compile(r"(?<!\S)(name@example\.org)(?!\S)")

_DOCTYPE: Final = b"<!doctype html>"
_DASH: Final = "\N{EN DASH}"


@attrs.frozen(kw_only=True)
class RunFacts:
    """Facts about an import, besides its counters.

    Attributes:
        file: The file that was imported.
        group: The group; ``None`` if the rows were only checked.
        began: When the import began, with its time zone.
        settings: Options, by name. Booleans are shown as yes and no, ``None`` as a dash.
        strategy: The batch call.
        mapping: Columns and their targets.
        left_out: Columns that are not sent.
        reasons: Why rows were not accepted, the most frequent first.
        rejects: The file of those rows; ``None`` if there are none.
        stopped: Why the import ended early; ``None`` if it did not.
    """

    file: str
    group: str | None
    began: datetime
    settings: Mapping[str, object]
    strategy: str = "upsertplus"
    mapping: Sequence[tuple[str, str]] = ()
    left_out: Sequence[str] = ()
    reasons: Sequence[Reason] = ()
    rejects: str | None = None
    stopped: str | None = None


def check_report_path(path: Path, *, others: Iterable[Path] = ()) -> None:
    """Check before an import that its report can be written afterwards.

    Args:
        path: Path of the page.
        others: Files of the import that it must not replace.

    Raises:
        ConfigurationError: It cannot be written there, or would replace one of the others, or a
            file that is no page.
    """
    for other in others:
        if path.resolve() == other.resolve() or (
            path.exists() and other.exists() and path.samefile(other)
        ):
            raise ConfigurationError(
                f"{path} is a file of the import itself, and the report would replace it; choose"
                " another with --report"
            )
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"{path} is not a file; choose one with --report")
    try:
        if path.exists() and not _is_page(path):
            raise ConfigurationError(
                f"{path} is no report, and would be replaced; choose another with --report"
            )
        check_replaceable(path.resolve())
    except OSError as error:
        raise _unwritable(path, error) from None


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(len(_DOCTYPE))
    return not head or head.lower() == _DOCTYPE


def write_report_page(
    path: Path, *, timeline: Timeline, report: ImportReport, facts: RunFacts
) -> None:
    """Write the page. Readers see the old page or the whole new one, never a part.

    Args:
        path: Path of the page; an existing file is replaced.
        timeline: The events by time.
        report: The counters.
        facts: Other facts.

    Raises:
        ConfigurationError: It cannot be written there.
    """
    page = render_report_page(timeline=timeline, report=report, facts=facts)
    try:
        # Follow a symbolic link, and let others read the page as the umask permits.
        replace_file(path.resolve(), [page.encode()], mode=0o666)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path}: cannot write the report there: {error.strerror or error}")


def render_report_page(*, timeline: Timeline, report: ImportReport, facts: RunFacts) -> str:
    """Return the page as HTML. The arguments are those of :func:`write_report_page`."""
    template = Template(
        files("cleverreach_async.cli.report").joinpath("page.html").read_text("utf-8")
    )
    style, verdict = _verdict(report, facts)
    return template.substitute(
        title=_safe(f"Import of {Path(facts.file).name}"),
        headline=_safe(_headline(report, facts)),
        style=style,
        verdict=_safe(verdict),
        when=_safe(f"{facts.file}, {facts.began:%Y-%m-%d %H:%M %Z}"),
        tiles="".join(
            [
                *_counts(report, dry_run=facts.group is None),
                *_measures(report, timeline, dry_run=facts.group is None),
            ]
        ),
        reasons=_reasons(report, facts) + _mapping(facts),
        plots=_plots(timeline),
        settings="".join(
            f'<tr><th scope="row">{_safe(name)}</th>'
            f'<td class="words">{_safe(_value(value))}</td></tr>'
            for name, value in facts.settings.items()
        ),
        footer=_safe(f"cleverreach-async {__version__}"),
    )


def _safe(text: str) -> str:
    """Escape text for HTML, and mask e-mail addresses."""
    parts = _PLACEHOLDER.split(text)
    return escape(printable("".join([*map(_masked, parts)])))


def _masked(part: str) -> str:
    return part if _PLACEHOLDER.fullmatch(part) else mask_emails(part)


def _value(value: object) -> str:
    if value is None:
        return _DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _headline(report: ImportReport, facts: RunFacts) -> str:
    return headline(
        report,
        group=facts.group or "",
        strategy=facts.strategy,
        has_stopped=facts.stopped is not None,
    )


def _verdict(report: ImportReport, facts: RunFacts) -> tuple[str, str]:
    """Return the class in the style sheet and the sentence of the result."""
    if facts.stopped is not None:
        return "stopped", f"Stopped before the end: {facts.stopped}"
    others = report.total("rejected") + report.total("unknown")
    if others:
        rows = "1 row was" if others == 1 else f"{others:,} rows were"
        return "mixed", f"{rows} not accepted"
    return "good", "No rows were rejected"


def _counts(report: ImportReport, *, dry_run: bool) -> Iterator[str]:
    """The counters over all runs. Rows that this run has skipped are those of earlier runs."""
    counts = [
        *((name, report.total(name), style) for name, style in _STYLES.items()),
        ("would be sent" if dry_run else "not sent", report.pending, "" if dry_run else "bad"),
        ("superseded", report.total("superseded"), ""),
        ("excluded", report.total("excluded"), ""),
        ("accepted by this run", report.accepted if report.earlier else 0, ""),
        ("skipped, already done", report.skipped, ""),
    ]
    always = {"read", "would be sent"} if dry_run else {"read", "accepted", "rejected", "unknown"}
    for name, count, style in counts:
        if count or name in always:
            yield _tile(name, f"{count:,}", style if count else "")


def _measures(report: ImportReport, timeline: Timeline, *, dry_run: bool) -> Iterator[str]:
    yield _tile(
        "duration",
        _seconds(report.elapsed) if report.elapsed < _MINUTE else clock(round(report.elapsed)),
    )
    rate = rows_per_second(report, is_dry_run=dry_run)
    if rate is not None:
        yield _tile("rows/s", f"{rate:,.0f}")
    if report.pauses:
        yield _tile("pauses", f"{report.pauses:,} ({_seconds(timeline.total().paused_seconds)})")
    if report.requests:
        yield _tile("requests", f"{report.requests:,}")
        yield _tile("retries", f"{report.retries:,}")
    for name, count in sorted(timeline.total().responses.items()):
        if name != "2xx":
            yield _tile(name if name == NO_RESPONSE else f"{name} responses", f"{count:,}", "bad")


def _tile(name: str, value: str, style: str = "") -> str:
    return f'<div class="{style}"><dt>{_safe(name)}</dt><dd>{_safe(value)}</dd></div>'


def _reasons(report: ImportReport, facts: RunFacts) -> str:
    where = f"All of these rows are in {facts.rejects}" if facts.rejects else ""
    if report.unwritten:
        where = f"{report.unwritten:,} of these rows are in no file: it could not be written"
    return "".join(
        [
            _table_of("Rows that were not accepted", "Rows", facts.reasons, where),
            _table_of("Rows that were left out", "Rows", find_exclusions(report)),
            _table_of("Values that were left out or changed", "Values", find_remarks(report)),
        ]
    )


def _table_of(title: str, what: str, reasons: Sequence[Reason], note: str = "") -> str:
    if not reasons:
        return ""
    rows = "".join(
        f'<tr><td class="number">{reason.count:,}</td><td><code>{_safe(reason.code)}</code></td>'
        f'<td class="words">{_safe(reason.message)}</td>'
        f'<td class="lines" data-label="{"Line" if reason.count == 1 else "Lines"}">'
        f"{_safe(reason.shown_lines)}</td></tr>"
        for reason in reasons
    )
    below = f'<p class="soft">{_safe(note)}</p>' if note else ""
    return (
        f"<section><h2>{_safe(title)}</h2>"
        f'<div class="card"><table class="reasons"><thead><tr><th class="number">{what}</th>'
        "<th>Code</th><th>Message of the first row</th><th>Lines</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{below}</section>"
    )


def _mapping(facts: RunFacts) -> str:
    rows = [*facts.mapping, *((column, "left out") for column in facts.left_out)]
    if not rows:
        return ""
    body = "".join(
        f'<tr><th scope="row">{_safe(column)}</th><td class="words">{_safe(target)}</td></tr>'
        for column, target in rows
    )
    return (
        '<section><h2>Columns</h2><div class="card"><table class="reasons"><thead><tr>'
        f"<th>Column</th><th>Target</th></tr></thead><tbody>{body}</tbody></table></div></section>"
    )


def _plots(timeline: Timeline) -> str:
    points = timeline.points(_PLOT_POINTS)
    if not timeline.end or not points:
        return '<p class="soft">The import ended before anything was measured.</p>'
    return "".join(draw(plot, points) for plot in _PLOTS) + _table(timeline)


def _table(timeline: Timeline) -> str:
    """The values of the charts as a table, which is also accessible to screen readers."""
    points = timeline.points(_TABLE_POINTS)
    classes = sorted({name for point in points for name in point.responses})
    names = ("from", "rows", "rows/s", "requests", *classes)
    names += ("p50", "p95", "longest", "limit", "in flight", "paused")
    head = "".join(f'<th class="number">{escape(name)}</th>' for name in names)
    body = "".join(
        "<tr>"
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in _cells(point, classes))
        + "</tr>"
        for point in points
    )
    return (
        "<details><summary>Values of the charts</summary>"
        f'<div class="card"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div></details>"
    )


def _cells(point: Point, classes: Sequence[str]) -> list[str]:
    latencies = point.latencies
    longest = latencies.longest if latencies.count else None
    times = (latencies.quantile(0.5), latencies.quantile(0.95), longest)
    return [
        clock(point.start),
        f"{point.rows:,.0f}",
        f"{point.rows_per_second:,.0f}",
        f"{point.requests:,}",
        *(f"{point.responses[name]:,}" for name in classes),
        *(_DASH if seconds is None else _seconds(seconds) for seconds in times),
        *(_DASH if value is None else f"{value:.1f}" for value in (point.limit, point.in_flight)),
        f"{point.paused:.0%}",
    ]


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:,.3g} s"


_PLOTS: Final = (
    Plot(
        title="Rows per second",
        series=[
            Series(name="rows/s", style="one", value=lambda it: it.rows_per_second, filled=True)
        ],
        label=lambda value: f"{value:,.0f}",
        min_top=4,
    ),
    Plot(
        title="Request latency",
        series=[
            Series(name="p95", style="two", value=lambda it: it.latencies.quantile(0.95)),
            Series(name="p50", style="one", value=lambda it: it.latencies.quantile(0.5)),
        ],
        label=_seconds,
        min_top=0.01,
    ),
    Plot(
        title="Requests in flight",
        series=[
            Series(name="limit", style="two", value=lambda it: it.limit),
            Series(name="in flight", style="one", value=lambda it: it.in_flight, filled=True),
        ],
        label=lambda value: f"{value:.3g}",
        min_top=2,
    ),
)
