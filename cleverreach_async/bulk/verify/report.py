"""What a comparison of a source with a group has found."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import attrs

__all__ = ["Difference", "VerifyReport"]


@attrs.frozen(kw_only=True)
class Difference:
    """One difference between the source and the group.

    Attributes:
        kind: ``missing`` in the group; ``different`` fields; ``beyond`` the source, in the group
            only; ``unreadable``, a row that an import would reject.
        email: The address; empty if the row has none.
        row: One-based number of the row in the source; ``None`` for ``beyond``.
        line: Line of the file, if the source is a file.
        fields: What the source and the group have, by field, as a pair; only those that differ.
        reason: Why the row is unreadable.
    """

    kind: Literal["missing", "different", "beyond", "unreadable"]
    email: str = attrs.field(default="", repr=False)
    row: int | None = None
    line: int | None = None
    fields: Mapping[str, tuple[Any, Any]] = attrs.field(factory=dict[str, Any], repr=False)
    reason: str = ""


@attrs.define(kw_only=True)
class VerifyReport:
    """The counters of a comparison.

    Attributes:
        rows: Rows of the source.
        receivers: Receivers of the group.
        equal: Receivers that are as the source says.
        missing: Addresses of the source that the group lacks.
        different: Receivers of which a field differs.
        beyond: Receivers that the source does not have.
        unreadable: Rows that an import would reject.
        excluded: Rows that say that the person is not subscribed, which an import leaves out. The
            group may lack them; if it has them as active, that is a difference.
        repeated: Rows whose address a later row has again.
        not_compared: Receivers of which something cannot be compared: orders, and numbers with a
            sign, which the server adds.
        fields: How many receivers differ, by field.
        samples: The first differences of each kind.
        elapsed: Seconds.
    """

    rows: int = 0
    receivers: int = 0
    equal: int = 0
    missing: int = 0
    different: int = 0
    beyond: int = 0
    unreadable: int = 0
    excluded: int = 0
    repeated: int = 0
    not_compared: int = 0
    fields: Counter[str] = attrs.field(factory=Counter[str])
    samples: list[Difference] = attrs.field(factory=list[Difference], repr=False)
    elapsed: float = 0.0

    @property
    def is_equal(self) -> bool:
        """Whether there is no difference, and every row could be compared."""
        return not (self.missing or self.different or self.beyond or self.unreadable)
