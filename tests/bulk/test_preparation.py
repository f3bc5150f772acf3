"""What is sent of a receiver: consent, times, nested fields."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import pytest

from cleverreach_async import ConfigurationError, OrderInput, Outcome, ReceiverInput, SourceRow
from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.intake.preparation import Preparation
from cleverreach_async.bulk.options import Settings
from cleverreach_async.bulk.rows import EncodedRow, RowResult
from cleverreach_async.bulk.strategies import find_strategy
from cleverreach_async.resources.receiver_wire import receiver_on_wire

NOW = 1_767_225_600
SIGNED_UP = 1_704_067_200
ANN = "ann@example.org"


def encode(item: Any, **options: Any) -> EncodedRow | RowResult:
    """Encode one row."""
    encoder = Encoder(Preparation(now=NOW, **options))
    rows, results = encoder.encode([item], [1])
    return (rows or results)[0]


def sent(item: Any, **options: Any) -> dict[str, Any]:
    """Return what is sent of a row, without its address."""
    row = encode(item, **options)
    assert isinstance(row, EncodedRow), row
    fields = cast("dict[str, Any]", json.loads(row.body))
    assert ANN == fields.pop("email")
    return fields


def both_forms(**fields: Any) -> list[Any]:
    """Return a row as a receiver, as a mapping, and as one of a source."""
    receiver = ReceiverInput(ANN, **fields)
    return [receiver, {"email": ANN, **fields}, SourceRow(receiver, 2)]


@pytest.mark.parametrize(
    "value", [0, 0.0, False, None, "", "0", " 0000-00-00 00:00:00 ", "00.00.0000"]
)
def test_deactivated_never_sends_zero(value: Any) -> None:
    """A zero would make people active who have unsubscribed."""
    for item in both_forms(deactivated=value):
        assert {} == sent(item)


@pytest.mark.parametrize("hours", [-12, -1, 0, 5, 14])
def test_the_first_day_of_1970_stands_for_never(hours: int) -> None:
    """Many shops store its midnight, in their time zone, for an empty date."""
    moment = datetime(1970, 1, 1, tzinfo=timezone(timedelta(hours=hours)))
    for item in both_forms(deactivated=moment):
        assert {} == sent(item)


@pytest.mark.parametrize("value", [float("nan"), Decimal("NaN")])
def test_missing_values_of_data_frames_are_not_sent(value: Any) -> None:
    """Neither as a time nor as null, which would unset an attribute."""
    for name in ("registered", "deactivated", "source", "tags", "orders", "attributes"):
        assert {} == sent({"email": ANN, name: value})
    assert {"registered": NOW} == sent({"email": ANN, "activated": value})
    for item in both_forms(attributes={"points": value, "city": "Kiel"}):
        assert {"attributes": {"city": "Kiel"}} == sent(item)


@pytest.mark.parametrize("value", [0, "0", "0000-00-00 00:00:00", False])
def test_an_option_sends_zero(value: Any) -> None:
    """Only on request, and not for an empty value."""
    for item in both_forms(deactivated=value):
        assert {"deactivated": 0} == sent(item, reactivate=True)
    for item in both_forms(deactivated=None):
        assert {} == sent(item, reactivate=True)


@pytest.mark.parametrize("value", [1, True])
def test_unsubscribed_at_an_unknown_time(value: Any) -> None:
    """The API takes 1."""
    for item in both_forms(deactivated=value):
        assert {"deactivated": 1} == sent(item)


@pytest.mark.parametrize("word", ["1", "ja", "YES", "x", "true", "abgemeldet"])
def test_words_for_unsubscribed_in_mappings(word: str) -> None:
    """As in a column of a file."""
    assert {"deactivated": 1} == sent({"email": ANN, "deactivated": word})


def test_not_confirmed_sends_only_the_sign_up() -> None:
    """Newcomers are inactive then, and existing receivers stay as they are."""
    for item in both_forms(activated=None):
        assert {"registered": NOW} == sent(item)
    for item in both_forms(activated=None, registered=SIGNED_UP):
        assert {"registered": SIGNED_UP} == sent(item)


def test_not_confirmed_changes_nothing_in_an_update() -> None:
    """An update creates nobody, so no time is needed."""
    update = find_strategy("update")
    for item in both_forms(activated=None):
        assert {} == sent(item, strategy=update)
        assert {} == sent(item, strategy=update, activate=True)


def test_confirmed_at_an_unknown_time_takes_the_time_of_the_sign_up() -> None:
    """Or the time of the import, if that is unknown too."""
    for item in both_forms(activated=True):
        assert {"activated": NOW} == sent(item)
    for item in both_forms(activated=True, registered=SIGNED_UP):
        assert {"activated": SIGNED_UP, "registered": SIGNED_UP} == sent(item)


def test_objects_without_a_confirmation_have_not_confirmed() -> None:
    """``None`` of any other field is not sent."""

    @dataclass
    class Customer:
        email: str
        source: str | None = None
        activated: int | None = None

    assert {"registered": NOW} == sent(Customer(ANN))


def test_zero_as_confirmation_is_sent() -> None:
    """It is what a caller writes for double opt-in."""
    for item in both_forms(activated=0, registered=SIGNED_UP):
        assert {"activated": 0, "registered": SIGNED_UP} == sent(item)


def test_rows_that_say_no_are_left_out() -> None:
    """With the reason as their code."""
    row = SourceRow(ReceiverInput(ANN), 7, "bounced")
    result = encode(row)

    assert isinstance(result, RowResult)
    assert (Outcome.EXCLUDED, "bounced", 7) == (result.outcome, result.code, result.line)
    assert "bounced" in result.message
    assert ANN in result.receiver.decode()


def test_rows_that_say_no_are_sent_as_unsubscribed_on_request() -> None:
    """Never with a confirmation; a time of the row is kept."""
    row = SourceRow(ReceiverInput(ANN, activated=SIGNED_UP), 7, "unsubscribed")
    assert {"deactivated": 1} == sent(row, deactivates=True)
    row = SourceRow(ReceiverInput(ANN, deactivated=SIGNED_UP), 7, "unsubscribed")
    assert {"deactivated": SIGNED_UP} == sent(row, deactivates=True)


def test_rows_that_say_nothing_are_never_sent_as_unsubscribed() -> None:
    """An empty cell is no word of the person."""
    result = encode(SourceRow(ReceiverInput(ANN), 7, "not_stated"), deactivates=True)

    assert isinstance(result, RowResult)
    assert Outcome.EXCLUDED is result.outcome


def test_a_deletion_takes_every_row() -> None:
    """Whoever is removed from a group gets no mail."""
    row = encode(SourceRow(ReceiverInput(ANN), 7, "bounced"), strategy=find_strategy("delete"))
    assert isinstance(row, EncodedRow)


@pytest.mark.parametrize(
    ("option", "strategy", "deactivates"),
    [
        (None, "upsertplus", False),
        (None, "insert", False),
        (None, "update", True),
        ("exclude", "update", False),
        ("deactivate", "upsert", True),
    ],
)
def test_an_update_deactivates_by_default(option: Any, strategy: str, deactivates: bool) -> None:
    """Its rows are about receivers whom the group has."""
    settings = Settings(not_subscribed=option)
    assert deactivates == settings.preparation(find_strategy(strategy), now=NOW).deactivates


def test_an_unknown_choice_is_refused() -> None:
    """The error names the two."""
    with pytest.raises(ConfigurationError, match="'exclude' or 'deactivate'"):
        Settings(not_subscribed=cast("Any", "drop")).check(find_strategy("upsert"))


def test_nested_fields_are_converted() -> None:
    """Orders as mappings, tags as text, values of any plain type."""
    order = {"order_id": 17, "product": "Lamp", "price": "49.90", "quantity": "2.0", "source": None}
    fields = {
        "tags": "a, b;c",
        "global_attributes": {
            "day": date(1980, 5, 4),
            "flag": True,
            "sum": Decimal("49.90"),
            "key": UUID(int=7),
        },
        "orders": [{**order, "stamp": datetime(2026, 1, 1, tzinfo=UTC)}],
    }
    expected = {
        "tags": ["a", "b", "c"],
        "global_attributes": {
            "day": "1980-05-04",
            "flag": 1,
            "sum": "49.90",
            "key": "00000000-0000-0000-0000-000000000007",
        },
        "orders": [
            {"order_id": "17", "product": "Lamp", "price": 49.9, "quantity": 2, "stamp": NOW}
        ],
    }
    for item in both_forms(**fields):
        assert expected == sent(item)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"attributes": ["x"]}, "'attributes'"),
        ({"attributes": {"size": [1]}}, "'attributes.size'"),
        ({"global_attributes": {"size": {"a": 1}}}, "'global_attributes.size'"),
        ({"global_attributes": {"size": b"x"}}, "'global_attributes.size'"),
        ({"tags": 7}, "'tags'"),
        ({"tags": [7]}, "'tags'"),
        ({"orders": "A-17"}, "'orders'"),
        ({"orders": [None]}, "'orders'"),
        ({"orders": [{"order_id": "1"}]}, "'product' of an order"),
        ({"orders": [{"order_id": "1", "product": "x", "amount": 1}]}, "'amount' of an order"),
        ({"orders": [{"order_id": "1", "product": "x", "quantity": 1.5}]}, "'quantity'"),
        ({"orders": [{"order_id": "1", "product": "x", "price": "49,90"}]}, "'price of an order'"),
        ({"orders": [{"order_id": "1", "product": 5.0}]}, "'product of an order'"),
    ],
)
def test_nested_fields_that_cannot_be_sent_are_refused_by_name(
    fields: dict[str, Any], name: str
) -> None:
    """Never sent as something else."""
    for item in both_forms(**fields):
        result = encode(item)
        assert isinstance(result, RowResult)
        assert Outcome.REJECTED is result.outcome
        assert name in result.message


def test_single_calls_follow_the_same_rules() -> None:
    """Without a time to take, a confirmation at an unknown time is refused."""
    assert ReceiverInput(ANN) == receiver_on_wire(ReceiverInput(ANN, deactivated=0))
    unconfirmed = receiver_on_wire(ReceiverInput(ANN, registered=NOW, activated=None))
    assert ReceiverInput(ANN, registered=NOW) == unconfirmed
    for activated in (None, True):
        with pytest.raises(ConfigurationError, match="set registered too"):
            receiver_on_wire(ReceiverInput(ANN, activated=activated))
    with pytest.raises(ConfigurationError, match="registered is 45291"):
        receiver_on_wire(ReceiverInput(ANN, registered=45291))


def test_an_order_of_a_receiver_keeps_its_line() -> None:
    """Orders that are models stay as they are."""
    order = OrderInput("A-17", "Lamp", price=Decimal("49.90"))
    assert [{"order_id": "A-17", "product": "Lamp", "price": 49.9}] == sent(
        ReceiverInput(ANN, orders=[order])
    )["orders"]
