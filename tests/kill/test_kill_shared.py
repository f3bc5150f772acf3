"""Imports whose journal is in a store, killed, and continued by another process."""

from pathlib import Path
from typing import Any

import pytest
from kill.conftest import Prepare
from kill.test_kill_points import run_and_die
from support.kill_imports import Import, Server
from support.redis_server import redis_port

__all__ = ["redis_port"]

pytestmark = pytest.mark.socket

ORDERS = 2000


@pytest.fixture(params=["sqlite", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'journals.db'}"
    return f"redis://127.0.0.1:{request.getfixturevalue('redis_port')}"


def posts(killed: Import) -> Any:
    """Return the number of requests that the server got."""
    return killed.state["posts"]


def test_t4_a_killed_import_goes_on_from_a_store(
    prepare: Prepare, server: Server, shared: str
) -> None:
    """Each order is stored once, and each row is counted once."""
    killed = prepare(orders=ORDERS, shared=shared)
    run_and_die(killed, server, "body written", 2)
    run_and_die(killed, server, "response matched", 5)
    run_and_die(killed, server, "half of the response", 2)
    killed.finish()

    state = killed.state
    assert ORDERS == killed.report["read"]
    assert ORDERS == state["orders"] == state["rows"]
    assert [] == state["ordered_twice"] == state["stored_twice"]
    assert ORDERS == killed.report["accepted"] + killed.report["earlier"]["accepted"]


def test_killed_after_the_last_request_a_new_attempt_sends_nothing(
    prepare: Prepare, server: Server, shared: str
) -> None:
    """It returns the same totals as the attempt whose answer its engine never got."""
    killed = prepare(orders=ORDERS, shared=shared)
    killed.finish()
    before, report = posts(killed), killed.report
    killed.finish()

    assert before == posts(killed)
    assert report == killed.report
    assert ORDERS == killed.state["orders"]
