"""Odd values that responses have or may have: what each model makes of them."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.errors import ResponseDecodeError
from cleverreach_async.resources.attributes import Attribute
from cleverreach_async.resources.base import Created, decode_list
from cleverreach_async.resources.blacklist import BlacklistEntry
from cleverreach_async.resources.bounces import Bounce
from cleverreach_async.resources.clients import ClientAccount, ClientPlan, ClientUser
from cleverreach_async.resources.converter import structure
from cleverreach_async.resources.debug import TokenTTL, Whoami
from cleverreach_async.resources.filters import Filter
from cleverreach_async.resources.flows import Flow, FlowSetup
from cleverreach_async.resources.forms import Form
from cleverreach_async.resources.groups import Group, GroupStats
from cleverreach_async.resources.mailing_models import Mailing, MailingGroups, MailingLink
from cleverreach_async.resources.my_content import MyContent
from cleverreach_async.resources.order_models import Order
from cleverreach_async.resources.receiver_models import Event, Receiver
from cleverreach_async.resources.reports import Report, ReportCounters
from cleverreach_async.resources.rules import FilterRule
from cleverreach_async.resources.tags import Tag

MS = 1767225600000
BARE = {"id": "7", "email": "a@example.org"}
LAMP = {"order_id": "A1", "product": "Lamp"}


def read(kind: type[Any], value: object) -> Any:
    """Structure a value."""
    return structure(value, kind, method="GET", path="/things")


def receiver(**fields: Any) -> Receiver:
    """Return the expected receiver."""
    return Receiver(id=7, email="a@example.org", **fields)


NUMBERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "decimals of zero": ({"quantity": "1.0000"}, {"quantity": 1}),
    "a whole float": ({"quantity": 2.0}, {"quantity": 2}),
    "a fraction": ({"quantity": 1.5}, {"quantity": 1.5}),
    "a fraction as text": ({"quantity": "1.5"}, {"quantity": 1.5}),
    "without a leading zero": ({"quantity": ".5"}, {"quantity": 0.5}),
    "older name": ({"amount": 3}, {"quantity": 3}),
    "older name, decimals": ({"amount": "99.8000"}, {"quantity": 99.8}),
    "older name, a fraction": ({"amount": 99.8}, {"quantity": 99.8}),
    "both names": ({"amount": 99.8, "quantity": 2}, {"quantity": 2, "extra": {"amount": 99.8}}),
    "both names, one empty": ({"amount": 2, "quantity": ""}, {"quantity": 2}),
    "older name, no number": ({"amount": "x"}, {"extra": {"amount": "x"}}),
    "decimal comma": ({"price": "49,90"}, {"price": 49.9}),
    "decimal or thousands": ({"price": "1,234"}, {"extra": {"price": "1,234"}}),
    "both separators": ({"price": "1.234,50"}, {"extra": {"price": "1.234,50"}}),
    "with a currency": ({"price": "9 EUR"}, {"extra": {"price": "9 EUR"}}),
    "empty": ({"price": "", "mailing_id": "", "quantity": ""}, {}),
    "true": ({"price": True}, {"extra": {"price": True}}),
    "digits with underscores": ({"quantity": "1_000"}, {"extra": {"quantity": "1_000"}}),
    "more digits than a float has": ({"price": 2**53 + 1}, {"extra": {"price": 2**53 + 1}}),
    "an id with a fraction": ({"mailing_id": "1.2"}, {"extra": {"mailing_id": "1.2"}}),
    "both names of a text": (
        {"source": "a", "product_source": "b"},
        {"source": "a", "extra": {"product_source": "b"}},
    ),
}


@pytest.mark.parametrize(("fields", "expected"), NUMBERS.values(), ids=NUMBERS.keys())
def test_numbers_of_an_order(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """A number keeps its fraction, and what is not a number stays in ``extra``."""
    whole = Order(order_id="A1", product="Lamp", **expected)
    found = read(Order, {**LAMP, **fields})
    assert whole == found
    assert type(whole.quantity) is type(found.quantity)


TIMES: dict[str, tuple[object, datetime | None, bool]] = {
    "seconds": (1767225600, datetime(2026, 1, 1, tzinfo=UTC), False),
    "seconds as text": ("1767225600", datetime(2026, 1, 1, tzinfo=UTC), False),
    "seconds as a float": (1767225600.5, datetime(2026, 1, 1, 0, 0, 0, 500000, UTC), False),
    "seconds with decimals": ("1767225600.0", datetime(2026, 1, 1, tzinfo=UTC), False),
    "never": (0, None, False),
    "never, a float": (0.0, None, False),
    "never, text": ("0", None, False),
    "never, decimals": ("0.0", None, False),
    "never, two zeros": ("00", None, False),
    "never, empty": ("", None, False),
    "never, false": (False, None, False),
    "never, null": (None, None, False),
    "never, negative": (-1, None, False),
    "never, negative text": ("-62169984000", None, False),
    "milliseconds": (MS, None, True),
    "milliseconds as text": (str(MS), None, True),
    "milliseconds of 1973": (10**11, None, True),
    "the year 50,000": (1515658608000, None, True),
    "beyond all": (10**30, None, True),
    "a date": ("2026-01-01", None, True),
    "a time without a zone": ("2026-01-01 12:00:00", None, True),
    "MySQL's zero": ("0000-00-00 00:00:00", None, True),
    "true": (True, None, True),
    "a list": ([1767225600], None, True),
    "an object": ({"date": 1767225600}, None, True),
}


@pytest.mark.parametrize(("value", "expected", "kept"), TIMES.values(), ids=TIMES.keys())
def test_times(value: object, expected: datetime | None, *, kept: bool) -> None:
    """Seconds are read, never is ``None``, and anything else stays in ``extra``."""
    found = read(Receiver, {**BARE, "registered": value})
    assert receiver(registered=expected, extra={"registered": value} if kept else {}) == found


def test_time_in_milliseconds_does_not_affect_a_page() -> None:
    """The other receivers and the other fields are read."""
    rows = [BARE, {**BARE, "registered": MS, "activated": 60}, BARE]
    odd = receiver(activated=datetime(1970, 1, 1, 0, 1, tzinfo=UTC), extra={"registered": MS})
    assert (receiver(), odd, receiver()) == decode_list(rows, Receiver, method="GET", path="/")


def test_odd_event_leaves_the_other_events_whole() -> None:
    """So does an odd field within an event."""
    events = [{"type": "api"}, {"type": "log", "stamp": MS}, "mail_open"]
    expected = receiver(
        events=(Event(type="api"), Event(type="log", extra={"stamp": MS})),
        extra={"events": ["mail_open"]},
    )
    assert expected == read(Receiver, {**BARE, "events": events})


def test_order_without_an_id_leaves_the_other_orders_whole() -> None:
    """It cannot be an order, so it stays what it is."""
    odd = {"order_id": None, "product": "x"}
    expected = receiver(orders=(Order(order_id="A1", product="Lamp"),), extra={"orders": [odd]})
    assert expected == read(Receiver, {**BARE, "orders": [odd, LAMP]})


LISTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "tags with gaps": ({"tags": {"0": "a", "2": "b"}}, {"tags": ("a", "b")}),
    "tags without the first": ({"tags": {"1": "a"}}, {"tags": ("a",)}),
    "tags as one text": ({"tags": "a, b,,c"}, {"tags": ("a", "b", "c")}),
    "no tags, empty": ({"tags": ""}, {}),
    "no tags, false": ({"tags": False}, {}),
    "no tags, null": ({"tags": None}, {}),
    "no tags, object": ({"tags": {}}, {}),
    "numbers as tags": ({"tags": [1, "b"]}, {"tags": ("1", "b")}),
    "objects as tags": (
        {"tags": [{"tag": "x"}, "b"]},
        {"tags": ("b",), "extra": {"tags": [{"tag": "x"}]}},
    ),
    "an object as tags": ({"tags": {"a": 1}}, {"extra": {"tags": {"a": 1}}}),
    "events with gaps": ({"events": {"3": {"type": "api"}}}, {"events": (Event(type="api"),)}),
    "one event": ({"events": {"type": "api"}}, {"events": (Event(type="api"),)}),
    "no events": ({"events": {}, "orders": False}, {}),
    "orders by id": (
        {"orders": {"A1": LAMP}},
        {"orders": (Order(order_id="A1", product="Lamp"),)},
    ),
    "orders as text": ({"orders": "A1"}, {"extra": {"orders": "A1"}}),
}


@pytest.mark.parametrize(("fields", "expected"), LISTS.values(), ids=LISTS.keys())
def test_lists_of_a_receiver(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """PHP sends a list in several forms, and each is read."""
    assert receiver(**expected) == read(Receiver, {**BARE, **fields})


MAPS: dict[str, tuple[object, dict[str, Any], bool]] = {
    "an empty list": ([], {}, False),
    "null": (None, {}, False),
    "false": (False, {}, False),
    "an empty text": ("", {}, False),
    "texts and numbers": ({"a": "x", "b": 1.5, "c": None}, {"a": "x", "b": "1.5", "c": ""}, False),
    "a list stays a list": ({"a": ["x", "y"]}, {"a": ["x", "y"]}, False),
    "an object stays an object": ({"a": {"k": 1}}, {"a": {"k": 1}}, False),
    "true stays true": ({"a": True}, {"a": True}, False),
    "attributes called name and value": (
        {"name": "x", "value": "5"},
        {"name": "x", "value": "5"},
        False,
    ),
    "attributes called by numbers": ({"1": "x"}, {"1": "x"}, False),
    "names and values": (
        [{"id": "1", "name": "city", "value": "Kiel"}, {"name": "zip", "value": 24103}],
        {"city": "Kiel", "zip": "24103"},
        False,
    ),
    "names and values with gaps": (
        {"3": {"id": "1", "name": "city", "value": None}},
        {"city": ""},
        False,
    ),
    "a name twice": ([{"name": "a", "value": 1}, {"name": "a", "value": 2}], {}, True),
    "names alone": ([{"name": "a"}], {}, True),
    "texts": (["a"], {}, True),
    "an old form": ("city:Kiel,zip:24103", {}, True),
    "a number": (5, {}, True),
}


@pytest.mark.parametrize(("value", "expected", "kept"), MAPS.values(), ids=MAPS.keys())
def test_attributes_of_a_receiver(value: object, expected: dict[str, Any], *, kept: bool) -> None:
    """They are read by name, and no value becomes its Python form."""
    extra = {"attributes": value} if kept else {}
    assert receiver(attributes=expected, extra=extra) == read(
        Receiver, {**BARE, "attributes": value}
    )


OTHERS: dict[str, tuple[object, object]] = {
    "points with a fraction": ({**BARE, "points": 69.5}, receiver(points=69.5)),
    "points as text": ({**BARE, "points": "69.5"}, receiver(points=69.5)),
    "stars as text": ({**BARE, "stars": "3.0"}, receiver(stars=3)),
    "stars empty": ({**BARE, "stars": ""}, receiver()),
    "active in doubt": ({**BARE, "active": 2}, receiver(extra={"active": 2})),
    "group statistics": (
        {"quality": 2.5, "avg_points": "37,5", "total_count": "many"},
        GroupStats(quality=2.5, avg_points=37.5, extra={"total_count": "many"}),
    ),
    "groups of a mailing with gaps": (
        {"id": 1, "mailing_groups": {"group_ids": {"0": "4", "2": "9"}}},
        Mailing(id=1, mailing_groups=MailingGroups(group_ids=(4, 9))),
    ),
    "groups of a mailing as text": (
        {"id": 1, "mailing_groups": {"group_ids": "4,x"}},
        Mailing(id=1, mailing_groups=MailingGroups(group_ids=(4,), extra={"group_ids": ["x"]})),
    ),
    "no groups of a mailing": ({"id": 1, "mailing_groups": []}, Mailing(id=1)),
    "groups of a mailing in words": (
        {"id": 1, "mailing_groups": "all"},
        Mailing(id=1, extra={"mailing_groups": "all"}),
    ),
    "version and type of a mailing": (
        {"id": 1, "last_version_id": "1.2", "m_type": "html"},
        Mailing(id=1, extra={"last_version_id": "1.2", "m_type": "html"}),
    ),
    "state of a mailing that is no text": (
        {"id": 1, "state": ["draft"], "finished": MS, "started": 60},
        Mailing(
            id=1,
            state="running",
            started=datetime(1970, 1, 1, 0, 1, tzinfo=UTC),
            extra={"state": ["draft"], "finished": MS},
        ),
    ),
    "groups of a report by id": (
        {"id": 1, "groups": {"5": "x", "6": "y"}, "tags": "a,b"},
        Report(id=1, groups=("x", "y"), tags=("a", "b"), extra={"groups": {"5": "x", "6": "y"}}),
    ),
    "groups of a report with gaps": (
        {"id": 1, "groups": {"0": "x", "2": "y"}, "versions": 5},
        Report(id=1, groups=("x", "y"), versions=(5,)),
    ),
    "statistics of a report": (
        {"id": 1, "stats": [1], "links": [{"id": None, "link": "http://x"}]},
        Report(id=1, links=(MailingLink(link="http://x"),), extra={"stats": [1]}),
    ),
    "both names of an attribute's group": (
        {"id": 1, "name": "a", "groups_id": 5, "group_id": "6", "value": "v"},
        Attribute(id=1, name="a", group_id=6, default_value="v", extra={"groups_id": 5}),
    ),
}


@pytest.mark.parametrize(("value", "expected"), OTHERS.values(), ids=OTHERS.keys())
def test_other_models(value: object, expected: object) -> None:
    """Every model is read in the same way."""
    assert expected == read(type(expected), value)


@pytest.mark.parametrize("value", [{"0": {"id": "1"}, "2": {"id": 3}}, [{"id": 1}, {"id": 3}]])
def test_list_response_with_gaps(value: object) -> None:
    """Its items are the values."""
    expected = (Group(id=1), Group(id=3))
    assert expected == decode_list(value, Group, method="GET", path="/groups")


@pytest.mark.parametrize("value", [None, False, "", {}, []])
def test_empty_list_response(value: object) -> None:
    """PHP has many forms of nothing."""
    assert () == decode_list(value, Group, method="GET", path="/groups")


def test_item_without_an_id() -> None:
    """Leaving it out would be silent, so the error names item and field."""
    with pytest.raises(ResponseDecodeError, match=r"\$\[1\]\.id"):
        decode_list([{"id": 1}, {"id": "x"}], Group, method="GET", path="/groups")


MODELS: dict[type[Any], dict[str, Any]] = {
    Attribute: {"id": 1, "name": "a"},
    BlacklistEntry: {"email": "a@example.org"},
    Bounce: {"email": "a@example.org"},
    ClientAccount: {"id": 1},
    ClientPlan: {},
    ClientUser: {},
    Filter: {"id": 1},
    FilterRule: {},
    Flow: {"id": "a"},
    FlowSetup: {},
    MyContent: {"id": 1},
    Created: {"id": 1},
    Event: {},
    Form: {"id": 1},
    Group: {"id": 1},
    GroupStats: {},
    Mailing: {"id": 1},
    MailingGroups: {},
    MailingLink: {},
    Order: {"order_id": "A1"},
    Receiver: {"id": 1, "email": "a@example.org"},
    Report: {"id": 1},
    ReportCounters: {},
    Tag: {"tag": "a"},
    TokenTTL: {"ttl": 1},
    Whoami: {"id": 1},
}
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.integers().map(str)
    | st.sampled_from([0, 1, "0", "1.50", "49,90", "a,b", MS, "1e5", "2026-01-01", 10**400])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["0", "1", "5", "id", "name", "value", "type"]), inner)
    ),
    max_leaves=6,
)
NAMES = {
    kind: sorted({field.name for field in attrs.fields(kind)} | {*getattr(kind, "aliases", ())})
    for kind in MODELS
}


REQUIRED = {kind: MODELS[kind].keys() for kind in MODELS}


@given(data=st.data(), kind=st.sampled_from([*MODELS]))
def test_any_value_in_any_field_is_read_or_kept(data: st.DataObject, kind: type[Any]) -> None:
    """Only what identifies an object raises, and a value is in its field or in ``extra``."""
    name = data.draw(st.sampled_from(NAMES[kind]))
    value = data.draw(JSON)
    try:
        model = read(kind, {**MODELS[kind], name: value})
    except ResponseDecodeError as error:
        assert name in REQUIRED[kind] or "extra" not in NAMES[kind]
        assert all(f"$.{name}" in problem for problem in error.problems)  # noqa: PT017
        return
    extra = getattr(model, "extra", {})
    field = getattr(kind, "aliases", {}).get(name, name)
    if name in extra and extra[name] == value:
        return
    found = getattr(model, field)
    if name in extra:
        items = {json.dumps(item) for item in as_values(value)}
        assert {json.dumps(item) for item in as_values(extra[name])} < items
        assert found
    else:
        assert means_nothing(value) or shows(found, value)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(NAMES[Receiver]), JSON, max_size=4),
        min_size=1,
        max_size=3,
    )
)
def test_any_values_in_a_page_are_read(rows: list[dict[str, Any]]) -> None:
    """No receiver affects another, whatever its fields are."""
    rows = [{**row, "id": n, "email": "a@example.org"} for n, row in enumerate(rows, 1)]
    page = decode_list(rows, Receiver, method="GET", path="/receivers")
    assert [row["id"] for row in rows] == [item.id for item in page]
    assert [read(Receiver, row) for row in rows] == [*page]


def as_values(value: Any) -> list[Any]:
    """Return the items of a list or of an object."""
    return [*value.values()] if isinstance(value, dict) else value


def means_nothing(value: object) -> bool:
    """Whether a value says that there is none."""
    return value in (None, False, "", [], {}) or (isinstance(value, str) and not value.strip(" ,"))


def shows(found: Any, value: Any) -> bool:
    """Whether a field has the value of a response."""
    if found is None or isinstance(found, datetime):
        seconds = found.timestamp() if found else 0.0
        return abs(seconds - max(0.0, float(value))) < 1e-3
    if isinstance(found, bool):
        return str(value).lower() in (("1", "1.0", "true") if found else ("0", "0.0", "-0.0"))
    if isinstance(found, int | float):
        return Decimal(found) == Decimal(str(value)) or found == float(str(value).replace(",", "."))
    if isinstance(found, str):
        return found == str(value)
    if isinstance(value, list):
        return len([*found]) == len(as_values(value))
    return bool(found) or isinstance(value, dict)
