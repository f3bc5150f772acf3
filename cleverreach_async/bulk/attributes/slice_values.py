"""The attributes of a slice of rows, looked at together: pure.

The rows of most sources have the same names, so their values are picked by these names: that is
faster than to look at the names and the values of each row.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter, methodcaller
from typing import Any, Final, Self

import attrs

from cleverreach_async.sources.receiver_fields import are_simple

__all__ = ["SliceValues"]

_join: Final = "".join
_values: Final = methodcaller("values")


@attrs.frozen
class SliceValues:
    """The attributes of the account, or of the group, in a slice of rows.

    Attributes:
        rows: The attributes of each row that has some.
        names: All their names.
        values: The values of each row.
    """

    rows: Sequence[Mapping[str, Any]]
    names: Collection[str]
    values: Sequence[Iterable[Any]]

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> Self:
        """Gather the attributes of rows.

        Raises:
            TypeError: A row has none in a dict.
        """
        if {*map(type, rows)} - {dict}:
            raise TypeError("attributes are not in a dict")
        if len(rows) > 1 and len(rows[0]) > 1 and len({*map(len, rows)}) == 1:
            try:
                return cls(rows, rows[0], list(map(itemgetter(*rows[0]), rows)))
            except KeyError:  # names differ, although each row has as many
                pass
        return cls(rows, set[str]().union(*rows), list(map(_values, rows)))

    @property
    def are_plain(self) -> bool:
        """Whether all values can be sent as they are."""
        try:
            # No other check of many values is nearly as fast: only texts can be joined.
            list(map(_join, self.values))
        except TypeError:
            return are_simple(chain.from_iterable(self.values))
        return True
