"""Write the tables of README.md and the plots from the file of figures.

``python -m benchmarks.report [benchmarks/results.json]`` replaces what stands between the marks of
each section and leaves the rest alone.
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.goals import Verdict, judge, judge_start
from benchmarks.plots import draw
from benchmarks.results import SuiteResult, read
from benchmarks.tables import body, table, wins

__all__ = ["fill_in", "main", "sections"]

HERE: Final = Path(__file__).parent


def sections(results: Mapping[str, SuiteResult]) -> dict[str, str]:
    """Return the text of each section of the README, by its mark."""
    texts = {suite: f"{body(result)}\n\n{_where(result)}" for suite, result in results.items()}
    compared = {suite: result.comparisons for suite, result in results.items()}
    start = results["start"].data if "start" in results else None
    texts["goals"] = _goals([*judge(compared), *judge_start(start)])
    texts["machine"] = _machines(results)
    costs = [*compared.get("calls", ()), *compared.get("bulk", ()), *compared.get("export", ())]
    texts["wins"] = wins(costs)
    return texts


def fill_in(text: str, texts: Mapping[str, str]) -> str:
    """Replace what stands between ``<!-- NAME -->`` and ``<!-- end NAME -->``.

    Raises:
        SystemExit: A section has no mark.
    """
    for name, content in texts.items():
        pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"there is no <!-- {name} --> in the text")
        text = pattern.sub(partial(_between, content), text)
    return text


def _between(content: str, marks: re.Match[str]) -> str:
    return f"{marks[1]}\n{content}\n\n{marks[2]}"


def _where(result: SuiteResult) -> str:
    machine = result.machine
    return f"*{machine.date[:10]}, load {machine.load:.1f} at the start, {result.seconds:.0f} s.*"


def _machines(results: Mapping[str, SuiteResult]) -> str:
    """Return a line for each machine and set of versions, with the suites that ran there."""
    suites: dict[str, list[str]] = {}
    for suite, result in results.items():
        machine = result.machine
        packages = ", ".join(f"{name} {number}" for name, number in machine.packages.items())
        line = f"{machine.cores} cores, {machine.cpu}, {machine.system}, {machine.python}, "
        suites.setdefault(line + packages, []).append(suite)
    return "\n\n".join(f"{', '.join(names)}: {line}." for line, names in suites.items())


def _goals(verdicts: Sequence[Verdict]) -> str:
    rows: list[list[str]] = []
    for verdict in verdicts:
        limit, measured = map(verdict.form.format, (verdict.limit, verdict.measured))
        limit = f"{'≤' if verdict.at_most else '≥'} {limit}"
        ending = "met" if verdict.is_met else "**missed**"
        rows.append([verdict.what, verdict.case, limit, measured, ending])
    return table(["what", "case", "goal", "measured", ""], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Rewrite the README's sections and the plots."""
    parser = argparse.ArgumentParser(description="Write tables and plots from figures.")
    parser.add_argument("results", nargs="?", type=Path, default=HERE / "results.json")
    parser.add_argument("--readme", type=Path, default=HERE / "README.md")
    parser.add_argument("--plots", type=Path, default=HERE / "plots")
    options = parser.parse_args(arguments)
    results = read(options.results)
    if not results:
        raise SystemExit(f"there are no figures in {options.results}")
    text = options.readme.read_text(encoding="utf-8")
    options.readme.write_text(fill_in(text, sections(results)), encoding="utf-8")
    for result in results.values():
        draw(result.comparisons, options.plots)


if __name__ == "__main__":
    main()
