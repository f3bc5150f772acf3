"""Reports: requests and responses."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from cleverreach_async.errors import ConfigurationError, PermissionDeniedError
from cleverreach_async.resources.mailing_models import MailingLink
from cleverreach_async.resources.receiver_models import Detail, Receiver
from cleverreach_async.resources.reports import Report, ReportCounters, Reports
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Reports], Awaitable[object]]

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)

START = 1767225600
CLICKED = "/v3/reports/1/receivers/clicked"

ROWS: dict[str, tuple[Act, str, str, object, object]] = {
    "list": (
        lambda it: it.list(),
        "GET",
        "/v3/reports?page=0&pagesize=50",
        [{"id": "77001", "name": "May"}],
        (Report(id=77001, name="May"),),
    ),
    "list with everything": (
        lambda it: it.list(
            group_id=7, channel_id=3, start=NEW_YEAR, end=START, mode="full", page_size=100
        ),
        "GET",
        f"/v3/reports?group_id=7&channel_id=3&start={START}&end={START}&mode=full&page=0&pagesize=100",
        False,
        (),
    ),
    "get": (
        lambda it: it.get(77001),
        "GET",
        "/v3/reports/77001",
        {
            "id": "77001",
            "name": "May",
            "subject": "Hello",
            "finished": 1767225600,
            "stats": {"basic": {"delivered": 100}},
            "links": [{"id": 1, "link": "https://shop.example/", "total_clicks": "4"}],
            "groups": ["540001"],
            "tags": [],
            "versions": [{"id": 1}],
            "stamp": 5,
        },
        Report(
            id=77001,
            name="May",
            subject="Hello",
            finished=NEW_YEAR,
            stats={"basic": {"delivered": 100}},
            links=(MailingLink(id=1, link="https://shop.example/", total_clicks=4),),
            groups=("540001",),
            versions=({"id": 1},),
            extra={"stamp": 5},
        ),
    ),
    "get with an empty map": (
        lambda it: it.get(1),
        "GET",
        "/v3/reports/1",
        {"id": 1, "stats": []},
        Report(id=1),
    ),
    "delete": (lambda it: it.delete(77001), "DELETE", "/v3/reports/77001", True, None),
    "receivers": (
        lambda it: it.receivers(77001, "opened"),
        "GET",
        "/v3/reports/77001/receivers/opened?page=0&pagesize=100",
        [{"id": "7", "email": "ann@mail.example", "group_id": ""}],
        (Receiver(id=7, email="ann@mail.example"),),
    ),
    "receivers with everything": (
        lambda it: it.receivers(
            1,
            "clicked",
            detail=Detail.ORDERS | Detail.TAGS,
            start=NEW_YEAR,
            end=START,
            link_id=9,
            page_size=5000,
        ),
        "GET",
        f"{CLICKED}?detail=6&from={START}&to={START}&linkid=9&page=0&pagesize=5000",
        False,
        (),
    ),
    "stats object": (
        lambda it: it.stats(1, "basic"),
        "GET",
        "/v3/reports/1/stats/basic",
        {"delivered": 1},
        {"delivered": 1},
    ),
    "stats list": (lambda it: it.stats(1, "links"), "GET", "/v3/reports/1/stats/links", [], []),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_report_calls(
    act: Act,
    method: str,
    target: str,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the documented request and reads the response."""
    assert (method, target, None, expected) == await exchange(Reports, act, answer)


REFUSED: dict[str, Act] = {
    "start alone": lambda it: it.list(start=NEW_YEAR),
    "end alone": lambda it: it.list(end=0),
    "naive": lambda it: it.list(start=datetime(2026, 1, 1), end=1),  # noqa: DTZ001 - the point
    "page too large": lambda it: it.list(page_size=101),
    "no page": lambda it: it.list(page_size=0),
    "link without clicks": lambda it: it.receivers(1, "opened", link_id=9),
    "page of receivers too large": lambda it: it.receivers(1, "opened", page_size=5001),
    "naive reaction": lambda it: it.receivers(1, "sent", start=datetime(2026, 1, 1)),  # noqa: DTZ001
    "dotted view": lambda it: it.stats(1, ".."),
}


@pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED.keys())
async def test_wrong_report_arguments_are_refused_before_sending(
    act: Act, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """The API would refuse or misread them."""
    with pytest.raises(ConfigurationError):
        await act(Reports(serve([])))
    assert not sent


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        pytest.param(
            {"basic": {"delivered": "100", "spam": 1, "sent": 101}},
            ReportCounters(delivered=100, spam=1, extra={"sent": 101}),
            id="full mode",
        ),
        pytest.param({"delivered": 3, "unique_opened": ""}, ReportCounters(delivered=3), id="flat"),
        pytest.param({}, ReportCounters(), id="none"),
    ],
)
def test_counters(stats: dict[str, object], expected: ReportCounters) -> None:
    """They are read from either place, which depends on the mode."""
    assert expected == Report(id=1, stats=stats).counters


def test_counters_that_are_not_numbers() -> None:
    """They stay in ``extra``."""
    expected = ReportCounters(spam=2, extra={"delivered": "many"})
    assert expected == Report(id=1, stats={"delivered": "many", "spam": 2}).counters


async def test_part_of_a_split_test(serve: Callable[..., Call]) -> None:
    """The API refuses the report of a part, and the error has its message."""
    answer = {"error": {"code": 403, "message": "Forbidden: use parent 77000"}}
    with pytest.raises(PermissionDeniedError, match="parent 77000"):
        await Reports(serve(answer, status=403)).get(77001)
