"""Progress: percentage, rate and time left; lines that fit and stay in place; few log lines."""

import io
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.control import Control

from cleverreach_async import ImportProgress
from cleverreach_async.cli.imports.estimates import Estimator, RecentRate, fraction_done
from cleverreach_async.cli.imports.progress import LineDisplay, Part, fit, make_display
from cleverreach_async.cli.imports.screen import ScreenDisplay
from cleverreach_async.cli.output import Output, printable


@attrs.define
class FakeFile:
    """A file that was partly read."""

    size: int = 1000
    bytes_read: int = 500


NOTHING = ImportProgress(
    read=0, accepted=0, rejected=0, unknown=0, superseded=0, requests=0, retries=0, elapsed=0.0
)
SOME = attrs.evolve(NOTHING, read=2000, accepted=900, rejected=90, superseded=10, elapsed=10.0)
BUSY = attrs.evolve(SOME, unknown=5, skipped=200, retries=3, in_flight=2, limit=4, paused=True)
HUGE = attrs.evolve(
    BUSY,
    read=19_000_000,
    accepted=9_876_543,
    rejected=123_456,
    unknown=12_345,
    skipped=1_234_567,
    superseded=98_765,
    retries=1_234,
    elapsed=36_000.0,
    limit=32,
    in_flight=31,
)


@pytest.mark.parametrize(
    ("source", "progress", "expected"),
    [
        pytest.param(FakeFile(), SOME, 0.25, id="half-read-and-half-of-that-done"),
        pytest.param(FakeFile(), NOTHING, 0.0, id="nothing-read"),
        pytest.param(FakeFile(size=0), SOME, 0.0, id="empty-file"),
        pytest.param(
            FakeFile(bytes_read=1100), attrs.evolve(SOME, read=1000), 1.0, id="grown-file"
        ),
        pytest.param(FakeFile(), attrs.evolve(SOME, read=1000, finished=True), 1.0, id="finished"),
        pytest.param(FakeFile(), attrs.evolve(SOME, finished=True), 0.25, id="stopped"),
        pytest.param(FakeFile(), attrs.evolve(SOME, skipped=1000), 0.5, id="resumed"),
        pytest.param(
            FakeFile(), attrs.evolve(SOME, skipped=1000, finished=True), 1.0, id="resumed-finished"
        ),
    ],
)
def test_the_fraction_counts_rows_that_are_done(
    source: FakeFile, progress: ImportProgress, expected: float
) -> None:
    """Including those of earlier runs; it is never above one, and one only if every row is done."""
    assert expected == fraction_done(source, progress)


def test_progress_never_decreases() -> None:
    """Bytes are read in blocks ahead of the rows, so the estimate would decrease."""
    source = FakeFile(bytes_read=600)
    estimator = Estimator(source)
    estimator.update(SOME)
    estimator.update(attrs.evolve(SOME, read=4000, elapsed=11.0))

    assert 0.3 == estimator.estimate(SOME, 11.0).fraction


def test_the_time_left_follows_from_the_rate() -> None:
    """A quarter took ten seconds, so the rest takes thirty."""
    estimator = Estimator(FakeFile())
    estimator.update(SOME)

    assert 30.0 == estimator.estimate(SOME, 10.0).seconds_left


def test_rows_of_an_earlier_run_count_for_the_percentage_but_not_for_the_rate() -> None:
    """Half is done, half of that by this run in ten seconds: the rest takes twenty."""
    progress = attrs.evolve(SOME, skipped=1000)
    estimator = Estimator(FakeFile())
    estimator.update(progress)

    moment = estimator.estimate(progress, 10.0)

    assert (0.5, 100.0, 20.0) == (moment.fraction, moment.rate, moment.seconds_left)


def test_there_is_no_time_left_without_a_rate() -> None:
    """Before the first row is done there is no rate."""
    estimator = Estimator(FakeFile())
    estimator.update(NOTHING)

    moment = estimator.estimate(NOTHING, 3.0)

    assert (None, 0.0) == (moment.seconds_left, moment.rate)


def test_the_end_shows_the_whole_import() -> None:
    """At the end the rate is that of the whole import, and the time does not change."""
    last = attrs.evolve(SOME, read=1000, elapsed=20.0, finished=True)
    estimator = Estimator(FakeFile(bytes_read=1000))
    estimator.update(last)

    moment = estimator.estimate(last, 25.0)

    assert (20.0, 50.0, None, 1.0) == (
        *(moment.elapsed, moment.rate, moment.seconds_left, moment.fraction),
    )


def test_the_rate_is_of_the_last_seconds() -> None:
    """A slow beginning does not count."""
    recent = RecentRate(10.0)
    for second in range(1, 101):
        recent.add(second, second if second <= 50 else 50 + (second - 50) * 100)

    assert 100.0 == recent.rate(100.0)


def test_the_rate_decreases_without_events() -> None:
    """A closed gate shows."""
    recent = RecentRate(10.0)
    for second in range(1, 21):
        recent.add(second, second * 10)

    assert 10.0 == recent.rate(20.0)
    assert 5.0 == recent.rate(25.0)
    assert 2.0 > recent.rate(30.0) > 0.0


def test_batches_further_apart_than_the_window_have_a_rate() -> None:
    """The time since the event before counts."""
    recent = RecentRate(10.0)
    for minute in range(1, 4):
        recent.add(minute * 60, minute * 600)

    assert 10.0 == recent.rate(180.0)


@given(
    events=st.lists(st.tuples(st.floats(0, 100), st.integers(0, 1000)), max_size=200),
    after=st.floats(0, 100),
)
def test_rates_are_never_negative_and_samples_are_few(
    events: list[tuple[float, int]], after: float
) -> None:
    """However frequent the events are."""
    recent = RecentRate(10.0)
    elapsed, done = 0.0, 0
    for seconds, rows in events:
        elapsed, done = elapsed + seconds, done + rows
        recent.add(elapsed, done)

    assert recent.rate(elapsed + after) >= 0
    assert len(recent.samples) <= 25


@pytest.mark.parametrize(
    ("width", "expected"),
    [(21, "one  three  two"), (14, "one  three"), (9, "three"), (3, "three")],
)
def test_the_lowest_priority_is_left_out_first(width: int, expected: str) -> None:
    """The part with the highest priority always stays."""
    parts = [Part("one", 2), Part("three", 3), Part("two", 1), Part("", 9)]

    assert expected == "  ".join(part.text for part in fit(parts, width))


class Screen:
    """A terminal with a width and a fake clock."""

    def __init__(self, width: int, source: FakeFile | None = None) -> None:
        self.now = 100.0
        self.console = Console(
            file=io.StringIO(),
            width=width,
            height=24,
            color_system=None,
            force_terminal=True,
            get_time=lambda: self.now,
        )
        self.display = ScreenDisplay(
            self.console, Estimator(source or FakeFile()), "accepted", auto_refresh=False
        )

    def lines(self) -> list[str]:
        """The lines on the screen, without the bar."""
        with self.console.capture() as captured:
            self.console.print(self.display, end="")
        return [line.lstrip("━╸ ") for line in captured.get().splitlines()]


def test_the_screen_shows_everything() -> None:
    """Percentage and times; counts; rate, requests and pause."""
    screen = Screen(120)

    screen.display.show(BUSY)

    assert [
        "30%  0:10 elapsed  0:28 left",
        "900 accepted  90 rejected  5 unknown  200 skipped  10 superseded",
        "100 rows/s  2 of 4 in flight  3 retries  paused by the server",
    ] == screen.lines()


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (80, ["27%", "9,876,543 accepted  123,456 rejected  12,345 unknown  1,234,567 skipped"]),
        (40, ["27%", "9,876,543 accepted  123,456 rejected"]),
    ],
)
def test_counts_of_millions_fit_too(width: int, expected: list[str]) -> None:
    """A narrower terminal shows fewer."""
    screen = Screen(width, FakeFile(bytes_read=456))

    screen.display.show(HUGE)

    percent, counts, _ = screen.lines()
    assert expected == [percent.partition("  ")[0], counts]


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (80, "278 rows/s  31 of 32 in flight  1,234 retries  paused by the server"),
        (60, "278 rows/s  31 of 32 in flight  paused by the server"),
        (40, "278 rows/s  paused by the server"),
    ],
)
def test_a_pause_is_shown_at_every_width(width: int, expected: str) -> None:
    """It explains the other values."""
    screen = Screen(width)

    screen.display.show(attrs.evolve(HUGE, accepted=9_777_778 - 12_345))

    assert expected == screen.lines()[2]


@pytest.mark.parametrize("progress", [NOTHING, SOME, BUSY, HUGE, attrs.evolve(HUGE, finished=True)])
@pytest.mark.parametrize("width", [1, 10, 39, 40, 41, 55, 80, 120, 300])
def test_no_line_wraps(progress: ImportProgress, width: int) -> None:
    """There are three, with room for a ^C after each of them."""
    screen = Screen(width)
    screen.display.show(progress)
    with screen.console.capture() as captured:
        screen.console.print(screen.display, end="")

    lines = captured.get().splitlines()

    assert 3 == len(lines)
    assert max(map(len, lines)) <= max(1, width - 2)


def test_times_are_more_important_than_the_bar() -> None:
    """In forty columns an import of hours still shows both times."""
    screen = Screen(40)

    screen.display.show(attrs.evolve(HUGE, read=20_000_000))

    with screen.console.capture() as captured:
        screen.console.print(screen.display, end="")
    assert "━" not in captured.get()
    assert [" elapsed", " left"] == [
        word for word in (" elapsed", " left") if word in captured.get().splitlines()[0]
    ]


def test_times_change_without_events() -> None:
    """The gate may be closed for minutes; the rate decreases and the time left grows."""
    screen = Screen(120)
    screen.display.show(BUSY)
    before = screen.lines()

    screen.now += 90

    assert ["30%  0:10 elapsed  0:28 left", "30%  1:40 elapsed  4:38 left"] == [
        before[0],
        screen.lines()[0],
    ]
    assert screen.lines()[2].startswith("10 rows/s")


def test_there_is_a_screen_before_the_first_event() -> None:
    """The first batch may take a long time."""
    screen = Screen(120)
    with screen.display:
        screen.now += 7

        assert ["0%  0:07 elapsed", "0 accepted  0 rejected", "0 rows/s"] == screen.lines()[-3:]
    assert None is screen.display.latest


def test_the_last_screen_shows_the_whole_import() -> None:
    """There are no requests in flight, and no time left."""
    screen = Screen(120, FakeFile(bytes_read=1000))
    last = attrs.evolve(BUSY, read=1205, elapsed=20.0, finished=True)

    screen.display.show(last)

    assert ["100%  0:20 elapsed", "50 rows/s  3 retries"] == screen.lines()[::2]


def test_a_dry_run_has_no_requests_in_flight() -> None:
    """It sends nothing, and its good rows are called valid."""
    screen = Screen(120)
    screen.display = ScreenDisplay(screen.console, Estimator(FakeFile()), "valid")

    screen.display.show(SOME)

    assert ["900 valid  90 rejected  10 superseded", "100 rows/s"] == screen.lines()[1:]


def test_a_narrower_terminal_wraps_lines() -> None:
    """The terminal has wrapped the last frame: a line of 118 takes three of fifty."""
    screen = Screen(120)
    screen.display.show(BUSY)
    with screen.console.capture() as captured:
        screen.console.print(screen.display, end="")
    length = [*map(len, captured.get().splitlines())]

    assert 0 == screen.display.wrapped_lines(120)
    assert sum((one - 1) // 50 for one in length) == screen.display.wrapped_lines(50)
    assert 2 <= screen.display.wrapped_lines(50)


def test_the_cursor_moves_up_by_the_wrapped_lines() -> None:
    """Otherwise each step of a resize would leave a copy behind."""
    screen = Screen(120)
    with screen.display:
        screen.display.show(BUSY)
        screen.console.print(Control())  # a refresh
        wrapped = screen.display.wrapped_lines(50)
        screen.console.width = 50
        with screen.console.capture() as captured:
            screen.console.print(Control())

    assert 2 <= wrapped
    assert captured.get().startswith("\x1b[2K\x1b[1A" * wrapped + "\r")


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines on stderr."""
    return capsys.readouterr().err.splitlines()


def test_lines_are_written_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """One line per five seconds, however many batches there are; none for short imports."""
    display = LineDisplay(Output(), Estimator(FakeFile()), "accepted")

    with display:
        for tenths in range(1, 130):
            display.show(attrs.evolve(SOME, elapsed=tenths / 10))

    assert 2 == len(lines_of(capsys))


def test_a_line_shows_the_same_as_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    """However long it is."""
    display = LineDisplay(Output(), Estimator(FakeFile()), "accepted")

    display.show(BUSY)

    expected = (
        "30%  0:10 elapsed  0:28 left  900 accepted  90 rejected  5 unknown  200 skipped"
        "  10 superseded  100 rows/s  2 of 4 in flight  3 retries  paused by the server"
    )
    assert [expected] == lines_of(capsys)


def test_hours_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A long import takes hours."""
    display = LineDisplay(Output(), Estimator(FakeFile()), "accepted")

    display.show(attrs.evolve(SOME, elapsed=3600.0))

    assert "25%  1:00:00 elapsed  3:00:00 left" in lines_of(capsys)[0]


def test_the_last_event_is_kept_but_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The summary follows."""
    display = LineDisplay(Output(), Estimator(FakeFile()), "accepted")
    last = attrs.evolve(SOME, elapsed=60.0, finished=True)

    display.show(last)

    assert (last, []) == (display.latest, lines_of(capsys))


def test_a_pipe_gets_lines(workdir: Path) -> None:
    """Without a terminal there is no screen."""
    assert workdir.is_dir()
    assert LineDisplay is type(make_display(Output(), FakeFile()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Größe", "Größe"), ("a\x1b[2Jb", "a\ufffd[2Jb"), ("a\x9bb\n", "a\ufffdb\ufffd")],
)
def test_control_characters_do_not_reach_the_terminal(text: str, expected: str) -> None:
    """The name of a group may contain anything."""
    assert expected == printable(text)


@pytest.mark.parametrize(
    "text", ["\x1b]0;title\x07", "a\x9b2J", "\u202eevil", "\u2066x", "\r\n", "\x85"]
)
def test_no_line_of_the_command_has_control_characters(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """Whatever is printed, on both streams: names, paths and messages come from outside."""
    output = Output()

    for show in (output.info, output.warn, output.error, output.result, output.result_json):
        show(f"begin {text} end")

    captured = capsys.readouterr()
    for line in (captured.out + captured.err).split("\n"):
        assert line.isprintable()
    assert 4 == captured.err.count("begin") + captured.out.count("begin") - 1


def test_a_pause_is_shown_at_once_and_remembered(capsys: pytest.CaptureFixture[str]) -> None:
    """It may be over before the next line is due."""
    display = LineDisplay(Output(), Estimator(FakeFile()), "accepted")
    pause = attrs.evolve(SOME, elapsed=1.0, paused=True, pauses=1)

    for event in (
        attrs.evolve(SOME, elapsed=0.5),
        pause,
        attrs.evolve(pause, elapsed=1.5),
        attrs.evolve(pause, elapsed=2.0, paused=False),
        attrs.evolve(pause, elapsed=9.0, paused=False),
    ):
        display.show(event)

    ends = [line.rpartition("  ")[2] for line in lines_of(capsys)]
    assert ["paused by the server", "1 pause"] == ends
