"""Jobs of Ray, Spark and dlt whose workers are killed: each order is stored once.

``nox -s engines`` installs the engines and runs this; elsewhere it is skipped. With ``-- long`` it
loads 40,000 rows, kills three workers, and tries everything with every engine.
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
KILLS = 3 if LONG else 1
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
    seed = int(os.environ.get("ENGINE_SEED", time.time_ns() % 10_000))
    show(f"\n{engine}: {ROWS:,} rows, seed {seed}")
    with running_sandbox(tmp_path, "--latency", "60ms", "--max-in-flight", "8") as variables:
        yield EngineRun(engine, tmp_path, variables, ROWS, random.Random(seed))


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
    process = job.start()
    kills = 0
    while kills < KILLS:
        if job.kill_one(process, after=job.batches() + job.random.randint(1, 3)) is None:
            break
        kills += 1
        if job.engine == "dlt":  # it has one process, which somebody starts again
            job.finish(process)
            process = job.start()
    status = job.finish(process)
    assert 0 == status, job.output[-3000:]
    assert KILLS == kills
    check(job)
    figures = f"{kills} kills, {len(job.attempts())} attempts, {job.batches()} batches"
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
    """One stands still for longer than its lease: it sends nothing after another one goes on.

    dlt has one process for a package, so its partitions are those without an engine here.
    """
    first = job.start()
    while not (running := [it for it in job.attempts() if it.sent and it.is_alive]):
        assert first.poll() is None, job.finish(first)
        time.sleep(0.02)
    stopped = running[0]
    os.kill(stopped.process, signal.SIGSTOP)
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
