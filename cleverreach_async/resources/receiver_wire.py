"""A receiver as it is sent: times checked and in Unix seconds.

Nothing here makes anybody active who left or never confirmed: ``deactivated`` 0 is not sent, and
of a receiver who has not confirmed ``registered`` is sent, but not ``activated``.
"""

from typing import Any, Final

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.orders import order_on_wire
from cleverreach_async.resources.receiver_models import ReceiverInput
from cleverreach_async.resources.times import seconds_on_wire
from cleverreach_async.resources.unset import UNSET, Unset

__all__ = ["UNSUBSCRIBED", "receiver_on_wire"]

UNSUBSCRIBED: Final = 1
"""``deactivated`` of somebody who unsubscribed at an unknown time."""


def receiver_on_wire(
    receiver: ReceiverInput,
    *,
    now: int | None = None,
    creates: bool = True,
    reactivate: bool = False,
) -> ReceiverInput:
    """Return the receiver as it is sent. The input is not changed.

    Args:
        receiver: The receiver.
        now: Unix seconds that stand for a time that is needed and not known.
        creates: Whether the call may create the receiver; only then ``registered`` is needed.
        reactivate: Whether ``deactivated`` 0 is sent.

    Raises:
        ConfigurationError: A time cannot be sent.
    """
    registered = _seconds(receiver.registered, "registered")
    activated = receiver.activated
    if activated is None or isinstance(activated, bool):
        known = registered or now
        if not known:
            raise ConfigurationError(
                f"activated is {activated}, which says whether they confirmed, but not when: set"
                " registered too"
            )
        if not activated and creates:
            registered = known
        activated = known if activated else UNSET
    else:
        activated = _seconds(activated, "activated")
    changes: dict[str, Any] = {
        "registered": registered,
        "activated": activated,
        "deactivated": _deactivated(receiver.deactivated, reactivate=reactivate),
    }
    if receiver.orders:
        changes["orders"] = [order_on_wire(order) for order in receiver.orders]
    return attrs.evolve(receiver, **changes)


def _seconds(value: Any, name: str) -> int | Unset:
    return UNSET if value is UNSET else seconds_on_wire(value, name)


def _deactivated(value: Any, *, reactivate: bool) -> int | Unset:
    if value is UNSET or value is None or value == "":
        return UNSET
    if value is True or (type(value) is int and value == UNSUBSCRIBED):
        return UNSUBSCRIBED
    seconds = 0 if value is False else seconds_on_wire(value, "deactivated")
    return seconds if seconds or reactivate else UNSET
