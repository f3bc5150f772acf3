"""Read a file of customers: text, or the format that name and content suggest."""

import codecs
import os
import sys
from collections.abc import Sequence
from datetime import tzinfo
from typing import Final, Literal, Unpack

from cleverreach_async.errors import ConfigurationError, SourceError
from cleverreach_async.sources.arrow import ParquetSource, read_parquet
from cleverreach_async.sources.column_options import ColumnOptions, ColumnParameters
from cleverreach_async.sources.consent_check import check_file_name
from cleverreach_async.sources.content import (
    Content,
    FilePath,
    check_file,
    first_bytes,
    suffix_of,
)
from cleverreach_async.sources.csv_columns import find_columns
from cleverreach_async.sources.csv_file import CsvSource
from cleverreach_async.sources.csv_header import check_options
from cleverreach_async.sources.dates import find_zone
from cleverreach_async.sources.excel import EXCEL_SUFFIXES, ExcelSource, read_excel
from cleverreach_async.sources.file_source import FileSource
from cleverreach_async.sources.json_lines import JsonLinesSource
from cleverreach_async.sources.json_list import JsonListSource
from cleverreach_async.sources.text_file import check_encoding, inspect_text

__all__ = ["RowFile", "read_csv", "read_json_lines", "read_json_list", "read_rows"]

RowFile = FileSource | ParquetSource | ExcelSource
"""A source that reads a file, of any format."""

Format = Literal["CSV", "JSON Lines", "a JSON list", "Parquet", "Excel"]

_CSV: Final = frozenset({".csv", ".txt", ".tsv", ".tab"})
_JSON: Final = frozenset({".jsonl", ".ndjson", ".json", ".jsonlines"})
_MAGIC: Final[Sequence[tuple[bytes, Format]]] = (
    (b"PK\x03\x04", "Excel"),
    (b"\xd0\xcf\x11\xe0", "Excel"),
    (b"PAR1", "Parquet"),
)
_PARQUET: Final = frozenset({".parquet", ".pq"})


def read_csv(
    path: FilePath | Content,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    skip_lines: int = 0,
    **columns: Unpack[ColumnParameters],
) -> CsvSource:
    """Read receivers from a CSV file, as shop systems and spreadsheets export it.

    Common German and English headers are recognised; ``.mapping`` of the result shows the target of
    each column. An empty cell is not sent, so the server keeps its value.

    The file is inspected at once; in a coroutine later, see :class:`FileSource`.

    Args:
        path: The file, which may be compressed by gzip. Its first line names the columns; of two
            columns of one name the second is called ``NAME (2)``.
        delimiter: Column separator; detected by default.
        encoding: Encoding of the file; detected by default among UTF-8, UTF-16 and Windows-1252.
            A file in another one is refused, and the error names those that are possible.
        skip_lines: Number of lines before the column names, such as a title.
        **columns: See :class:`ColumnParameters`.

    Raises:
        ConfigurationError: The arguments do not fit the file's columns, or nothing says what a
            column or file name that looks like consent means.
        SourceError: The file cannot be read as rows; the message says why and on which line.
    """
    check_options(delimiter, skip_lines)
    check_encoding(encoding)
    options = ColumnOptions(**columns)

    def inspect() -> CsvSource:
        text = inspect_text(path, encoding)
        header, mapping = find_columns(text, options, delimiter=delimiter, skip_lines=skip_lines)
        return CsvSource(text, header, mapping, options)

    return CsvSource.of_file(path, inspect)


def _check_name(path: FilePath | Content, *, check_consent: bool) -> None:
    name = check_file(path)
    if check_consent:
        check_file_name(name)


def read_json_lines(
    path: FilePath | Content,
    *,
    timezone: str | tzinfo = "Europe/Berlin",
    check_consent: bool = True,
) -> JsonLinesSource:
    """Read receivers from a file with one JSON object per line, shaped as ``ReceiverInput``.

    Times are unix seconds or text such as ``2025-12-31T14:30:05+01:00``. The lines of a rejects
    file can be read too, so a repaired one can be imported.

    The file is inspected at once; in a coroutine later, see :class:`FileSource`.

    Args:
        path: The file, in UTF-8; it may be compressed by gzip.
        timezone: Time zone of dates without an offset.
        check_consent: Whether a file name that looks like consent stops the import.

    Raises:
        ConfigurationError: There is no such time zone, or the file's name says that its people do
            not get mail.
        SourceError: The file is not UTF-8 text, or not JSON Lines.
    """
    zone = find_zone(timezone)
    _check_name(path, check_consent=check_consent)
    return JsonLinesSource.of_file(
        path, lambda: JsonLinesSource(inspect_text(path, utf8_only=True), zone)
    )


def read_json_list(
    path: FilePath | Content,
    *,
    timezone: str | tzinfo = "Europe/Berlin",
    check_consent: bool = True,
) -> JsonListSource:
    """Read receivers from a file with one JSON list of objects, shaped as ``ReceiverInput``.

    The list is read item by item, whether it stands on one line or on many. The file is inspected
    at once; in a coroutine later, see :class:`FileSource`.

    Args:
        path: The file, in UTF-8; it may be compressed by gzip.
        timezone: Time zone of dates without an offset.
        check_consent: Whether a file name that looks like consent stops the import.

    Raises:
        ConfigurationError: There is no such time zone, or the file's name says that its people do
            not get mail.
        SourceError: The file is not UTF-8 text, or not a JSON list; the message names the line.
    """
    zone = find_zone(timezone)
    _check_name(path, check_consent=check_consent)
    return JsonListSource.of_file(
        path, lambda: JsonListSource(inspect_text(path, utf8_only=True, max_line=sys.maxsize), zone)
    )


def read_rows(
    path: FilePath | Content,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    skip_lines: int = 0,
    sheet: str | None = None,
    **columns: Unpack[ColumnParameters],
) -> RowFile:
    """Read receivers from a file of any format, which suffix and first bytes tell.

    The formats are CSV, JSON Lines, a JSON list, Excel and Parquet. All but Parquet may be
    compressed by gzip. The file is inspected at once; in a coroutine only its first bytes, and the
    rest later, see :class:`FileSource`.

    Args:
        path: The file.
        delimiter: As for :func:`read_csv`; CSV only.
        encoding: As for :func:`read_csv`; CSV only.
        skip_lines: As for :func:`read_csv`; CSV only.
        sheet: As for :func:`read_excel`; Excel only.
        **columns: See :class:`ColumnParameters`; JSON takes ``timezone`` and ``check_consent``,
            which checks the name of the file.

    Raises:
        ConfigurationError: The arguments do not fit the file, nothing says what a column or file
            name that looks like consent means, or the package that reads the format is missing.
        SourceError: The file cannot be read as rows.
    """
    name = check_file(path)
    head, is_compressed = first_bytes(path)
    kind = _format_of(name, head)
    _refuse_options(name, kind, has_dialect=bool(delimiter or encoding or skip_lines), sheet=sheet)
    if kind == "CSV":
        return read_csv(
            path, delimiter=delimiter, encoding=encoding, skip_lines=skip_lines, **columns
        )
    if kind == "Excel":
        return read_excel(path, sheet, **columns)
    if kind == "Parquet":
        if is_compressed or not isinstance(path, str | os.PathLike):
            raise SourceError(
                "Parquet is read from a file only, and not compressed; save it as one", path=name
            )
        return read_parquet(path, **columns)
    if columns.get("mapping") or columns.get("date_attributes"):
        raise ConfigurationError(
            f"{name} is {kind}: mapping and date_attributes are for files with columns;"
            " name the receiver's fields in the file itself"
        )
    read = read_json_lines if kind == "JSON Lines" else read_json_list
    return read(
        path,
        timezone=columns.get("timezone", "Europe/Berlin"),
        check_consent=columns.get("check_consent", True),
    )


def _refuse_options(path: str, kind: Format, *, has_dialect: bool, sheet: str | None) -> None:
    if kind != "CSV" and has_dialect:
        raise ConfigurationError(
            f"{path} is {kind}: delimiter and encoding are for CSV files, and so is skip_lines;"
            " leave them out"
        )
    if kind != "Excel" and sheet is not None:
        raise ConfigurationError(f"{path} is {kind}: sheet is for Excel files; leave it out")


def _format_of(name: str, head: bytes) -> Format:
    suffix = suffix_of(name)
    if suffix in _PARQUET:
        return "Parquet"
    if suffix in EXCEL_SUFFIXES:
        return "Excel"
    if suffix in _CSV:
        return "CSV"
    if suffix not in _JSON:
        for magic, kind in _MAGIC:
            if head.startswith(magic):
                return kind
    # Also in UTF-16, in which a CSV file may be.
    first = head.removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n\0\xff\xfe")[:1]
    if first == b"[":
        return "a JSON list"
    return "JSON Lines" if suffix in _JSON or first == b"{" else "CSV"
