"""Superseding never changes what the group ends up with, whatever the rows and the faults."""

import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clocks import FakeClock
from support.one_by_one import NOW, OneByOne, new_sandbox, state_of
from support.virtual_time import write_in_the_loop

from cleverreach_async import (
    CleverReach,
    ImportFailedError,
    ImportProgress,
    ImportReport,
    OAuthApp,
    OrderInput,
    ReceiverInput,
)
from cleverreach_async.bulk.intake.superseding import supersedes
from cleverreach_async.bulk.rows import EncodedRow, RowResult
from cleverreach_async.bulk.run import ImportRun
from cleverreach_async.bulk.strategies import StrategyName
from cleverreach_async.sandbox import Behaviour, Fault

PEOPLE: Final = ("ann@example.org", "ben@example.org", "eve@example.org")
EXISTING: Final = PEOPLE[:1]
BEHAVIOURS: Final = (
    Behaviour(),
    Behaviour(doi_state_in_one_call=False),
    Behaviour(lift_deactivation=False),
    Behaviour(negative_number="store"),
)


def row(fields: bytes, *, repeatable: bool = True) -> EncodedRow:
    """Return an encoded row of ann@example.org."""
    body = b'{"email":"ann@example.org"' + fields + b"}"
    return EncodedRow("ann@example.org", body, 1, None, repeatable)


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        (b"", b"", True),
        (b"", b',"source":"shop"', True),
        (b',"source":"shop"', b',"source":"fair"', True),
        (b',"source":"shop"', b"", False),
        (b',"source":"shop"', b',"source":""', False),
        (b',"source":""', b',"source":""', True),
        (b',"registered":1', b',"registered":2', True),
        (b',"registered":1', b"", False),
        (b',"registered":1', b',"registered":null', False),
        (b"", b',"registered":1', False),
        (b"", b',"activated":1', True),
        (b',"activated":1', b',"registered":1,"activated":2', True),
        (b',"activated":1', b',"activated":0', False),
        (b',"activated":0', b',"activated":0', False),
        (b',"activated":0', b',"activated":5', True),
        (b',"deactivated":1', b',"deactivated":2', True),
        (b',"deactivated":1', b',"deactivated":0', False),
        (b',"deactivated":0', b',"deactivated":1', True),
        (b',"deactivated":1', b"", False),
        (b',"attributes":{"a":"1"}', b',"attributes":{"a":"2","b":"3"}', True),
        (b',"attributes":{"a":"1","b":"3"}', b',"attributes":{"a":"2"}', False),
        (b',"attributes":{"a":"1"}', b',"global_attributes":{"a":"1"}', False),
        (b',"global_attributes":{"a":"1"}', b',"global_attributes":{"a":5}', True),
        (b',"global_attributes":{"a":"1"}', b',"global_attributes":{"a":""}', False),
        (b',"global_attributes":{"a":"1"}', b',"global_attributes":{"a":null}', False),
        (b',"global_attributes":{"a":null}', b',"global_attributes":{"a":null}', True),
        (b',"global_attributes":{"a":"1"}', b',"global_attributes":{"A":"1"}', False),
        (b',"tags":["a"]', b',"tags":["b","a"]', True),
        (b',"tags":["a"]', b',"tags":["-a"]', True),
        (b',"tags":["-a"]', b',"tags":["a"]', True),
        (b',"tags":["a","b"]', b',"tags":["a"]', False),
        (b',"tags":["o.a"]', b',"tags":["-o.*"]', False),
        (b',"tags":["-o.*"]', b',"tags":["-o.a"]', False),
        (b',"tags":["-o.*"]', b',"tags":["-o.*","o.a"]', True),
        (b',"tags":[]', b"", True),
        (b',"orders":[]', b"", True),
        (b',"unknown":1', b',"unknown":1', False),
    ],
)
def test_a_row_is_superseded_if_a_later_one_fills_all_its_fields(
    earlier: bytes, later: bytes, expected: bool
) -> None:
    """Where it is unknown what the server does with a value, both rows are sent."""
    assert expected is supersedes(row(later), row(earlier))


def test_rows_that_must_not_be_sent_twice_neither_supersede_nor_are_superseded() -> None:
    """Such a row may end as unknown, and the earlier one would be lost."""
    plain, unrepeatable = row(b""), row(b"", repeatable=False)

    assert supersedes(plain, plain)
    assert not supersedes(unrepeatable, plain)
    assert not supersedes(plain, unrepeatable)


TIMES: Final = st.sampled_from([0, 1_600_000_000, 1_700_000_000])
VALUES: Final = st.dictionaries(
    st.sampled_from(["firstname", "ordercount"]),
    st.sampled_from(["5", "7", "+1", "-2", "+2.5", "", None, -3, 4, "+49431123"]),
    max_size=2,
)
TAGS: Final = st.lists(
    st.sampled_from(["a", "-a", "b c", "o.x", "-o.x", "o.y", "-o.*", "o.*"]), max_size=3
)
FIELDS: Final = st.fixed_dictionaries(
    {},
    optional={
        "registered": TIMES.filter(bool),
        "activated": TIMES | st.none(),
        "deactivated": TIMES,
        "source": st.sampled_from(["", "shop", "fair"]),
        "attributes": VALUES,
        "global_attributes": VALUES,
        "tags": TAGS,
    },
)


class SteadyClock(FakeClock):
    """A clock whose date does not change."""

    def now(self) -> float:
        """Unix time."""
        return NOW


SPELLINGS: Final = st.sampled_from([str.lower, str.upper, str.title])
STRATEGIES: Final = st.sampled_from(
    ["upsertplus", "upsertplus", "upsert", "insert", "update", "delete"]
)


@st.composite
def receivers(draw: st.DrawFn, *, strategy: str, people: int = 3) -> list[ReceiverInput]:
    """Rows of few addresses; some repeat the fields of an earlier one."""
    rows: list[ReceiverInput] = []
    templates = draw(st.lists(FIELDS, min_size=1, max_size=4))
    for number in range(draw(st.integers(1, 12))):
        email = draw(SPELLINGS)(PEOPLE[draw(st.integers(0, people - 1))])
        fields: dict[str, Any] = dict(draw(st.sampled_from(templates)))
        if strategy == "upsertplus" and draw(st.integers(0, 9)) == 0:
            fields["orders"] = [OrderInput(f"A-{number}", "Lamp")]
        rows.append(ReceiverInput(email, **fields))
    return rows


@given(
    rows=receivers(strategy="upsertplus", people=1),
    strategy=st.sampled_from(["upsertplus", "upsert", "update"]),
    existing=st.sampled_from([(), EXISTING]),
    behaviour=st.sampled_from(BEHAVIOURS),
    reactivate=st.booleans(),
)
def test_the_last_of_two_rows_does_what_both_do(
    rows: list[ReceiverInput],
    strategy: StrategyName,
    existing: tuple[str, ...],
    behaviour: Behaviour,
    reactivate: bool,
) -> None:
    """Whatever the state before them, and however the server acts."""
    reference = OneByOne(strategy, behaviour, existing, reactivate=reactivate)
    plain = [it for it in rows if not it.orders]
    encoded = reference.encode(plain)
    for at in range(len(encoded) - 1):
        if supersedes(encoded[at + 1], encoded[at]):
            shorter = [*encoded[:at], *encoded[at + 1 :]]
            assert reference.state(encoded, PEOPLE[0]) == reference.state(shorter, PEOPLE[0])


@given(
    data=st.data(),
    strategy=STRATEGIES,
    batch_size=st.sampled_from([1, 2, 3, 5, 1000]),
    concurrency=st.integers(1, 3),
    behaviour=st.sampled_from(BEHAVIOURS),
    reactivate=st.booleans(),
)
def test_an_import_ends_as_if_rows_were_sent_one_by_one(
    data: st.DataObject,
    strategy: StrategyName,
    batch_size: int,
    concurrency: int,
    behaviour: Behaviour,
    reactivate: bool,
) -> None:
    """Whatever the call, the batch size and the concurrency."""
    rows = data.draw(receivers(strategy=strategy))
    played = play(
        rows,
        strategy,
        behaviour,
        batch_size=batch_size,
        concurrency=concurrency,
        reactivate=reactivate,
    )

    assert {} == {row: code for row, code in played.codes.items() if code not in EXPECTED_CODES}
    played.check(unsure=set())


LOST_ANSWERS: Final = st.lists(
    st.builds(
        Fault,
        st.just("status"),
        code=st.sampled_from([500, 502, 503, 504]),
        committed=st.booleans(),
        after=st.integers(0, 4),
        times=st.integers(1, 2),
        path_prefix=st.just("/v3/groups"),
    ),
    max_size=2,
)
ODD_ANSWERS: Final = st.lists(
    st.builds(
        Fault,
        st.sampled_from(["cut", "short_answer"]),
        at=st.just(1),
        after=st.integers(0, 4),
        times=st.just(1),
        method=st.sampled_from(["POST", "PUT"]),
        path_prefix=st.just("/v3/groups"),
    ),
    max_size=1,
)


@given(
    data=st.data(),
    strategy=STRATEGIES,
    batch_size=st.sampled_from([1, 2, 3, 5, 1000]),
    concurrency=st.integers(1, 3),
    behaviour=st.sampled_from([Behaviour(), Behaviour(negative_number="store")]),
    faults=st.builds(list[Fault].__add__, LOST_ANSWERS, ODD_ANSWERS),
)
def test_lost_answers_do_not_change_the_end(
    data: st.DataObject,
    strategy: StrategyName,
    batch_size: int,
    concurrency: int,
    behaviour: Behaviour,
    faults: list[Fault],
) -> None:
    """Only rows that are reported as unknown or not returned may be stored or not."""
    rows = data.draw(receivers(strategy=strategy))
    played = play(
        rows, strategy, behaviour, batch_size=batch_size, concurrency=concurrency, faults=faults
    )

    unsure = {row for row, code in played.codes.items() if code not in EXPECTED_CODES}
    if strategy != "insert":
        encoded = {it.number: it for it in played.reference.encode(rows)}
        # A row for which the server fails three times while others succeed is given up.
        kept = [number for number in unsure if played.codes[number] != "server_error"]
        assert not [number for number in kept if encoded[number].repeatable]
    played.check(unsure=unsure)


@given(
    data=st.data(),
    strategy=STRATEGIES,
    sizes=st.lists(st.sampled_from([1, 2, 3, 5]), min_size=1, max_size=3),
    stops=st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["stop", "abort"])), max_size=3),
)
def test_a_resumed_import_ends_as_if_rows_were_sent_one_by_one(
    data: st.DataObject, strategy: StrategyName, sizes: list[int], stops: list[tuple[int, str]]
) -> None:
    """Whenever it is stopped; with one batch size the same rows are superseded as without stops."""
    rows = data.draw(receivers(strategy=strategy))
    reference = OneByOne(strategy, Behaviour(), EXISTING)
    encoded = reference.encode(rows)
    report, unknown, final = play_with_stops(rows, strategy, sizes, stops)

    assert len(rows) == report.read
    for email in PEOPLE:
        assert final[email] in reference.states(encoded, unknown, email)
    if len(set(sizes)) == 1:
        whole, _, _ = play_with_stops(rows, strategy, sizes, [])
        superseded = report.superseded + report.earlier.get("superseded", 0)
        assert whole.superseded == superseded


EXPECTED_CODES: Final = {"", "superseded", "duplicate", "not_found"}


class Played:
    """An import that has ended.

    Attributes:
        codes: Code of the result of each row, by number.
        reference: Writes rows one by one.
    """

    def __init__(self, rows: list[ReceiverInput], reference: OneByOne) -> None:
        self.codes: dict[int, str] = {}
        self.reference = reference
        self.report = ImportReport()
        self.final: dict[str, dict[str, Any] | None] = {}
        self._rows = rows

    def add(self, result: RowResult) -> None:
        """Record the result of a row."""
        assert result.row not in self.codes
        self.codes[result.row] = result.code

    def check(self, unsure: set[int]) -> None:
        """Compare the group with what rows sent one by one leave."""
        assert set(range(1, len(self._rows) + 1)) == self.codes.keys()
        encoded = self.reference.encode(self._rows)
        for email in PEOPLE:
            assert self.final[email] in self.reference.states(encoded, unsure, email)


def play(
    rows: list[ReceiverInput],
    strategy: StrategyName,
    behaviour: Behaviour,
    *,
    faults: list[Fault] | None = None,
    reactivate: bool = False,
    **options: Any,
) -> Played:
    """Import rows into a group of the sandbox, without waiting."""
    options["reactivate"] = reactivate
    played = Played(rows, OneByOne(strategy, behaviour, EXISTING, reactivate=reactivate))
    sandbox, group_id = new_sandbox(behaviour, EXISTING)
    for fault in faults or ():
        sandbox.faults.add(fault)

    async def main() -> None:
        http_client = httpx.AsyncClient(transport=httpx.ASGITransport(app=sandbox.app))
        auth = OAuthApp("sandbox", "sandbox-secret").client_credentials()
        async with (
            http_client,
            CleverReach(auth, http_client=http_client, clock=SteadyClock()) as cr,
            cr.bulk.open(
                group_id=group_id, strategy=strategy, max_reject_share=1, canary=False, **options
            ) as run,
        ):
            for item in rows:
                await run.put(item)
            async for result in run.results():
                played.add(result)
            played.report = run.report

    with sandbox:
        anyio.run(main)
        played.final = {email: state_of(sandbox, group_id, email) for email in PEOPLE}
    return played


def play_with_stops(
    rows: list[ReceiverInput],
    strategy: StrategyName,
    sizes: list[int],
    stops: list[tuple[int, str]],
) -> tuple[ImportReport, set[int], dict[str, dict[str, Any] | None]]:
    """Import rows with a journal, resuming after each stop.

    Args:
        rows: The rows.
        strategy: The batch call.
        sizes: Batch size of each run; the last one is for all later runs.
        stops: After how many batches each run ends, and how.

    Returns:
        The last report, the rows that are unknown, and the receivers of the group.
    """
    sandbox, group_id = new_sandbox(Behaviour(), EXISTING)

    async def main(folder: Path) -> ImportReport:
        http_client = httpx.AsyncClient(transport=httpx.ASGITransport(app=sandbox.app))
        auth = OAuthApp("sandbox", "sandbox-secret").client_credentials()
        async with (
            http_client,
            CleverReach(auth, http_client=http_client, clock=SteadyClock()) as cr,
        ):
            runs: list[ImportRun] = []
            for number in range(len(stops) + 1):
                runs.clear()

                def stop(progress: ImportProgress, number: int = number) -> None:
                    batches, kind = stops[number] if number < len(stops) else (0, "")
                    if kind and progress.requests >= batches:
                        getattr(runs[0], kind)()

                with suppress(ImportFailedError):
                    async with cr.bulk.open(
                        group_id=group_id,
                        strategy=strategy,
                        batch_size=sizes[min(number, len(sizes) - 1)],
                        max_reject_share=1,
                        canary=False,
                        journal=folder / "journal",
                        rejects=folder / "rejects",
                        resume=number > 0,
                        on_start=runs.append,
                        on_progress=stop,
                    ) as run:
                        await run.feed(rows)
                if not runs[0].report.stopped:
                    break
            return runs[0].report

    with sandbox, TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        write_in_the_loop(patch)
        report = anyio.run(main, Path(name))
        lines = map(json.loads, (Path(name) / "rejects").read_bytes().splitlines())
        unknown = {line["row"] for line in lines if line["outcome"] == "unknown"}
        return report, unknown, {email: state_of(sandbox, group_id, email) for email in PEOPLE}
