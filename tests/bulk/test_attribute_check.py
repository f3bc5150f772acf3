"""Imports check the attributes of their rows against those of the account."""

import re
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.clocks import FakeClock

from cleverreach_async import (
    CleverReach,
    ConfigurationError,
    ImportFailedError,
    ImportReport,
    NotFoundError,
    OAuthApp,
    PermissionDeniedError,
    ReceiverInput,
    in_thread,
    read_arrow,
    read_csv,
    read_cursor,
    read_json_lines,
    read_records,
)
from cleverreach_async.sandbox import Behaviour, Fault, Sandbox

pa: Any = pytest.importorskip("pyarrow")

pytestmark = pytest.mark.anyio

ANN, BEN, CLEO = (f"{name}@example.org" for name in ("ann", "ben", "cleo"))


@asynccontextmanager
async def account(
    attributes: Mapping[str, str] | None = None,
    of_group: Mapping[str, str] | None = None,
    **behaviour: Any,
) -> AsyncGenerator[tuple[CleverReach, Sandbox, int]]:
    """A client of a sandbox with a group and these attributes."""
    with Sandbox(behaviour=Behaviour(**behaviour)) as sandbox:
        transport = httpx.ASGITransport(app=sandbox.app)
        app = OAuthApp("sandbox", "sandbox-secret")
        async with (
            httpx.AsyncClient(transport=transport) as http_client,
            CleverReach(app.client_credentials(), http_client=http_client, clock=FakeClock()) as cr,
        ):
            group_id = (await cr.groups.create(name="N")).id
            for names, owner in ((attributes, 0), (of_group, group_id)):
                for name, kind in (names or {}).items():
                    sandbox.store.run(
                        "INSERT INTO attributes (group_id, name, type, description, preview_value,"
                        " tag) VALUES (?, ?, ?, '', '', '')",
                        owner,
                        name,
                        kind,
                    )
            yield cr, sandbox, group_id


def asked(sandbox: Sandbox) -> list[str]:
    """The requests about attributes: method and path."""
    found = [(it.method, it.path.removeprefix("/v3")) for it in sandbox.requests]
    return [
        re.sub(r"\d+", "7", f"{method} {path}") for method, path in found if "/attributes" in path
    ]


def values(sandbox: Sandbox, group_id: int, email: str = ANN) -> tuple[Any, Any]:
    """The values of a receiver: of the account, and of the group."""
    found = sandbox.store.receiver(group_id, email) or {}
    return found.get("global_attributes"), found.get("attributes")


def with_city(email: str, **others: Any) -> ReceiverInput:
    """A receiver with an attribute of the account."""
    return ReceiverInput(email, global_attributes={"city": "Kiel", **others})


# Which requests are needed.


@pytest.mark.parametrize(
    "rows", [[ANN, ReceiverInput(BEN)], [{"email": ANN}], [ReceiverInput(ANN, attributes={})]]
)
async def test_rows_without_attributes_need_no_request(rows: list[Any]) -> None:
    """An import of addresses alone costs nothing more."""
    async with account() as (cr, sandbox, group_id):
        await cr.bulk.upsert(rows, group_id=group_id)
        assert [] == asked(sandbox)


async def test_a_file_without_attributes_needs_no_request(tmp_path: Path) -> None:
    """Nor does one that is resumed."""
    path = tmp_path / "a.csv"
    path.write_text(f"email\n{ANN}\n", "utf-8")
    async with account() as (cr, sandbox, group_id):
        await cr.bulk.upsert(read_csv(path), group_id=group_id, journal=tmp_path / "j")
        assert [] == asked(sandbox)


async def test_attributes_are_asked_for_once() -> None:
    """However many rows have some; those of the group only if a row has one."""
    async with account({"city": "text"}, {"plan": "text"}) as (cr, sandbox, group_id):
        rows = [with_city(f"a{n}@example.org") for n in range(300)]
        await cr.bulk.upsert(rows, group_id=group_id)
        assert ["GET /attributes"] == asked(sandbox)
        rows[200].attributes = {"plan": "gold"}
        report = await cr.bulk.upsert(rows, group_id=group_id)
        assert ["GET /attributes", "GET /groups/7/attributes"] == asked(sandbox)[1:]
        assert 300 == report.accepted


async def test_a_delete_needs_none(tmp_path: Path) -> None:
    """Only addresses are sent."""
    path = tmp_path / "a.csv"
    path.write_text(f"email;Ort\n{ANN};Kiel\n", "utf-8")
    async with account() as (cr, sandbox, group_id):
        await cr.bulk.delete(read_csv(path), group_id=group_id)
        await cr.bulk.delete([with_city(ANN)], group_id=group_id)
        assert [] == asked(sandbox)


async def test_a_file_asks_for_the_group_only_if_a_column_is_of_it(tmp_path: Path) -> None:
    """The columns decide, before a row is read."""
    path = tmp_path / "a.csv"
    path.write_text(f"email;Ort;Tarif\n{ANN};Kiel;gold\n", "utf-8")
    async with account({"city": "text"}, {"plan": "text"}) as (cr, sandbox, group_id):
        await cr.bulk.upsert(read_csv(path), group_id=group_id)
        assert ["GET /attributes"] == asked(sandbox)
        await cr.bulk.upsert(
            read_csv(path, mapping={"Tarif": "attributes.plan"}), group_id=group_id
        )
        assert ["GET /attributes", "GET /groups/7/attributes"] == asked(sandbox)[1:]
        assert ({"city": "Kiel"}, {"plan": "gold"}) == values(sandbox, group_id)


# Unknown names.


def causes(error: ImportFailedError) -> str:
    """The message of the ConfigurationError that caused it."""
    assert isinstance(error.__cause__, ConfigurationError)
    return str(error.__cause__)


async def test_the_rows_before_an_unknown_attribute_are_delivered() -> None:
    """The others are not: the server would silently drop the value."""
    async with account({"city": "text", "first_name": "text"}) as (cr, sandbox, group_id):
        rows = [with_city(f"a{n}@example.org") for n in range(200)]
        rows[150] = with_city(ANN, firstname="Ann")
        with pytest.raises(ImportFailedError) as caught:
            await cr.bulk.upsert(rows, group_id=group_id)

        assert 150 == sandbox.store.count(group_id)
    report = caught.value.report
    message = causes(caught.value)
    assert (150, 0) == (report.accepted, report.rejected)
    assert report.read == report.accepted + report.pending
    assert "the account has no attribute firstname (similar: first_name)" in message
    for remedy in ('attributes="create"', "--create-attributes", 'attributes="ignore"'):
        assert remedy in message


async def test_an_attribute_of_the_other_level_is_named() -> None:
    """Attributes of the account belong into global_attributes."""
    async with account({"city": "text"}, {"plan": "text"}) as (cr, _, group_id):
        row = ReceiverInput(ANN, attributes={"city": "Kiel"}, global_attributes={"city": "Kiel"})
        with pytest.raises(ImportFailedError) as caught:
            await cr.bulk.upsert([row], group_id=group_id)

    message = causes(caught.value)
    assert "the group has no attribute city" in message
    assert "city is an attribute of the account: send it in global_attributes" in message


Make = Callable[[Path], Any]


def a_csv(folder: Path) -> Any:
    """A file whose second row has a value."""
    path = folder / "a.csv"
    path.write_text(f"email;Ort\n{ANN};\n{BEN};Kiel\n", "utf-8")
    return read_csv(path)


def records(folder: Path) -> Any:
    """Rows whose columns are known with the first of them."""
    del folder
    return read_records(iter([{"email": ANN, "Ort": ""}, {"email": BEN, "Ort": "Kiel"}]))


def arrow(folder: Path) -> Any:
    """Arrow data."""
    del folder
    return read_arrow(pa.table({"email": [ANN, BEN], "Ort": ["", "Kiel"]}))


def query(folder: Path, column: str = "Ort", value: str = "Kiel") -> Any:
    """A database query."""
    del folder
    rows = f"SELECT 1 AS id, ? AS email, '' AS {column} UNION SELECT 2, ?, '{value}'"
    sql = f"SELECT * FROM ({rows})"  # noqa: S608 - fixed texts
    connection = sqlite3.connect(":memory:", check_same_thread=False)

    def customers(after: Any) -> sqlite3.Cursor:
        return connection.execute(f"{sql} WHERE id > ? ORDER BY id", (ANN, BEN, after or 0))

    return read_cursor(customers, key="id")


@pytest.mark.parametrize("source", [a_csv, records, arrow, query])
@pytest.mark.parametrize("has_journal", [False, True])
async def test_an_unknown_column_stops_before_the_first_row(
    source: Make, has_journal: bool, tmp_path: Path
) -> None:
    """Although the first row has no value for it."""
    journal = tmp_path / "j" if has_journal else None
    async with account() as (cr, sandbox, group_id):
        with pytest.raises(ImportFailedError) as caught:
            await cr.bulk.upsert(source(tmp_path), group_id=group_id, journal=journal)
        assert 0 == sandbox.store.count(group_id)
    assert "no attribute city" in causes(caught.value)
    assert 0 == caught.value.report.accepted


@pytest.mark.parametrize("source", [a_csv, records, arrow, query])
async def test_after_the_attribute_is_created_the_import_resumes(
    source: Make, tmp_path: Path
) -> None:
    """With the same journal, if there is one by then."""
    journal = tmp_path / "j"
    async with account() as (cr, sandbox, group_id):
        with pytest.raises(ImportFailedError):
            await cr.bulk.upsert(source(tmp_path), group_id=group_id, journal=journal)
        report = await cr.bulk.upsert(
            source(tmp_path),
            group_id=group_id,
            journal=journal,
            resume=journal.exists(),
            attributes="create",
        )
        assert ({"city": "Kiel"}, {}) == values(sandbox, group_id, BEN)
    assert 2 == report.accepted


async def test_creating_the_attribute_of_a_column_does_not_change_its_source(
    tmp_path: Path,
) -> None:
    """A query is compared by what is known of it, which includes the types of the account."""
    journal = tmp_path / "j"

    async with account({"points": "number"}) as (cr, _, group_id):
        options: Any = {"group_id": group_id, "journal": journal, "attributes": "create"}
        source = query(tmp_path, "birthday", "1999-12-24")
        await cr.bulk.upsert(source, on_start=lambda run: run.stop(), **options)
        await cr.attributes.create(name="birthday", type="date")
        source = query(tmp_path, "birthday", "1999-12-24")
        report = await cr.bulk.upsert(source, resume=True, **options)
    assert 2 == report.accepted


async def test_an_import_resumes_after_an_unknown_attribute(tmp_path: Path) -> None:
    """Rows that were delivered are skipped, and none is lost."""
    rows = [with_city(f"a{n}@example.org") for n in range(200)]
    rows[150] = with_city(ANN, nope="x")
    options: Any = {"journal": tmp_path / "j", "batch_size": 40}
    async with account({"city": "text"}) as (cr, sandbox, group_id):
        with pytest.raises(ImportFailedError):
            await cr.bulk.upsert(rows, group_id=group_id, **options)
        report = await cr.bulk.upsert(
            rows, group_id=group_id, attributes="create", resume=True, **options
        )
        assert ({"city": "Kiel", "nope": "x"}, {}) == values(sandbox, group_id)
        assert 200 == sandbox.store.count(group_id)
    assert (50, 150) == (report.accepted, report.earlier["accepted"])


async def test_put_stops_at_an_unknown_attribute() -> None:
    """Rows that were put before it are delivered when the block is left."""
    async with account({"city": "text"}) as (cr, sandbox, group_id):

        async def put_all() -> None:
            async with cr.bulk.open(group_id=group_id) as run:
                for n in range(100):
                    await run.put(with_city(f"a{n}@example.org"))
                await run.put(with_city(ANN, nope="x"))
                for n in range(100):
                    await run.put(with_city(f"b{n}@example.org"))

        with pytest.raises(ImportFailedError) as caught:
            await put_all()
        assert 100 == sandbox.store.count(group_id)
    assert "no attribute nope" in causes(caught.value)
    assert caught.value.report.read == 100 + caught.value.report.pending


async def test_feed_checks_the_columns(tmp_path: Path) -> None:
    """Rows that were put before are delivered."""
    async with account() as (cr, sandbox, group_id):

        async def put_and_feed() -> None:
            async with cr.bulk.open(group_id=group_id) as run:
                await run.put(ReceiverInput(CLEO))
                await run.feed(a_csv(tmp_path))

        with pytest.raises(ImportFailedError) as caught:
            await put_and_feed()
        assert [CLEO] == sandbox.store.emails(group_id)
    assert "no attribute city" in causes(caught.value)


async def test_the_results_end_at_an_unknown_attribute() -> None:
    """A loop over results does not wait forever."""
    async with account({"city": "text"}) as (cr, _, group_id):
        found: list[int] = []

        async def put_and_read() -> None:
            async with cr.bulk.open(group_id=group_id) as run:
                results = run.results()
                await run.put(with_city(ANN))
                await run.put(with_city(BEN, nope="x"))
                found.extend([result.row async for result in results])

        with pytest.raises(ImportFailedError):
            await put_and_read()
        assert [1] == found


# Names.


@pytest.mark.parametrize("spelling", ["stored", "any"])
@pytest.mark.parametrize("name", ["First Name", "FIRST_NAME", "first-name", " first name "])
async def test_values_are_sent_under_the_name_of_the_account(name: str, spelling: str) -> None:
    """Whether the server takes other spellings or not."""
    async with account({"first_name": "text"}, attribute_spelling=spelling) as (cr, sb, group_id):
        row = ReceiverInput(ANN, global_attributes={name: "Ann"})
        report = await cr.bulk.upsert([row], group_id=group_id)
        assert ({"first_name": "Ann"}, {}) == values(sb, group_id)
        assert {name: "Ann"} == row.global_attributes
    assert (1, 0, 0) == (report.accepted, report.dropped_values, report.changed_values)


async def test_two_spellings_of_one_attribute_reject_the_row() -> None:
    """Which value is meant is unknown; the message has both names and no value."""
    async with account({"first_name": "text"}) as (cr, _, group_id):
        row = ReceiverInput(ANN, global_attributes={"First Name": "A", "FIRST_NAME": "B"})
        report = await cr.bulk.upsert([row, ReceiverInput(BEN)], group_id=group_id)

    assert (1, {"repeated_attribute": 1}) == (report.accepted, report.reasons)
    assert "'First Name' and 'FIRST_NAME' are the same attribute" in report.samples[0].message


# Creating and ignoring.


async def test_missing_attributes_are_created_with_the_types_of_the_values() -> None:
    """Numbers that the source has as numbers; text otherwise, also if only one value is text."""
    rows: list[Any] = [
        ReceiverInput(ANN, global_attributes={"Points": 5, "Mixed": 1}, attributes={"plan": "a"}),
        {"email": BEN, "global_attributes": {"points": 6, "mixed": "x", "gender": "female"}},
    ]
    async with account() as (cr, sandbox, group_id):
        report = await cr.bulk.upsert(rows, group_id=group_id, attributes="create")
        types = {it.name: it.type for it in await cr.attributes.list()}
        assert ({"points": "5", "mixed": "1"}, {"plan": "a"}) == values(sandbox, group_id)
    assert {"points": "number", "mixed": "text", "gender": "gender"} == types
    assert 2 == report.accepted


async def test_missing_columns_are_created_before_the_first_row(tmp_path: Path) -> None:
    """With the types of the columns."""
    path = tmp_path / "a.csv"
    path.write_text(f"email;Geburtstag;Tarif\n{ANN};24.12.1999;gold\n", "utf-8")
    source = read_csv(path, mapping={"Tarif": "attributes.plan"})
    async with account() as (cr, sandbox, group_id):
        await cr.bulk.upsert(source, group_id=group_id, attributes="create")
        paths = [request.path for request in sandbox.requests if request.method == "POST"]
        types = {it.name: it.type for it in await cr.attributes.list()}
        assert ({"birthday": "1999-12-24"}, {"plan": "gold"}) == values(sandbox, group_id)
    assert {"birthday": "date"} == types
    assert [True, True, False] == [path.endswith("/attributes") for path in paths][-3:]


async def test_more_attributes_than_the_server_takes_stop_the_import() -> None:
    """None is created."""
    async with account({"a": "text"}, attribute_cap=2) as (cr, sandbox, group_id):
        row = ReceiverInput(ANN, global_attributes={"b": "1", "c": "2"})
        with pytest.raises(ImportFailedError) as caught:
            await cr.bulk.upsert([row], group_id=group_id, attributes="create")
        assert 0 == sandbox.count("POST", "/v3/attributes")
    assert "2 attributes are missing, but only 1 can be created" in causes(caught.value)


@pytest.mark.parametrize("empty_map", ["object", "list"])
async def test_ignored_values_are_counted(empty_map: str) -> None:
    """The answers show which values the server has not stored."""
    async with account({"city": "text"}, empty_map=empty_map) as (cr, sandbox, group_id):
        rows = [
            ReceiverInput(ANN, global_attributes={"city": "Kiel", "nope": "x"}),
            ReceiverInput(BEN, attributes={"plan": "gold", "empty": "", "unset": None}),
            ReceiverInput(CLEO),
        ]
        report = await cr.bulk.upsert(rows, group_id=group_id, attributes="ignore")
        assert [] == asked(sandbox)
    assert (3, 2) == (report.accepted, report.dropped_values)
    assert {
        "attribute 'nope': not stored by the server": [1],
        "attribute 'attributes.plan': not stored by the server": [2],
    } == {text: remark.rows for text, remark in report.remarks.items()}


async def test_an_unknown_mode_is_refused() -> None:
    """The message has the modes."""
    async with account() as (cr, _, group_id):
        with pytest.raises(ConfigurationError, match="'check', 'create' or 'ignore'"):
            await cr.bulk.upsert([], group_id=group_id, attributes="all")  # type: ignore[arg-type]


# Failures of the requests.


async def test_an_outage_is_waited_for() -> None:
    """As for any other request of an import."""
    async with account({"city": "text"}) as (cr, sandbox, group_id):
        sandbox.faults.add(Fault("status", code=503, path_suffix="/attributes", times=2))
        report = await cr.bulk.upsert([with_city(ANN)], group_id=group_id)
        assert 3 == sandbox.count("GET", "/v3/attributes")
    assert 1 == report.accepted


async def test_an_unknown_group_is_named() -> None:
    """Its attributes cannot be listed."""
    async with account({"city": "text"}) as (cr, _, _):
        with pytest.raises(ImportFailedError) as caught:
            await cr.bulk.upsert([ReceiverInput(ANN, attributes={"plan": "a"})], group_id=999)
    assert "the account has no group 999" == causes(caught.value)
    assert isinstance(caught.value.__cause__.__cause__, NotFoundError)  # type: ignore[union-attr]


async def test_a_token_that_may_not_read_attributes_is_explained() -> None:
    """The remedies are a permission, and to import without the check."""
    async with account({"city": "text"}) as (cr, sandbox, group_id):
        sandbox.faults.add(Fault("status", code=403, path_suffix="/attributes"))
        with pytest.raises(ImportFailedError) as caught:
            await cr.bulk.upsert([with_city(ANN)], group_id=group_id)
    cause = caught.value.__cause__
    assert isinstance(cause, PermissionDeniedError)
    assert 'attributes="ignore"' in "".join(cause.__notes__)


# Types.


TYPES = {"points": "number", "sex": "gender", "since": "date", "note": "text"}


def cells(folder: Path, *rows: str) -> Any:
    """A file with a column for each type."""
    path = folder / "types.csv"
    path.write_text("\n".join(["email;points;sex;since;note", *rows]) + "\n", "utf-8")
    return read_csv(path, mapping={name: name for name in TYPES}, check_consent=False)


async def test_columns_are_converted_to_the_types_of_the_account(tmp_path: Path) -> None:
    """Numbers, genders and days as spreadsheets have them; text stays."""
    async with account(TYPES) as (cr, sandbox, group_id):
        report = await cr.bulk.upsert(
            cells(tmp_path, f"{ANN};1.234,56;Frau;31.12.2024;-5"), group_id=group_id
        )
        expected = {"points": "1234.56", "sex": "female", "since": "2024-12-31", "note": "-5"}
        assert (expected, {}) == values(sandbox, group_id)
    assert (1, 0) == (report.accepted, report.dropped_values)


async def test_values_of_columns_that_do_not_fit_are_left_out(tmp_path: Path) -> None:
    """The row is sent, and the values are counted."""
    async with account(TYPES) as (cr, sandbox, group_id):
        report = await cr.bulk.upsert(
            cells(tmp_path, f"{ANN};viele;divers;bald;x"), group_id=group_id
        )
        assert ({"note": "x"}, {}) == values(sandbox, group_id)
    assert (1, 3) == (report.accepted, report.dropped_values)


@pytest.mark.parametrize("relative", [False, True])
async def test_a_number_with_a_sign_needs_an_option(relative: bool, tmp_path: Path) -> None:
    """The server would add it to the stored number."""
    async with account(TYPES) as (cr, sandbox, group_id):
        start = ReceiverInput(ANN, global_attributes={"points": 10})
        await cr.bulk.upsert([start], group_id=group_id)
        report = await cr.bulk.upsert(
            cells(tmp_path, f"{ANN};-4;;;"), group_id=group_id, relative=relative
        )
        assert ({"points": "6" if relative else "10"}, {}) == values(sandbox, group_id)
    assert ({} if relative else {"relative_number": 1}) == report.reasons


async def test_a_file_that_is_read_in_a_thread_is_converted_too(tmp_path: Path) -> None:
    """What reads it knows its columns."""
    rows = [f"{ANN};1.234,56;Frau;31.12.2024;", f"{BEN};-4;;;"]
    async with account(TYPES) as (cr, sandbox, group_id):
        report = await cr.bulk.upsert(in_thread(cells(tmp_path, *rows)), group_id=group_id)
        expected = {"points": "1234.56", "sex": "female", "since": "2024-12-31"}
        assert (expected, {}) == values(sandbox, group_id)
    assert {"relative_number": 1} == report.reasons


async def test_a_text_attribute_takes_negative_numbers_of_arrow_data() -> None:
    """Only a number attribute is added to."""
    async with account({"balance": "text"}) as (cr, sandbox, group_id):
        table = pa.table({"email": [ANN], "balance": [-5]})
        source = read_arrow(table, mapping={"balance": "balance"})
        await cr.bulk.upsert(source, group_id=group_id)
        assert ({"balance": "-5"}, {}) == values(sandbox, group_id)


async def test_days_that_the_caller_names_stay_days_in_a_text_attribute(tmp_path: Path) -> None:
    """The account's type does not take that back."""
    path = tmp_path / "a.csv"
    path.write_text(f"email;Besuch\n{ANN};31.12.2024\n", "utf-8")
    source = read_csv(path, mapping={"Besuch": "visit"}, date_attributes=["visit"])
    async with account({"visit": "text"}) as (cr, sandbox, group_id):
        await cr.bulk.upsert(source, group_id=group_id)
        assert ({"visit": "2024-12-31"}, {}) == values(sandbox, group_id)


ROWS: dict[str, tuple[dict[str, Any], dict[str, str], int, int]] = {
    "values that fit": (
        {"points": 5, "sex": "male", "since": "2024-12-31", "note": "1,5"},
        {"points": "5", "sex": "male", "since": "2024-12-31", "note": "1,5"},
        0,
        0,
    ),
    "values that can be converted": (
        {"points": "1.234,56", "sex": "Frau", "since": "31.12.2024"},
        {"points": "1234.56", "sex": "female", "since": "2024-12-31"},
        0,
        3,
    ),
    "values that cannot": ({"points": "viele", "sex": "divers", "since": "bald"}, {}, 3, 0),
    "numbers with a sign": ({"points": "+3"}, {"points": "3"}, 0, 0),
    "negative numbers": ({"points": -3}, {"points": "-3"}, 0, 0),
    "values that unset": ({"points": None, "sex": "", "since": None}, {}, 0, 0),
}


def row_kinds(sent: dict[str, Any], folder: Path) -> Iterator[Any]:
    """The same row as every kind of source without columns has it."""
    yield [ReceiverInput(ANN, global_attributes=sent)]
    yield [{"email": ANN, "global_attributes": sent}]
    path = folder / "rows.jsonl"
    path.write_bytes(httpx.Response(200, json={"email": ANN, "global_attributes": sent}).content)
    yield read_json_lines(path)


@pytest.mark.parametrize(("sent", "stored", "dropped", "changed"), ROWS.values(), ids=ROWS)
async def test_values_of_rows_without_columns_fit_the_types(
    sent: dict[str, Any], stored: dict[str, str], dropped: int, changed: int, tmp_path: Path
) -> None:
    """They are sent as they are if they fit, converted if they can be, and else left out."""
    for rows in row_kinds(sent, tmp_path):
        async with account(TYPES) as (cr, sandbox, group_id):
            report = await cr.bulk.upsert(rows, group_id=group_id)
            assert (stored, {}) == values(sandbox, group_id)
        assert (1, dropped, changed) == (
            report.accepted,
            report.dropped_values,
            report.changed_values,
        )


async def test_relative_rows_are_known_by_the_number_attributes() -> None:
    """A text such as "+49" in a text attribute does not make its row one of them."""
    rows = [
        ReceiverInput(ANN, global_attributes={"note": "+49"}),
        ReceiverInput(ANN, global_attributes={"note": "+49"}),
        ReceiverInput(BEN, global_attributes={"points": "+1"}),
        ReceiverInput(BEN, global_attributes={"points": "+1"}),
    ]
    async with account(TYPES) as (cr, sandbox, group_id):
        report = await cr.bulk.upsert(rows, group_id=group_id)
        assert ({"points": "2"}, {}) == values(sandbox, group_id, BEN)
    assert (3, 1) == (report.accepted, report.superseded)


async def test_remarks_count_once_however_often_rows_are_encoded() -> None:
    """The first slice is encoded again after the definitions were fetched, first of the account."""
    rows = [
        ReceiverInput(ANN, global_attributes={"points": "viele"}),
        ReceiverInput(BEN, attributes={"level": "hoch"}),
    ]
    async with account(TYPES, {"level": "number"}) as (cr, _, group_id):
        report: ImportReport = await cr.bulk.upsert(rows, group_id=group_id)
    assert 2 == report.dropped_values
