"""The HTML report: complete, self-contained, without addresses, never partly written."""

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

from cleverreach_async import (
    ConfigurationError,
    ImportProgress,
    ImportReport,
    ReceiverInput,
    RequestEvent,
)
from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.intake.preparation import Preparation
from cleverreach_async.bulk.strategies import UPSERT
from cleverreach_async.cli.report.page import (
    RunFacts,
    check_report_path,
    render_report_page,
    write_report_page,
)
from cleverreach_async.cli.report.plots import clock, ticks
from cleverreach_async.cli.report.reasons import Reason
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
    """A timeline with a number of points, and requests in every other one."""
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


class Page(HTMLParser):
    """Parses a page: elements with attributes, text, and open tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an empty element."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last."""
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self.text += f"{data} "


def plots(text: str) -> list[ET.Element]:
    """The SVG pictures of a page."""
    return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]  # noqa: S314


def urls(parsed: Page) -> Iterator[str]:
    """Everything that a browser could load or open."""
    for tag, attributes in parsed.elements:
        names = ("src", "href", "srcset", "action", "data", "poster", "xlink:href", "style")
        yield from (f"{tag} {attributes[name]}" for name in names if name in attributes)


@pytest.mark.parametrize("points", [0, 1, 3, 2500])
def test_the_page_loads_nothing(points: int) -> None:
    """No script, no URL but the empty icon, and a policy that forbids the rest."""
    text = page(timeline(points, paused=True))
    parsed = Page(text)

    assert {"script", "iframe", "object", "embed", "img", "base"}.isdisjoint(
        tag for tag, _ in parsed.elements
    )
    loaded = [it for it in urls(parsed) if not re.search(r"^span (left|bottom):[\d.]+%$", it)]
    assert ["link data:,"] == loaded
    assert "url(" not in text
    assert "@import" not in text
    assert "http" not in re.sub("http-equiv", "", text)
    assert "default-src 'none'" in text


@pytest.mark.parametrize("points", [0, 1, 3, 2500])
def test_the_page_is_well_formed(points: int) -> None:
    """Every tag is closed, in the right order."""
    assert [] == Page(page(timeline(points, paused=True))).open


def test_the_page_shows_the_result() -> None:
    """Headline, counts, reasons with lines, settings, and time."""
    text = " ".join(Page(page()).text.split())

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
def test_the_page_has_a_verdict(report: ImportReport, facts: dict[str, Any], expected: str) -> None:
    """Success, rejects, an early stop, or a dry run."""
    text = page(report=report, reasons=[], rejects=None, **facts)

    assert expected in " ".join(Page(text).text.split())
    assert "All of these rows" not in text


def test_addresses_are_masked_and_markup_is_escaped() -> None:
    """Names and messages may contain anything, and the page may be shared."""
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
    """Rate, latency and concurrency, each with its lines."""
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
    """In every chart; without a pause there is no legend for it."""
    shaded, plain = page(timeline(9, paused=True)), page(timeline(9))

    assert [2, 2, 2] == [
        sum(it.get("class") == "shade" for it in picture.iter("rect")) for picture in plots(shaded)
    ]
    assert 3 == shaded.count('<li class="shade">')
    assert 0 == plain.count('<li class="shade">')


def test_an_interval_shows_its_values_on_hover() -> None:
    """Time, each series, and the pause."""
    hints = [it.text for it in plots(page(timeline(3, paused=True)))[2].iter("title")]

    assert "0:00.25 to 0:00.5\nlimit: 4\nin flight: 3" in hints


@pytest.mark.parametrize("points", [1, 3, 40, 2500])
def test_lines_stay_inside_the_picture(points: int) -> None:
    """For any number of points."""
    for picture in plots(page(timeline(points, paused=True))):
        for path in picture.iter("path"):
            d = path.get("d", "")
            xs = [
                float(it) for pair in re.findall(r"H([\d.e-]+)|M([\d.e-]+)", d) for it in pair if it
            ]
            ys = [float(it) for it in re.findall(r"V([-\d.e]+)", d)]
            assert all(-0.01 <= x <= 1000.01 for x in xs)
            assert all(-0.01 <= y <= 100.01 for y in ys)


def test_gaps_are_not_zeros() -> None:
    """An interval without requests has no latency: the line continues after the gap."""
    line = plots(page(timeline(6)))[1].findall("path[@class='one line']")[0]

    assert 1 < line.get("d", "").count("M")


def test_the_page_stays_small() -> None:
    """Even the report of a long run can be sent by mail."""
    assert len(page(timeline(2500, paused=True))) < 200_000


def test_a_report_without_events_says_so() -> None:
    """An import may end before its first event."""
    text = page(Timeline())

    assert "ended before anything was measured" in text
    assert [] == plots(text)


@given(most=st.floats(1e-6, 1e12))
def test_scales_are_short_and_contain_the_maximum(most: float) -> None:
    """A few steps; the last is not below the largest value, nor far above it."""
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
    """The values are easy to read."""
    assert expected == ticks(most)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        *((0, "0:00"), (0.25, "0:00.25"), (0.5, "0:00.5"), (5, "0:05"), (65, "1:05")),
        *((3600, "1:00:00"), (3599.999, "1:00:00"), (90061, "25:01:01")),
    ],
)
def test_times_on_an_axis(seconds: float, expected: str) -> None:
    """With fractions and hours if there are any."""
    assert expected == clock(seconds)


def names(folder: Path) -> list[str]:
    """The names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_the_page_is_written_completely(workdir: Path) -> None:
    """In UTF-8; it replaces an older one and leaves no other file."""
    target = workdir / "report.html"
    target.write_text("old")

    write_report_page(target, timeline=timeline(3), report=REPORT, facts=FACTS)

    assert ["report.html"] == names(workdir)
    assert page(timeline(3)) == target.read_text("utf-8")


def test_a_symbolic_link_is_followed(workdir: Path) -> None:
    """The page is written to the target of the link."""
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
    """There is no temporary file left; the error says where and why."""
    target = workdir / "report.html"
    target.write_text("old")

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ConfigurationError, match=r"report\.html: .*No space left on device"):
        write_report_page(target, timeline=timeline(3), report=REPORT, facts=FACTS)

    assert ["report.html"] == names(workdir)
    assert "old" == target.read_text()


def test_a_valid_path_is_accepted_and_not_changed(workdir: Path) -> None:
    """Nothing is written before the import, whether the page exists or not."""
    check_report_path(workdir / "report.html", others=[workdir / "customers.csv"])
    for old in ("", page()):
        (workdir / "report.html").write_text(old, "utf-8")
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
        ("notes.txt", "notes.txt is no report, and would be replaced"),
    ],
)
def test_an_invalid_path_is_refused_before_the_import(workdir: Path, name: str, words: str) -> None:
    """The files of the import, existing or not, are not replaced."""
    (workdir / "folder").mkdir()
    (workdir / "customers.csv").write_text("E-Mail\n")
    (workdir / "notes.txt").write_text("mine")

    with pytest.raises(ConfigurationError, match=words):
        check_report_path(Path(name), others=[Path("customers.csv"), Path("rejects.jsonl")])


def test_the_counters_are_those_of_all_runs() -> None:
    """As on the terminal; what a resumed import has skipped was done by an earlier run."""
    report = ImportReport(
        read=300,
        skipped=180,
        accepted=110,
        rejected=5,
        unknown=1,
        superseded=4,
        pauses=2,
        elapsed=2.0,
        earlier={"accepted": 172, "rejected": 3, "unknown": 2, "superseded": 3},
    )
    text = " ".join(Page(page(report=report)).text.split())

    for expected in (
        *("Imported 282 of 300 rows into", "read 300", "accepted 282", "rejected 8", "unknown 3"),
        *("superseded 7", "accepted by this run 110", "skipped, already done 180"),
        *("11 rows were not accepted", "rows/s 60", "pauses 2 ("),
    ):
        assert expected in text


def test_a_deletion_is_no_import() -> None:
    """The first line is that of the terminal."""
    assert "Deleted 5,000 of 5,010 rows from Newsletter (540002)" in page(strategy="delete")


def test_the_mapping_is_shown() -> None:
    """Also the columns that are left out, and nothing for a file without columns."""
    mapping = [("E-Mail", "email"), ("<b>\x1b\u202e", "first_name")]
    parsed = Page(page(mapping=mapping, left_out=["anna@example.org"]))
    text = " ".join(parsed.text.split())

    assert "Column Target E-Mail email <b>\ufffd\ufffd first_name <e-mail> left out" in text
    assert "Column Target" not in " ".join(Page(page()).text.split())


def test_an_example_of_an_address_is_shown() -> None:
    """Only the one of the message about texts that are no addresses."""
    [row] = list(
        Encoder(Preparation(strategy=UPSERT, now=0)).encode([ReceiverInput("broken")], [1])[1]
    )
    assert row.message.endswith("something like name@example.org")

    reasons = [Reason("x", f"{row.message} surname@example.org name@example.org.uk", 1, [1])]
    text = Page(page(reasons=reasons)).text
    assert "something like name@example.org <e-mail> <e-mail>" in text


def test_rows_that_are_in_no_file_are_counted() -> None:
    """The file that has the others is not said to have all."""
    text = Page(page(report=attrs.evolve(REPORT, unwritten=2))).text

    assert "2 of these rows are in no file" in text
    assert "All of these rows" not in text
