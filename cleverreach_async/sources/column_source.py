"""Sources whose columns are known when their first row is read."""

from collections.abc import Collection, Mapping, Sequence
from datetime import tzinfo
from typing import Any

import attrs

from cleverreach_async.sources.columns import ColumnMapping, map_columns
from cleverreach_async.sources.row_reader import ReadRow, row_reader

__all__ = ["ColumnOptions", "ColumnSource"]


@attrs.frozen
class ColumnOptions:
    """How columns become receivers, as the caller chose.

    Attributes:
        mapping: Target by column, overrides recognised headers.
        zone: Time zone of naive times.
        date_attributes: Attributes that hold a day.
        check_consent: Whether a column that looks like consent stops the import, if nothing says
            what it means.
    """

    mapping: Mapping[str, str] | None
    zone: tzinfo
    date_attributes: Collection[str]
    check_consent: bool = True


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
        self.options = options
        self.name = name

    def read_columns(self, columns: Sequence[Any]) -> ReadRow:
        """Map the columns and return the function from values to a row.

        Raises:
            ConfigurationError: The mapping does not fit the columns.
            SourceError: The columns cannot become receivers.
        """
        options = self.options
        self.mapping = map_columns(
            columns,
            options.mapping,
            date_attributes=options.date_attributes,
            path=self.name,
            check_consent=options.check_consent,
        )
        return row_reader(self.mapping, options.zone)
