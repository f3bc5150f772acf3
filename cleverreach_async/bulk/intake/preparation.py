"""What an import sends of a receiver: fields converted, times checked, consent kept."""

from typing import Any, Final

import attrs

from cleverreach_async.bulk.attributes.known import KnownAttributes
from cleverreach_async.bulk.strategies import UPSERTPLUS, Strategy
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.receiver_models import ReceiverInput
from cleverreach_async.resources.receiver_wire import UNSUBSCRIBED, receiver_on_wire
from cleverreach_async.resources.times import EARLIEST, LATEST
from cleverreach_async.resources.unset import UNSET
from cleverreach_async.sources.receiver_fields import is_plain, read_fields
from cleverreach_async.sources.rows import BadValueError, SourceRow

__all__ = ["Preparation"]

_UNDECIDED: Final = "not_stated"
"""Code of a row that does not say whether they are subscribed: nobody is set inactive for it."""


@attrs.frozen(kw_only=True)
class Preparation:
    """Options for what is sent of a receiver.

    Attributes:
        strategy: The batch call.
        now: Unix seconds of the import, sent for a time that is needed and not known.
        activate: Whether an update may set receivers active.
        inactive: Whether receivers are created as not yet confirmed, whatever the row says.
        deactivates: Whether rows that say that the person is not subscribed are sent, as
            unsubscribed.
        reactivate: Whether ``deactivated`` 0 is sent.
        attributes: The attributes of the account; ``None`` if those of rows are not checked.
    """

    strategy: Strategy = UPSERTPLUS
    now: int = 0
    activate: bool = False
    inactive: bool = False
    deactivates: bool = False
    reactivate: bool = False
    attributes: KnownAttributes | None = None

    @property
    def changes_all(self) -> bool:
        """Whether every receiver is changed before it is sent."""
        drops_activated = not self.strategy.takes_activated and not self.activate
        return self.strategy.only_address or self.inactive or drops_activated

    def excludes(self, row: SourceRow) -> bool:
        """Whether a row that says that the person is not subscribed is left out."""
        if self.strategy.only_address:
            return False
        return not self.deactivates or row.not_subscribed == _UNDECIDED

    def prepare(
        self, receiver: ReceiverInput, *, row: int = 0, not_subscribed: bool = False
    ) -> ReceiverInput:
        """Return what is sent. The input is not changed.

        Args:
            receiver: The receiver.
            row: Number of the row.
            not_subscribed: Whether the row says that the person is not subscribed.

        Raises:
            BadValueError: A value cannot be sent.
            AttributesNeededError: More must be known of its attributes first.
        """
        if self.strategy.only_address:
            return ReceiverInput(receiver.email)
        if not is_plain(receiver):
            receiver = read_fields(_set_fields(receiver))
        known = self.attributes
        if known is not None and (receiver.global_attributes or receiver.attributes):
            receiver = known.fit(receiver, row)
        if not_subscribed:
            receiver = attrs.evolve(
                receiver, activated=UNSET, deactivated=receiver.deactivated or UNSUBSCRIBED
            )
        if receiver.orders or not _has_usual_times(receiver):
            receiver = self._with_times(receiver)
        if self.inactive and not not_subscribed:
            return attrs.evolve(receiver, activated=0, deactivated=UNSET)
        if not self.strategy.takes_activated and not self.activate:
            activated = receiver.activated
            return receiver if activated is UNSET else attrs.evolve(receiver, activated=UNSET)
        return receiver

    def _with_times(self, receiver: ReceiverInput) -> ReceiverInput:
        try:
            return receiver_on_wire(
                receiver,
                now=self.now,
                creates=self.strategy.name != "update",
                reactivate=self.reactivate,
            )
        except ConfigurationError as error:
            raise BadValueError("invalid_date", str(error)) from None


def _set_fields(receiver: ReceiverInput) -> dict[str, Any]:
    values = {name: getattr(receiver, name) for name in attrs.fields_dict(ReceiverInput)}
    return {name: value for name, value in values.items() if value is not UNSET}


def _has_usual_times(receiver: ReceiverInput) -> bool:
    """Whether the times need no conversion."""
    registered, activated = receiver.registered, receiver.activated
    return (
        receiver.deactivated is UNSET
        and (registered is UNSET or (type(registered) is int and EARLIEST <= registered <= LATEST))
        and (activated is UNSET or (type(activated) is int and EARLIEST <= activated <= LATEST))
    )
