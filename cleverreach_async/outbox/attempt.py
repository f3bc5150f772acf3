"""One attempt to deliver an entry: a look-up if it is in doubt, then one request.

Nothing is sent in doubt: only a look-up that finds no order of that number allows it.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs

from cleverreach_async.bulk.delivery.attempts import Attempts
from cleverreach_async.bulk.delivery.evidence import Evidence, evidence_of, lines_by_order
from cleverreach_async.bulk.delivery.look_up import LookUps
from cleverreach_async.bulk.delivery.lost_values import lost_values
from cleverreach_async.bulk.delivery.matching import match_rows
from cleverreach_async.bulk.delivery.response_items import read_items
from cleverreach_async.bulk.outcomes.batch_result import BatchResult
from cleverreach_async.bulk.pacing.limiter import ConcurrencyLimiter
from cleverreach_async.bulk.pacing.limits import FixedLimit
from cleverreach_async.errors import (
    APIStatusError,
    AuthenticationError,
    CleverReachError,
    ConfigurationError,
    NotFoundError,
    ResponseDecodeError,
)
from cleverreach_async.outbox.entries import Claimed, Verdict
from cleverreach_async.outbox.parcels import Parcel, row_of, write_of
from cleverreach_async.outbox.settings import SendingSettings
from cleverreach_async.outbox.stopwatch import Stopwatch
from cleverreach_async.resources.base import receiver_path
from cleverreach_async.resources.order_delivery import OrderAttempt
from cleverreach_async.resources.order_results import OrderStatus, status_after
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.hiding import hide
from cleverreach_async.transport.json_text import parse_json
from cleverreach_async.transport.redaction import mask_emails
from cleverreach_async.transport.retry import Fault, RetryPolicy, diagnose, wait_before
from cleverreach_async.transport.stop import Stop, StopRequestedError
from cleverreach_async.transport.transport import Transport
from cleverreach_async.transport.wire import (
    Request,
    Response,
    as_list,
    as_object,
    build_request,
    decode_json,
)

__all__ = ["EntryAttempt"]

_log: Final = logging.getLogger("cleverreach_async")

_BACKOFF: Final = RetryPolicy(throttled_wait=1.0, cap=60.0)
_PAUSE: Final = 1.0
"""Seconds that a look-up waits between responses that are not JSON."""
_MOST_REASON: Final = 500
_NOT_SHOWN: Final = (
    "the response does not show the receiver, as if it were refused: check the address and the"
    " blacklist"
)
_UNCLEAR: Final = (
    "an answer was lost, and what the server has of the order differs from what was sent, or cannot"
    " be read: compare them, then drop it or send it again"
)
_NOT_LISTED: Final = "the response lists orders of the receiver, and not all of these"
_OF_PROXIES: Final = frozenset({301, 302, 303, 307, 308, 403, 404, 405, 408})
"""What maintenance, a firewall or a wrong address answers with a page."""
_TOO_LATE: Final = "it could not be sent before its lease ended"

Renew = Callable[[], Awaitable[bool]]
"""Keeps the claim for another lease; returns whether it is still ours."""


@attrs.frozen(kw_only=True, eq=False)
class EntryAttempt:
    """An attempt to deliver one entry.

    Attributes:
        transport: Sends the requests of its account.
        settings: The options.
        claimed: The entry.
        renew: Keeps the claim.
        clock: Source of time.
        watch: Started before it was claimed.
        stop: Its abort cuts off the requests in flight.
    """

    transport: Transport
    settings: SendingSettings
    claimed: Claimed
    renew: Renew
    clock: Clock
    watch: Stopwatch
    stop: Stop

    async def deliver(self) -> Verdict:
        """Look the entry up if it is in doubt, and send it if it is not stored.

        It raises nothing but cancellation.
        """
        watch = self.watch
        if self.claimed.doubtful:
            found = await self._look_up()
            if isinstance(found, Verdict):
                return found
            if found is Evidence.STORED:
                return Verdict(state="done")
            if found is Evidence.UNCLEAR:
                return Verdict(state="dead", doubtful=True, reason=_UNCLEAR)
            watch = Stopwatch(self.clock)
            if not await self.renew():
                return self._doubt("another process has taken it")
        return await self._send(watch)

    async def _look_up(self) -> Evidence | Verdict:
        """Return what the server has of the entry, or what becomes of it if that is not known."""
        parcel = self.claimed.parcel
        try:
            if parcel.creates:
                found = await self._look_up_receiver(parcel)
            else:
                found = await self._look_up_orders(parcel)
            if found is Evidence.UNCLEAR and self.claimed.is_whole:
                found = await self._count_lines(parcel)
        except StopRequestedError:
            return self._doubt("the block ended")
        except Exception as error:  # noqa: BLE001 - the entry stays in doubt
            return self._doubt(_reason(error), error)
        return found

    async def _look_up_receiver(self, parcel: Parcel) -> Evidence:
        row, result = row_of(parcel), BatchResult()
        result.doubt([row])
        attempts = Attempts(
            transport=self.transport,
            limiter=ConcurrencyLimiter(FixedLimit(1), self.transport.clock),
            stop=self.stop,
            timeout=self.settings.timeout,
            max_outage=0.0,
            settle=_PAUSE,
            most_without_proof=1,
        )
        again = await LookUps(attempts, parcel.group_id or 0).settle_doubts([row], result)
        if again:
            return Evidence.ABSENT
        return Evidence.STORED if result.accepted else Evidence.UNCLEAR

    async def _look_up_orders(self, parcel: Parcel) -> Evidence:
        stored = await self._stored_orders(parcel)
        return Evidence.UNCLEAR if stored is None else evidence_of(row_of(parcel), stored)

    async def _count_lines(self, parcel: Parcel) -> Evidence:
        """Compare the number of lines only: a server may write numbers and texts in its own way.

        The lines of these orders can be from no other entry.
        """
        stored = await self._stored_orders(parcel)
        sent = parse_json(row_of(parcel).body)
        if stored is None or lines_by_order(sent["orders"]) - lines_by_order(stored["orders"]):
            return Evidence.UNCLEAR
        return Evidence.STORED

    async def _stored_orders(self, parcel: Parcel) -> dict[str, list[Any]] | None:
        """Return the orders of the receiver; ``None`` if the server refuses to tell.

        Raises:
            CleverReachError: It is not known for now.
        """
        template, path = receiver_path(parcel.receiver, parcel.group_id)
        request = build_request("GET", f"{template}/orders", path=path)
        try:
            response = await self.transport.call_once(
                request, timeout=self.settings.timeout, max_wait=0.0, stop=self.stop
            )
        except APIStatusError as error:
            is_missing = isinstance(error, NotFoundError)
            if is_missing and error.code is not None:
                return {"orders": []}  # without the receiver there is no order of it
            # Without the vendor's code it is from a proxy, which knows nothing of receivers.
            may_pass = is_missing or diagnose(error, request.template).fault is not None
            if may_pass or isinstance(error, AuthenticationError):
                raise
            return None
        if not response.content:
            raise ResponseDecodeError(["it is empty"], method="GET", path=template)
        return {"orders": as_list(decode_json(response, request))}

    async def _send(self, watch: Stopwatch) -> Verdict:
        """Send the entry once. The request ends before the lease does, or does not begin."""
        settings, sent = self.settings, False
        try:
            request = write_of(self.claimed.parcel)
        except ConfigurationError as error:  # somebody has changed the row
            return Verdict(state="dead", reason=_reason(error))

        def on_send() -> None:
            nonlocal sent
            too_late = watch.elapsed() > settings.lease - settings.timeout
            if too_late or self.stop.requested:
                raise StopRequestedError
            sent = True

        async def once(request: Request) -> Response:
            return await self.transport.call_once(
                request,
                timeout=settings.timeout,
                max_wait=0.0,
                on_send=on_send,
                stop=self.stop,
            )

        try:
            if self.claimed.parcel.creates:
                return self._matched(await once(request), request)
            await OrderAttempt(once).send(request)
        except StopRequestedError:
            if sent:
                return self._doubt("the block ended")
            return Verdict(state="waiting") if self.stop.requested else self._again(_TOO_LATE)
        except Exception as error:  # noqa: BLE001 - the entry tells what happened
            return self._after(error, request, sent=sent)
        return Verdict(state="done")

    def _matched(self, response: Response, request: Request) -> Verdict:
        """Return what the response to an upsertplus says about the receiver.

        Raises:
            ResponseDecodeError: It is not JSON.
        """
        items = read_items(response)
        if items is None:
            problem = f"not JSON ({response.kind}, {len(response.content)} bytes)"
            raise ResponseDecodeError([problem], method=request.method, path=request.template)
        matched = match_rows([row_of(self.claimed.parcel)], items)
        if matched.accepted:
            if self._lists_other_orders(response):
                return self._doubt(_NOT_LISTED)
            lost = [remark.text for _, remark in lost_values(matched.accepted, response)]
            if lost:
                _log.warning("entry %d of the outbox: %s", self.claimed.id, "; ".join(lost))
            return Verdict(state="done")
        if matched.refused:
            words = hide(matched.refused[0][1], response.secrets)
            return Verdict(state="dead", reason=_shown(f"the server refused it: {words}"))
        return Verdict(state="dead", doubtful=True, reason=_NOT_SHOWN)

    def _lists_other_orders(self, response: Response) -> bool:
        """Whether the response lists orders of the receiver, and not all of those sent."""
        row, shown = row_of(self.claimed.parcel), as_list(parse_json(response.content))
        listing = [profile for profile in map(as_object, shown) if profile.get("orders")]
        return any(evidence_of(row, profile) is not Evidence.STORED for profile in listing)

    def _after(self, error: Exception, request: Request, *, sent: bool) -> Verdict:
        if isinstance(error, ConfigurationError):
            # Of the client, such as a damaged token: the entry itself could become a request.
            return self._again(_reason(error), error)
        status = status_after(error, request.template, sent=sent)
        if status is OrderStatus.REFUSED and not _is_of_proxy(error):
            return Verdict(state="dead", reason=_reason(error))
        if status in (OrderStatus.FAILED, OrderStatus.REFUSED):
            return self._again(_reason(error), error)
        return self._doubt(_reason(error), error)

    def _again(self, reason: str, error: Exception | None = None) -> Verdict:
        """Let an entry wait that was certainly not stored."""
        if self._is_over:
            return Verdict(state="dead", reason=_shown(f"given up: {reason}"))
        return Verdict(state="waiting", reason=reason, wait=self._backoff(error))

    def _doubt(self, reason: str, error: Exception | None = None) -> Verdict:
        """Let an entry wait for a look-up, because the server may have stored it."""
        wait = max(self.settings.settle, self._backoff(error))
        if self._is_over:
            given_up = _shown(f"given up: {reason}")
            return Verdict(state="dead", doubtful=True, reason=given_up, wait=wait)
        return Verdict(state="sent", doubtful=True, reason=reason, wait=wait)

    @property
    def _is_over(self) -> bool:
        age = self.clock.now() - self.claimed.since
        return age >= self.settings.give_up

    def _backoff(self, error: Exception | None) -> float:
        asked: float | None = getattr(error, "retry_after", None)
        wait = wait_before(
            _BACKOFF,
            Fault.THROTTLED,
            attempt=self.claimed.attempts,
            retry_after=None,
            rng=self.transport.rng,
        )
        return max(wait, min(asked or 0.0, self.transport.retry.max_pause))


def _is_of_proxy(error: Exception) -> bool:
    """Whether something before the API refused a request, which says nothing about the order."""
    if not isinstance(error, APIStatusError) or error.status_code not in _OF_PROXIES:
        return False
    try:
        parse_json(error.body.encode())
    except ValueError:
        return True
    return False


def _reason(error: Exception) -> str:
    if isinstance(error, CleverReachError):
        return _shown(str(error))
    return f"unexpected error ({type(error).__name__})"


def _shown(text: str) -> str:
    """Return a reason that may be stored and shown."""
    return mask_emails(text)[:_MOST_REASON].replace("\0", "")
