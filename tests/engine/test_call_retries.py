"""Retries of ordinary calls: what is retried, after which wait, with which events."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import pytest

from cleverreach_async.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    BadRequestError,
    CleverReachError,
    InternalServerError,
    RateLimitError,
)
from cleverreach_async.transport.retry import Fault, RetryPolicy
from cleverreach_async.transport.transport import Account, RequestEvent, Transport
from cleverreach_async.transport.wire import Request, Response, build_request

if TYPE_CHECKING:
    from engine.conftest import ScriptedSender
    from support.clocks import FakeClock, FixedRandom

pytestmark = pytest.mark.anyio

Refusal = Callable[..., Response]

OK = Response(200, {}, b"[]")
GET = build_request("GET", "/groups/{group_id}", path={"group_id": 7})
POST = build_request("POST", "/groups", json={"name": "Newsletter"})

NEVER_SENT = APIConnectionError("refused", sent=False)
LOST = APIConnectionError("reset", sent=True)
LATE = APITimeoutError("no response", sent=True)


async def test_a_successful_call_takes_one_attempt(
    transport: Transport, sender: ScriptedSender, clock: FakeClock, events: list[RequestEvent]
) -> None:
    """No wait, one event, and the request is sent unchanged."""
    sender.script(OK)
    assert OK == await transport.call(POST)
    [sent] = sender.sent
    assert ("POST", "https://api.example/v3/groups", b'{"name":"Newsletter"}', 30.0) == (
        sent.method,
        sent.url,
        sent.content,
        sent.timeout,
    )
    assert {
        "accept": "application/json",
        "accept-encoding": "gzip, deflate",
        "user-agent": "test",
        "content-type": "application/json",
        "authorization": "Bearer token-1",
    } == sent.headers
    assert [("POST", "/groups", 200, 1, 0.0, None)] == [attrs.astuple(it) for it in events]
    assert [] == clock.sleeps


@pytest.mark.parametrize(
    "fault", ["502", "503", NEVER_SENT, LOST, LATE], ids=["502", "503", "refused", "reset", "late"]
)
async def test_a_read_is_retried_after_temporary_failures(
    transport: Transport,
    sender: ScriptedSender,
    clock: FakeClock,
    events: list[RequestEvent],
    refusal: Refusal,
    fault: str | CleverReachError,
) -> None:
    """A GET is retried; the backoff doubles, with full jitter."""
    response = refusal(int(fault)) if isinstance(fault, str) else fault
    sender.script(response, response, OK)
    assert OK == await transport.call(GET)
    assert [0.1, 0.2] == clock.sleeps
    assert [(1, 0.1), (2, 0.2), (3, None)] == [(it.attempt, it.wait) for it in events]


async def test_backoff_is_longer_when_the_server_throttles(
    transport: Transport, sender: ScriptedSender, clock: FakeClock, refusal: Refusal
) -> None:
    """After a 429 at least half of the backoff is waited."""
    sender.script(refusal(429), refusal(429), OK)
    await transport.call(GET)
    assert [0.75, 1.5] == clock.sleeps


@pytest.mark.parametrize(("chance", "waits"), [(0.0, [0.5, 1.0]), (0.999, [0.9995, 1.999])])
async def test_jitter_spreads_the_waits(
    transport: Transport,
    sender: ScriptedSender,
    clock: FakeClock,
    rng: FixedRandom,
    refusal: Refusal,
    chance: float,
    waits: list[float],
) -> None:
    """The wait is random, within its limits."""
    rng.value = chance
    sender.script(refusal(429), refusal(429), OK)
    await transport.call(GET)
    assert pytest.approx(waits) == clock.sleeps


@pytest.mark.parametrize("fault", ["500", "502", "503", LOST, LATE], ids=str)
async def test_a_write_is_not_retried_if_it_may_have_been_executed(
    transport: Transport,
    sender: ScriptedSender,
    refusal: Refusal,
    fault: str | CleverReachError,
) -> None:
    """A POST raises after a lost response, a timeout or a 5xx."""
    sender.script(refusal(int(fault)) if isinstance(fault, str) else fault, OK)
    with pytest.raises((APIConnectionError, InternalServerError)):
        await transport.call(POST)
    assert 1 == len(sender.sent)


@pytest.mark.parametrize("fault", ["429", "503", NEVER_SENT], ids=str)
async def test_a_write_is_retried_if_it_was_not_executed(
    transport: Transport,
    sender: ScriptedSender,
    refusal: Refusal,
    fault: str | CleverReachError,
) -> None:
    """A POST is retried after a failed connect, a 429, or a 503 with ``Retry-After``."""
    headers = {"retry_after": "1"} if fault == "503" else {}
    sender.script(refusal(int(fault), **headers) if isinstance(fault, str) else fault, OK)
    assert OK == await transport.call(POST)
    assert 2 == len(sender.sent)
    assert sender.sent[0].content == sender.sent[1].content


async def test_a_write_marked_idempotent_is_retried(
    transport: Transport, sender: ScriptedSender
) -> None:
    """An idempotent POST is treated like a GET."""
    sender.script(LATE, OK)
    request = build_request("POST", "/receivers/filter", json=[], idempotent=True)
    assert OK == await transport.call(request)
    assert 2 == len(sender.sent)


@pytest.mark.parametrize("attempts", [1, 2, 6])
async def test_attempts_include_the_first_one(
    transport: Transport, sender: ScriptedSender, refusal: Refusal, attempts: int
) -> None:
    """``attempts`` counts requests, not retries."""
    sender.script(refusal(502))
    policy = RetryPolicy(attempts=attempts)
    with pytest.raises(InternalServerError):
        await attrs.evolve(transport, retry=policy).call(GET)
    assert attempts == len(sender.sent)


async def test_a_refused_request_is_not_retried(
    transport: Transport, sender: ScriptedSender, refusal: Refusal, clock: FakeClock
) -> None:
    """Resending the same request cannot fix a 400."""
    sender.script(refusal(400))
    with pytest.raises(BadRequestError):
        await transport.call(GET)
    assert (1, []) == (len(sender.sent), clock.sleeps)


@pytest.mark.parametrize(
    "headers",
    [
        {"retry_after": "20"},
        {
            "retry_after": "Thu, 01 Jan 2032 00:00:20 GMT",
            "date": "Thu, 01 Jan 2032 00:00:00 GMT",
        },
        {"retry_after": "Thu, 01 Jan 2026 00:00:20 GMT"},
    ],
    ids=["seconds", "date against Date", "date against the clock"],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_honoured(
    transport: Transport,
    sender: ScriptedSender,
    clock: FakeClock,
    refusal: Refusal,
    headers: dict[str, str],
    status: int,
) -> None:
    """In seconds, or as a date of the server's clock, plus jitter."""
    sender.script(refusal(status, **headers), OK)
    assert OK == await transport.call(GET)
    assert pytest.approx([21.0]) == clock.sleeps


async def test_a_longer_retry_after_is_raised_immediately(
    transport: Transport, sender: ScriptedSender, clock: FakeClock, refusal: Refusal
) -> None:
    """No call waits for an hour; the error contains the seconds."""
    sender.script(refusal(429, retry_after="3600"))
    with pytest.raises(RateLimitError) as caught:
        await transport.call(GET)
    assert 3600.0 == caught.value.retry_after
    assert (1, []) == (len(sender.sent), clock.sleeps)


async def test_an_exhausted_budget_ends_the_retries_with_a_note(
    transport: Transport, sender: ScriptedSender, account: Account, refusal: Refusal
) -> None:
    """The error is the server's; the note says why there was no retry."""
    account.budget.level = 5.0
    sender.script(refusal(502))
    with pytest.raises(InternalServerError) as caught:
        await transport.call(GET)
    assert 2 == len(sender.sent)
    assert ["no retry: the account's retry budget is exhausted"] == caught.value.__notes__


async def test_successes_refill_the_budget(
    transport: Transport, sender: ScriptedSender, account: Account
) -> None:
    """Each success returns a fifth of a token."""
    account.budget.level = 4.9
    sender.script(OK)
    await transport.call(GET)
    assert pytest.approx(5.1) == account.budget.level


async def test_the_token_request_spends_no_budget(
    transport: Transport, sender: ScriptedSender, account: Account
) -> None:
    """Calls without a token use neither the gate nor the budget."""
    account.budget.level = 0.0
    account.gate.push_back(1000.0, probe=False)
    sender.script(LOST, OK)
    request = Request(
        method="POST", target="/t", template="/t", idempotent=True, authenticated=False
    )
    assert OK == await transport.call(request)
    assert [False, False] == ["authorization" in it.headers for it in sender.sent]


async def test_the_error_of_the_last_attempt_is_raised(
    transport: Transport, sender: ScriptedSender, refusal: Refusal
) -> None:
    """Not the error of the first attempt; its message names the call."""
    sender.script(refusal(502), refusal(500), NEVER_SENT, LATE)
    with pytest.raises(APITimeoutError) as caught:
        await transport.call(GET)
    assert ("GET", "/groups/{group_id}", True) == (
        caught.value.method,
        caught.value.path,
        caught.value.sent,
    )
    assert str(caught.value).startswith("GET /groups/{group_id}: no response")


async def test_the_cause_is_the_error_of_the_http_library(
    transport: Transport, sender: ScriptedSender
) -> None:
    """Adding the call to the error does not add an error to its chain."""
    cause = OSError("connection reset")
    fault = APIConnectionError("reset", sent=True)
    fault.__cause__ = cause
    sender.script(fault)
    with pytest.raises(APIConnectionError) as caught:
        await transport.call(POST)
    assert cause is caught.value.__cause__


async def test_each_attempt_is_one_event_with_the_template(
    transport: Transport,
    sender: ScriptedSender,
    clock: FakeClock,
    events: list[RequestEvent],
    refusal: Refusal,
) -> None:
    """Events contain status, number, duration and wait, but never the filled path."""

    async def slow() -> Response:
        clock.elapsed += 1.5
        return OK

    sender.script(refusal(502), LATE, slow)
    request = build_request(
        "GET", "/receivers/{receiver_id}", path={"receiver_id": "bruce@wayne.example"}
    )
    await transport.call(request)
    assert [
        ("GET", "/receivers/{receiver_id}", 502, 1, 0.0, 0.1),
        ("GET", "/receivers/{receiver_id}", None, 2, 0.0, 0.2),
        ("GET", "/receivers/{receiver_id}", 200, 3, 1.5, None),
    ] == [attrs.astuple(it) for it in events]


async def test_an_address_in_a_raw_path_is_masked(
    transport: Transport, sender: ScriptedSender, events: list[RequestEvent]
) -> None:
    """An address that is part of the path itself is not shown in logs and errors."""
    sender.script(LOST)
    with pytest.raises(APIConnectionError) as caught:
        await transport.call(build_request("DELETE", "/receivers/bruce@wayne.example"))
    assert {"<e-mail>"} == {it.path for it in events} | {caught.value.path}
    assert "wayne" not in str(caught.value)
    assert 4 == len(sender.sent)


async def test_logs_hold_no_address_and_no_token(
    transport: Transport,
    sender: ScriptedSender,
    refusal: Refusal,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A success is logged at DEBUG, a retry at WARNING, both with the path template."""
    caplog.set_level(logging.DEBUG)
    body = b'{"error":{"code":400,"message":"bruce@wayne.example is invalid"}}'
    sender.script(refusal(502), OK, Response(400, {}, body))
    request = build_request(
        "PUT",
        "/receivers/{receiver_id}",
        path={"receiver_id": "bruce@wayne.example"},
        json={"email": "bruce@wayne.example"},
    )
    await transport.call(request)
    with pytest.raises(APIStatusError):
        await transport.call(request)
    ours = [it for it in caplog.records if it.name == "cleverreach_async"]
    assert [logging.WARNING, logging.DEBUG, logging.DEBUG] == [it.levelno for it in ours]
    assert (
        "PUT /receivers/{receiver_id} -> 502 in 0 ms (attempt 1, next in 0.1 s)"
        == ours[0].getMessage()
    )
    logged = "".join(it.getMessage() + repr(it.args) for it in caplog.records)
    assert [] == [word for word in ("wayne", "token-1") if word in logged]


async def test_a_success_is_not_logged_at_info(
    transport: Transport, sender: ScriptedSender, caplog: pytest.LogCaptureFixture
) -> None:
    """An application that logs at INFO does not log successful calls."""
    caplog.set_level(logging.INFO)
    sender.script(OK)
    await transport.call(GET)
    assert [] == [it for it in caplog.records if it.name == "cleverreach_async"]


async def test_after_a_401_the_call_is_resent_with_a_new_token(
    transport: Transport, sender: ScriptedSender, events: list[RequestEvent], refusal: Refusal
) -> None:
    """Renewal and resending are part of one attempt."""
    sender.script(refusal(401), OK)
    assert OK == await transport.call(POST)
    assert ["Bearer token-1", "Bearer token-2"] == [
        it.headers["authorization"] for it in sender.sent
    ]
    assert [(200, 1)] == [(it.status_code, it.attempt) for it in events]


async def test_call_once_sends_one_attempt(
    transport: Transport, sender: ScriptedSender, clock: FakeClock, refusal: Refusal
) -> None:
    """The importer's call sends once, with its own timeout, and does not retry."""
    sender.script(refusal(502))
    with pytest.raises(InternalServerError):
        await transport.call_once(GET, timeout=7.0)
    assert ([7.0], []) == ([it.timeout for it in sender.sent], clock.sleeps)


async def test_a_policy_may_exclude_kinds_of_failure(
    transport: Transport, sender: ScriptedSender, refusal: Refusal
) -> None:
    """Only failures in ``retry_on`` are retried; all others are raised."""
    policy = RetryPolicy(retry_on=frozenset({Fault.NOT_SENT}))
    picky = attrs.evolve(transport, retry=policy)
    sender.script(NEVER_SENT, refusal(502), OK)
    with pytest.raises(InternalServerError):
        await picky.call(GET)
    assert 2 == len(sender.sent)


TOLD = {
    "999999999": 999_999_999.0,
    "1735689600": 1_735_689_600.0,
    "1e300": 1e300,
    "Fri, 31 Dec 9999 23:59:59 GMT": 251_635_075_199.0,
}


@pytest.mark.parametrize(("header", "told"), TOLD.items())
@pytest.mark.parametrize("max_pause", [90.0, 3600.0])
async def test_an_absurd_retry_after_pauses_the_account_for_an_hour_at_most(
    transport: Transport,
    sender: ScriptedSender,
    clock: FakeClock,
    refusal: Callable[..., Response],
    header: str,
    told: float,
    max_pause: float,
) -> None:
    """The error has what the server said. After the ceiling a call is sent, and all is well."""
    transport = attrs.evolve(transport, retry=RetryPolicy(attempts=1, max_pause=max_pause))
    sender.script(refusal(429, retry_after=header), Response(200, {}, b"true"))
    with pytest.raises(RateLimitError) as first:
        await transport.call(GET)
    with pytest.raises(RateLimitError, match="paused for") as second:
        await transport.call(GET)
    assert (told, max_pause, 1) == (
        first.value.retry_after,
        second.value.retry_after,
        len(sender.sent),
    )
    clock.elapsed += max_pause
    assert [b"true"] * 3 == [(await transport.call(GET)).content for _ in range(3)]


async def test_a_policy_that_waits_for_anything_waits_for_an_hour(
    transport: Transport, sender: ScriptedSender, clock: FakeClock, refusal: Callable[..., Response]
) -> None:
    """The wait before a retry has the same ceiling."""
    policy = RetryPolicy(max_retry_after=math.inf)
    sender.script(refusal(429, retry_after="1e300"), Response(200, {}, b"true"))
    await attrs.evolve(transport, retry=policy).call(GET)
    assert (3600.0, 2) == (clock.elapsed, len(sender.sent))
