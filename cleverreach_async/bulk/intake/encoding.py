"""Encode rows to JSON, a slice at a time, as they arrive.

After this step only bytes and keys are kept. Encoding early is cheaper than encoding whole batches
late: few row objects are alive at a time, so the garbage collector has little to do, and no step
blocks the event loop for long.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

import attrs

from cleverreach_async.bulk.rows import EncodedRow, Outcome, RowResult
from cleverreach_async.bulk.strategies import UPSERTPLUS, Strategy
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.base import UNSET
from cleverreach_async.resources.receiver_models import ReceiverInput, receiver_on_wire
from cleverreach_async.sources.records import as_receiver_fields
from cleverreach_async.sources.rows import BadRow, Item, SourceRow
from cleverreach_async.transport.wire import encode_json

__all__ = ["Encoder"]

# Only addresses that the server is sure to refuse are rejected here.
_LABEL: Final = r"[^\s@.,:;<>()\[\]\\\"]"
# No possessive quantifiers: before Python 3.11.5 they match wrong addresses.
_EMAIL: Final = rf"[^\s@\"(),:;<>\[\]\\]+@(?:{_LABEL}+\.)+{_LABEL}{{2,}}"
_looks_like_email: Final = re.compile(_EMAIL).fullmatch
# One match for a slice of rows takes a third of the time of a match for each.
_look_like_emails: Final = re.compile(rf"(?:{_EMAIL}\n)*{_EMAIL}").fullmatch

_UNENCODABLE: Final = (ConfigurationError, TypeError, ValueError, AttributeError)

Adjust = Callable[[ReceiverInput], ReceiverInput]


class Encoder:
    """Encodes rows for one batch call.

    Args:
        strategy: The batch call.
        activate: Whether an update may set receivers active.
        inactive: Whether receivers are created as not yet confirmed, whatever the row says.
    """

    def __init__(
        self, strategy: Strategy = UPSERTPLUS, *, activate: bool = False, inactive: bool = False
    ) -> None:
        self._strategy = strategy
        self._adjust = _adjustment(strategy, activate=activate, inactive=inactive)

    @property
    def takes_orders(self) -> bool:
        """Whether rows may have orders."""
        return self._strategy.takes_orders

    def encode(
        self, items: Sequence[Item], numbers: Iterable[int]
    ) -> tuple[list[EncodedRow], list[RowResult]]:
        """Encode a slice of rows.

        Args:
            items: The rows as the source yielded them.
            numbers: One-based number of each.

        Returns:
            The rows that can be sent, and a rejection for each of the others.
        """
        rows: list[EncodedRow] = []
        rejected: list[RowResult] = []
        encode = self._encode
        is_checked = _have_valid_emails(items)
        for number, item in zip(numbers, items, strict=True):
            row = encode(item, number, is_checked)
            if type(row) is EncodedRow:
                rows.append(row)
            else:
                rejected.append(cast("RowResult", row))
        return rows, rejected

    def _encode(self, item: Item, number: int, is_checked: bool) -> EncodedRow | RowResult:
        receiver, line = (item.receiver, item.line) if type(item) is SourceRow else (item, None)
        if type(receiver) is ReceiverInput:
            return self._encode_receiver(receiver, number, line, is_checked=is_checked)
        if isinstance(receiver, BadRow):
            return _rejected(
                number, receiver.line, receiver.code, receiver.message, record=receiver.record
            )
        if isinstance(receiver, str):
            return self._encode_receiver(ReceiverInput(receiver), number, line)
        fields = as_receiver_fields(receiver)
        if fields is None:
            kind = type(receiver).__name__
            message = (
                f"Not a receiver: use a ReceiverInput or an object with its fields, not {kind}"
            )
            return _rejected(number, line, "invalid_value", message)
        try:
            made = ReceiverInput(**fields)
        except TypeError:
            message = f"Unknown field; fields are {', '.join(attrs.fields_dict(ReceiverInput))}"
            return _rejected(number, line, "unknown_field", message, record=fields)
        return self._encode_receiver(made, number, line)

    def _encode_receiver(
        self, receiver: ReceiverInput, number: int, line: int | None, *, is_checked: bool = False
    ) -> EncodedRow | RowResult:
        email: Any = receiver.email
        if not is_checked and (type(email) is not str or not _looks_like_email(email)):
            return self._encode_unusual_address(receiver, number, line)
        try:
            if self._adjust is not None:
                receiver = self._adjust(receiver)
            orders = receiver.orders
            if orders and not self._strategy.takes_orders:
                message = f"{self._strategy.name} is not known to store orders; use upsertplus"
                return _rejected(number, line, "orders_not_taken", message, receiver=receiver)
            if (
                orders
                or type(receiver.registered) is datetime
                or type(receiver.activated) is datetime
                or type(receiver.deactivated) is datetime
            ):
                receiver = receiver_on_wire(receiver)
            body = encode_json(email if self._strategy.only_address else receiver)
        except _UNENCODABLE as error:
            return _rejected(number, line, "invalid_value", str(error))
        repeatable = self._strategy.repeatable and not orders
        return EncodedRow(email.lower(), body, number, line, repeatable)

    def _encode_unusual_address(
        self, receiver: ReceiverInput, number: int, line: int | None
    ) -> EncodedRow | RowResult:
        """Strip white space around the address; reject anything else."""
        email: Any = receiver.email
        address = email.strip() if isinstance(email, str) else ""
        if address != email and _looks_like_email(address):
            return self._encode_receiver(attrs.evolve(receiver, email=address), number, line)
        code, message = (
            ("invalid_email", "not an e-mail address; expected something like name@example.org")
            if address
            else ("missing_email", "the row has no e-mail address")
        )
        return _rejected(number, line, code, message, receiver=receiver)


def _have_valid_emails(items: Sequence[Any]) -> bool:
    """Return whether all items are receivers with a valid address, in one match."""
    try:
        emails = "\n".join(
            [item.receiver.email if type(item) is SourceRow else item.email for item in items]
        )
    except (AttributeError, TypeError):
        return False  # a mapping, a bad row, or not text: each item is checked on its own
    has_one_each = emails.count("\n") == len(items) - 1
    return has_one_each and _look_like_emails(emails) is not None


def _adjustment(strategy: Strategy, *, activate: bool, inactive: bool) -> Adjust | None:
    """Return the function applied to every receiver before encoding; ``None`` for none."""
    if strategy.only_address:
        return lambda receiver: ReceiverInput(receiver.email)
    if inactive:
        return lambda receiver: attrs.evolve(receiver, activated=0, deactivated=UNSET)
    if not strategy.takes_activated and not activate:
        return lambda receiver: (
            receiver if receiver.activated is UNSET else attrs.evolve(receiver, activated=UNSET)
        )
    return None


def _rejected(
    number: int,
    line: int | None,
    code: str,
    message: str,
    *,
    receiver: ReceiverInput | None = None,
    record: Mapping[str, Any] | None = None,
) -> RowResult:
    return RowResult(
        number,
        line,
        Outcome.REJECTED,
        code,
        message,
        receiver=_encode_if_possible(receiver),
        record=_encode_if_possible(record),
    )


def _encode_if_possible(value: ReceiverInput | Mapping[str, Any] | None) -> bytes:
    if value is None:
        return b""
    try:
        return encode_json(receiver_on_wire(value) if isinstance(value, ReceiverInput) else value)
    except _UNENCODABLE:
        return b""
