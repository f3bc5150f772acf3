"""What has become of a live order: the result, and the decisions about it on plain values."""

import enum
from typing import Any

import attrs

from cleverreach_async.errors import (
    APIStatusError,
    AuthenticationError,
    CleverReachError,
    ConfigurationError,
    ResponseDecodeError,
)
from cleverreach_async.resources.orders import OrderLike
from cleverreach_async.transport.retry import diagnose

__all__ = ["OrderResult", "OrderStatus", "status_after"]


class OrderStatus(enum.StrEnum):
    """What has become of a live order."""

    DELIVERED = "delivered"
    """The server has stored it."""
    KEPT = "kept"
    """The outbox has it, and will send it."""
    REFUSED = "refused"
    """It was not stored, and would be refused again: the receiver does not exist, for example."""
    FAILED = "failed"
    """It was not stored, for a reason that may pass. It can be sent again later."""
    UNKNOWN = "unknown"
    """The response was lost. The server may have stored it; sent again, it might be there twice."""


@attrs.frozen(kw_only=True)
class OrderResult:
    """The result of a live order.

    Attributes:
        status: What has become of it. It is a text too: ``status == "delivered"``.
        receiver_id: The receiver, as given.
        order: The order with its time, so that it can be sent again later; as given if it is
            invalid.
        group_id: The group, as given.
        reason: Why it was not delivered, as text without the address; empty if it was.
        error: The error, if there is one.
    """

    status: OrderStatus
    receiver_id: int | str = attrs.field(repr=False)
    order: OrderLike = attrs.field(repr=False)
    group_id: int | None = None
    reason: str = ""
    error: Exception | None = attrs.field(default=None, repr=False)

    @property
    def delivered(self) -> bool:
        """Whether the server has stored the order."""
        return self.status is OrderStatus.DELIVERED

    @property
    def order_id(self) -> Any:
        """The shop's order number, or ``None`` if the order has none."""
        if isinstance(self.order, dict):
            return self.order.get("order_id")
        return getattr(self.order, "order_id", None)


def status_after(error: Exception, template: str, *, sent: bool) -> OrderStatus:
    """Return the status of an order after an error.

    Args:
        error: The error.
        template: Path template of the call.
        sent: Whether the request was perhaps sent.
    """
    if isinstance(error, ConfigurationError):
        return OrderStatus.REFUSED
    if not sent:
        return OrderStatus.FAILED
    if not isinstance(error, CleverReachError) or isinstance(error, ResponseDecodeError):
        return OrderStatus.UNKNOWN
    diagnosis = diagnose(error, template)
    if diagnosis.perhaps_executed:
        return OrderStatus.UNKNOWN
    is_final = isinstance(error, APIStatusError) and diagnosis.fault is None
    may_pass = diagnosis.in_token_call or isinstance(error, AuthenticationError)
    return OrderStatus.REFUSED if is_final and not may_pass else OrderStatus.FAILED
