"""Progress: percent and remaining time, figures that fit, lines that do not flood."""

from pathlib import Path

import attrs
import pytest

from cleverreach_async import ImportProgress
from cleverreach_async.cli.output import Output, plain
from cleverreach_async.cli.progress import Estimate, LineDisplay, facts, make_display


@attrs.define
class FakeFile:
    """A file of which a part was read."""

    size: int = 1000
    position: int = 500


def event(
    *, elapsed: float = 10.0, accepted: int = 900, read: int = 2000, finished: bool = False
) -> ImportProgress:
    """A progress event."""
    return ImportProgress(
        read=read,
        accepted=accepted,
        rejected=90,
        unknown=0,
        superseded=10,
        requests=3,
        retries=0,
        elapsed=elapsed,
        finished=finished,
    )


def test_the_fraction_counts_rows_that_are_done() -> None:
    """Half of the file is read, and half of what was read is done."""
    assert 0.25 == Estimate(FakeFile()).fraction(event())


@pytest.mark.parametrize(
    ("source", "progress", "expected"),
    [
        pytest.param(FakeFile(), event(read=0, accepted=0), 0.0, id="nothing-read"),
        pytest.param(FakeFile(size=0), event(), 0.0, id="empty-file"),
        pytest.param(FakeFile(position=1100), event(read=1000), 1.0, id="grown-file"),
        pytest.param(FakeFile(), event(read=1000, finished=True), 1.0, id="finished"),
        pytest.param(FakeFile(), event(finished=True), 0.25, id="stopped"),
    ],
)
def test_the_fraction_has_limits(
    source: FakeFile, progress: ImportProgress, expected: float
) -> None:
    """It is never above one, and one only when every row is done."""
    assert expected == Estimate(source).fraction(progress)


def test_the_time_left_follows_the_pace_so_far() -> None:
    """A quarter took ten seconds."""
    assert 30.0 == Estimate(FakeFile()).seconds_left(event())


def test_no_time_is_guessed_from_nothing() -> None:
    """Before the first row is done there is no pace."""
    assert None is Estimate(FakeFile()).seconds_left(event(read=0, accepted=0))


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (80, " 25%  900 accepted  90 rejected  100 rows/s  0:30 left"),
        (45, " 25%  900 accepted  90 rejected  0:30 left"),
        (35, " 25%  900 accepted  90 rejected"),
        (20, " 25%  900 accepted"),
        (5, " 25%"),
    ],
)
def test_figures_fit_the_width(width: int, expected: str) -> None:
    """The narrower, the fewer; the percentage stays."""
    assert expected == facts(event(), Estimate(FakeFile()), width)


def test_hours_are_told_as_hours() -> None:
    """A long import has more than minutes left."""
    text = facts(event(elapsed=3600.0), Estimate(FakeFile()), 80)

    assert text.endswith("3:00:00 left")


def test_lines_are_written_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """A log gets a line per five seconds, however many batches arrive; short imports none."""
    display = LineDisplay(Output(), Estimate(FakeFile()), "accepted")

    with display:
        for tenths in range(1, 130):
            display.show(event(elapsed=tenths / 10))

    assert 2 == len(capsys.readouterr().err.splitlines())


def test_the_last_event_is_kept_but_not_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The summary follows anyway."""
    display = LineDisplay(Output(), Estimate(FakeFile()), "accepted")
    last = event(elapsed=60.0, finished=True)

    display.show(last)

    assert (last, "") == (display.latest, capsys.readouterr().err)


def test_a_pipe_gets_lines(workdir: Path) -> None:
    """Nobody watches a stream that is no terminal."""
    assert workdir.is_dir()
    assert LineDisplay is type(make_display(Output(), FakeFile()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Größe", "Größe"), ("a\x1b[2Jb", "a\ufffd[2Jb"), ("a\x9bb\n", "a\ufffdb\ufffd")],
)
def test_control_characters_do_not_reach_the_terminal(text: str, expected: str) -> None:
    """A group's name is somebody else's text."""
    assert expected == plain(text)
