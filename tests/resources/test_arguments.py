"""Arguments of the wrong kind: refused before a request is sent, with what to pass instead."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from cleverreach_async import ConfigurationError, Detail, ResponseDecodeError, where
from cleverreach_async.resources.attributes import Attributes
from cleverreach_async.resources.base import Resource
from cleverreach_async.resources.mailings import Mailings
from cleverreach_async.resources.receivers import Receivers
from cleverreach_async.resources.reports import Reports
from cleverreach_async.resources.tags import Tags
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Any], Awaitable[object]]

ANN = "ann@mail.example"
BOB = {"id": 8, "email": "bob@mail.example"}
IN_KIEL = where("city").eq("Kiel")
UNFIT: Any = {"none": None, "a number": 5, "bytes": b"ann@mail.example", "an object": object()}


class Table:
    """A column as tables have them: it can be iterated, and has no truth value."""

    def __init__(self, *values: object) -> None:
        self._values = values

    def __iter__(self) -> Any:
        return iter(self._values)

    def __bool__(self) -> bool:
        raise ValueError("the truth value is ambiguous")


def nobody() -> Iterable[Any]:
    """Return what is empty, and looks as if it were not."""
    return iter(())


EMPTY: dict[str, Act] = {
    "list, emails": lambda it: it.list(group_id=7, emails=nobody()),
    "list, ids": lambda it: it.list(group_id=7, ids=nobody()),
    "list, a map": lambda it: it.list(group_id=7, emails=map(str, [])),
    "list, a column": lambda it: it.list(group_id=7, ids=Table()),
    "list_by_post, emails": lambda it: it.list_by_post(group_id=7, emails=nobody()),
    "list_by_post, ids": lambda it: it.list_by_post(group_id=7, ids=nobody()),
    "filter, groups": lambda it: it.filter(IN_KIEL, group_ids=nobody()),
    "filter, a column": lambda it: it.filter(IN_KIEL, group_ids=Table()),
}


@pytest.mark.parametrize("act", EMPTY.values(), ids=EMPTY.keys())
async def test_an_empty_iterable_does_not_select_everybody(
    act: Act, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """The API returns all receivers for an empty list."""
    with pytest.raises(ConfigurationError, match="is empty; leave it out"):
        await act(Receivers(serve([BOB])))
    assert not sent


async def test_a_column_selects(serve: Callable[..., Call], sent: list[Request]) -> None:
    """It is read once, and its truth value is not asked for."""
    receivers: Any = Receivers(serve([], [], []))
    await receivers.list(group_id=7, ids=Table(1, 2))
    await receivers.list(group_id=7, emails=Table(ANN))
    await receivers.filter(IN_KIEL, group_ids=Table(4))
    assert "id_list=1%2C2" in sent[0].target
    assert "email_list=ann%40mail.example" in sent[1].target
    assert b'"groups":[4]' in sent[2].content


async def test_a_generator_of_addresses_is_compared_with_the_response(
    serve: Callable[..., Call],
) -> None:
    """A response with others is refused, as it is for a list."""
    emails: Any = iter([ANN])
    with pytest.raises(ResponseDecodeError, match="1 receivers who were not asked for"):
        await Receivers(serve([BOB])).list_by_post(group_id=7, emails=emails)


NO_TEXTS: dict[str, tuple[type[Resource], Callable[[Any, Any], Awaitable[object]]]] = {
    "tags to add": (Tags, lambda it, value: it.add(7, value)),
    "tags to remove": (Tags, lambda it, value: it.remove(7, value)),
    "a tag to count": (Tags, lambda it, value: it.count(value)),
    "receivers of a preview": (Mailings, lambda it, value: it.send_preview(5, receivers=value)),
    "a new attribute": (Attributes, lambda it, value: it.create(name=value, type="text")),
}


@pytest.mark.parametrize(("noun", "act"), NO_TEXTS.values(), ids=NO_TEXTS.keys())
@pytest.mark.parametrize("value", UNFIT.values(), ids=UNFIT.keys())
async def test_what_is_no_text_is_refused(
    noun: type[Resource],
    act: Callable[[Any, Any], Awaitable[object]],
    value: Any,
    serve: Callable[..., Call],
    sent: list[Request],
) -> None:
    """No other exception, and no request."""
    with pytest.raises(ConfigurationError):
        await act(noun(serve(True)), value)
    assert not sent


WRONG: dict[str, tuple[type[Resource], Act]] = {
    "tags in an object": (Tags, lambda it: it.add(7, {"vip": False})),
    "a number among tags": (Tags, lambda it: it.add(7, ["vip", 5])),
    "no tag to count": (Tags, lambda it: it.count(" ")),
    "nobody among the receivers": (
        Mailings,
        lambda it: it.send_preview(5, receivers=["a@b.c", None]),
    ),
    "an empty text as receivers": (Mailings, lambda it: it.send_preview(5, receivers="")),
    "a number as addresses": (Receivers, lambda it: it.list(group_id=7, emails=5)),
    "receivers as addresses": (Receivers, lambda it: it.list(group_id=7, emails=[BOB])),
    "a word as detail": (Receivers, lambda it: it.list(group_id=7, detail="orders")),
    "no detail": (Receivers, lambda it: it.list_by_post(group_id=7, detail=None)),
    "true as detail": (Receivers, lambda it: it.filter(IN_KIEL, detail=True)),
    "a word as detail of a report": (Reports, lambda it: it.receivers(5, "sent", detail="tags")),
}


@pytest.mark.parametrize(("noun", "act"), WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_argument_is_refused(
    noun: type[Resource], act: Act, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """No other exception, and no request."""
    with pytest.raises(ConfigurationError):
        await act(noun(serve(True)))
    assert not sent


NO_TIMES: Any = {
    "none": None,
    "true": True,
    "a text": "2026-01-01",
    "a date": date(2026, 1, 1),
    "a fraction": 1767225600.5,
    "milliseconds": 1767225600000,
    "a negative number": -1,
}
NO_BEGINNING = NO_TIMES | {"zero": 0, "long ago": datetime(1, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize("time", NO_BEGINNING.values(), ids=NO_BEGINNING.keys())
async def test_a_mailing_is_released_at_a_time(
    time: Any, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """A variable that was not set must not send it to everybody at once."""
    with pytest.raises(ConfigurationError, match=r"time is .*aware datetime"):
        await Mailings(serve(True)).release(5, time=time)
    assert not sent


BOUNDS: dict[str, tuple[type[Resource], Callable[[Any, Any], Awaitable[object]]]] = {
    "mailings from": (Mailings, lambda it, time: it.list(start=time)),
    "mailings to": (Mailings, lambda it, time: it.list(end=time)),
    "reports from": (Reports, lambda it, time: it.list(start=time, end=1)),
    "reports to": (Reports, lambda it, time: it.list(start=1, end=time)),
    "receivers of a report from": (Reports, lambda it, time: it.receivers(5, "sent", start=time)),
    "receivers of a report to": (Reports, lambda it, time: it.receivers(5, "sent", end=time)),
}


@pytest.mark.parametrize(("noun", "act"), BOUNDS.values(), ids=BOUNDS.keys())
@pytest.mark.parametrize("name", NO_TIMES.keys() - {"none"})
async def test_a_bound_is_a_time(
    name: str,
    noun: type[Resource],
    act: Callable[[Any, Any], Awaitable[object]],
    serve: Callable[..., Call],
    sent: list[Request],
) -> None:
    """Another value would select nothing, or everything."""
    with pytest.raises(ConfigurationError, match="aware datetime"):
        await act(noun(serve([])), NO_TIMES[name])
    assert not sent


async def test_bounds_may_be_zero_and_far_away(
    serve: Callable[..., Call], sent: list[Request]
) -> None:
    """They compare, and need not be near."""
    last = datetime(9999, 12, 31, tzinfo=UTC)
    await Mailings(serve([])).list(state="draft", start=0, end=last)
    assert "start=0&end=253402214400" in sent[0].target


async def test_details_may_be_combined(serve: Callable[..., Call], sent: list[Request]) -> None:
    """Their number does too."""
    receivers: Any = Receivers(serve([], []))
    await receivers.list(group_id=7, detail=Detail.EVENTS | Detail.TAGS)
    await receivers.list(group_id=7, detail=5)
    assert [True, True] == ["detail=5" in it.target for it in sent]
