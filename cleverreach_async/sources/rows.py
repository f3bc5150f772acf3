"""What a source yields."""

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from cleverreach_async.resources.receiver_models import ReceiverInput

__all__ = ["BadRow", "BadValueError", "Item", "Remark", "SourceRow"]


@attrs.frozen
class Remark:
    """What became of a value that is not sent as it stands in the source.

    Attributes:
        kind: ``dropped`` if the value is not sent, ``changed`` if it is sent in another form.
        text: The column and what was done, without the value.
    """

    kind: Literal["dropped", "changed"]
    text: str


@attrs.define
class SourceRow:
    """A row read from a source.

    Attributes:
        receiver: The receiver to write.
        line: One-based line of the file on which the row begins; ``None`` without a file.
        not_subscribed: Why the person should get no mail, as a code such as ``unsubscribed``;
            empty if the row does not say so.
        remarks: The values that were dropped or changed.
        is_checked: Whether the source has checked the types of all values, so that nobody has to.
    """

    receiver: ReceiverInput
    line: int | None
    not_subscribed: str = ""
    remarks: tuple[Remark, ...] = ()
    is_checked: bool = attrs.field(default=False, eq=False, repr=False)


@attrs.define
class BadRow:
    """A row that cannot be read as a receiver. It is rejected; reading continues after it.

    Attributes:
        line: One-based line of the file on which the row begins; ``None`` without a file.
        code: Stable name of the problem, such as ``invalid_date``.
        message: What is wrong and in which column, without personal data.
        record: The row as it was read, by column.
    """

    line: int | None
    code: str
    message: str
    record: Mapping[str, Any] = attrs.field(repr=False)


Item = ReceiverInput | SourceRow | BadRow | Mapping[str, Any] | str
"""A row as any source may yield it. A string is an e-mail address."""


class BadValueError(ValueError):
    """A value that makes a row a :class:`BadRow`. Only dates are quoted in the message.

    Attributes:
        code: Stable name of the problem, as in :class:`BadRow`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
