"""Read a file of customers: CSV, JSON Lines, or the format that name and content suggest."""

import os
from datetime import tzinfo
from pathlib import PurePath
from typing import Final, Literal, Unpack

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.sources.arrow import ParquetSource, read_parquet
from cleverreach_async.sources.column_options import ColumnOptions, ColumnParameters
from cleverreach_async.sources.consent_check import check_file_name
from cleverreach_async.sources.csv_columns import find_columns
from cleverreach_async.sources.csv_file import CsvSource
from cleverreach_async.sources.csv_header import check_options
from cleverreach_async.sources.dates import find_zone
from cleverreach_async.sources.file_source import FileSource
from cleverreach_async.sources.json_lines import JsonLinesSource
from cleverreach_async.sources.text_file import inspect_text

__all__ = ["RowFile", "read_csv", "read_json_lines", "read_rows"]

FilePath = str | os.PathLike[str]

RowFile = FileSource | ParquetSource
"""A source that reads a file, of any format."""

_CSV: Final = frozenset({".csv", ".txt", ".tsv", ".tab"})
_JSON: Final = frozenset({".jsonl", ".ndjson", ".json", ".jsonlines"})
_PARQUET: Final = frozenset({".parquet", ".pq"})


def read_csv(
    path: FilePath,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    skip_lines: int = 0,
    **columns: Unpack[ColumnParameters],
) -> CsvSource:
    """Read receivers from a CSV file, as shop systems and spreadsheets export it.

    Common German and English headers are recognised; ``.mapping`` of the result shows the target of
    each column. An empty cell is not sent, so the server keeps its value.

    Args:
        path: The file. Its first line names the columns; of two columns of one name the second is
            called ``NAME (2)``.
        delimiter: Column separator; detected by default.
        encoding: Encoding of the file; detected by default among UTF-8, UTF-16 and Windows-1252.
        skip_lines: Number of lines before the column names, such as a title.
        **columns: See :class:`ColumnParameters`.

    Raises:
        ConfigurationError: The arguments do not fit the file's columns, or nothing says what a
            column or file name that looks like consent means.
        SourceError: The file cannot be read as rows; the message says why and on which line.
    """
    check_options(delimiter, skip_lines)
    options = ColumnOptions(**columns)
    text = inspect_text(path, encoding)
    header, mapping = find_columns(text, options, delimiter=delimiter, skip_lines=skip_lines)
    return CsvSource(text, header, mapping, options)


def read_json_lines(
    path: FilePath, *, timezone: str | tzinfo = "Europe/Berlin", check_consent: bool = True
) -> JsonLinesSource:
    """Read receivers from a file with one JSON object per line, shaped as ``ReceiverInput``.

    Times are unix seconds or text such as ``2025-12-31T14:30:05+01:00``. The lines of a rejects
    file can be read too, so a repaired one can be imported.

    Args:
        path: The file, in UTF-8.
        timezone: Time zone of dates without an offset.
        check_consent: Whether a file name that looks like consent stops the import.

    Raises:
        ConfigurationError: There is no such time zone, or the file's name says that its people do
            not get mail.
        SourceError: The file is not UTF-8 text, or not JSON Lines.
    """
    zone = find_zone(timezone)
    if check_consent:
        check_file_name(os.fsdecode(path))
    return JsonLinesSource(inspect_text(path, "utf-8"), zone)


def read_rows(
    path: FilePath,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    skip_lines: int = 0,
    **columns: Unpack[ColumnParameters],
) -> RowFile:
    """Read receivers from a file: Parquet, JSON Lines or CSV, by suffix or first character.

    Args:
        path: The file.
        delimiter: As for :func:`read_csv`; CSV only.
        encoding: As for :func:`read_csv`; CSV only.
        skip_lines: As for :func:`read_csv`; CSV only.
        **columns: See :class:`ColumnParameters`; JSON Lines takes ``timezone`` and
            ``check_consent``, which checks the name of the file.

    Raises:
        ConfigurationError: The arguments do not fit the file, nothing says what a column or file
            name that looks like consent means, or pyarrow is not installed.
        SourceError: The file cannot be read as rows.
    """
    kind = _format_of(path)
    name = os.fsdecode(path)
    if kind != "CSV" and (delimiter or encoding or skip_lines):
        raise ConfigurationError(
            f"{name} is {kind}: delimiter and encoding are for CSV files, and so is skip_lines;"
            " leave them out"
        )
    if kind == "Parquet":
        return read_parquet(path, **columns)
    if kind == "CSV":
        return read_csv(
            path, delimiter=delimiter, encoding=encoding, skip_lines=skip_lines, **columns
        )
    if columns.get("mapping") or columns.get("date_attributes"):
        raise ConfigurationError(
            f"{name} is JSON Lines: mapping and date_attributes are for files with columns; name"
            " the receiver's fields in the file itself"
        )
    return read_json_lines(
        path,
        timezone=columns.get("timezone", "Europe/Berlin"),
        check_consent=columns.get("check_consent", True),
    )


def _format_of(path: FilePath) -> Literal["CSV", "JSON Lines", "Parquet"]:
    suffix = PurePath(os.fsdecode(path)).suffix.lower()
    if suffix in _PARQUET:
        return "Parquet"
    if suffix in _CSV | _JSON:
        return "JSON Lines" if suffix in _JSON else "CSV"
    with inspect_text(path).open() as file:
        first = file.read(1 << 12).lstrip()[:1]
    return "JSON Lines" if first == "{" else "CSV"
