"""Rows of columns: from the values of a row, by a mapping, to a receiver or a bad row."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from cleverreach_async.resources.receiver_models import AttributeValue, ReceiverInput
from cleverreach_async.resources.unset import UNSET, Unset
from cleverreach_async.sources.addresses import address_remarks
from cleverreach_async.sources.columns import GROUP_PREFIX, TIME_TARGETS, ColumnMapping
from cleverreach_async.sources.consent import PENDING
from cleverreach_async.sources.consent_columns import consent_converters, consent_reader
from cleverreach_async.sources.converters import Convert, converters
from cleverreach_async.sources.null_words import null_finder
from cleverreach_async.sources.row_repair import ReadRow, Repair
from cleverreach_async.sources.rows import BadRow, SourceRow

__all__ = ["ReadRow", "row_reader"]

_ReadAttributes = Callable[[Sequence[Any]], Mapping[str, AttributeValue] | Unset]


def row_reader(
    mapping: ColumnMapping, zone: tzinfo, *, only_text: bool = False, strict: bool = False
) -> ReadRow:
    """Build the function from values to a row. Names and types are looked up here, once.

    Args:
        mapping: Target of each column.
        zone: Time zone of naive times.
        only_text: Whether all values are strings, as in a CSV file; reading is faster then.
        strict: Whether a row is bad if any value cannot be used. Otherwise the value of an
            attribute, ``source`` or ``tags`` is left out, with a remark.
    """
    convert = converters(mapping, zone, only_text=only_text)
    to_time, to_text, to_tags = convert["registered"], convert["source"], convert["tags"]
    to_address, confirmed = convert["email"], convert["activated"]
    unsubscribed = convert["deactivated"]
    index_of = {target: mapping.headers.index(column) for column, target in mapping.pairs}
    email = index_of["email"]
    registered, activated, deactivated = (index_of.get(target) for target in TIME_TARGETS)
    source, tags = index_of.get("source"), index_of.get("tags")
    of_group = _attribute_reader(mapping.group_attributes, GROUP_PREFIX, index_of, convert)
    of_account = _attribute_reader(mapping.global_attributes, "", index_of, convert)
    of_consent = consent_converters(mapping, to_time)
    read_consent = consent_reader(mapping, of_consent)
    has_no_null = null_finder(only_text=only_text)
    address_column = f"column {mapping.headers[email]!r}"

    def read(values: Sequence[Any], line: int | None) -> SourceRow | BadRow:
        # Arguments by position, and no loop over fields: this runs for every row.
        if not has_no_null(values):
            return repair.without_nulls(read, values, line)
        try:
            receiver = ReceiverInput(
                to_address(values[email]),
                UNSET if registered is None else to_time(values[registered]),
                UNSET if activated is None else confirmed(values[activated]),
                UNSET if deactivated is None else unsubscribed(values[deactivated]),
                UNSET if source is None else (to_text(values[source]) or UNSET),
                UNSET if of_group is None else of_group(values),
                UNSET if of_account is None else of_account(values),
                UNSET if tags is None else to_tags(values[tags]),
            )
            row = SourceRow(receiver, line, "", (), True)
            if read_consent is not None:
                _add_consent(row, *read_consent(values))
            if receiver.email is not values[email]:
                row.remarks = address_remarks(values[email], address_column)
        except Exception:  # noqa: BLE001 - no value may end the import
            return repair.without_bad_values(read, values, line)
        return row

    columns = [
        (column, target, of_consent.get(column) or convert[target])
        for column, target in mapping.pairs
    ]
    repair = Repair(mapping.headers, columns, "" if only_text else None, strict=strict)
    return read


def _add_consent(row: SourceRow, code: str, since: int | Unset) -> None:
    """Record what the consent columns of a row say."""
    if code == PENDING:
        row.receiver.activated = None
        return
    row.not_subscribed = code
    if code and since is not UNSET and not row.receiver.deactivated:
        row.receiver.deactivated = since


def _attribute_reader(
    names: Iterable[str], prefix: str, index_of: Mapping[str, int], convert: Mapping[str, Convert]
) -> _ReadAttributes | None:
    """Build the function from values to attributes; ``None`` where no column holds one."""
    columns = [(name, index_of[prefix + name], convert[prefix + name]) for name in names]
    texts = [(name, index) for name, index, to_value in columns if to_value is str.strip]
    others = [column for column in columns if column[2] is not str.strip]

    def read(values: Sequence[Any]) -> Mapping[str, AttributeValue] | Unset:
        # A loop with a call of the method is faster than map(), zip() or a comprehension.
        found: dict[str, AttributeValue] = {}
        for name, index in texts:
            text = values[index].strip()
            if text:
                found[name] = text
        for name, index, to_value in others:
            value = to_value(values[index])
            if value is not UNSET:
                found[name] = value
        return found or UNSET

    return read if columns else None
