"""Rows that must not be stored twice, in killed imports."""

import json
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from kill.conftest import Prepare
from kill.test_kill_points import run_and_die
from support.kill_imports import Import, Server

pytestmark = pytest.mark.socket

POINTS = (
    "sent, after commit",
    "half of the body written",
    "body written",
    "headers received",
    "half of the response",
    "response matched",
    "done, before commit",
)
# Half of them run on each event loop.
CASES = list(zip(POINTS, cycle(["asyncio", "trio"])))
ORDERS = 3000


def unknown_rows(killed: Import) -> list[int]:
    """Rows of the rejects file whose outcome is unknown."""
    lines = map(json.loads, killed.rejected_lines)
    return [line["row"] for line in lines if line["outcome"] == "unknown"]


@pytest.fixture(scope="module")
def inserted(prepare_in: Any, tmp_path_factory: pytest.TempPathFactory) -> Import:
    """An insert that is not killed."""
    whole: Import = prepare_in(tmp_path_factory.mktemp("inserted"), strategy="insert")
    whole.finish()
    return whole


@pytest.mark.parametrize(("point", "backend"), CASES)
def test_d7_a_killed_insert_creates_no_receiver_twice(
    prepare: Prepare, inserted: Import, server: Server, point: str, backend: str
) -> None:
    """Rows in flight are looked up, and each row is listed once.

    A later row of an address may stay unknown, because the first row is the one that is stored.
    """
    whole, killed = inserted, prepare(strategy="insert", backend=backend)
    for occurrence in (1, 2, 17):
        run_and_die(killed, server, point, occurrence)
    killed.finish()

    expected, counts, state = whole.counts, killed.counts, killed.state
    assert whole.state["digest"] == state["digest"]
    assert [] == state["created_twice"] == state["stored_twice"]
    assert expected["accepted"] == counts["accepted"] == state["receivers"]
    assert expected["superseded"] == counts["superseded"]
    assert expected["rejected"] == counts["rejected"] + counts["unknown"]
    unknown = unknown_rows(killed)
    assert set(unknown) <= killed.in_doubt
    rows = [json.loads(line)["row"] for line in killed.rejected_lines]
    assert [json.loads(line)["row"] for line in whole.rejected_lines] == rows


@pytest.mark.parametrize(("point", "backend"), CASES)
def test_i8_a_killed_import_stores_no_order_twice(
    prepare: Prepare, server: Server, point: str, backend: str
) -> None:
    """Orders in flight are looked up; those that were stored are accepted, the others resent."""
    killed = prepare(orders=ORDERS, backend=backend)
    for occurrence in (1, 2, 17):
        run_and_die(killed, server, point, occurrence)
    killed.finish()

    state = killed.state
    assert {"accepted": ORDERS} == {name: n for name, n in killed.counts.items() if n}
    assert ORDERS == state["orders"] == state["rows"]
    assert [] == state["ordered_twice"] == state["stored_twice"]
    assert len(killed.in_doubt) > 100


@pytest.mark.parametrize("strategy", ["insert", "upsert"])
def test_rows_in_doubt_are_unknown_if_look_ups_are_refused(
    prepare: Prepare, server: Server, strategy: str
) -> None:
    """They are not resent, and are in the rejects file, once."""
    killed = prepare(orders=ORDERS) if strategy == "upsert" else prepare(strategy=strategy)
    server.control("refuse_look_ups", group=killed.group, refuse=True)
    run_and_die(killed, server, "response matched", 3)
    run_and_die(killed, server, "body written", 7)
    killed.finish()

    state = killed.state
    assert [] == state["stored_twice"] == state["ordered_twice"] == state["created_twice"]
    unknown = unknown_rows(killed)
    assert sorted(killed.in_doubt) == sorted(unknown)
    assert killed.counts["unknown"] == len(unknown) == len(set(unknown)) > 100
    assert killed.report["read"] == sum(killed.counts.values())


def test_rows_that_may_be_stored_are_never_superseded(
    prepare: Prepare, server: Server, tmp_path: Path
) -> None:
    """Not even by a row that is in the same batch now, because batches are larger."""
    people = [*range(1, 32), *range(1, 31)]
    rows = [f"person{person}@shop.example,{row}" for row, person in enumerate(people, start=1)]
    file = tmp_path / "customers.csv"
    file.write_text("\n".join(["email,number", *rows]))
    killed = prepare(strategy="insert", file=file)
    # The server stores the first thirty and does not respond.
    server.control("plan", phase="stored", posts=1)
    child = killed.start(batch_size=30, concurrency=1)
    server.control("wait_for_kill")
    child.kill()
    assert killed.wait(child)
    killed.finish(batch_size=1000)

    assert 31 == killed.state["receivers"]
    assert [] == killed.state["created_twice"]
    expected = {"accepted": 31, "rejected": 30, "unknown": 0, "superseded": 0, "excluded": 0}
    assert expected == killed.counts
