"""The report as a page: complete, self-contained, without addresses, whole or not there."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async import ConfigurationError, ImportProgress, ImportReport, RequestEvent
from cleverreach_async.cli.imports.reasons import Reason
from cleverreach_async.cli.report.page import (
    RunFacts,
    check_report_path,
    render_report_page,
    write_report_page,
)
from cleverreach_async.cli.report.plots import clock, ticks
from cleverreach_async.cli.report.timeline import Timeline

FACTS = RunFacts(
    file="exports/customers.csv",
    group="Newsletter (540002)",
    began=datetime(2026, 1, 5, 21, 14, tzinfo=UTC),
    settings={"rows per request": 1000, "resumed": False, "journal": None, "delimiter": ";"},
    reasons=[Reason("invalid_email", "not an e-mail address", 7, [134, 1389])],
    rejects="rejects.jsonl",
)
REPORT = ImportReport(
    read=5010, accepted=5000, rejected=7, unknown=3, requests=9, retries=2, elapsed=12.5
)
VOID = {"meta", "link", "br", "img", "input", "hr"}


def timeline(points: int, *, paused: bool = False) -> Timeline:
    """A timeline of about so many points, with requests in every other of them."""
    line = Timeline()
    for number in range(1, points + 1):
        line.progress(
            ImportProgress(
                read=number * 100,
                accepted=number * 100,
                rejected=0,
                unknown=0,
                superseded=0,
                requests=number,
                retries=0,
                elapsed=number / 4,
                limit=4,
                in_flight=3,
                paused=paused and number % 3 == 0,
            )
        )
        if number % 2:
            status = 429 if number % 5 == 0 else 200
            event = RequestEvent(
                method="POST", path="/", status_code=status, attempt=1, elapsed=0.3, wait=None
            )
            line.request(event, at=number / 4)
    return line


def page(line: Timeline | None = None, report: ImportReport = REPORT, **facts: Any) -> str:
    """The page of an import."""
    return render_report_page(
        timeline=line or timeline(40), report=report, facts=attrs.evolve(FACTS, **facts)
    )


class Reader(HTMLParser):
    """Reads a page: its elements with attributes, its text, and whether tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an empty element."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last."""
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        """Gather text."""
        self.text += f"{data} "


def plots(text: str) -> list[ET.Element]:
    """The pictures of a page."""
    return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]  # noqa: S314


def addresses(reader: Reader) -> Iterator[str]:
    """Whatever a browser could load or go to."""
    for tag, attributes in reader.elements:
        names = ("src", "href", "srcset", "action", "data", "poster", "xlink:href", "style")
        yield from (f"{tag} {attributes[name]}" for name in names if name in attributes)


@pytest.mark.parametrize("points", [0, 1, 3, 2500])
def test_the_page_loads_nothing(points: int) -> None:
    """No script, no address but the empty icon, and a policy that forbids the rest."""
    text = page(timeline(points, paused=True))
    reader = Reader(text)

    assert {"script", "iframe", "object", "embed", "img", "base"}.isdisjoint(
        tag for tag, _ in reader.elements
    )
    loaded = [it for it in addresses(reader) if not re.search(r"^span (left|bottom):[\d.]+%$", it)]
    assert ["link data:,"] == loaded
    assert "url(" not in text
    assert "@import" not in text
    assert "http" not in re.sub("http-equiv", "", text)
    assert "default-src 'none'" in text


@pytest.mark.parametrize("points", [0, 1, 3, 2500])
def test_the_page_is_well_formed(points: int) -> None:
    """Every tag that is opened is closed, in its order."""
    assert [] == Reader(page(timeline(points, paused=True))).open


def test_the_page_tells_what_came_of_the_rows() -> None:
    """Headline, counts, reasons with lines, settings, and when it was."""
    text = " ".join(Reader(page()).text.split())

    for expected in (
        *("Imported 5,000 of 5,010 rows into Newsletter (540002)", "10 rows were not accepted"),
        *("exports/customers.csv, 2026-01-05 21:14 UTC", "read 5,010", "rejected 7", "unknown 3"),
        *("duration 12.5 s", "rows/s 401", "requests 9", "retries 2", "429 responses 4"),
        *(
            "7 invalid_email not an e-mail address 134, 1389, …",
            "All of these rows are in rejects.jsonl",
        ),
        *("rows per request 1,000", "resumed no", "journal –", "delimiter ;"),  # noqa: RUF001
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("report", "facts", "expected"),
    [
        (ImportReport(read=5, accepted=5), {}, "No rows were rejected"),
        (ImportReport(read=5, accepted=4, unknown=1), {}, "1 row was not accepted"),
        (ImportReport(read=5, pending=5), {"stopped": "no rights"}, "before the end: no rights"),
        (ImportReport(read=5, pending=5), {"group": None}, "Checked 5 rows; nothing was sent"),
        (ImportReport(read=5, pending=5), {"group": None}, "would be sent 5"),
        (ImportReport(read=5, accepted=2, skipped=3), {}, "skipped, already done 3"),
    ],
)
def test_the_page_tells_how_it_went(
    report: ImportReport, facts: dict[str, Any], expected: str
) -> None:
    """Well, not quite, not to the end, or not in earnest."""
    text = page(report=report, reasons=[], rejects=None, **facts)

    assert expected in " ".join(Reader(text).text.split())
    assert "All of these rows" not in text


def test_no_address_and_no_markup_comes_through() -> None:
    """Names and words are somebody else's text, and the page may be handed on."""
    nasty = '<script>alert("x")</script> & bruce@wayne.example\x1b'
    text = page(
        file=nasty,
        group=nasty,
        settings={nasty: nasty},
        reasons=[Reason(nasty, nasty, 1, [1])],
        rejects=nasty,
        stopped=nasty,
    )

    assert "<script" not in text
    assert "bruce" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;" in text
    assert "&amp; &lt;e-mail&gt;" in text


def test_three_plots_over_time() -> None:
    """Throughput, latency and concurrency, each with its lines."""
    pictures = plots(page())

    assert [
        "Rows per second over time",
        "Request latency over time",
        "Requests in flight over time",
    ] == [picture.get("aria-label") for picture in pictures]
    lines = [
        [it.get("class") for it in picture.iter("path") if "line" in (it.get("class") or "")]
        for picture in pictures
    ]
    assert [["one line"], ["two line", "one line"], ["two line", "one line"]] == lines


def test_pauses_are_shaded() -> None:
    """In every plot, for they explain all three; without one there is no legend for it."""
    shaded, plain = page(timeline(9, paused=True)), page(timeline(9))

    assert [2, 2, 2] == [
        sum(it.get("class") == "shade" for it in picture.iter("rect")) for picture in plots(shaded)
    ]
    assert 3 == shaded.count('<li class="shade">')
    assert 0 == plain.count('<li class="shade">')


def test_a_stretch_tells_its_figures_when_pointed_at() -> None:
    """Time, each series, and the pause."""
    hints = [it.text for it in plots(page(timeline(3, paused=True)))[2].iter("title")]

    assert "0:00.25 to 0:00.5\nlimit: 4\nin flight: 3" in hints


@pytest.mark.parametrize("points", [1, 3, 40, 2500])
def test_lines_stay_inside_the_picture(points: int) -> None:
    """However many points there are."""
    for picture in plots(page(timeline(points, paused=True))):
        for path in picture.iter("path"):
            d = path.get("d", "")
            xs = [
                float(it) for pair in re.findall(r"H([\d.e-]+)|M([\d.e-]+)", d) for it in pair if it
            ]
            ys = [float(it) for it in re.findall(r"V([-\d.e]+)", d)]
            assert all(-0.01 <= x <= 1000.01 for x in xs)
            assert all(-0.01 <= y <= 100.01 for y in ys)


def test_gaps_are_no_zeros() -> None:
    """Where no request ended there is no latency: the line begins anew behind the gap."""
    line = plots(page(timeline(6)))[1].findall("path[@class='one line']")[0]

    assert 1 < line.get("d", "").count("M")


def test_the_page_stays_small() -> None:
    """A run of hours is no more than what a mail carries."""
    assert len(page(timeline(2500, paused=True))) < 200_000


def test_nothing_measured_is_said_so() -> None:
    """An import may end before its first event."""
    text = page(Timeline())

    assert "ended before anything was measured" in text
    assert [] == plots(text)


@given(most=st.floats(1e-6, 1e12))
def test_scales_are_short_and_reach_the_top(most: float) -> None:
    """A handful of steps, the last not below the largest value, nor far above it."""
    scale = ticks(most)

    assert 0 == scale[0]
    assert 2 <= len(scale) <= 6
    assert most * 0.999 <= scale[-1] or scale[-1] == pytest.approx(most)


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1, [0, 0.25, 0.5, 0.75, 1]),
        (8, [0, 2, 4, 6, 8]),
        (14_200, [0, 5000, 10_000, 15_000]),
        (0.3, [0, 0.1, 0.2, 0.3]),
    ],
)
def test_scales_are_round(most: float, expected: list[float]) -> None:
    """As somebody would draw them by hand."""
    assert expected == ticks(most)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        *((0, "0:00"), (0.25, "0:00.25"), (0.5, "0:00.5"), (5, "0:05"), (65, "1:05")),
        *((3600, "1:00:00"), (3599.999, "1:00:00"), (90061, "25:01:01")),
    ],
)
def test_times_on_an_axis(seconds: float, expected: str) -> None:
    """Fractions where there are some, hours where there are some."""
    assert expected == clock(seconds)


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_the_page_is_written_whole(workdir: Path) -> None:
    """In UTF-8, in place of an older one, with nothing beside it."""
    target = workdir / "report.html"
    target.write_text("old")

    write_report_page(target, timeline=timeline(3), report=REPORT, facts=FACTS)

    assert ["report.html"] == names(workdir)
    assert page(timeline(3)) == target.read_text("utf-8")


def test_a_link_is_written_through(workdir: Path) -> None:
    """Who points a link at a web server's folder wants the page there."""
    (workdir / "site").mkdir()
    link = workdir / "report.html"
    try:
        link.symlink_to(workdir / "site" / "import.html")
    except OSError:
        pytest.skip("links are not allowed here")

    write_report_page(link, timeline=timeline(3), report=REPORT, facts=FACTS)

    assert link.is_symlink()
    assert ["import.html"] == names(workdir / "site")


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no draft; the error says where and why."""
    target = workdir / "report.html"
    target.write_text("old")

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ConfigurationError, match=r"report\.html: .*No space left on device"):
        write_report_page(target, timeline=timeline(3), report=REPORT, facts=FACTS)

    assert ["report.html"] == names(workdir)
    assert "old" == target.read_text()


def test_a_good_place_is_accepted_and_left_as_it_was(workdir: Path) -> None:
    """Before the import nothing is written, whether a page is there or not."""
    check_report_path(workdir / "report.html", others=[workdir / "customers.csv"])
    (workdir / "report.html").write_text("old")
    check_report_path(Path("report.html"))

    assert ["report.html"] == names(workdir)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing/report.html", r"missing/report\.html: cannot write the report there"),
        (".", "is not a file; choose one with --report"),
        ("customers.csv", "is a file of the import itself"),
        ("folder/../customers.csv", "is a file of the import itself"),
        ("rejects.jsonl", "is a file of the import itself"),
    ],
)
def test_a_bad_place_is_refused_before_the_import(workdir: Path, name: str, words: str) -> None:
    """The run's own files are not replaced, those that are still to come neither."""
    (workdir / "folder").mkdir()
    (workdir / "customers.csv").write_text("E-Mail\n")

    with pytest.raises(ConfigurationError, match=words):
        check_report_path(Path(name), others=[Path("customers.csv"), Path("rejects.jsonl")])
