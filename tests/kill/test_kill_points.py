"""An import that is killed at a named step and resumed ends like one that was not killed."""

from pathlib import Path

import pytest
from kill.conftest import OPTIONS, ROWS, Prepare
from support.kill_files import write_customers
from support.kill_imports import Import, Server
from support.kill_points import POINTS

pytestmark = pytest.mark.socket

OCCURRENCES = {
    "source opened": [1],
    "journal opened": [1, 1],
    "row read": [1, 777, 2001],
    "batch sealed": [1, 2, 19],
    "rejects appended": [1, 2, 9],
    "rejects torn": [1, 2, 19],
    "end, before commit": [1, 1],
}
"""At which occurrences to kill an import, one after the other; the other points:"""
USUAL = [1, 2, 19]
OTHERS = {"end, after commit", "token refreshed", "token written"}

SERVERS_PART = ("headers received", "half of the response")

SLOTS = 8
"""Batches in memory of such an import: four in flight, and four that wait."""


def run_and_die(whole: Import, server: Server, point: str, occurrence: int) -> None:
    """Run until the process is killed at a point."""
    if point in SERVERS_PART:
        server.control("plan", phase=point, posts=occurrence)
    assert whole.run(point, occurrence), f"it was not killed: {whole.error}"


def assert_same_as_reference(killed: Import, reference: Import) -> None:
    """No row is lost or added, and each row is reported once."""
    state, expected = killed.state, reference.state
    assert expected["digest"] == state["digest"]
    assert expected["rows"] == state["rows"]
    assert reference.counts == killed.counts
    assert reference.rejected_lines == killed.rejected_lines
    report = killed.report
    assert reference.report["read"] == report["read"]
    assert report["skipped"] == sum(report["earlier"].values())
    # Only rows that were in flight when a process was killed were resent.
    assert set(state["stored_twice"]) <= killed.in_doubt


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("point", [point for point in POINTS if point not in OTHERS])
def test_t4_killed_at_a_named_point(
    prepare: Prepare, reference: Import, server: Server, point: str, backend: str
) -> None:
    """At each point, at an early and a late occurrence, several times in one import."""
    killed = prepare(backend=backend)
    occurrences = OCCURRENCES.get(point, USUAL)
    for occurrence in occurrences:
        run_and_die(killed, server, point, occurrence)
    killed.finish()

    assert len(occurrences) == killed.kills
    assert_same_as_reference(killed, reference)
    assert len(killed.state["stored_twice"]) <= killed.kills * SLOTS * OPTIONS["batch_size"]


def test_the_reference_import_matches_the_file(reference: Import) -> None:
    """It contains rows of every kind, and none was sent twice."""
    counts, state = reference.counts, reference.state

    assert ROWS == reference.report["read"] == sum(counts.values())
    assert counts["accepted"] == state["rows"]
    assert min(counts["rejected"], counts["superseded"]) > 30
    assert state["receivers"] < counts["accepted"]
    assert [] == state["stored_twice"]
    lines = reference.rejected_lines
    assert counts["rejected"] == len(lines) == len(set(lines))
    assert any(b"not_returned" in line or b"invalid address" in line for line in lines)


@pytest.mark.parametrize(
    ("point", "batch_size", "concurrency"),
    [
        ("row read", 137, 2),
        ("body written", 30, 8),
        ("response matched", 1000, 1),
        ("rejects torn", 137, 8),
        ("done, after commit", 30, 2),
    ],
)
def test_d8_resumed_with_other_batches(
    prepare: Prepare,
    server: Server,
    tmp_path: Path,
    point: str,
    batch_size: int,
    concurrency: int,
) -> None:
    """Stored and rejected rows do not depend on it, and each row counts once.

    The batch size decides which rows are superseded before they are sent, so in this file the last
    row of a receiver contains everything.
    """
    file = write_customers(tmp_path / "customers.csv", ROWS, seed=2, partial=False)
    whole, killed = prepare(file=file), prepare(file=file)
    whole.finish()
    run_and_die(killed, server, point, 7)
    run_and_die(killed, server, point, 5)
    killed.finish(batch_size=batch_size, concurrency=concurrency)

    expected, counts = whole.counts, killed.counts
    assert whole.state["digest"] == killed.state["digest"]
    assert sum(expected.values()) == sum(counts.values()) == ROWS
    assert whole.rejected_lines == killed.rejected_lines
    assert 0 == counts["unknown"]
    assert counts["accepted"] == killed.state["rows"]
    assert set(killed.state["stored_twice"]) <= killed.in_doubt


def test_killed_after_the_last_commit(prepare: Prepare, reference: Import) -> None:
    """There is nothing to resume, and the next run says so."""
    killed = prepare()
    assert killed.run("end, after commit")

    assert not killed.run()
    assert "is complete; nothing to resume" in killed.error
    # How many batches there are depends on which rows were in flight when others came.
    states = [{**it.state, "posts": None} for it in (reference, killed)]
    assert states[0] == states[1]
    assert reference.rejected_lines == killed.rejected_lines
