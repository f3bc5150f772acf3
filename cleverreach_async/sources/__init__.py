"""Sources of customers as rows: files, databases, data frames and any iterable.

A source is read lazily and holds few rows in memory. A file is inspected once before any row is
sent, to detect its encoding and to refuse one that is not text, about two seconds per gigabyte:
when the source is created, or, if that happens in a coroutine, later in a worker thread.
"""

from typing import TYPE_CHECKING, Final

from cleverreach_async.lazy_names import lazy_names

if TYPE_CHECKING:
    from cleverreach_async.sources.arrow import (
        ArrowSource,
        ParquetSource,
        read_arrow,
        read_parquet,
    )
    from cleverreach_async.sources.columns import ColumnMapping
    from cleverreach_async.sources.csv_file import CsvSource
    from cleverreach_async.sources.database import CursorSource, QuerySource, read_cursor
    from cleverreach_async.sources.excel import ExcelSource, read_excel
    from cleverreach_async.sources.file_source import FileSource
    from cleverreach_async.sources.files import (
        RowFile,
        read_csv,
        read_json_lines,
        read_json_list,
        read_rows,
    )
    from cleverreach_async.sources.json_lines import JsonLinesSource
    from cleverreach_async.sources.json_list import JsonListSource
    from cleverreach_async.sources.records import AsyncRecordSource, RecordSource, read_records
    from cleverreach_async.sources.threads import in_thread

_HOMES: Final = {
    "arrow": (
        "ArrowSource",
        "ParquetSource",
        "read_arrow",
        "read_parquet",
    ),
    "columns": ("ColumnMapping",),
    "csv_file": ("CsvSource",),
    "database": (
        "CursorSource",
        "QuerySource",
        "read_cursor",
    ),
    "excel": (
        "ExcelSource",
        "read_excel",
    ),
    "file_source": ("FileSource",),
    "files": (
        "RowFile",
        "read_csv",
        "read_json_lines",
        "read_json_list",
        "read_rows",
    ),
    "json_lines": ("JsonLinesSource",),
    "json_list": ("JsonListSource",),
    "records": (
        "AsyncRecordSource",
        "RecordSource",
        "read_records",
    ),
    "threads": ("in_thread",),
}

__all__ = [
    "ArrowSource",
    "AsyncRecordSource",
    "ColumnMapping",
    "CsvSource",
    "CursorSource",
    "ExcelSource",
    "FileSource",
    "JsonLinesSource",
    "JsonListSource",
    "ParquetSource",
    "QuerySource",
    "RecordSource",
    "RowFile",
    "in_thread",
    "read_arrow",
    "read_csv",
    "read_cursor",
    "read_excel",
    "read_json_lines",
    "read_json_list",
    "read_parquet",
    "read_records",
    "read_rows",
]

_loaders: Final = lazy_names(__name__, _HOMES)
__getattr__: Final = _loaders[0]
__dir__: Final = _loaders[1]
