"""The report: sections of the README, verdicts and the file of figures."""

from pathlib import Path

import pytest

from benchmarks.goals import judge, judge_start
from benchmarks.measure import Comparison
from benchmarks.report import fill_in, sections
from benchmarks.results import SuiteResult, describe_machine, read, write
from benchmarks.tables import wins

CALLS = Comparison(
    suite="calls",
    title="plain",
    unit="request",
    baseline="httpx",
    samples={
        name: {
            "cpu": [cpu],
            "wall": [cpu],
            "server_cpu": [1.0],
            "count": [10.0],
            "p50": [90.0],
            "p99": [100.0],
        }
        for name, cpu in {"httpx": 4.0, "aiohttp + json": 1.0, "ours": 2.0}.items()
    },
    skipped={"ours on aiohttp": "this version does not take the client"},
)


def result() -> SuiteResult:
    """Return a result of the suite ``calls``."""
    return SuiteResult(machine=describe_machine(), seconds=1.0, settings={}, comparisons=[CALLS])


def memory(peak: float, title: str) -> Comparison:
    """Return a comparison of the suite ``memory``."""
    samples = {"ours": {"peak": [peak], "before": [50.0], "count": [1.0]}}
    return Comparison(suite="memory", title=title, unit="row", baseline="ours", samples=samples)


def test_a_section_is_replaced_and_the_rest_stays() -> None:
    """The report may be written any number of times."""
    text = "a\n<!-- calls -->\nold\n<!-- end calls -->\nb\n"
    expected = "a\n<!-- calls -->\n\n\\1 new\n\n<!-- end calls -->\nb\n"

    once = fill_in(text, {"calls": "\\1 new"})

    assert expected == once
    assert expected == fill_in(once, {"calls": "\\1 new"})


def test_a_section_without_marks_is_an_error() -> None:
    """No figures are dropped silently."""
    with pytest.raises(SystemExit, match="there is no <!-- pool -->"):
        fill_in("<!-- calls -->\n<!-- end calls -->\n", {"pool": "new"})


def test_skipped_cases_are_named_with_the_reason() -> None:
    """A missing line in a table is explained below it."""
    texts = sections({"calls": result(), "export": result()})
    text = texts["calls"]

    assert "| ours | 200,000 | 0.50 (0.50 to 0.50) | 90 | 100 |" in text
    assert "Skipped: ours on aiohttp, because this version does not take the client." in text
    assert texts["machine"].startswith("calls, export: ")


def test_wins_show_both_sides() -> None:
    """A rival that costs less than ours is named, with the factor."""
    lines = wins([CALLS]).splitlines()

    assert "| calls, plain, ours | httpx 0.50 | aiohttp + json 2.00 |" == lines[-1]


def test_goals_are_judged_where_they_were_measured() -> None:
    """The ratio of a small call is within its goal, that of the latest calls is not."""
    verdicts = judge({"calls": [CALLS]})

    assert [("small call: CPU / httpx", True), ("small call: p99 / httpx", False)] == [
        (verdict.what, verdict.is_met) for verdict in verdicts
    ]


@pytest.mark.parametrize(("peak", "is_met"), [(64.0, True), (66.0, False)])
def test_memory_may_grow_by_five_megabytes(peak: float, is_met: bool) -> None:
    """The growth is that between the fewest and the most rows."""
    [verdict] = judge({"memory": [memory(60.0, "100 rows"), memory(peak, "900 rows")]})

    assert is_met is verdict.is_met
    assert "memory from 100 rows to 900 rows: growth in MB" == verdict.what


def test_goals_of_start_stand_in_its_own_figures() -> None:
    """Cases without a goal are not judged, nor is a suite that did not run."""
    data = {
        "import": {"wall": {"median": 12.0}, "goal": 20},
        "one row": {"wall": {"median": 512.0}, "goal": 500},
        "bare": {"wall": {"median": 9.0}},
    }

    assert [("start, import: ms above a bare interpreter", True)] == [
        (verdict.what, verdict.is_met) for verdict in judge_start(data)[:1]
    ]
    assert [True, False] == [verdict.is_met for verdict in judge_start(data)]
    assert [] == judge_start(None)


def test_figures_survive_the_file(tmp_path: Path) -> None:
    """Suites that are measured later stand beside the earlier ones."""
    path = tmp_path / "results.json"
    assert {} == read(path)

    write(path, {"calls": result()})
    write(path, {**read(path), "export": result()})

    assert ["calls", "export"] == list(read(path))
    assert [CALLS] == read(path)["calls"].comparisons
