"""Deliver one live order: single attempts until it is stored, refused or in doubt, or time is up.

An order is sent again only if the server has certainly not stored it.
"""

from typing import Final

import attrs

from cleverreach_async.errors import CleverReachError, ConfigurationError, RateLimitError
from cleverreach_async.resources.arguments import as_model
from cleverreach_async.resources.base import Resource
from cleverreach_async.resources.order_models import OrderInput
from cleverreach_async.resources.order_results import OrderResult, OrderStatus, status_after
from cleverreach_async.resources.orders import OrderLike, creation_of
from cleverreach_async.resources.unset import UNSET
from cleverreach_async.transport.retry import Diagnosis, diagnose, wait_before
from cleverreach_async.transport.stop import Stop, StopRequestedError
from cleverreach_async.transport.transport import Transport
from cleverreach_async.transport.wire import Request, Response

__all__ = ["LiveOrder", "OrderAttempt", "OrderDelivery", "prepared"]

_LEAST: Final = 1.0
"""Seconds that a further attempt needs at least; a shorter one would only end in doubt."""

_WITHOUT_BUDGET: Final = 15.0
"""Seconds to wait at least when the account's retry budget is used up."""


@attrs.frozen(kw_only=True, eq=False)
class LiveOrder:
    """An order that is ready to be sent.

    Attributes:
        receiver_id: The receiver, as given.
        order: The order with its time.
        group_id: The group, as given.
        request: The request. It was built when the order was given, so later changes of the
            caller's object do not matter.
    """

    receiver_id: int | str = attrs.field(repr=False)
    order: OrderInput = attrs.field(repr=False)
    group_id: int | None
    request: Request

    def ended(
        self, status: OrderStatus, reason: str = "", error: Exception | None = None
    ) -> OrderResult:
        """Return the result of the order."""
        return OrderResult(
            status=status,
            receiver_id=self.receiver_id,
            order=self.order,
            group_id=self.group_id,
            reason=reason,
            error=error,
        )


def prepared(
    receiver_id: int | str, order: OrderLike, group_id: int | None, *, now: int
) -> LiveOrder | OrderResult:
    """Return an order that is ready to be sent, or why it never is. It never raises.

    Args:
        receiver_id: Pool id or e-mail address.
        order: The order.
        group_id: The group.
        now: Unix seconds, for the time of an order that has none. The server would use the time
            at which it gets the order, which may be much later.
    """
    try:
        model = as_model(order, OrderInput, "the order", "order_id")
        dated = attrs.evolve(model, stamp=now if model.stamp is UNSET else model.stamp)
        request = creation_of(receiver_id, dated, group_id)
    except Exception as error:  # noqa: BLE001 - whatever the values of the caller raise
        known = isinstance(error, ConfigurationError)
        return OrderResult(
            status=OrderStatus.REFUSED,
            receiver_id=receiver_id,
            order=order,
            group_id=group_id,
            reason=str(error) if known else f"the order cannot be sent ({type(error).__name__})",
            error=error,
        )
    return LiveOrder(receiver_id=receiver_id, order=dated, group_id=group_id, request=request)


class OrderAttempt(Resource):
    """One attempt to add an order."""

    async def send(self, request: Request) -> None:
        """Send it.

        Raises:
            CleverReachError: The response does not show that the order was stored, or there is
                none.
        """
        await self._done(request)


@attrs.frozen(kw_only=True, eq=False)
class OrderDelivery:
    """Delivers orders.

    Attributes:
        transport: Sends each attempt, through the gate of the account.
        stop: Ends the waits; its abort cuts off the requests in flight.
    """

    transport: Transport
    stop: Stop = attrs.field(factory=Stop)

    async def deliver(self, order: LiveOrder, seconds: float) -> OrderResult:
        """Send an order, again if it was certainly not stored. It raises nothing but cancellation.

        Args:
            order: The order.
            seconds: Time for it, waits included. An attempt takes no longer than the client's
                timeout, and a further one is made only if a second is left.
        """
        clock = self.transport.clock
        until, least, attempt = clock.monotonic() + seconds, min(_LEAST, seconds / 2), 1
        while True:
            left = until - clock.monotonic()
            ended, diagnosis = await self._attempt(order, left, attempt)
            if diagnosis is None:
                return ended
            wait = self._wait_before_next(diagnosis, attempt)
            if until - clock.monotonic() < wait + least:
                return ended
            try:
                with self.stop.ending_waits():
                    await clock.sleep(wait)
            except StopRequestedError:
                return ended
            attempt += 1

    async def _attempt(
        self, order: LiveOrder, left: float, attempt: int
    ) -> tuple[OrderResult, Diagnosis | None]:
        """Return the result of one attempt, and what it means if another one may follow."""
        request, transport = order.request, self.transport
        started: float | None = None
        status_code: int | None = None

        def on_send() -> None:
            nonlocal started
            if self.stop.requested:
                raise StopRequestedError
            started = transport.clock.monotonic()

        async def once(request: Request) -> Response:
            nonlocal status_code
            response = await transport.call_once(
                request,
                timeout=left if transport.timeout is None else min(transport.timeout, left),
                max_wait=max(0.0, left - _LEAST),
                on_send=on_send,
                stop=self.stop,
            )
            status_code = response.status_code
            return response

        try:
            await OrderAttempt(once).send(request)
        except StopRequestedError:
            return order.ended(OrderStatus.FAILED, "there was no time left to send it"), None
        except Exception as error:  # noqa: BLE001 - no error may end the task
            status_code = getattr(error, "status_code", None)
            status = status_after(error, request.template, sent=started is not None)
            ended = order.ended(status, _reason(error), error)
            return ended, _hope_after(error, request) if status is OrderStatus.FAILED else None
        finally:
            if started is not None:
                transport.log_attempt(request, status_code, attempt, started, None)
        return order.ended(OrderStatus.DELIVERED), None

    def _wait_before_next(self, diagnosis: Diagnosis, attempt: int) -> float:
        has_budget = self.transport.spend(diagnosis)
        if diagnosis.fault is None or diagnosis.retry_after is not None:
            return 0.0  # the gate waits for as long as the server asked
        wait = wait_before(
            self.transport.retry,
            diagnosis.fault,
            attempt=attempt,
            retry_after=None,
            rng=self.transport.rng,
        )
        return wait if has_budget else max(wait, _WITHOUT_BUDGET)


def _hope_after(error: Exception, request: Request) -> Diagnosis | None:
    """Return what the error of an order that was not stored means, if trying again may help."""
    if not isinstance(error, CleverReachError):
        return None
    if isinstance(error, RateLimitError) and error.path != request.template:
        return None  # the gate stays closed for longer than there is time
    diagnosis = diagnose(error, request.template)
    return None if diagnosis.fault is None else diagnosis


def _reason(error: Exception) -> str:
    if isinstance(error, CleverReachError):
        return str(error)
    return f"unexpected error ({type(error).__name__})"
