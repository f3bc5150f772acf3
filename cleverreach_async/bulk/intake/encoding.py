"""Encode rows to JSON, a slice at a time, as they arrive.

After this step only bytes and keys are kept. Encoding early is cheaper than encoding whole batches
late: few row objects are alive at a time, so the garbage collector has little to do, and no step
blocks the event loop for long.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from cleverreach_async.bulk.attributes.known import AttributesNeededError
from cleverreach_async.bulk.intake.plain_rows import encode_plain_rows
from cleverreach_async.bulk.intake.preparation import Preparation
from cleverreach_async.bulk.intake.relative_rows import mark_relative_rows
from cleverreach_async.bulk.intake.valid_addresses import is_address
from cleverreach_async.bulk.rows import EncodedRow, Outcome, RowResult, email_key
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.receiver_models import ReceiverInput
from cleverreach_async.sources.addresses import strip_address
from cleverreach_async.sources.consent import REASONS
from cleverreach_async.sources.receiver_fields import read_fields
from cleverreach_async.sources.records import as_receiver_fields
from cleverreach_async.sources.rows import BadRow, BadValueError, Item, Remark, SourceRow
from cleverreach_async.transport.redaction import EXAMPLE_ADDRESS
from cleverreach_async.transport.wire import encode_body, encode_json

__all__ = ["Encoder"]

_UNENCODABLE: Final = (ConfigurationError, TypeError, ValueError, AttributeError)


class Encoder:
    """Encodes rows for one batch call.

    Args:
        preparation: What is sent of a receiver.
        relative_names: The number attributes, whose values may be relative; ``None`` if they are
            not known, so that any attribute may be one.
    """

    def __init__(
        self,
        preparation: Preparation | None = None,
        *,
        relative_names: Collection[str] | None = None,
    ) -> None:
        self._preparation = preparation or Preparation()
        self._strategy = self._preparation.strategy
        self._relative_names = relative_names

    def encode(
        self, items: Sequence[Item], numbers: Iterable[int]
    ) -> tuple[list[EncodedRow], list[RowResult]]:
        """Encode a slice of rows.

        Args:
            items: The rows as the source yielded them.
            numbers: One-based number of each; they are consecutive.

        Returns:
            The rows that can be sent, and a rejection for each of the others.

        Raises:
            AttributesNeededError: More must be known of the attributes of a row first.
        """
        self.take_remarks()
        numbers = list(numbers)
        rejected: list[RowResult] = []
        rows = self._encode_plain(items, numbers)
        if rows is None:
            results = list(map(self._encode_or_reject, items, numbers))
            rows = [it for it in results if isinstance(it, EncodedRow)]
            rejected = [it for it in results if isinstance(it, RowResult)]
        # Of calls that must not be repeated anyway it makes no difference.
        if self._strategy.repeatable:
            mark_relative_rows(rows, self._relative_names)
        return rows, rejected

    def _encode_plain(
        self, items: Sequence[Item], numbers: Sequence[int]
    ) -> list[EncodedRow] | None:
        if self._preparation.changes_all:
            return None
        return encode_plain_rows(items, numbers, self._strategy, self._preparation.attributes)

    def take_remarks(self) -> list[tuple[int, Remark]]:
        """Return what was done to values of attributes, each with the number of its row, once."""
        known = self._preparation.attributes
        if known is None or not known.remarks:
            return []
        remarks, known.remarks = known.remarks, []
        return remarks

    def _encode_or_reject(self, item: Item, number: int) -> EncodedRow | RowResult:
        try:
            return self._encode(item, number)
        except AttributesNeededError as needed:
            needed.row = number
            raise
        except Exception as error:  # noqa: BLE001 - no object may end the import
            message = f"the row cannot be read ({type(error).__name__})"
            return _rejected(number, None, "invalid_value", message)

    def _encode(self, item: Item, number: int) -> EncodedRow | RowResult:
        if isinstance(item, SourceRow):
            if item.not_subscribed and self._preparation.excludes(item):
                return _excluded(item, number)
            return self._encode_receiver(
                item.receiver, number, item.line, not_subscribed=bool(item.not_subscribed)
            )
        if isinstance(item, ReceiverInput):
            return self._encode_receiver(item, number, None)
        if isinstance(item, BadRow):
            return _rejected(number, item.line, item.code, item.message, record=item.record)
        return self._encode_fields(item, number)

    def _encode_fields(self, item: object, number: int) -> EncodedRow | RowResult:
        """Encode an address, or an object with the fields of a receiver."""
        line = None
        if isinstance(item, str):
            return self._encode_receiver(ReceiverInput(item), number, line)
        fields = as_receiver_fields(item)
        if fields is None:
            kind = type(item).__name__
            message = (
                f"Not a receiver: use a ReceiverInput or an object with its fields, not {kind}"
            )
            return _rejected(number, line, "invalid_value", message)
        try:
            made = read_fields(fields)
        except BadValueError as error:
            return _rejected(number, line, error.code, str(error), record=fields)
        return self._encode_receiver(made, number, line)

    def _encode_receiver(
        self,
        receiver: ReceiverInput,
        number: int,
        line: int | None,
        *,
        not_subscribed: bool = False,
    ) -> EncodedRow | RowResult:
        email: Any = receiver.email
        if type(email) is not str or not is_address(email):
            return self._encode_unusual_address(receiver, number, line, not_subscribed)
        try:
            sent = self._preparation.prepare(receiver, row=number, not_subscribed=not_subscribed)
            if sent.orders and not self._strategy.takes_orders:
                message = f"{self._strategy.name} is not known to store orders; use upsertplus"
                return _rejected(number, line, "orders_not_taken", message, receiver=receiver)
            body = encode_body(email if self._strategy.only_address else sent)
        except BadValueError as error:
            return _rejected(number, line, error.code, str(error), receiver=receiver)
        except _UNENCODABLE as error:
            return _rejected(number, line, "invalid_value", str(error))
        repeatable = self._strategy.repeatable and not sent.orders
        return EncodedRow(email_key(email), body, number, line, repeatable)

    def _encode_unusual_address(
        self, receiver: ReceiverInput, number: int, line: int | None, not_subscribed: bool
    ) -> EncodedRow | RowResult:
        """Strip white space and invisible characters around the address; reject anything else."""
        email: Any = receiver.email
        address = strip_address(email) if isinstance(email, str) else ""
        if address != email and is_address(address):
            stripped = attrs.evolve(receiver, email=address)
            return self._encode_receiver(stripped, number, line, not_subscribed=not_subscribed)
        code, message = (
            ("invalid_email", f"not an e-mail address; expected something like {EXAMPLE_ADDRESS}")
            if address
            else ("missing_email", "the row has no e-mail address")
        )
        return _rejected(number, line, code, message, receiver=receiver)


def _excluded(row: SourceRow, number: int) -> RowResult:
    code = row.not_subscribed
    receiver = _encode_if_possible(row.receiver)
    message = REASONS.get(code, code)
    return RowResult(number, row.line, Outcome.EXCLUDED, code, message, receiver=receiver)


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
        return encode_json(value)
    except _UNENCODABLE:
        return b""
