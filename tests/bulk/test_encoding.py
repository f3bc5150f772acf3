"""Encoding of rows, and rows that are rejected before they are sent."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast

import pytest

from cleverreach_async import BadRow, OrderInput, ReceiverInput, SourceRow
from cleverreach_async.bulk.intake import encoding
from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.rows import EncodedRow, RowResult, email_key, join_rows, repeatable_part
from cleverreach_async.sources.receiver_fields import read_fields
from cleverreach_async.sources.rows import Item


def encode_one(item: Item) -> EncodedRow | RowResult:
    """Encode a single row; returns the row or its rejection."""
    rows, rejected = Encoder().encode([item], [1])
    return (rows or rejected)[0]


def test_only_fields_that_are_set_are_sent() -> None:
    """Other fields are absent; ``None`` as an attribute is sent as null."""
    row = encode_one(ReceiverInput("a@example.org", attributes={"city": None}))

    assert isinstance(row, EncodedRow)
    assert {"email": "a@example.org", "attributes": {"city": None}} == json.loads(row.body)


def test_times_become_unix_seconds_and_the_input_does_not_change() -> None:
    """Aware datetimes are converted on a copy."""
    when = datetime(2025, 12, 31, 12, 0, tzinfo=UTC)
    receiver = ReceiverInput(
        "a@example.org",
        registered=when,
        activated=0,
        orders=[OrderInput("A-1", "Lamp", price=Decimal("49.90"), stamp=when)],
    )
    before = repr(receiver)

    row = encode_one(receiver)

    assert isinstance(row, EncodedRow)
    sent = json.loads(row.body)
    assert (1767182400, 0) == (sent["registered"], sent["activated"])
    assert (1767182400, 49.9) == (sent["orders"][0]["stamp"], sent["orders"][0]["price"])
    assert before == repr(receiver)


def test_keys_are_lower_case_and_addresses_are_sent_as_written() -> None:
    """The body contains the original spelling."""
    row = encode_one(ReceiverInput("Bruce@Wayne.Example"))

    assert isinstance(row, EncodedRow)
    assert "bruce@wayne.example" == row.key
    assert b"Bruce@Wayne.Example" in row.body
    assert email_key(" A@B.example ") == "a@b.example"


def test_rows_with_orders_are_not_repeatable() -> None:
    """Orders could be stored twice; all other fields can be sent again."""
    plain = encode_one(ReceiverInput("a@example.org", tags=["x"]))
    with_order = encode_one(ReceiverInput("a@example.org", orders=[OrderInput("1", "Lamp")]))

    assert isinstance(plain, EncodedRow)
    assert isinstance(with_order, EncodedRow)
    assert plain.repeatable
    assert not with_order.repeatable

    stripped = repeatable_part(with_order)

    assert stripped.repeatable
    assert {"email": "a@example.org"} == json.loads(stripped.body)
    assert plain is repeatable_part(plain)


@pytest.mark.parametrize(
    ("email", "code"),
    [
        ("", "missing_email"),
        ("   ", "missing_email"),
        (None, "missing_email"),
        (17, "missing_email"),
        ("plain", "invalid_email"),
        ("two@@example.org", "invalid_email"),
        ("a@b@example.org", "invalid_email"),
        ("in side@example.org", "invalid_email"),
        ("no-domain@", "invalid_email"),
        ("no-dot@localhost", "invalid_email"),
        ("dots@example..org", "invalid_email"),
        ("@example.org", "invalid_email"),
        ("a@example.org\nb@example.org", "invalid_email"),
    ],
)
def test_invalid_addresses_are_rejected_with_a_reason(email: object, code: str) -> None:
    """A row without a valid address is never sent, and keeps its number and line."""
    result = encode_one(SourceRow(ReceiverInput(cast("str", email)), line=41))

    assert isinstance(result, RowResult)
    assert (code, 1, 41) == (result.code, result.row, result.line)


@pytest.mark.parametrize(
    "email",
    ["o'brien+news@example.org", "müller@exämple.example", "a_b-c.d@sub.example.co", "1@2.example"],
)
def test_unusual_but_valid_addresses_are_sent(email: str) -> None:
    """The server decides about unusual addresses."""
    assert isinstance(encode_one(ReceiverInput(email)), EncodedRow)


def test_white_space_around_an_address_is_removed() -> None:
    """Such a row is not rejected."""
    row = encode_one(ReceiverInput(" a@example.org\t"))

    assert isinstance(row, EncodedRow)
    assert {"email": "a@example.org"} == json.loads(row.body)


def test_mappings_are_rows_too() -> None:
    """A mapping of the fields is a receiver; a row with an unknown field is rejected."""
    row = encode_one({"email": "a@example.org", "tags": ["x"]})
    bad = encode_one({"email": "a@example.org", "nickname": "x"})

    assert isinstance(row, EncodedRow)
    assert {"email": "a@example.org", "tags": ["x"]} == json.loads(row.body)
    assert isinstance(bad, RowResult)
    assert "unknown_field" == bad.code
    assert {"email": "a@example.org", "nickname": "x"} == json.loads(bad.record)


@pytest.mark.parametrize(
    "receiver",
    [
        ReceiverInput("a@example.org", source=cast("str", object())),
        ReceiverInput("a@example.org", source="\ud800"),
        ReceiverInput("a@example.org", orders=cast("Any", [17])),
    ],
    ids=["not JSON", "lone surrogate", "not an order"],
)
def test_values_that_cannot_be_sent_are_rejected(receiver: ReceiverInput) -> None:
    """A row that cannot be encoded does not stop the import."""
    result = encode_one(receiver)

    assert isinstance(result, RowResult)
    assert "invalid_value" == result.code


@pytest.mark.parametrize(
    "value",
    [
        datetime(2025, 1, 1),  # noqa: DTZ001
        datetime(2100, 1, 2, tzinfo=UTC),
        datetime(1969, 12, 31, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        1_735_689_600_000,
        20251231,
        45291,
        1.5,
        -1,
        10**11,
        10**30,
        True,
        date(2025, 1, 1),
        "2025-01-01",
        "2025-01-01T12:00:00",
        "31.12.9999",
        [1_735_689_600],
    ],
)
@pytest.mark.parametrize("field", ["registered", "activated", "deactivated", "stamp"])
@pytest.mark.parametrize("form", ["receiver", "mapping"])
def test_times_that_no_shop_means_are_refused(value: Any, field: str, form: str) -> None:
    """Milliseconds, days of spreadsheets, times without zone: all before they are sent."""
    if field in {"activated", "deactivated"} and value is True:
        return
    fields: dict[str, Any] = {"email": "a@example.org", field: value}
    if field == "stamp":
        order: dict[str, Any] = {"order_id": "1", "product": "x", "stamp": value}
        fields = {"email": "a@example.org", "orders": [order]}
    item: Any = fields
    if form == "receiver":
        if "orders" in fields:
            fields["orders"] = [OrderInput(**order) for order in fields["orders"]]
        item = ReceiverInput(**fields)

    result = encode_one(item)

    assert isinstance(result, RowResult)
    assert "invalid_date" == result.code


def test_an_object_that_is_not_a_row_is_rejected() -> None:
    """The message contains its type."""
    result = encode_one(cast("Mapping[str, Any]", 17))

    assert isinstance(result, RowResult)
    assert "int" in result.message


def test_a_bad_row_of_a_file_keeps_its_reason_and_record() -> None:
    """The error that the file reader found is passed on."""
    bad = BadRow(line=9, code="invalid_date", message="no date", record={"Datum": "31.02.2024"})
    result = encode_one(bad)

    assert isinstance(result, RowResult)
    assert ("invalid_date", 9) == (result.code, result.line)
    assert {"Datum": "31.02.2024"} == json.loads(result.record)


def test_numbers_count_every_row() -> None:
    """Rows are numbered as in the source, rejected ones included."""
    rows, rejected = Encoder().encode(
        [ReceiverInput("a@example.org"), ReceiverInput("nope"), ReceiverInput("b@example.org")],
        range(65, 68),
    )

    assert [65, 67] == [row.number for row in rows]
    assert [66] == [result.row for result in rejected]


def test_a_body_is_a_json_array() -> None:
    """The batch calls expect the list itself."""
    rows, _ = Encoder().encode(["a@example.org", "b@example.org"], [1, 2])

    assert [{"email": "a@example.org"}, {"email": "b@example.org"}] == json.loads(join_rows(rows))
    assert b"[]" == join_rows([])


@pytest.mark.parametrize(
    "unusual", ["a@example.org\nb@example.org", "nope", " c@example.org ", "", "d@example.org\n"]
)
def test_an_unusual_address_does_not_affect_other_rows(unusual: str) -> None:
    """Addresses are checked together for speed; if one is unusual, each is checked on its own."""
    slice_ = [
        ReceiverInput("x@example.org"),
        ReceiverInput(unusual),
        ReceiverInput("y@example.org"),
    ]
    rows, rejected = Encoder().encode(slice_, [1, 2, 3])
    alone = encode_one(slice_[1])

    stripped = ["c@example.org", "d@example.org"]
    expected = [
        "x@example.org",
        *(key for key in stripped if unusual.strip() == key),
        "y@example.org",
    ]
    assert expected == [row.key for row in rows]
    assert isinstance(alone, RowResult) == bool(rejected)


def orders_of(**values: Any) -> dict[str, Any]:
    """Return a row as a mapping, with one order."""
    return {
        "email": "a@example.org",
        "orders": [{"order_id": "A-1", "product": "Lamp", **values}],
    }


PLAIN_ORDERS: list[dict[str, Any]] = [
    {},
    {"price": 49.9, "quantity": 2, "mailing_id": "7"},
    {"price": 49, "currency": "EUR", "mailing_id": 7, "product_category": "light"},
]
OTHER_ORDERS: list[dict[str, Any]] = [
    {"price": "49.90"},
    {"quantity": 2.0},
    {"product_id": 17},
    {"brand": None},
    {"stamp": "2025-12-31T12:00:00+00:00"},
]


@pytest.mark.parametrize("values", [*PLAIN_ORDERS, *OTHER_ORDERS])
def test_orders_in_mappings_are_sent_like_orders(values: dict[str, Any]) -> None:
    """Whether or not their values have to be converted."""
    row = encode_one(orders_of(**values))
    receiver = read_fields(orders_of(**values))
    assert isinstance(receiver.orders, list)
    expected = encode_one(ReceiverInput("a@example.org", orders=receiver.orders))

    assert isinstance(row, EncodedRow)
    assert isinstance(expected, EncodedRow)
    assert json.loads(expected.body) == json.loads(row.body)
    assert not row.repeatable


@pytest.mark.parametrize("values", PLAIN_ORDERS)
def test_orders_in_mappings_need_no_look_at_each_row(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row of a slice that is looked at by itself makes all of them several times slower."""
    monkeypatch.setattr(encoding, "read_fields", None)

    assert isinstance(encode_one(orders_of(**values)), EncodedRow)


@pytest.mark.parametrize(
    "values", [{"colour": "red"}, {"price": float("inf")}, {"quantity": True}, {"price": "much"}]
)
def test_orders_in_mappings_that_cannot_be_sent_are_rejected(values: dict[str, Any]) -> None:
    """A name or a value that no order has."""
    result = encode_one(orders_of(**values))

    assert isinstance(result, RowResult)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), Decimal("NaN")])
@pytest.mark.parametrize("field", ["price", "quantity"])
def test_orders_with_numbers_that_json_has_not_are_rejected(field: str, number: Any) -> None:
    """The encoder writes them as null, and the order would be stored without a price."""
    order = OrderInput("A-1", "Lamp", **{field: number})
    good = ReceiverInput("b@example.org", orders=[OrderInput("A-2", "Lamp")])

    rows, results = Encoder().encode([ReceiverInput("a@example.org", orders=[order]), good], [1, 2])

    assert ["b@example.org"] == [row.key for row in rows]
    assert [(1, "invalid_value")] == [(result.row, result.code) for result in results]


@pytest.mark.parametrize("number", ["1e999999", "0e999999", Decimal("1E+999999"), "1e-999999"])
@pytest.mark.parametrize("field", ["price", "quantity"])
def test_numbers_of_orders_with_a_million_digits_are_rejected(field: str, number: Any) -> None:
    """With some more zeros in the exponent the conversion would never end."""
    result = encode_one(orders_of(**{field: number}))

    assert isinstance(result, RowResult)
    assert "invalid_value" == result.code


def test_a_number_of_an_attribute_with_a_million_digits_is_rejected() -> None:
    """Like one of an order."""
    result = encode_one({"email": "a@example.org", "attributes": {"x": Decimal("1E+999999")}})

    assert isinstance(result, RowResult)
    assert "invalid_value" == result.code


@pytest.mark.parametrize("field", ["attributes", "global_attributes", "orders", "tags", "source"])
def test_nothing_is_not_sent(field: str) -> None:
    """A field that is ``None`` is left out: sent as null it might delete what the server has."""
    row = encode_one({"email": "a@example.org", field: None})

    assert isinstance(row, EncodedRow)
    assert {"email": "a@example.org"} == json.loads(row.body)


NAMES = [
    ({"a": "1", "b": "2"}, {"b": "3", "a": "4"}),  # in another order
    ({"a": "1", "b": "2"}, {"a": "3", "c": "4"}),  # other names
    ({"a": "1", "b": "2"}, {"a": "3"}),
    ({"a": 1, "b": None}, {"a": 2.5, "b": "4"}),
]


@pytest.mark.parametrize("maps", NAMES)
def test_rows_have_the_names_that_they_have(maps: tuple[dict[str, Any], ...]) -> None:
    """Values are picked by the names of the first row only while all rows have these names."""
    items: list[Item] = [
        ReceiverInput(f"{number}@example.org", attributes=values)
        for number, values in enumerate(maps)
    ]
    rows, rejected = Encoder().encode(items, range(1, 3))

    assert list(maps) == [json.loads(row.body)["attributes"] for row in rows]
    assert not rejected


@pytest.mark.parametrize(
    ("value", "sent"), [(True, 1), (date(2025, 12, 31), "2025-12-31"), (Decimal("1.5"), "1.5")]
)
def test_a_value_to_convert_among_texts_is_found(value: Any, sent: Any) -> None:
    """Wherever it is in a slice of rows with the same names."""
    values = [{"a": "1", "b": "2"} for _ in range(4)]
    items: list[Item] = [
        ReceiverInput(
            f"{number}@example.org", attributes={**it, "b": value if number == 2 else "2"}
        )
        for number, it in enumerate(values)
    ]
    rows, _ = Encoder().encode(items, range(1, 5))

    assert ["2", "2", sent, "2"] == [json.loads(row.body)["attributes"]["b"] for row in rows]
