"""Comparing a source with a group: what is missing, what differs, what is beyond."""

import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.accounts import Account, an_account

from cleverreach_async import (
    BadRow,
    CleverReachError,
    ConfigurationError,
    Receiver,
    ReceiverInput,
    SourceRow,
    VerifyReport,
    read_csv,
)
from cleverreach_async.bulk.verify.compare import ANY_TIME, differences, has_uncompared, merged

pytestmark = pytest.mark.anyio

T = 1_767_225_600
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def receiver(**fields: Any) -> Receiver:
    """A receiver of the group."""
    return Receiver(id=7, email="ada@example.org", **fields)


EQUAL: dict[str, tuple[dict[str, Any], Receiver]] = {
    "nothing to compare": ({}, receiver(source="shop", tags=("vip",))),
    "times": ({"registered": T, "activated": T}, receiver(registered=MOMENT, activated=MOMENT)),
    "not confirmed": ({"activated": 0}, receiver()),
    "unsubscribed some time": ({"deactivated": 1}, receiver(deactivated=MOMENT)),
    "time of the import": ({"activated": ANY_TIME}, receiver(activated=MOMENT)),
    "names in lower case": (
        {"global_attributes": {"First Name": "Ada"}},
        receiver(global_attributes={"first_name": "Ada"}),
    ),
    "number as text": ({"attributes": {"size": 42}}, receiver(attributes={"size": "42"})),
    "zeros of a decimal": ({"attributes": {"size": "1.50"}}, receiver(attributes={"size": "1.5"})),
    "truth value": ({"attributes": {"a": True}}, receiver(attributes={"a": "1"})),
    "unset": ({"attributes": {"a": None}}, receiver(attributes={"a": ""})),
    "unset and never set": ({"attributes": {"a": None}}, receiver()),
    "more tags": ({"tags": ["vip"]}, receiver(tags=("shop.a", "vip"))),
    "letters of tags": ({"tags": ["früh buch"]}, receiver(tags=("fr_h_buch",))),
    "removed tag": ({"tags": ["-vip"]}, receiver(tags=("other",))),
}


@pytest.mark.parametrize(("row", "found"), EQUAL.values(), ids=EQUAL.keys())
def test_as_the_server_stores_it(row: Mapping[str, Any], found: Receiver) -> None:
    """No difference."""
    assert {} == differences(row, found)


DIFFERENT: dict[str, tuple[dict[str, Any], Receiver, dict[str, Any]]] = {
    "registered": ({"registered": T}, receiver(), {"registered": (T, 0)}),
    "confirmed meanwhile": (
        {"activated": 0},
        receiver(activated=MOMENT),
        {"activated": (0, T)},
    ),
    "still subscribed": ({"deactivated": 1}, receiver(), {"deactivated": (1, 0)}),
    "source": ({"source": "Shop"}, receiver(source="shop"), {"source": ("Shop", "shop")}),
    "value": (
        {"attributes": {"a": "x"}},
        receiver(attributes={"a": "X"}),
        {"attributes.a": ("x", "X")},
    ),
    "lost value": (
        {"global_attributes": {"a": "x"}},
        receiver(),
        {"global_attributes.a": ("x", "")},
    ),
    "postcode": (
        {"attributes": {"zip": "01067"}},
        receiver(attributes={"zip": "1067"}),
        {"attributes.zip": ("01067", "1067")},
    ),
    "phone number": (
        {"attributes": {"phone": "+49301"}},
        receiver(attributes={"phone": "49302"}),
        {"attributes.phone": ("+49301", "49302")},
    ),
    "tags": (
        {"tags": ["vip", "-old", "x"]},
        receiver(tags=("x", "old")),
        {"tags": (["vip", "-old"], ["x", "old"])},
    ),
}


@pytest.mark.parametrize(("row", "found", "expected"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_difference(row: Mapping[str, Any], found: Receiver, expected: Mapping[str, Any]) -> None:
    """By field, with both values."""
    assert expected == differences(row, found)


def test_numbers_that_the_server_adds_are_not_compared() -> None:
    """But counted; a text such as a phone number is."""
    row = {"attributes": {"points": "+1"}}
    found = receiver(attributes={"points": "8"})
    assert {} == differences(row, found, {"attributes.points"})
    assert has_uncompared(row, {"attributes.points"})
    assert not has_uncompared(row)
    assert has_uncompared({"orders": [{"order_id": "A"}]})


def test_two_rows_of_one_address() -> None:
    """The later one counts where both say something."""
    first = {"source": "a", "attributes": {"x": 1, "y": 1}, "tags": ["a", "b"], "registered": T}
    later = {"source": "b", "attributes": {"y": 2}, "tags": ["-a", "c"]}
    expected = {
        "source": "b",
        "attributes": {"x": 1, "y": 2},
        "tags": ["b", "-a", "c"],
        "registered": T,
    }
    assert expected == merged(first, later)


# Against a group.


def row(name: str, **fields: Any) -> ReceiverInput:
    """A receiver of the source."""
    times: dict[str, Any] = {"registered": T, "activated": T}
    return ReceiverInput(email=f"{name}@example.org", **(times | fields))


def contents(folder: Path) -> Mapping[str, str]:
    """The files of a folder."""
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


async def compare(account: Account, source: Any, **options: Any) -> VerifyReport:
    """Compare a source with the group."""
    return await account.client.bulk.verify(source, group_id=account.group_id, **options)


async def test_after_an_import_all_is_equal() -> None:
    """Whatever an import sends: spellings, times, consent, tags."""
    rows: list[Any] = [
        row("Ada", global_attributes={"City": "Köln", "zip": "01067"}, tags=["früh", "a.b"]),
        row("bob", activated=None),
        row("cleo", deactivated=True),
        row("dan", activated=True, registered="2026-01-01T00:00:00+01:00"),
        {"email": "eve@example.org", "attributes": {"size": 1.50}},
        "fay@example.org",
        row("ada", source="later"),
    ]
    async with an_account() as account:
        await account.load(rows)
        report = await compare(account, rows)
    assert (7, 6, 6, 1) == (report.rows, report.receivers, report.equal, report.repeated)
    assert report.is_equal
    assert not report.samples


async def test_what_is_missing_different_and_beyond(tmp_path: Path) -> None:
    """In the counters, the samples and the file."""
    path = tmp_path / "differences.jsonl"
    async with an_account() as account:
        await account.load([row("a", source="x"), row("b"), row("z")])
        source = [row("a", source="y"), row("b"), row("c"), "kaputt", row("B")]
        report = await compare(account, source, differences=path)
    counts = (report.missing, report.different, report.beyond, report.unreadable, report.equal)
    assert (1, 1, 1, 1, 1) == counts
    assert not report.is_equal
    assert {"source": 1} == report.fields
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    expected: list[tuple[Any, ...]] = [
        ("unreadable", "kaputt", 4, {}),
        ("different", "a@example.org", 1, {"source": ["y", "x"]}),
        ("beyond", "z@example.org", None, {}),
        ("missing", "c@example.org", 3, {}),
    ]
    assert expected == [(it["kind"], it["email"], it["row"], it["fields"]) for it in lines]
    assert len(report.samples) == 4
    assert "invalid_email" in lines[0]["reason"]
    assert path.stat().st_mode & 0o077 == 0
    assert "example.org" not in repr(report)


async def test_somebody_unconfirmed_who_is_active_is_a_difference() -> None:
    """An import sends only when they registered, so the row itself is looked at."""
    pending = [row("a", activated=None), {"email": "b@example.org", "activated": None}]
    async with an_account() as account:
        await account.load([row("a"), row("b")])
        report = await compare(account, [*pending, SourceRow(row("c", activated=None), 4)])
    assert (2, 1) == (report.fields["activated"], report.missing)


async def test_somebody_excluded_who_is_active_is_a_difference() -> None:
    """An import leaves them out; they may be missing, but not get mail."""
    async with an_account() as account:
        await account.load([row("a"), row("b", deactivated=T)])
        source = [SourceRow(row(name), None, "unsubscribed") for name in "abc"]
        report = await compare(account, source)
    assert (3, 1, 0) == (report.excluded, report.different, report.missing)
    assert {"active": 1} == report.fields


async def test_columns_take_the_types_of_the_account(tmp_path: Path) -> None:
    """As an import does: 1,5 is a number, and a day is written in one way."""
    path = tmp_path / "people.csv"
    path.write_text("email;Größe;Tag\na@example.org;1,5;31.12.2025\n", "utf-8")
    mapping = {"Größe": "size", "Tag": "attributes.day"}
    async with an_account() as account:
        await account.client.attributes.create(name="size", type="number")
        await account.client.attributes.create(name="day", type="date", group_id=account.group_id)
        source = read_csv(path, mapping=mapping)
        await account.client.bulk.upsert(source, group_id=account.group_id, settle=0.0)
        report = await compare(account, read_csv(path, mapping=mapping))
    assert (1, True) == (report.equal, report.is_equal)


async def test_more_rows_than_a_slice_and_a_page() -> None:
    """All are compared, also from an async source with bad rows."""

    async def rows() -> Any:
        for number in range(1200):
            yield row(f"r{number}") if number % 100 else BadRow(None, "invalid_date", "no", {})

    async with an_account() as account:
        stored = [row(f"r{number}") for number in range(1200) if number % 100 and number != 5]
        await account.load(stored)
        report = await compare(account, rows())
    assert (1200, 12, 1, 1187) == (report.rows, report.unreadable, report.missing, report.equal)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_id": 0}, "group_id is 0"),
        ({"source": "a@example.org"}, "source is of type str"),
        ({"differences": ""}, "'.' is a folder; pass the name of a file"),
        ({"differences": 7}, "path is of type int; pass the name of a file"),
        ({"differences": "there.jsonl"}, "exists already"),
        ({"differences": "no/there.jsonl"}, "cannot be written"),
        ({"differences": "x" * 300}, "cannot be written"),
        ({"differences": "a\0b"}, "has a character that no name"),
        ({"differences": os.devnull, "overwrite": True}, "is a device or a pipe"),
        ({"differences": os.curdir + "/..", "overwrite": True}, "is a folder"),
    ],
)
async def test_bad_argument_of_verify(
    options: Mapping[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused, and no file is replaced or left behind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.jsonl").write_text("mine")
    async with an_account() as account:
        asked: dict[str, Any] = {"source": [], "group_id": account.group_id, **options}
        with pytest.raises(ConfigurationError, match=message):
            await account.client.bulk.verify(**asked)
    assert {"there.jsonl": "mine"} == contents(tmp_path)


async def test_differences_do_not_replace_the_source(tmp_path: Path) -> None:
    """The file is the user's, whatever may be overwritten."""
    path = tmp_path / "people.csv"
    path.write_text("email\na@example.org\n")
    async with an_account() as account:
        with pytest.raises(ConfigurationError, match=r"people\.csv is used already"):
            await compare(account, read_csv(path), differences=path, overwrite=True)
    assert {"people.csv": "email\na@example.org\n"} == contents(tmp_path)


async def test_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are kept in a temporary file."""
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def small(place: str, **options: Any) -> sqlite3.Connection:
        database = connect(place, **options)
        if not place:
            database.execute("PRAGMA max_page_count = 3")
        return database

    monkeypatch.setattr(sqlite3, "connect", small)
    people = [ReceiverInput(f"r{number}@example.org") for number in range(2000)]
    async with an_account() as account:
        with pytest.raises(CleverReachError, match="temporary file: database or disk is full"):
            await compare(account, people)


async def test_excluded_rows_without_an_address_are_not_repeated() -> None:
    """They have nothing in common; around an address there may be invisible characters."""
    emails: list[Any] = [None, "", "\u200ba@example.org ", "", None]
    excluded = [
        SourceRow(ReceiverInput(email), None, not_subscribed="unsubscribed") for email in emails
    ]
    async with an_account() as account:
        await account.load([ReceiverInput("a@example.org")])
        report = await compare(account, excluded)
    assert (5, 0, 1, 0) == (report.excluded, report.repeated, report.different, report.beyond)


async def test_failed_comparison_leaves_no_file(tmp_path: Path) -> None:
    """Its differences would be some of them only."""
    path = tmp_path / "differences.jsonl"

    def rows() -> Any:
        yield "kaputt"
        raise RuntimeError("the database is gone")

    async with an_account() as account:
        with pytest.raises(RuntimeError, match="is gone"):
            await compare(account, rows(), differences=path)
    assert not contents(tmp_path)
