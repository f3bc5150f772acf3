"""Every suite of the benchmarks runs and counts correctly; its times are not tested.

The suites themselves fail if a count of a client differs from the server's.
"""

import asyncio
import importlib
import json
from pathlib import Path

import pytest

from benchmarks import memory, outbox
from benchmarks.__main__ import SUITES, main
from benchmarks.measure import Comparison
from benchmarks.report import main as write_report
from benchmarks.settings import TINY

pytestmark = pytest.mark.socket

HERE = Path(__file__).resolve().parents[2] / "benchmarks"
COMPARISONS = {"calls": 2, "pool": 3, "bulk": 8, "latency": 1, "lag": 2}


@pytest.mark.parametrize("suite", [suite for suite in SUITES if suite not in {"memory", "export"}])
def test_every_case_of_a_suite_is_measured_or_says_why_not(suite: str) -> None:
    """Each comparison has samples of ours and of its baseline."""
    run = importlib.import_module(f"benchmarks.{suite}").run

    comparisons: list[Comparison] = asyncio.run(run(TINY))

    assert COMPARISONS[suite] == len(comparisons)
    for comparison in comparisons:
        assert {comparison.baseline, "ours"} <= set(comparison.samples)
        assert set() == set(comparison.samples) & set(comparison.skipped)


def test_memory_is_measured_in_a_process_of_its_own() -> None:
    """This process holds more than an import needs."""
    [comparison] = asyncio.run(memory.run(TINY, cases=["ours"]))

    columns = comparison.samples["ours"]
    assert [300.0] == columns["count"]
    assert 0 < columns["before"][0] <= columns["peak"][0]


def test_the_outbox_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every order is timed, and nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    outbox.main(["--orders", "5"])
    assert capsys.readouterr().out.startswith("5 orders: p50 ")
    assert [] == [*tmp_path.iterdir()]


def test_the_command_writes_figures_and_the_report_reads_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The README's section of a suite and its plot are made from the file of figures."""
    figures, readme, plots = tmp_path / "r.json", tmp_path / "README.md", tmp_path / "plots"
    readme.write_text(HERE.joinpath("README.md").read_text("utf-8"), "utf-8")

    main(["export", "--tiny", "--json", str(figures)])
    write_report([str(figures), "--readme", str(readme), "--plots", str(plots)])

    [comparison] = json.loads(figures.read_bytes())["export"]["comparisons"]
    assert [1200.0, 1200.0] == comparison["samples"]["ours"]["count"]
    assert "== export" in capsys.readouterr().out
    assert "| httpx + json | " in readme.read_text("utf-8")
    assert ["export.svg"] == [path.name for path in plots.iterdir()]


def test_an_unknown_suite_is_refused() -> None:
    """A typing mistake measures nothing."""
    with pytest.raises(SystemExit):
        main(["colls"])
