"""Imports with any combination of faults, interrupted and resumed: the invariants hold."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support.import_scenario import Interruption, Played, Scenario, SourceRow, play
from support.model_server import Reply
from support.virtual_time import write_in_the_loop

from cleverreach_async.bulk.strategies import STRATEGIES

LONGEST: Final = 3600.0
"""Seconds of virtual time after which a run must have ended, whatever the scenario."""

_MOST_INTERRUPTIONS: Final = 4
_UNSURE: Final = {
    "unknown_outcome",
    "not_returned",
    "refused",
    "refused_with_batch",
    "server_error",
}


def _lost(status: int | None, *, executed: bool, store_delay: float | None = None) -> Reply:
    return Reply(status, executed=executed, store_delay=store_delay, delay=0.5)


REPLIES: Final = st.sampled_from(
    [
        Reply(429, executed=False),
        Reply(429, executed=False, headers={"retry-after": "7"}),
        Reply(503, executed=False, headers={"retry-after": "3"}, delay=1.0),
        *[_lost(status, executed=True) for status in (None, 500, 502, 503, 504)],
        *[_lost(status, executed=False) for status in (None, 500, 502, 503, 504)],
        *[_lost(status, executed=True, store_delay=3.0) for status in (None, 502, 504)],
        Reply(None, delay=40.0),
        Reply(delay=2.0),
        Reply(expires=True),
        Reply(413, executed=False, content=b"{}"),
        Reply(422, executed=False, content=b"{}"),
        Reply(executed=False, content=b"false"),
        Reply(content=b"[]"),
        Reply(content=b"null"),
        Reply(content=b""),
        Reply(content=b"<html>"),
        Reply(executed=False, content=b"<html>"),
        Reply(content=b"<html>", store_delay=3.0),
        Reply(reshape=lambda items: items[::-1]),
        Reply(reshape=lambda items: items[: len(items) // 2]),
        Reply(reshape=lambda items: [*items, *items[:1]]),
        Reply(reshape=lambda items: [{"email": "stranger@example.org"}, *items]),
    ]
)
KINDS: Final = st.sampled_from(["plain"] * 14 + ["order"] * 5 + ["broken", "refused", "bad_batch"])
ROWS: Final = st.builds(SourceRow, st.integers(0, 24), KINDS)


class ImportMachine(RuleBasedStateMachine):
    """Collects a scenario and plays it at the end."""

    scenario: Scenario

    @initialize(
        strategy=st.sampled_from([*STRATEGIES, "upsertplus"]),
        batch_size=st.integers(1, 12),
        concurrency=st.lists(st.integers(1, 4), min_size=1, max_size=3),
        canary=st.booleans(),
        most_rows=st.sampled_from([None, None, 1, 3]),
        refuses_look_ups=st.sampled_from([False, False, True]),
        existing=st.sampled_from([frozenset[int](), frozenset(range(0, 25, 2))]),
        seed=st.integers(0, 1000),
        rows=st.lists(ROWS, min_size=20, max_size=60),
    )
    def begin(self, rows: list[SourceRow], **options: Any) -> None:
        """Choose the options of the import and the receivers that exist."""
        self.scenario = Scenario(**options)
        self.read(rows)

    @rule(rows=st.lists(ROWS, min_size=1, max_size=30))
    def read(self, rows: list[SourceRow]) -> None:
        """Add rows to the source."""
        plain = {"upsertplus": set[str](), "delete": {"order", "bad_batch"}}.get(
            self.scenario.strategy, {"order"}
        )
        self.scenario.rows += [SourceRow(row.key) if row.kind in plain else row for row in rows]

    @rule(replies=st.lists(REPLIES | st.none(), min_size=1, max_size=6))
    def respond(self, replies: list[Reply | None]) -> None:
        """Set the responses to the next requests."""
        self.scenario.replies += replies

    @rule(reply=REPLIES, times=st.integers(2, 5))
    def respond_repeatedly(self, reply: Reply, times: int) -> None:
        """Set the same response to several requests."""
        self.scenario.replies += [reply] * times

    @precondition(lambda self: len(self.scenario.interruptions) < _MOST_INTERRUPTIONS)
    @rule(
        interruption=st.builds(
            Interruption,
            kind=st.sampled_from(["stop", "abort", "cancel", "crash"]),
            request=st.integers(1, 12),
            seconds=st.sampled_from([0.0, 0.0, 0.3, 2.0, 6.0]),
        )
    )
    def interrupt(self, interruption: Interruption) -> None:
        """Make the next run end early."""
        self.scenario.interruptions.append(interruption)

    def teardown(self) -> None:
        """Play the scenario and check the result."""
        check(self.scenario, play_in_virtual_time(self.scenario))


def play_in_virtual_time(scenario: Scenario) -> Played:
    """Play a scenario in virtual time."""

    async def main(folder: Path) -> Played:
        with anyio.fail_after(LONGEST * (1 + len(scenario.interruptions))):
            return await play(scenario, folder)

    clock = trio.testing.MockClock(autojump_threshold=0)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        write_in_the_loop(patch)
        return trio.run(main, Path(folder), clock=clock)


def check(scenario: Scenario, played: Played) -> None:
    """Check the invariants."""
    numbers = set(range(1, len(scenario.rows) + 1))
    assert numbers == played.outcomes.keys(), "not exactly one outcome for each row"
    assert [] == played.repeated, "a row was reported again"
    classes = Counter(outcome for outcome, _ in played.outcomes.values())
    if played.reports and not played.reports[-1].stopped:
        report = played.reports[-1]
        for name in ("accepted", "rejected", "unknown", "superseded"):
            total = report.earlier.get(name, 0) + getattr(report, name)
            assert classes[name] == total, f"the journal counts {total} rows {name}"
        assert (len(numbers), 0) == (report.read, report.pending)
    written = {row for row, (outcome, _) in played.outcomes.items() if outcome in _WRITTEN}
    assert sorted(written) == sorted(played.rejects_rows), "the rejects file has other rows"
    assert 0 == played.server.too_early
    for number, peak in enumerate(played.peaks):
        assert peak <= scenario.concurrency[min(number, len(scenario.concurrency) - 1)]
    check_reasons(scenario, played)
    if scenario.strategy in {"upsertplus", "upsert", "update"}:
        check_last_wins(scenario, played)
    elif scenario.strategy == "insert":
        check_first_wins(scenario, played)
    else:
        check_deleted(scenario, played)


_WRITTEN: Final = {"rejected", "unknown"}


def check_reasons(scenario: Scenario, played: Played) -> None:
    """Only bad rows are rejected, each with its reason."""
    for number, row in enumerate(scenario.rows, 1):
        outcome, code = played.outcomes[number]
        if row.kind == "broken":
            assert ("rejected", "invalid_email") == (outcome, code)
        elif row.kind in {"refused", "bad_batch"}:
            assert outcome != "accepted"
        elif outcome == "rejected":
            allowed = {"insert": "duplicate", "update": "not_found", "delete": "not_found"}
            assert code in {*_UNSURE, allowed.get(scenario.strategy, "")}


def rows_by_key(scenario: Scenario) -> dict[int, list[int]]:
    """Return the numbers of the rows that could be stored, by address."""
    found: dict[int, list[int]] = {}
    for number, row in enumerate(scenario.rows, 1):
        if row.kind in {"plain", "order"}:
            found.setdefault(row.key, []).append(number)
    return found


def origin(played: Played, key: int) -> int | None:
    """Return the number of the row that is stored; 0 for the state before the import."""
    email = f"p{key}@example.org"
    stored = played.server.stored.get(email)
    if stored is None:
        return None
    if "source" not in stored:
        return int(played.server.orders[email][-1]["order_id"].removeprefix("A-"))
    return 0 if stored["source"] == "old" else int(stored["source"])


def check_last_wins(scenario: Scenario, played: Played) -> None:
    """The group has the last accepted row of each address, and no order line twice."""
    orders = Counter(played.server.order_ids)
    assert not [order for order, times in orders.items() if times > 1], "an order is stored twice"
    for key, numbers in rows_by_key(scenario).items():
        accepted = [n for n in numbers if played.outcomes[n][0] == "accepted"]
        last = max(accepted, default=0 if key in scenario.existing else None)
        perhaps = [n for n in numbers if played.outcomes[n][1] in _UNSURE and n > (last or 0)]
        assert origin(played, key) in {last, *perhaps}, "not the last accepted row is stored"
        expected = {f"A-{n}" for n in accepted if scenario.rows[n - 1].kind == "order"}
        assert expected <= orders.keys(), "an accepted order is not stored"


def check_first_wins(scenario: Scenario, played: Played) -> None:
    """The group has the row that was reported as accepted, and the receivers it had before."""
    for key, numbers in rows_by_key(scenario).items():
        sent = [n for n in numbers if played.outcomes[n][0] != "superseded"]
        accepted = [n for n in sent if played.outcomes[n][0] == "accepted"]
        perhaps = [n for n in sent if played.outcomes[n][1] in _UNSURE]
        stored = origin(played, key)
        if key in scenario.existing:
            assert (0, []) == (stored, accepted)
        elif accepted:
            assert [stored] == accepted, "another row was stored than reported"
        else:
            assert stored in {None, *perhaps}, "a row was stored although none was accepted"
            assert perhaps or not sent, "no row was stored"


def check_deleted(scenario: Scenario, played: Played) -> None:
    """Existing receivers are deleted, and the row that did it was reported as accepted."""
    for key, numbers in rows_by_key(scenario).items():
        reported = [played.outcomes[n] for n in numbers if played.outcomes[n][0] != "superseded"]
        if reported and not any(code in _UNSURE for _, code in reported):
            assert origin(played, key) is None
            assert key not in scenario.existing or reported[0][0] == "accepted"


@pytest.mark.hypothesis
def test_any_combination_of_faults() -> None:
    """Hypothesis searches for one that violates an invariant."""
    run_state_machine_as_test(
        ImportMachine,
        settings=settings(
            max_examples=2 * settings().max_examples,
            stateful_step_count=12,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
