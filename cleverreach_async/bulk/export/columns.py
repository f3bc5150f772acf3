"""The columns of a table of receivers, whose names the importer knows, and their cells."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from cleverreach_async.resources.receiver_arguments import split_tags
from cleverreach_async.resources.receiver_models import Detail, Receiver
from cleverreach_async.resources.times import FIRST_SECOND
from cleverreach_async.sources.columns import ACCOUNT_PREFIX, GROUP_PREFIX
from cleverreach_async.sources.csv_wrapping import looks_wrapped
from cleverreach_async.sources.null_words import NULL_WORDS

__all__ = ["TIMES", "Columns", "Remarks", "text_cells", "unread_time"]

TIMES: Final = ("registered", "activated", "deactivated", "bounced")
_UNKNOWN_TIME: Final = "1"
"""What the importer reads as a state since an unknown time, which is a moment of the first day."""
_OUTSIDE_QUOTES: Final = frozenset(',;|"')


@attrs.frozen(kw_only=True)
class Columns:
    """The columns.

    Attributes:
        account: Names of the attributes of the account.
        group: Names of those of the group.
        has_tags: Whether tags were requested.
    """

    account: Sequence[str]
    group: Sequence[str]
    has_tags: bool

    @property
    def names(self) -> list[str]:
        """The names of all columns, in their order."""
        return [
            *("id", "email", *TIMES, "source"),
            *(["tags"] if self.has_tags else []),
            *(f"{ACCOUNT_PREFIX}{name}" for name in self.account),
            *(f"{GROUP_PREFIX}{name}" for name in self.group),
        ]

    @classmethod
    def of(cls, account: Iterable[str], group: Iterable[str], detail: Detail) -> "Columns":
        """Return the columns for some attributes; each is a column once."""
        return cls(
            account=[*dict.fromkeys(account)],
            group=[*dict.fromkeys(group)],
            has_tags=bool(detail & Detail.TAGS),
        )


@attrs.define
class Remarks:
    """What a table does not contain as the account has it.

    Attributes:
        without_column: Number of values of attributes that have no column, by the attribute:
            created after the export had begun, or not defined at all.
        read_otherwise: Number of values that an import of the table reads otherwise, by column:
            with blanks around them, words such as NULL, wrapped like ``="01067"``, or times that
            cannot be read.
    """

    without_column: Counter[str] = attrs.field(factory=Counter[str])
    read_otherwise: Counter[str] = attrs.field(factory=Counter[str])


def text_cells(receiver: Receiver, columns: Columns, remarks: Remarks) -> list[str]:
    """Return the cells of a receiver as text."""
    cells = [str(receiver.id), receiver.email]
    cells += [_time(receiver, name, remarks) for name in TIMES]
    cells.append(receiver.source)
    _remark(receiver.source, "source", remarks)
    if columns.has_tags:
        text = _tags_in_text(receiver.tags)
        if split_tags(text) != [*receiver.tags] or any(it[:1] == "-" for it in receiver.tags):
            remarks.read_otherwise["tags"] += 1
        cells.append(text)
    for values, names, prefix in (
        (receiver.global_attributes, columns.account, ACCOUNT_PREFIX),
        (receiver.attributes, columns.group, GROUP_PREFIX),
    ):
        cells += _values(values, names, prefix, remarks)
    return cells


def _values(
    values: Mapping[str, Any], names: Sequence[str], prefix: str, remarks: Remarks
) -> list[str]:
    found = [_text(values.get(name, "")) for name in names]
    for name, text in zip(names, found, strict=True):
        if text:
            _remark(text, f"{prefix}{name}", remarks)
    if not values.keys() <= {*names}:
        remarks.without_column.update(
            f"{prefix}{name}" for name, value in values.items() if value != "" and name not in names
        )
    return found


def _remark(text: str, column: str, remarks: Remarks) -> None:
    if text != text.strip() or text in NULL_WORDS or looks_wrapped(text):
        remarks.read_otherwise[column] += 1


def _text(value: Any) -> str:
    """Return a value of an attribute, which is text but for truth values, lists and objects."""
    return value if isinstance(value, str) else str(value)


def unread_time(receiver: Receiver, name: str) -> Any:
    """Return what the API sent as a time that could not be read, or ``None``.

    It must not be lost: whoever has no ``deactivated`` is active after an import.
    """
    value = receiver.extra.get(name)
    return value if value and f"{value}".strip("0-: ") else None


def _time(receiver: Receiver, name: str, remarks: Remarks) -> str:
    unread = unread_time(receiver, name)
    if unread is None:
        return _moment(getattr(receiver, name))
    remarks.read_otherwise[name] += 1
    return _text(unread)


def _moment(moment: datetime | None) -> str:
    if moment is None:
        return ""
    return moment.isoformat() if moment.timestamp() >= FIRST_SECOND else _UNKNOWN_TIME


def _tags_in_text(tags: Sequence[str]) -> str:
    """Return tags as one text, those with separators in quotes."""
    return ", ".join(f'"{tag}"' if _OUTSIDE_QUOTES & {*tag} else tag for tag in tags)
