"""A large import that is killed many times, at random instants; fifty times by ``nox -s kill``."""

import os
import random
import threading
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from kill.conftest import Prepare
from kill.test_kill_points import assert_same_as_reference
from support.kill_files import write_customers
from support.kill_imports import Child, Import, Server

pytestmark = pytest.mark.socket

KILLS = int(os.environ.get("KILLS", "12"))
ROWS = 4000 * KILLS
OPTIONS = {"batch_size": 250, "concurrency": 8}
SLOTS = 12
"""Batches in memory of such an import: eight in flight, and four that wait."""
PHASES = ("half of the body", "arrived", "stored", "half of the response", "responded")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large file."""
    return write_customers(tmp_path_factory.mktemp("large") / "customers.csv", ROWS, seed=3)


@pytest.fixture(scope="module")
def whole(prepare_in: Any, large: Path, tmp_path_factory: pytest.TempPathFactory) -> Import:
    """An import of that file that is not killed."""
    made: Import = prepare_in(tmp_path_factory.mktemp("whole"), file=large, options=OPTIONS)
    made.finish()
    return made


def kill_at_random(child: Child, server: Server, rng: random.Random) -> None:
    """Have the server kill a process during an exchange, or kill it a little later."""
    posts = rng.randrange(1, 2 * ROWS // 250 // (KILLS + 5))
    if rng.random() < 0.6:
        server.control("plan", pid=child.pid, posts=posts, phase=rng.choice(PHASES))
        return
    server.control("wait_for_posts", posts=posts)
    # The instant is random on purpose: this does not wait for anything.
    threading.Event().wait(rng.random() * 0.01)
    child.kill()


def test_t4_killed_at_random_instants(
    prepare: Prepare, whole: Import, large: Path, server: Server
) -> None:
    """Many times in one import, on both event loops; the result is that of the reference."""
    rng = random.Random(0)
    killed = prepare(file=large, options=OPTIONS)
    for backend in islice(cycle(["asyncio", "trio"]), KILLS):
        killed.backend = backend
        child = killed.start()
        kill_at_random(child, server, rng)
        assert killed.wait(child), f"it was complete after {killed.kills} kills: {killed.error}"
    killed.finish()

    assert KILLS == killed.kills
    assert_same_as_reference(killed, whole)
    resent = len(killed.state["stored_twice"])
    assert 0 < resent <= KILLS * SLOTS * OPTIONS["batch_size"]
    print(f"{KILLS} kills, {resent} rows resent")  # noqa: T201 - shown by pytest -s
