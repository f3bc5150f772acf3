"""Jobs of Ray, Spark and dlt whose workers are killed: each order is stored once.

``nox -s engines`` installs the engines and runs this; elsewhere it is skipped. With ``-- long`` it
loads 40,000 rows, kills three workers, and tries everything with every engine. With
``--randomly-seed=N`` it kills at the instants of an earlier run.
"""

import os
import random
import re
import shutil
import signal
import time
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.engine_runs import Attempt, EngineRun, running_sandbox

pytestmark = [pytest.mark.socket, pytest.mark.no_cover]

SELECTED = os.environ.get("ENGINES")
LONG = SELECTED == "long"
ROWS = 40_000 if LONG else 800
KILLS, BATCHES = (3, 3) if LONG else (1, 1)
"""How many workers are killed, and after how many batches of a partition at most."""
LATENCY = 0.06
"""Seconds that a response takes. A worker that is killed earlier has a request in flight."""
ONLY_LONG = pytest.mark.skipif(not LONG, reason="takes minutes: nox -s engines -- long")
MODULES = {"dlt": "dlt", "ray": "ray", "spark": "pyspark", "plain": "pyarrow"}


@pytest.fixture
def job(engine: str, tmp_path: Path) -> Generator[EngineRun]:
    """A job of an engine that is installed, and a sandbox."""
    if SELECTED is None:
        pytest.skip("nox -s engines installs the engines and runs this")
    if find_spec(MODULES[engine]) is None:
        pytest.skip(f"{engine} is not installed")
    if engine == "spark" and shutil.which("java") is None:
        pytest.skip("Java is not installed (Debian: apt-get install default-jre-headless)")
    show(f"\n{engine}: {ROWS:,} rows")
    options = ("--latency", f"{LATENCY}s", "--max-in-flight", "8")
    with running_sandbox(tmp_path, *options) as variables:
        yield EngineRun(engine, tmp_path, variables, ROWS)


def show(figures: str) -> None:
    """Print figures, which ``pytest -s`` shows."""
    print(figures)  # noqa: T201 - as it says


def check(job: EngineRun) -> None:
    """Check that the job says that it has loaded all rows, and that each order is stored once."""
    assert f"{ROWS} read, {ROWS} accepted, 0 rejected" in job.output, job.output[-3000:]
    assert (ROWS, ROWS) == job.orders()


@pytest.mark.parametrize("engine", ["dlt", "ray", "spark"])
def test_workers_killed_at_random_instants(job: EngineRun) -> None:
    """Their partitions are repeated, and no order is stored twice."""
    started = time.monotonic()
    for _ in range(KILLS):
        batches = random.randint(1, BATCHES)
        job.plan(signal.SIGKILL, batches=batches, seconds=random.uniform(0, LATENCY))
    status = job.finish(job.start())
    for _ in range(KILLS if job.engine == "dlt" else 0):  # somebody starts its only process again
        assert -signal.SIGKILL == status, job.output[-3000:]
        status = job.finish(job.start())
    assert 0 == status, job.output[-3000:]
    assert KILLS == len(job.signalled())
    check(job)
    figures = f"{KILLS} kills, {len(job.attempts())} attempts, {job.batches()} batches"
    show(f"{figures}, {time.monotonic() - started:.0f} s")


@ONLY_LONG
@pytest.mark.parametrize("engine", ["dlt", "ray", "spark"])
def test_a_worker_killed_after_the_last_request(job: EngineRun, tmp_path: Path) -> None:
    """The import was complete, but the engine was not told: the next attempt sends nothing."""
    mark = tmp_path / "died"
    process = job.start(ENGINE_DIES_AFTER_IMPORT=str(mark))
    status = job.finish(process)
    if job.engine == "dlt":
        assert -signal.SIGKILL == status
        status = job.finish(job.start(ENGINE_DIES_AFTER_IMPORT=str(mark)))
    assert 0 == status, job.output[-3000:]
    check(job)
    dead = re.sub(r"\W+", "-", mark.read_text("utf-8"))
    sent = [len(it.sent) for it in job.attempts() if it.key == dead]
    assert sent[0] > 0
    assert [0] == sent[1:]
    show(f"batches of the partition by attempt: {sent}")


@ONLY_LONG
@pytest.mark.parametrize("engine", ["ray", "spark", "plain"])
def test_two_attempts_of_a_partition_at_once(job: EngineRun) -> None:
    """One stands still for longer than its lease: it sends nothing after another one has begun.

    dlt has one process for a package, so its partitions are those without an engine here.
    """
    # It must not stop while it writes: the file of SQLite would stay locked.
    job.plan(signal.SIGSTOP, batches=1, seconds=0)
    first = job.start()
    while not job.signalled():
        assert first.poll() is None, job.finish(first)
        time.sleep(0.02)
    [stopped] = job.signalled()
    second = job.start()
    while not any(it.sent for it in job.attempts() if is_other_attempt(it, stopped)):
        assert second.poll() is None, job.finish(second)
        time.sleep(0.02)
    continued = time.monotonic()
    os.kill(stopped.process, signal.SIGCONT)
    assert 0 == job.finish(second), job.output[-3000:]
    check(job)
    # Its own engine may repeat the partition, or report that another attempt has it.
    assert job.finish(first) == 0 or "ImportFailedError: the import stopped" in job.output
    attempts = job.attempts()
    [loser] = [it for it in attempts if (it.key, it.process) == (stopped.key, stopped.process)]
    assert [] == [sent for sent in loser.sent if sent > continued]


def is_other_attempt(attempt: Attempt, stopped: Attempt) -> bool:
    """Whether it is an attempt of the same partition by another process."""
    return attempt.key == stopped.key and attempt.process != stopped.process
