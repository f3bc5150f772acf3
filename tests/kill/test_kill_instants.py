"""A large import that is killed again and again, at instants left to chance."""

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

ROWS = 200_000
KILLS = 50
OPTIONS = {"batch_size": 250, "concurrency": 8}
SLOTS = 12
"""Batches that such an import holds: eight on the wire, and four that wait."""
PHASES = ("half of the body", "arrived", "stored", "half of the answer", "answered")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large file."""
    return write_customers(tmp_path_factory.mktemp("large") / "customers.csv", ROWS, seed=3)


@pytest.fixture(scope="module")
def whole(prepare_in: Any, large: Path, tmp_path_factory: pytest.TempPathFactory) -> Import:
    """The import of that file, reference."""
    made: Import = prepare_in(tmp_path_factory.mktemp("whole"), file=large, options=OPTIONS)
    made.finish()
    return made


def kill_at_random(child: Child, server: Server, rng: random.Random) -> None:
    """Let the server kill a process in the midst of an exchange, or kill it a little later."""
    posts = rng.randrange(1, 2 * ROWS // 250 // (KILLS + 5))
    if rng.random() < 0.6:
        server.tell("plan", pid=child.pid, posts=posts, phase=rng.choice(PHASES))
        return
    server.tell("posts", posts=posts)
    # Wherever it may be by then: this is no wait for anything.
    threading.Event().wait(rng.random() * 0.01)
    child.kill()


def test_t4_killed_at_random_instants(
    prepare: Prepare, whole: Import, large: Path, server: Server
) -> None:
    """Fifty times in one import, on one event loop and the other; in the end nobody could tell."""
    rng = random.Random(0)
    killed = prepare(file=large, options=OPTIONS)
    for backend in islice(cycle(["asyncio", "trio"]), KILLS):
        killed.backend = backend
        child = killed.start()
        kill_at_random(child, server, rng)
        assert killed.end(child), f"it came to its end after {killed.kills} kills: {killed.error}"
    killed.finish()

    assert KILLS == killed.kills
    assert_same_as_reference(killed, whole)
    sent_again = len(killed.state["twice"])
    assert 0 < sent_again <= KILLS * SLOTS * OPTIONS["batch_size"]
    print(f"{KILLS} kills, {sent_again} rows sent again")  # noqa: T201 - shown by pytest -s
