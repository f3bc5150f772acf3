"""Exports: the order of pages, doubles, errors, going on after an interruption, and the files."""

import csv
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.accounts import Account, an_account

from cleverreach_async import (
    ConfigurationError,
    Detail,
    ExportReport,
    InternalServerError,
    Receiver,
    ReceiverInput,
    ResponseDecodeError,
)
from cleverreach_async.bulk.export.pages import NewReceivers
from cleverreach_async.bulk.export.part_file import PartFile
from cleverreach_async.bulk.export.seen import SeenIds
from cleverreach_async.bulk.threads import opened_in_thread
from cleverreach_async.resources.pages import Page

pytestmark = pytest.mark.anyio


def receivers(*ids: int) -> tuple[Receiver, ...]:
    """Receivers with ids."""
    return tuple(Receiver(id=number, email=f"r{number}@example.org") for number in ids)


class Server:
    """Pages of a group that a test may change between requests.

    Attributes:
        ids: The ids in the group.
        requested: The numbers of the pages that were requested.
        most: The most requests at a time.
    """

    def __init__(self, *ids: int, size: int = 2) -> None:
        self.ids = [*ids]
        self.size = size
        self.requested: list[int] = []
        self.most = self._now = 0
        self.before: Callable[[int], None] = lambda _number: None

    async def fetch(self, number: int) -> Page[Receiver]:
        """Return a page; those with even numbers take longer."""
        self.requested.append(number)
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            for _ in range(5 - 3 * (number % 2)):
                await anyio.lowlevel.checkpoint()
        finally:
            self._now -= 1
        self.before(number)
        found = receivers(*self.ids[number * self.size : (number + 1) * self.size])
        return Page(found, number, len(found) < self.size, "/groups/{group_id}/receivers")


def stream(server: Server, *, concurrency: int = 4, seen: SeenIds | None = None) -> NewReceivers:
    """The receivers of a server."""
    return NewReceivers(server.fetch, concurrency=concurrency, seen=seen or SeenIds())


async def ids_of(pages: NewReceivers) -> list[int]:
    """The ids that an export hands out."""
    return [receiver.id async for page in pages for receiver in page]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 13, 14])
async def test_every_receiver_once_in_order(count: int) -> None:
    """Whether the last page is full, short or empty."""
    server = Server(*range(1, count + 1))
    assert [*range(1, count + 1)] == await ids_of(stream(server))
    assert sorted(server.requested) == [*range(len(server.requested))]


async def test_pages_are_requested_together_but_few_at_first() -> None:
    """A group of one page takes one request; of a large one, four are in flight."""
    small, large = Server(1), Server(*range(1, 41))
    await ids_of(stream(small))
    await ids_of(stream(large))
    assert (1, 1) == (small.most, len(small.requested))
    assert 4 == large.most


async def test_no_more_than_asked_for() -> None:
    """One at a time is possible."""
    server = Server(*range(1, 12))
    await ids_of(stream(server, concurrency=1))
    assert (1, 6) == (server.most, len(server.requested))


async def test_receiver_that_comes_again_is_left_out() -> None:
    """Somebody joined at the front, so that pages shifted."""
    server = Server(*range(10, 30))

    def join(number: int) -> None:
        if number == 1:
            server.ids.insert(0, 5)
            server.before = lambda _number: None

    server.before = join
    pages = stream(server)
    assert [*range(10, 30)] == await ids_of(pages)
    assert pages.doubles == 1


async def test_rows_after_a_short_page_are_not_lost() -> None:
    """Somebody joined at the end between the requests of two pages."""
    pages = [(1, 2), (3,), (4, 5), ()]

    async def fetch(number: int) -> Page[Receiver]:
        found = receivers(*pages[number]) if number < len(pages) else ()
        return Page(found, number, len(found) < 2)

    found = NewReceivers(fetch, concurrency=2, seen=SeenIds())
    assert [1, 2, 3, 4, 5] == await ids_of(found)


async def test_failed_page_can_be_requested_again() -> None:
    """Pages before it come first, and none is skipped."""
    server = Server(*range(1, 21))
    trouble = [InternalServerError("Bad Gateway", status_code=502)]

    def fail(number: int) -> None:
        if number == 4 and trouble:
            raise trouble.pop()

    server.before = fail
    pages = stream(server)
    found: list[int] = []
    with pytest.raises(InternalServerError):  # noqa: PT012 - a loop is what fails
        async for page in pages:
            found += [receiver.id for receiver in page]
    expected = [*range(1, 9)]
    assert expected == found
    assert [*range(9, 21)] == await ids_of(pages)


async def test_server_that_ignores_the_page_ends_the_export() -> None:
    """It would be listed without end."""

    async def fetch(number: int) -> Page[Receiver]:
        return Page(receivers(1, 2), number, is_last=False)

    pages = NewReceivers(fetch, concurrency=4, seen=SeenIds())
    assert len(await anext(pages)) == 2
    with pytest.raises(ResponseDecodeError, match="the server repeats itself"):
        await anext(pages)


@pytest.mark.parametrize("left", [range(0), range(1, 2), range(1, 9), range(1, 13)])
async def test_going_on_after_others_left(left: range) -> None:
    """No receiver who stayed is lost or comes again, although pages have moved."""
    seen = SeenIds()
    for number in range(1, 13):
        seen.add(number)
    server = Server(*(it for it in range(1, 21) if it not in left))
    pages = stream(server, seen=seen)
    await pages.resume(12, 2)
    assert [*range(13, 21)] == await ids_of(pages)
    assert pages.doubles == 0


async def test_going_on_begins_where_it_stopped() -> None:
    """The pages before are not requested again."""
    seen = SeenIds()
    for number in range(1, 13):
        seen.add(number)
    server = Server(*range(1, 21))
    pages = stream(server, seen=seen)
    await pages.resume(12, 2)
    await ids_of(pages)
    assert min(server.requested) == 5


def test_ids_of_any_size() -> None:
    """A server may send what no id is."""
    seen = SeenIds()
    numbers = [-(2**70), 2**70, -1, 2**63, 5]
    assert [True] * 5 == [seen.add(number) for number in numbers]
    assert [False] * 5 == [seen.add(number) for number in numbers]
    assert 6 not in seen


def test_ids_in_any_order() -> None:
    """Those in ascending order are kept in little memory, the others as they come."""
    seen = SeenIds()
    ids = [5, 9, 7, 9, 2**63 - 1, 2**63, 5, 2**63, 1]
    expected = [True, True, True, False, True, True, False, False, True]
    assert expected == [seen.add(number) for number in ids]
    assert (6, True, True, False) == (len(seen), 7 in seen, 2**63 in seen, 8 in seen)


# Files.


def names_in(folder: Path) -> list[str]:
    """The names of the files in a folder."""
    return [path.name for path in folder.iterdir()]


async def load(account: Account, count: int) -> None:
    """Add receivers with an attribute of the account and one of the group."""
    await account.client.attributes.create(name="city", type="text")
    await account.client.attributes.create(name="size", type="number", group_id=account.group_id)
    rows = [
        ReceiverInput(
            email=f"r{number}@example.org",
            registered=1_700_000_000 + number,
            activated=1_700_000_000 + number,
            tags=["vip", "shop.buyer"],
            global_attributes={"city": "Köln; Süd"},
            attributes={"size": number},
        )
        for number in range(count)
    ]
    await account.client.receivers.upsertplus_many(rows, group_id=account.group_id)


async def test_iterating_over_a_group() -> None:
    """As an async iterator."""
    async with an_account() as account:
        await load(account, 7)
        export = account.client.bulk.export(group_id=account.group_id, page_size=2)
        found = [receiver async for receiver in export]
        again = [receiver async for receiver in export]
    assert [f"r{number}@example.org" for number in range(7)] == [it.email for it in found]
    assert ("vip", "shop.buyer") == found[0].tags
    assert not again


async def test_only_one_state() -> None:
    """The server filters."""
    async with an_account() as account:
        await load(account, 3)
        await account.client.receivers.deactivate("r1@example.org", group_id=account.group_id)
        export = account.client.bulk.export(group_id=account.group_id, state="inactive")
        assert ["r1@example.org"] == [receiver.email async for receiver in export]


async def test_csv_file(tmp_path: Path) -> None:
    """A byte-order mark for spreadsheets, names that the importer knows, readable times."""
    path = tmp_path / "group.csv"
    async with an_account() as account:
        await load(account, 3)
        progress: list[int] = []
        export = account.client.bulk.export(group_id=account.group_id, page_size=2)
        report = await export.write(path, on_progress=progress.append)
    with path.open(encoding="utf-8", newline="") as file:
        assert file.read(1) == "\ufeff"
        first, *_ = rows = [*csv.DictReader(file)]
    expected: dict[str, Any] = {
        "id": first["id"],
        "email": "r0@example.org",
        "registered": "2023-11-14T22:13:20+00:00",
        "activated": "2023-11-14T22:13:20+00:00",
        "deactivated": "",
        "bounced": "",
        "source": "",
        "tags": "vip, shop.buyer",
        "global_attributes.city": "Köln; Süd",
        "attributes.size": "0",
    }
    assert expected == first
    assert ([2, 3], 3, 3) == (progress, len(rows), report.receivers)
    assert [path.name] == names_in(tmp_path)
    assert path.stat().st_mode & 0o077 == 0


async def test_json_lines_have_every_field(tmp_path: Path) -> None:
    """Events and orders too, if they were requested."""
    path = tmp_path / "group.jsonl"
    async with an_account() as account:
        await load(account, 2)
        export = account.client.bulk.export(group_id=account.group_id, detail=Detail.ALL)
        await export.write(path)
    first = json.loads(path.read_text("utf-8").splitlines()[0])
    assert {*Receiver.__annotations__} == {*first}
    assert ("Köln; Süd", True, []) == (
        first["global_attributes"]["city"],
        first["active"],
        first["orders"],
    )


async def test_parquet_file(tmp_path: Path) -> None:
    """Times and tags have their types."""
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "group.parquet"
    async with an_account() as account:
        await load(account, 3)
        export = account.client.bulk.export(group_id=account.group_id, page_size=2)
        await export.write(path)
    table = parquet.read_table(path)
    first = table.to_pylist()[0]
    assert (3, ["vip", "shop.buyer"], 1_700_000_000, None) == (
        len(table),
        first["tags"],
        int(first["registered"].timestamp()),
        first["deactivated"],
    )
    assert [path.name] == names_in(tmp_path)


class Stop(Exception):  # noqa: N818 - no error
    """Ends an export in its middle."""


async def interrupted(account: Account, path: Path, after: int, **options: Any) -> None:
    """Write a part of an export."""

    def stop(count: int) -> None:
        if count >= after:
            raise Stop

    export = account.client.bulk.export(group_id=account.group_id, page_size=2)
    with pytest.raises(Stop):
        await export.write(path, on_progress=stop, **options)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("torn", [b"", b'99,"half a line', b"\xff\xfe\n\n"])
async def test_interrupted_export_goes_on(tmp_path: Path, suffix: str, torn: bytes) -> None:
    """It has every receiver who stayed once, although others left and joined meanwhile."""
    path, whole = tmp_path / f"group.{suffix}", tmp_path / f"whole.{suffix}"
    async with an_account() as account:
        await load(account, 12)
        await interrupted(account, path, 6)
        assert not path.exists()
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(part.read_bytes() + torn)
        await account.client.bulk.export(group_id=account.group_id).write(whole)
        for number in (0, 1, 2):
            await account.client.receivers.delete(
                f"r{number}@example.org", group_id=account.group_id
            )
        export = account.client.bulk.export(group_id=account.group_id, page_size=2)
        report = await export.write(path, resume=True)
    assert (12, 6, 0) == (report.receivers, report.resumed, report.doubles)
    if suffix == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        assert parquet.read_table(whole).equals(parquet.read_table(path))
    else:
        assert whole.read_bytes() == path.read_bytes()
    assert {path.name, whole.name} == {*names_in(tmp_path)}


async def write(account: Account, path: Path, **options: Any) -> ExportReport:
    """Export a group to a file."""
    asked: dict[str, Any] = {"group_id": account.group_id, "page_size": 2}
    asked |= {name: options.pop(name) for name in ("state", "detail") if name in options}
    return await account.client.bulk.export(**asked).write(path, **options)


async def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    """Neither a finished file nor an interrupted export, and only what is the same goes on."""
    path = tmp_path / "group.csv"
    async with an_account() as account:
        await load(account, 6)
        path.write_text("mine")
        with pytest.raises(ConfigurationError, match="exists already"):
            await write(account, path)
        assert path.read_text() == "mine"
        await interrupted(account, path, 2, overwrite=True)
        path.unlink()
        with pytest.raises(ConfigurationError, match="is an unfinished export: go on with it"):
            await write(account, path)
        with pytest.raises(ConfigurationError, match="something else: it differs in state"):
            await write(account, path, resume=True, state="active")
        await write(account, path, overwrite=True)
        with pytest.raises(ConfigurationError, match="is a folder"):
            await write(account, tmp_path, format="csv")
    assert len(path.read_text("utf-8").splitlines()) == 7


@pytest.mark.parametrize("content", [b"", b"{", b'{"version":1}', b"\xff"])
async def test_damaged_state_is_an_error(tmp_path: Path, content: bytes) -> None:
    """Nothing is guessed."""
    path = tmp_path / "group.csv"
    async with an_account() as account:
        await load(account, 6)
        await interrupted(account, path, 2)
        (tmp_path / "group.csv.part.json").write_bytes(content)
        with pytest.raises(ConfigurationError, match="does not belong to"):
            await write(account, path, resume=True)


def without_end(content: bytes) -> bytes:
    """Lines that were cut off."""
    return content[:-40]


def without_lines(content: bytes) -> bytes:
    """As many bytes, but no lines."""
    return content.replace(b"\n", b" ")


@pytest.mark.parametrize("change", [without_end, without_lines])
async def test_damaged_lines_are_an_error(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    """Receivers would be missing or come twice."""
    path = tmp_path / "group.csv"
    async with an_account() as account:
        await load(account, 6)
        await interrupted(account, path, 4)
        part = tmp_path / "group.csv.part"
        part.write_bytes(change(part.read_bytes()))
        with pytest.raises(ConfigurationError, match="start again with --overwrite"):
            await write(account, path, resume=True)


async def test_attribute_without_column_is_counted(tmp_path: Path) -> None:
    """It was defined after the export had begun."""
    path = tmp_path / "group.csv"
    async with an_account() as account:
        await load(account, 6)
        await interrupted(account, path, 2)
        await account.client.attributes.create(name="later", type="text")
        await account.client.receivers.upsert(
            ReceiverInput(email="r5@example.org", global_attributes={"later": "x"}),
            group_id=account.group_id,
        )
        report = await write(account, path, resume=True)
    assert {"global_attributes.later": 1} == report.without_column


async def test_value_that_an_import_reads_otherwise_is_counted(tmp_path: Path) -> None:
    """Blanks, words for no value, and what looks like text for a spreadsheet."""
    values = [" blank", "NULL", '="01067"', "=1+1", "x", ""]
    async with an_account() as account:
        await account.client.attributes.create(name="city", type="text")
        rows = [
            ReceiverInput(email=f"r{number}@example.org", global_attributes={"city": value})
            for number, value in enumerate(values)
        ]
        await account.client.receivers.upsertplus_many(rows, group_id=account.group_id)
        report = await write(account, tmp_path / "group.csv")
    assert {"global_attributes.city": 3} == report.read_otherwise


async def test_two_exports_cannot_write_one_file(tmp_path: Path) -> None:
    """The second is refused."""
    path = tmp_path / "group.csv"
    async with an_account() as account:
        await load(account, 2)
        async with opened_in_thread(partial(PartFile, path, {}, resume=False, overwrite=False)):
            with pytest.raises(ConfigurationError, match="in use by another export"):
                await write(account, path, resume=True)
        await write(account, path, overwrite=True)


BAD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no group": ({"group_id": None}, {}, "group_id is None"),
    "state": ({"state": "asleep"}, {}, "state is 'asleep'"),
    "detail": ({"detail": 8}, {}, "detail is 8"),
    "detail as text": ({"detail": "tags"}, {}, "detail is 'tags'"),
    "page size": ({"page_size": 5001}, {}, "from 1 to 5000"),
    "page size as a truth value": ({"page_size": True}, {}, "from 1 to 5000"),
    "concurrency": ({"concurrency": 0}, {}, "from 1 to 32"),
    "order": ({"order_by": " "}, {}, "order_by"),
    "no path": ({}, {"path": None}, "path is None"),
    "empty path": ({}, {"path": ""}, "is a folder; pass the name of a file"),
    "suffix": ({}, {"path": "group.xlsx"}, "no format is known"),
    "format": ({}, {"path": "group.csv", "format": "xml"}, "format is 'xml'"),
    "orders in a table": ({"detail": Detail.ALL}, {"path": "group.csv"}, "no place for events"),
    "delimiter": ({}, {"path": "group.csv", "delimiter": '"'}, "delimiter is"),
    "no delimiter": ({}, {"delimiter": None}, "delimiter is None"),
    "folder": ({}, {"path": "missing/group.csv"}, "does not exist"),
    "null character": ({}, {"path": "a\0.csv"}, "path has a character that no name"),
    "half a character": ({}, {"path": "\ud800.csv"}, "path has a character that no name"),
    "long name": ({}, {"path": f"{'x' * 300}.csv"}, "cannot be written"),
    "device": ({}, {"path": os.devnull, "format": "csv", "overwrite": True}, "is a device"),
}


@pytest.mark.parametrize(("asked", "written", "message"), BAD.values(), ids=BAD.keys())
async def test_bad_argument(
    asked: dict[str, Any],
    written: dict[str, Any],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is refused before anything is sent, and no file remains."""
    monkeypatch.chdir(tmp_path)
    async with an_account() as account:
        good: dict[str, Any] = {"group_id": account.group_id}
        where: dict[str, Any] = {"path": "group.csv", **written}
        with pytest.raises(ConfigurationError, match=message):  # noqa: PT012 - either call
            export = account.client.bulk.export(**(good | asked))
            await export.write(**where)
    assert not names_in(tmp_path)


async def test_an_export_works_once(tmp_path: Path) -> None:
    """Another loop would begin in its middle."""
    async with an_account() as account:
        export = account.client.bulk.export(group_id=account.group_id)
        assert "use `async for`" in repr(export)
        await export.write(tmp_path / "a.csv")
        with pytest.raises(ConfigurationError, match="was used already"):
            await export.write(tmp_path / "b.csv")


async def test_empty_group_is_an_empty_file(tmp_path: Path) -> None:
    """As JSON Lines it has no byte."""
    async with an_account() as account:
        report = await write(account, tmp_path / "a.jsonl")
        await write(account, tmp_path / "a.csv")
    assert report.receivers == 0
    assert {"a.jsonl", "a.csv"} == {*names_in(tmp_path)}
