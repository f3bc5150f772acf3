"""The benchmark runs and its counts are correct; its times are not tested."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.socket

ROOT = Path(__file__).resolve().parents[2]
ROWS = 2000


@pytest.mark.parametrize("source", ["ready", "csv"])
def test_every_case_sends_every_row(tmp_path: Path, source: str) -> None:
    """The benchmark itself fails if the counts of client and server differ."""
    pytest.importorskip("requests")
    pytest.importorskip("uvicorn")
    path = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.bulk", "--rounds", "1", "--source", source]

    done = subprocess.run(  # noqa: S603 - our own module
        [*command, "--rows", str(ROWS), "--json", str(path)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    figures = json.loads(path.read_bytes())
    counts = {run["case"]: run["accepted"] for run in figures["runs"]}
    assert counts == {"requests_stack": ROWS, "gather_httpx": ROWS, "ours": ROWS}
    assert figures["summary"]["ours"]["cpu_ratio"] > 0
