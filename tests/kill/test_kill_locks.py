"""Two processes with one journal."""

import pytest
from kill.conftest import Prepare
from kill.test_kill_points import assert_same_as_reference
from support.kill_imports import Import, Server

pytestmark = pytest.mark.socket


def test_d10_a_second_process_is_refused_until_the_first_is_killed(
    prepare: Prepare, reference: Import, server: Server
) -> None:
    """It changes neither journal nor rejects; the system releases the lock of a killed process."""
    killed = prepare()
    # The server does not respond to one batch, so the first process keeps waiting.
    server.control("plan", phase="stored", posts=20)
    first = killed.start()
    server.control("wait_for_kill")

    for _ in range(2):
        second = killed.start().reap()
        assert "is in use by another import; wait for it to end" in second["error"]
        assert "report" not in second

    first.kill()
    assert killed.wait(first)
    killed.finish()
    assert_same_as_reference(killed, reference)


def test_of_two_processes_that_resume_one_continues(
    prepare: Prepare, reference: Import, server: Server
) -> None:
    """Directly after a kill, when both find the lock free."""
    killed = prepare()
    assert killed.run("response matched", 9)
    server.control("hold", hold=True)  # so that neither can end before the other has begun
    killed.start()
    killed.start()
    refused = killed.workers.reap_next()
    server.control("hold", hold=False)
    killed.report = killed.workers.reap_next()["report"]

    assert "is in use by another import" in refused["error"]
    assert reference.counts == killed.counts
    assert reference.state["digest"] == killed.state["digest"]
    assert reference.rejected_lines == killed.rejected_lines
