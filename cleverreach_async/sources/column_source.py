"""Sources whose columns are known when their first row is read."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from cleverreach_async.sources.column_options import ColumnOptions
from cleverreach_async.sources.columns import ColumnMapping
from cleverreach_async.sources.row_repair import ReadRow

__all__ = ["ColumnSource"]


class ColumnSource:
    """Base of sources whose columns are known when their first row is read.

    Args:
        options: How columns become receivers.
        name: What error messages call the source.

    Attributes:
        mapping: Target of each column; ``None`` before the first row.
    """

    def __init__(self, options: ColumnOptions, name: str) -> None:
        self.mapping: ColumnMapping | None = None
        self.options: ColumnOptions = options
        self.name = name

    @property
    def has_group_attributes(self) -> bool:
        """See :class:`TakesTypes`."""
        return self.options.has_group_attributes(self.mapping)

    def take_types(self, types: Mapping[str, str], *, relative: bool) -> None:
        """See :class:`TakesTypes`."""
        self.options = attrs.evolve(self.options, types=types, relative=relative)

    def read_columns(self, columns: Sequence[Any]) -> ReadRow:
        """Map the columns and return the function from values to a row.

        Raises:
            ConfigurationError: The mapping does not fit the columns.
            SourceError: The columns cannot become receivers.
        """
        self.mapping = self.options.map(columns, self.name)
        return self.options.reader(self.mapping)
