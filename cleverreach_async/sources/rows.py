"""What a source yields."""

from collections.abc import Mapping
from typing import Any

import attrs

from cleverreach_async.resources.receiver_models import ReceiverInput

__all__ = ["BadRow", "Item", "SourceRow"]


@attrs.define
class SourceRow:
    """A row read from a source.

    Attributes:
        receiver: The receiver to write.
        line: One-based line of the file on which the row begins; ``None`` where no file is read.
    """

    receiver: ReceiverInput
    line: int | None


@attrs.define
class BadRow:
    """A row that could not be turned into a receiver. It is rejected; the others go on.

    Attributes:
        line: One-based line of the file on which the row begins; ``None`` where no file is read.
        code: Stable word for the kind of problem, such as ``invalid_date``.
        message: What is wrong and in which column, without personal data.
        record: The row as it was read, by column.
    """

    line: int | None
    code: str
    message: str
    record: Mapping[str, Any] = attrs.field(repr=False)


Item = ReceiverInput | SourceRow | BadRow | Mapping[str, Any] | str
"""What a source may yield. A text is an address."""
