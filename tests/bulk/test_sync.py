"""``cr.bulk.sync``: only what is new or changed is sent, and nobody is made active again."""

import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpx
import pytest

from cleverreach_async import (
    BadRow,
    CleverReach,
    ConfigurationError,
    OAuthApp,
    ReceiverInput,
    SourceRow,
    SyncFailedError,
    SyncReport,
    SyncStateError,
    read_csv,
)
from cleverreach_async.bulk.sync.state import SyncState
from cleverreach_async.sandbox import Behaviour, Fault, Sandbox

pytestmark = pytest.mark.anyio

SINCE = 1_700_000_000


def person(number: int, city: str = "Kiel", **fields: Any) -> ReceiverInput:
    """Return a receiver."""
    return ReceiverInput(f"p{number}@example.org", global_attributes={"city": city}, **fields)


@asynccontextmanager
async def client_of(sandbox: Sandbox) -> AsyncGenerator[CleverReach, None]:
    """Return a client of a sandbox, whose waits take no time."""
    transport = httpx.ASGITransport(app=sandbox.app)
    async with httpx.AsyncClient(transport=transport) as http_client:
        app = OAuthApp("sandbox", "sandbox-secret")
        async with CleverReach(app.client_credentials(), http_client=http_client) as cr:
            yield cr


class Shop:
    """A group, and the state of its synchronisation.

    Args:
        cr: The client.
        sandbox: The server.
        state: The file.
        group_id: The group.
    """

    def __init__(self, cr: CleverReach, sandbox: Sandbox, state: Path, group_id: int) -> None:
        self.cr = cr
        self.sandbox = sandbox
        self.state = state
        self.group_id = group_id

    async def sync(self, rows: Any, **options: Any) -> SyncReport:
        """Synchronise rows."""
        options = {"attributes": "create", "concurrency": 2, **options}
        return await self.cr.bulk.sync(rows, group_id=self.group_id, state=self.state, **options)

    async def cities(self) -> dict[str, str]:
        """Return the city of each receiver."""
        found = self.cr.receivers.list(group_id=self.group_id)
        return {it.email: str(it.global_attributes.get("city")) async for it in found}

    async def is_active(self, number: int) -> bool:
        """Return whether a receiver gets mail."""
        found = await self.cr.receivers.get(f"p{number}@example.org", group_id=self.group_id)
        return bool(found.active)

    async def unsubscribe(self, number: int) -> None:
        """Let a receiver leave, in CleverReach."""
        await self.cr.receivers.deactivate(f"p{number}@example.org", group_id=self.group_id)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop with an empty group."""
    with Sandbox() as sandbox:
        async with client_of(sandbox) as cr:
            group = await cr.groups.create(name="Newsletter")
            yield Shop(cr, sandbox, tmp_path / "customers.sync", group.id)


def counts(report: SyncReport) -> dict[str, int]:
    """Return the counters that are not zero."""
    report.assert_balanced()
    names = "unchanged added changed gone rejected unknown superseded excluded pending missing"
    return {it: getattr(report, it) for it in (*names.split(), "removed") if getattr(report, it)}


async def test_only_new_and_changed_rows_are_sent(shop: Shop) -> None:
    """A second run sends nothing; a third one what has changed."""
    people = [person(number) for number in range(1500)]

    first = await shop.sync(people)
    second = await shop.sync(people)
    people[7] = person(7, "Bonn")
    third = await shop.sync([*people, person(2000)])

    assert {"added": 1500} == counts(first)
    assert {"unchanged": 1500} == counts(second)
    assert 0 == second.requests
    assert {"unchanged": 1499, "changed": 1, "added": 1} == counts(third)
    assert 2 == third.requests
    assert "Bonn" == (await shop.cities())["p7@example.org"]


@pytest.mark.parametrize("reactivates", [False, True])
async def test_nobody_who_unsubscribed_becomes_active_again(shop: Shop, reactivates: bool) -> None:
    """Neither by a change nor without the state, whatever ``activated`` does on the server."""
    shop.sandbox.behaviour = Behaviour(activated_reactivates=reactivates)
    await shop.sync([person(number, activated=SINCE) for number in range(3)])
    await shop.unsubscribe(1)
    changed = [person(number, "Bonn", activated=SINCE + 1) for number in range(3)]

    with_state = await shop.sync(changed)
    shop.state.unlink()
    without_state = await shop.sync(changed)

    assert {"changed": 3} == counts(with_state)
    assert {"changed": 3} == counts(without_state)
    assert [True, False, True] == [await shop.is_active(number) for number in range(3)]
    assert {"Bonn"} == {*(await shop.cities()).values()}


async def test_whoever_bounced_stays_so(shop: Shop) -> None:
    """A changed row does not reset it."""
    await shop.sync([person(1)])
    shop.sandbox.add_bounce("p1@example.org")

    await shop.sync([person(1, "Bonn", activated=SINCE)])

    assert not await shop.is_active(1)


async def test_a_row_that_says_unsubscribed_deactivates(shop: Shop, tmp_path: Path) -> None:
    """Of somebody who was synchronised before; a newcomer is left out."""
    path = tmp_path / "customers.csv"
    head = "email,subscribed\n"
    path.write_text(f"{head}p1@example.org,yes\np2@example.org,yes\n")
    await shop.sync(read_csv(path))
    path.write_text(f"{head}p1@example.org,no\np2@example.org,yes\np3@example.org,no\n")

    report = await shop.sync(read_csv(path))

    assert {"unchanged": 1, "changed": 1, "excluded": 1} == counts(report)
    assert not await shop.is_active(1)
    assert await shop.is_active(2)


async def test_whoever_was_removed_from_the_group_is_not_added_again(shop: Shop) -> None:
    """Somebody has deleted them there; the report says so once."""
    await shop.sync([person(1), person(2)])
    await shop.cr.receivers.delete("p1@example.org", group_id=shop.group_id)

    first = await shop.sync([person(1, "Bonn"), person(2)])
    second = await shop.sync([person(1, "Bonn"), person(2)])

    assert {"gone": 1, "unchanged": 1} == counts(first)
    assert {"unchanged": 2} == counts(second)
    assert ["p2@example.org"] == [*await shop.cities()]


async def test_rows_of_one_address_keep_their_order(shop: Shop) -> None:
    """If one of them is sent, so are those after it; and a row that is gone is made up for."""
    rows = [
        person(1, "Kiel", source="shop"),
        person(1, "Bonn", tags=["vip"]),
        person(2),
    ]
    await shop.sync(rows)
    unchanged = await shop.sync(rows)
    rows[0] = person(1, "Mainz", source="shop")
    changed = await shop.sync(rows)
    assert {"unchanged": 3} == counts(unchanged)
    assert {"unchanged": 1, "changed": 2} == counts(changed)
    assert "Bonn" == (await shop.cities())["p1@example.org"]

    del rows[1]
    await shop.sync(rows)
    report = await shop.sync(rows)

    assert {"unchanged": 1, "changed": 1} == counts(report)
    assert "Mainz" == (await shop.cities())["p1@example.org"]


async def test_spellings_of_one_address_are_one_receiver(shop: Shop) -> None:
    """Upper and lower case."""
    await shop.sync([ReceiverInput("Ann@Example.org")])

    report = await shop.sync([ReceiverInput("ann@example.org"), ReceiverInput("Ben@example.org")])

    assert 1 == report.added


async def test_refused_rows_are_sent_again(shop: Shop, tmp_path: Path) -> None:
    """They are in the rejects file with their number in the source, and are not remembered."""
    rows = [person(1), ReceiverInput("nobody"), person(2)]
    rejects = tmp_path / "rejects.jsonl"

    first = await shop.sync(rows, rejects=rejects)
    second = await shop.sync(rows, rejects=rejects, overwrite=True)

    assert {"added": 2, "rejected": 1} == counts(first)
    assert {"unchanged": 2, "rejected": 1} == counts(second)
    assert rejects.read_text().startswith('{"row":2,')
    with pytest.raises(SyncFailedError, match="1 rows rejected"):
        second.raise_for_failures()


async def test_duplicates_are_not_in_the_rejects_file(shop: Shop, tmp_path: Path) -> None:
    """What the group has already becomes a change."""
    await shop.sync([person(1), person(2)])
    shop.state.unlink()
    rejects = tmp_path / "rejects.jsonl"

    report = await shop.sync([person(1), person(2)], rejects=rejects)

    assert {"changed": 2} == counts(report)
    assert "" == rejects.read_text()


@pytest.mark.parametrize(("answer", "left"), [(True, [1]), (False, [1, 2, 3])])
async def test_before_a_removal_somebody_is_asked(
    shop: Shop, answer: bool, left: list[int]
) -> None:
    """With the count; after a no nobody is removed, and the next run asks again."""
    asked: list[int] = []

    def ask(count: int) -> bool:
        asked.append(count)
        return answer

    options: dict[str, Any] = {"missing": "delete", "max_missing_share": 1, "before_removal": ask}
    await shop.sync([person(1), person(2), person(3)], **options)
    report = await shop.sync([person(1)], **options)
    again = await shop.sync([person(1)], **options)

    removed = 3 - len(left)
    assert (2, removed, 2 - removed) == (report.missing, report.removed, again.missing)
    assert ([2] if answer else [2, 2]) == asked
    assert [f"p{number}@example.org" for number in left] == sorted(
        shop.sandbox.store.emails(shop.group_id)
    )


async def say_no(_count: int) -> bool:
    """Ask somebody asynchronously."""
    return False


def say_no_later(count: int) -> Any:
    """Return what is to be awaited, as a lambda may."""
    return say_no(count)


@pytest.mark.parametrize("ask", [say_no, say_no_later])
async def test_an_async_function_before_a_removal_is_no_yes(shop: Shop, ask: Any) -> None:
    """A coroutine that nobody awaits would count as a yes to each removal."""
    options: dict[str, Any] = {"missing": "delete", "max_missing_share": 1}
    await shop.sync([person(1), person(2)], **options)
    failures = (ConfigurationError, SyncFailedError)
    with pytest.raises(failures, match="before_removal is an async function"):
        await shop.sync([person(1)], before_removal=ask, **options)
    assert 2 == len(shop.sandbox.store.emails(shop.group_id))


class AsyncCall:
    """An object that is called as an async function is."""

    async def __call__(self, *_args: object) -> None:
        """Do nothing."""


@pytest.mark.parametrize("option", ["on_start", "on_accepted", "on_progress"])
@pytest.mark.parametrize("function", [say_no, partial(say_no, 7), AsyncCall(), "print"])
async def test_functions_that_nobody_would_await_are_refused(
    shop: Shop, option: str, function: Any
) -> None:
    """Before anything is sent: what they do, such as to store addresses, would be lost."""
    options: dict[str, Any] = {option: function}
    with pytest.raises(ConfigurationError, match=f"{option} is (an async function|of type str)"):
        await shop.cr.bulk.upsert([person(1)], group_id=shop.group_id, **options)
    if option == "on_progress":
        with pytest.raises(ConfigurationError, match="on_progress is"):
            await shop.sync([person(1)], **options)
        with pytest.raises(ConfigurationError, match="on_progress is"):
            await shop.cr.bulk.export(group_id=shop.group_id).write("x.csv", **options)
    assert [] == [*shop.sandbox.store.emails(shop.group_id)]


@pytest.mark.parametrize(("missing", "left"), [("keep", 20), ("deactivate", 20), ("delete", 18)])
async def test_receivers_that_the_source_no_longer_has(shop: Shop, missing: str, left: int) -> None:
    """Others in the group are left alone."""
    await shop.sync([person(number) for number in range(20)])
    await shop.cr.receivers.create(ReceiverInput("other@example.org"), group_id=shop.group_id)

    report = await shop.sync([person(number) for number in range(2, 20)], missing=missing)

    assert (2, 0 if missing == "keep" else 2) == (report.missing, report.removed)
    cities = await shop.cities()
    assert left + 1 == len(cities)
    assert "other@example.org" in cities
    if missing == "deactivate":
        assert [False, False, True] == [await shop.is_active(number) for number in range(3)]
    again = await shop.sync([person(number) for number in range(2, 20)], missing=missing)
    assert (2 if missing == "keep" else 0) == again.missing


@pytest.mark.parametrize(
    "row",
    [
        person(0, registered=10**13),
        attrs.asdict(person(0)) | {"tags": 5},
        {"email": "\u200bP0@Example.org ", "first name": "Ann"},
        BadRow(2, "ragged_row", "too many cells", {"Kontakt": "Ann <p0@example.org>, 24105 Kiel"}),
        SourceRow(person(0), None, not_subscribed="not_stated"),
    ],
    ids=lambda row: type(row).__name__,
)
@pytest.mark.parametrize("missing", ["delete", "deactivate"])
async def test_whoever_has_a_row_that_cannot_be_sent_is_not_missing(
    shop: Shop, missing: str, row: Any
) -> None:
    """A mistake in a row is no reason to remove the person."""
    people = [person(number) for number in range(20)]
    await shop.sync(people)

    report = await shop.sync([row, *people[1:]], missing=missing)

    assert (0, 0, 19) == (report.missing, report.removed, report.unchanged)
    assert 1 == report.rejected + report.excluded
    assert await shop.is_active(0)
    assert 20 == (await shop.sync(people, missing=missing)).unchanged


async def test_a_row_that_cannot_be_sent_is_not_the_first_of_its_address(shop: Shop) -> None:
    """The rows after it are compared as on any other night."""
    await shop.sync([person(1), person(2)])

    report = await shop.sync([person(1, registered=10**13), person(1), person(2)])

    assert (2, 1) == (report.unchanged, report.rejected)


@pytest.mark.parametrize(
    "row",
    [
        BadRow(2, "cut_row", "the row may be cut", {"email": "p0@example.org"}),
        BadRow(2, "invalid_json", "not JSON", {"text": '{"email": "p0@exam'}),
        BadRow(2, "invalid_value", "column 'orders'", {"orders": "["}),
        5,
    ],
)
async def test_a_row_that_may_be_of_anybody_removes_nobody(shop: Shop, row: Any) -> None:
    """Nor one that is cut, after which others may be lost. One without an address is nobody's."""
    people = [person(number) for number in range(20)]
    await shop.sync(people)

    with pytest.raises(SyncFailedError, match="1 rows of the source are cut or cannot be read"):
        await shop.sync([row, *people[2:]], missing="delete")

    assert 20 == len(await shop.cities())
    report = await shop.sync([{"source": "shop"}, "nobody", *people[2:]], missing="delete")
    assert (2, 2, 2) == (report.missing, report.removed, report.rejected)


@pytest.mark.parametrize("missing", ["delete", "deactivate"])
async def test_whoever_had_several_rows_is_removed(shop: Shop, missing: str) -> None:
    """All of them are gone, some of them since an earlier night."""
    people = [person(number) for number in range(40)]
    await shop.sync([*people, person(0, "Ulm"), person(1, "Ulm")])
    assert 1 == (await shop.sync(people[1:])).missing
    assert 2 == (await shop.sync(people[2:])).missing

    report = await shop.sync(people[2:], missing=missing)

    assert (2, 2) == (report.missing, report.removed)
    left = {it.email async for it in shop.cr.receivers.list(group_id=shop.group_id) if it.active}
    assert {it.email for it in people[2:]} == left
    assert 0 == (await shop.sync(people[2:], missing=missing)).missing


async def test_whoever_had_several_rows_is_not_added_again(shop: Shop) -> None:
    """They were deleted in the account, and one of their rows is gone."""
    await shop.sync([person(1), person(1, "Ulm"), person(2)])
    await shop.sync([person(1), person(2)])
    await shop.cr.receivers.delete("p1@example.org", group_id=shop.group_id)

    report = await shop.sync([person(1), person(2)])

    assert (1, 0, 1) == (report.unchanged, report.added, report.gone)
    assert ["p2@example.org"] == [*await shop.cities()]


class RefusesOnce(httpx.ASGITransport):
    """A server that refuses to remove p1, the first time.

    Attributes:
        has_refused: Whether it has.
    """

    has_refused = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See the base class."""
        body = request.content
        is_removal = request.url.path.endswith("/delete") or b'"deactivated"' in body
        if self.has_refused or not is_removal or b"p1@example.org" not in body:
            return await super().handle_async_request(request)
        self.has_refused = True
        return httpx.Response(200, json=["the receiver is in use"])


@pytest.mark.parametrize("missing", ["delete", "deactivate"])
async def test_whoever_could_not_be_removed_is_tried_again(tmp_path: Path, missing: Any) -> None:
    """By the next run."""
    people = [person(number) for number in range(3)]
    app = OAuthApp("sandbox", "sandbox-secret")
    with Sandbox() as sandbox:
        async with (
            httpx.AsyncClient(transport=RefusesOnce(app=sandbox.app)) as http_client,
            CleverReach(app.client_credentials(), http_client=http_client) as cr,
        ):
            group = await cr.groups.create(name="Newsletter")
            shop = Shop(cr, sandbox, tmp_path / "customers.sync", group.id)
            await shop.sync(people)
            rows = [people[0], people[2]]
            first = await shop.sync(rows, missing=missing, max_missing_share=1)
            second = await shop.sync(rows, missing=missing, max_missing_share=1)
            third = await shop.sync(rows, missing=missing, max_missing_share=1)

    removals = [(it.missing, it.removed) for it in (first, second, third)]
    assert [(1, 0), (1, 1), (0, 0)] == removals


async def test_an_incomplete_source_removes_nobody(shop: Shop) -> None:
    """More than a tenth is gone, so the file may have been cut."""
    await shop.sync([person(number) for number in range(20)])

    with pytest.raises(SyncFailedError, match="lacks 3 of 20 receivers") as caught:
        await shop.sync([person(number) for number in range(17)], missing="delete")

    assert 20 == len(await shop.cities())
    assert 17 == caught.value.report.unchanged
    report = await shop.sync([], missing="delete", max_missing_share=1)
    assert (20, 20) == (report.missing, report.removed)


async def test_many_deletions_skip_nobody(shop: Shop) -> None:
    """A deletion moves other receivers to earlier pages of the list."""
    await shop.sync([person(number) for number in range(2500)])

    report = await shop.sync(
        [person(number) for number in range(0, 2500, 2)], missing="delete", max_missing_share=0.6
    )

    assert 1250 == report.removed
    assert 1250 == len(await shop.cities())


async def test_whoever_comes_back_stays_deactivated(shop: Shop) -> None:
    """They were deactivated in the account, which only they can undo."""
    await shop.sync([person(1), person(2)])
    await shop.sync([person(2)], missing="deactivate", max_missing_share=1)

    report = await shop.sync([person(1, activated=SINCE), person(2)])

    assert {"changed": 1, "unchanged": 1} == counts(report)
    assert not await shop.is_active(1)


async def test_a_failing_source_removes_nobody(shop: Shop) -> None:
    """What was read before it is sent and remembered."""
    await shop.sync([person(number) for number in range(30)])

    def rows() -> Iterator[ReceiverInput]:
        yield person(1, "Bonn")
        raise OSError("the disk is gone, said ann@example.org")

    with pytest.raises(SyncFailedError, match="stopped after 1 rows: the disk is gone") as caught:
        await shop.sync(rows(), missing="delete", max_missing_share=1)

    assert "ann@example.org" not in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert 30 == len(await shop.cities())
    assert {"unchanged": 30} == counts(
        await shop.sync([person(n, "Bonn" if n == 1 else "Kiel") for n in range(30)])
    )


async def test_a_stopped_import_goes_on_with_the_next_run(shop: Shop) -> None:
    """What the server has accepted is remembered, and nothing else."""
    people = [person(number) for number in range(2500)]
    fault = Fault("status", code=403, path_suffix="/insert", after=1)
    shop.sandbox.faults.add(fault)

    with pytest.raises(SyncFailedError) as caught:
        await shop.sync(people, concurrency=1)
    counts(caught.value.report)
    shop.sandbox.faults.clear()
    report = await shop.sync(people)

    assert 2500 == report.read
    assert 2500 == len(await shop.cities())
    assert report.unchanged >= 100


async def test_a_cancelled_run_loses_nothing(shop: Shop) -> None:
    """The next one sends what is left."""
    people = [person(number) for number in range(2500)]
    with anyio.CancelScope() as scope:

        def stop(report: SyncReport) -> None:
            if report.added:
                scope.cancel()

        await shop.sync(people, on_progress=stop)

    report = await shop.sync(people)

    assert scope.cancelled_caught
    assert 2500 == report.read
    assert 2500 == len(await shop.cities())


@pytest.mark.parametrize("method", ["find", "add", "accept", "count", "entries", "remove"])
async def test_a_state_on_a_full_disk_ends_the_run(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """The error says so, every row read is counted, and the next run goes on."""
    people = [person(number) for number in range(1500)]
    await shop.sync(people)

    def fail(*_: Any) -> None:
        raise SyncStateError("the disk is full")

    changed = [person(number, "Ulm") for number in range(1, 2500)]
    options: Any = {"missing": "delete", "max_missing_share": 1}
    with monkeypatch.context() as patch:
        patch.setattr(SyncState, method, fail)
        with pytest.raises(SyncFailedError, match="rows: the disk is full") as caught:
            await shop.sync(changed, **options)
    assert caught.value.report.read == caught.value.report.settled

    counts(await shop.sync(changed, **options))
    assert {it.email: "Ulm" for it in changed} == await shop.cities()


async def test_missing_attributes_end_the_run(shop: Shop) -> None:
    """Before values are lost."""
    with pytest.raises(SyncFailedError, match="city"):
        await shop.sync([person(1)], attributes="check")

    assert {} == await shop.cities()


async def test_a_callback_that_fails_ends_the_run(shop: Shop) -> None:
    """In order: the error says so."""

    def fail(_: SyncReport) -> None:
        raise RuntimeError("no screen")

    with pytest.raises(SyncFailedError, match="no screen"):
        await shop.sync([person(1)], on_progress=fail)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"missing": "remove"}, "'keep', 'deactivate' or 'delete'"),
        ({"max_missing_share": 2}, "0 to 1"),
        ({"max_missing_share": True}, "0 to 1"),
        ({"journal": "x"}, "the state says what is done"),
        ({"reactivate": True}, "never makes anybody active"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"group_id": 0}, "group_id"),
        ({"state": None}, "state is None; pass the name of a file"),
        ({"state": "a\0b"}, "state has a character that no name"),
        ({"rejects": 7}, "rejects is of type int"),
    ],
)
async def test_wrong_options_are_refused(shop: Shop, options: Any, message: str) -> None:
    """Before anything is sent or written."""
    arguments: dict[str, Any] = {"group_id": shop.group_id, "state": shop.state, **options}
    with pytest.raises(ConfigurationError, match=message):
        await shop.cr.bulk.sync([], **arguments)

    assert not shop.state.exists()


@pytest.mark.parametrize("name", ["customers.csv", "customers.sync"])
async def test_rejects_do_not_replace_a_file_of_the_run(
    shop: Shop, tmp_path: Path, name: str
) -> None:
    """Whatever may be overwritten."""
    source = tmp_path / "customers.csv"
    source.write_text("email\np1@example.org\n")
    await shop.sync(read_csv(source))

    with pytest.raises(ConfigurationError, match="is used already, and the rejects would replace"):
        await shop.sync(read_csv(source), rejects=tmp_path / name, overwrite=True)
    with pytest.raises(ConfigurationError, match="is used already, and the rejects would replace"):
        await shop.cr.bulk.upsert(
            read_csv(source), group_id=shop.group_id, rejects=source, overwrite=True
        )

    assert 1 == (await shop.sync(read_csv(source))).unchanged


async def test_a_state_belongs_to_one_group(shop: Shop) -> None:
    """That of another one is refused, as is any other file."""
    await shop.sync([person(1)])
    other = await shop.cr.groups.create(name="Other")

    with pytest.raises(ConfigurationError, match="another synchronisation: its group_id is"):
        await shop.cr.bulk.sync([], group_id=other.id, state=shop.state)
    shop.state.write_text("rows")
    with pytest.raises(SyncStateError, match="is not the state of a synchronisation"):
        await shop.sync([])


async def test_two_runs_cannot_use_one_state(shop: Shop) -> None:
    """The second one is refused."""
    await shop.sync([person(1)])

    async def rows() -> AsyncIterator[ReceiverInput]:
        with pytest.raises(SyncStateError, match="in use"):
            await shop.sync([person(3)])
        yield person(2)

    report = await shop.sync(rows())

    assert 1 == report.added


async def test_the_state_has_no_addresses(shop: Shop) -> None:
    """And the fingerprints of two states differ."""
    await shop.sync([person(1)])
    first = shop.state.read_bytes()
    shop.state.unlink()
    await shop.sync([person(1)])

    assert b"example" not in first
    assert first != shop.state.read_bytes()


@pytest.mark.parametrize("seed", range(6))
async def test_any_series_of_nights_gives_the_last_source(shop: Shop, seed: int) -> None:
    """Whatever changed, came twice, left, failed on the server, or was cut off."""
    rng = random.Random(seed)
    people = {number: person(number, f"c{rng.randrange(3)}") for number in range(60)}
    rows: list[ReceiverInput] = []
    for _ in range(5):
        for number in rng.sample(range(80), 8):
            people[number] = person(number, f"c{rng.randrange(5)}")
        rows = [*people.values()]
        rows += [attrs.evolve(row, source="again") for row in rng.sample(rows, 3)]
        if rng.random() < 0.5:
            shop.sandbox.faults.add(Fault("status", code=502, times=1, committed=True))
        report = await shop.sync(rows, batch_size=20, settle=0)
        counts(report)

        assert {
            it.email: str(dict(it.global_attributes or {})["city"]) for it in people.values()
        } == (await shop.cities())
    await shop.sync(rows)  # once more, where an address had more rows the night before
    assert {"unchanged": len(rows)} == counts(await shop.sync(rows))
