"""The columns of a CSV file and their targets."""

from typing import Final

from cleverreach_async.errors import ConfigurationError, SourceError
from cleverreach_async.sources.column_options import ColumnOptions
from cleverreach_async.sources.columns import ColumnMapping
from cleverreach_async.sources.csv_header import Header, check_duplicates, read_header
from cleverreach_async.sources.text_file import TextFile

__all__ = ["find_columns"]

_TITLES: Final = 20
"""Lines before the column names that an error can point out."""


def find_columns(
    text: TextFile, options: ColumnOptions, *, delimiter: str | None, skip_lines: int
) -> tuple[Header, ColumnMapping]:
    """Read the header and decide the target of each column.

    Args:
        text: The file.
        options: How columns become receivers.
        delimiter: Column separator, if the caller knows it.
        skip_lines: Number of lines before the header.

    Raises:
        ConfigurationError: The arguments do not fit the columns.
        SourceError: There is no usable header; if it may be in a later line, the error says so.
    """

    def find(skipped: int) -> tuple[Header, ColumnMapping]:
        header = read_header(text, delimiter, skipped)
        mapping = options.map(header.names, text.path)
        check_duplicates(header, dict(mapping.pairs), options.mapping or {}, text.path)
        return header, mapping

    try:
        return find(skip_lines)
    except (ConfigurationError, SourceError):
        for skipped in range(skip_lines + 1, skip_lines + 1 + _TITLES):
            try:
                header, _ = find(skipped)
            except (ConfigurationError, SourceError):
                continue
            raise SourceError(
                f"the column names seem to be in line {header.lines}, after a title; skip the lines"
                f" before it with --skip-lines {skipped} or skip_lines={skipped}",
                path=text.path,
            ) from None
        raise
