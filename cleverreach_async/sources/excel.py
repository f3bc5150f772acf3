"""Workbooks of Excel and LibreOffice: the rows of one sheet."""

import zipfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from typing import Any, BinaryIO, Final, Unpack

import attrs

from cleverreach_async.errors import ConfigurationError, SourceError
from cleverreach_async.sources.chunked_rows import CHUNK_ROWS, ChunkedRows, RowChunk
from cleverreach_async.sources.column_options import ColumnOptions, ColumnParameters
from cleverreach_async.sources.columns import ColumnMapping
from cleverreach_async.sources.content import Content, FilePath, open_content
from cleverreach_async.sources.csv_header import column_name
from cleverreach_async.sources.resumable import Position, fingerprint, no_row_at, zone_name
from cleverreach_async.sources.unchanged_file import Stamp, changed

__all__ = ["EXCEL_SUFFIXES", "ExcelSource", "read_excel"]

EXCEL_SUFFIXES: Final = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"})
_MAX_SIZE: Final = 2 << 30
"""Bytes of a workbook when it is decompressed: a sheet of a million rows has far fewer."""

_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_MAX_ENCRYPTED: Final = 1 << 28

Cells = Sequence[Any]


def read_excel(
    path: FilePath | Content,
    sheet: str | None = None,
    **columns: Unpack[ColumnParameters],
) -> "ExcelSource":
    """Read receivers from a workbook: ``.xlsx``, ``.xlsm``, ``.xlsb``, ``.xls`` or ``.ods``.

    The first row with a value names the columns. Of a formula the value is read that Excel stored;
    a cell with an error, such as ``#N/A``, is empty. The sheet is held in memory as a whole.
    The file is read at once; in a coroutine later, as :class:`FileSource` does.

    Args:
        path: The file.
        sheet: Name of the sheet; not needed if only one has rows.
        **columns: See :class:`ColumnParameters`.

    Raises:
        ConfigurationError: python-calamine is not installed, there is no such sheet, or the
            arguments do not fit its columns.
        SourceError: The file cannot be read as rows: it is damaged, protected by a password, or
            several sheets have rows.
    """
    options = ColumnOptions(**columns)

    def inspect() -> ExcelSource:
        content = open_content(path)
        table = _read_sheet(content, sheet)
        found = options.map(table.headers, content.path)
        return ExcelSource(content, table, found, options)

    return ExcelSource.of_file(path, inspect)


@attrs.frozen
class _Table:
    """The rows of a sheet.

    Attributes:
        sheet: The sheet of python-calamine.
        headers: One name per column.
        line: Number of the row that holds the headers.
        digest: Digest of the file's content.
    """

    sheet: Any
    headers: Sequence[str]
    line: int
    digest: str


class ExcelSource(ChunkedRows):
    """Rows of a sheet; :func:`~cleverreach_async.read_excel` returns one.

    Every loop begins at the start, except the one after :meth:`seek`. ``line`` of a row is its
    number in the sheet.

    Attributes:
        path: The file as the caller named it.
        sheet: Name of the sheet.
        size: Size of the file in bytes.
        mapping: Target of each column.
    """

    kind: Final = "excel"

    def __init__(
        self, content: Content, table: _Table, mapping: ColumnMapping, options: ColumnOptions
    ) -> None:
        super().__init__(mapping, options)
        self.path: str = content.path
        self.sheet: str = table.sheet.name
        self.size: int = content.size()
        self._table = table
        self._rows: int = table.sheet.end[0] + 1
        self._is_sought = False
        self._columns = [table.headers.index(column) for column, _ in mapping.pairs]
        self._texts = {place for place, (_, target) in enumerate(mapping.pairs) if target == "tags"}

    def __repr__(self) -> str:
        sheet = f", {self.sheet!r}" if self.is_inspected else ""
        return f"{type(self).__name__}({self.path!r}{sheet})"

    @property
    def bytes_read(self) -> int:
        """Progress of the latest loop in the file, by the share of its rows."""
        return self.size * self._place[1] // self._rows if self._rows else self.size

    def identity(self) -> Mapping[str, Any]:
        """Return what determines the rows; neither name nor date of the file."""
        return {
            "kind": self.kind,
            "size": self.size,
            "sha256": self._table.digest,
            "sheet": self.sheet,
            "timezone": zone_name(self.options.zone),
            **self.options.identity(self.mapping),
        }

    def tell(self) -> Position:
        """Return the number of rows of the sheet up to the one yielded last."""
        return {"row": self._place[1]}

    def seek(self, position: Position) -> None:
        """Begin the next loop, and only that one, at a position that :meth:`tell` returned.

        Raises:
            SourceError: The sheet has no such row.
        """
        match position:
            case {"row": int(row), **others} if 0 <= row <= self._rows and not others:
                self._place = (0, row)
                self._is_sought = True
            case _:
                raise no_row_at(position, self.path)

    def chunks(self) -> Iterator[RowChunk]:
        """Begin a loop over the rows, at the start or at the position of :meth:`seek`."""
        if not self._is_sought:
            self._place = (0, 0)
        self._is_sought = False
        return self._read_from(max(self._place[1], self._table.line))

    def _read_from(self, row: int) -> Iterator[RowChunk]:
        lines = enumerate(self._table.sheet.iter_rows(), 1)
        rows = islice(lines, row, None)
        while portion := list(islice(rows, CHUNK_ROWS)):
            found = [(line, self._values(cells)) for line, cells in portion if _has_value(cells)]
            if found:
                yield RowChunk(0, row, [it for _, it in found], [line for line, _ in found])

    def _values(self, cells: Cells) -> Cells:
        values = [_plain(cells[column]) for column in self._columns]
        for place in self._texts:
            values[place] = str(values[place])
        return values


def _has_value(cells: Cells) -> bool:
    return any(cell != "" and not (isinstance(cell, str) and cell.isspace()) for cell in cells)


def _plain(cell: Any) -> Any:
    """Return a whole number as one, since Excel stores all as floats, and a duration as text."""
    if type(cell) is float and cell.is_integer():
        return int(cell)
    if isinstance(cell, timedelta):
        minutes, seconds = divmod(round(cell.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return cell


def _read_sheet(content: Content, sheet: str | None) -> _Table:
    """Return the sheet with that name, or the only one with rows."""
    calamine = _import_calamine()
    with _translate_errors(calamine, content), content.open() as file:
        if not content.size():
            raise SourceError("the file is empty", path=content.path)
        stamp = Stamp.of(file.fileno())
        digest = fingerprint(file)
        file.seek(0)
        _check_size(file, content.path)
        workbook = calamine.load_workbook(file)
        names: list[str] = workbook.sheet_names
        if sheet is not None and sheet not in names:
            raise ConfigurationError(
                f"{content.path} has no sheet {sheet!r}; its sheets are {_listed(names)}"
            )
        found = [workbook.get_sheet_by_name(name) for name in ([sheet] if sheet else names)]
        tables = [table for it in found if (table := _table_of(it, digest)) is not None]
        if Stamp.of(file.fileno()) != stamp:
            raise changed(content.path)
    if len(tables) == 1:
        return tables[0]
    if tables:
        raise SourceError(
            f"several sheets have rows: {_listed([table.sheet.name for table in tables])}; choose"
            " one with sheet= or --sheet",
            path=content.path,
        )
    raise SourceError("there are no rows in the workbook", path=content.path)


def _table_of(sheet: Any, digest: str) -> _Table | None:
    for line, cells in enumerate(sheet.iter_rows(), 1):
        if _has_value(cells):
            first = (sheet.start or (0, 0))[1]
            names = [" ".join(str(_plain(cell)).split()) for cell in cells]
            headers = [name or column_name(first + place) for place, name in enumerate(names, 1)]
            return _Table(sheet, headers, line, digest)
    return None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _check_size(file: BinaryIO, path: str) -> None:
    """Refuse a small file with a huge content; a file of another format has no directory."""
    if not zipfile.is_zipfile(file):
        file.seek(0)
        return
    with zipfile.ZipFile(file) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    file.seek(0)
    if size > _MAX_SIZE:
        raise SourceError(
            f"its content has {size >> 20:,} MiB, and at most {_MAX_SIZE >> 20:,} are read; save"
            " the sheet as CSV",
            path=path,
        )


def _import_calamine() -> Any:
    try:
        import python_calamine  # noqa: PLC0415 - the extra may not be installed
    except ImportError:
        raise ConfigurationError(
            "Excel files need python-calamine: pip install 'cleverreach-async[excel]'; or save the"
            " sheet as CSV"
        ) from None
    return python_calamine


@contextmanager
def _translate_errors(calamine: Any, content: Content) -> Generator[None]:
    """Raise ``SourceError`` for errors of python-calamine, whose messages may quote a value."""
    try:
        yield
    except calamine.PasswordError:
        raise _protected(content.path) from None
    except OSError as error:
        raise SourceError(error.strerror or "cannot be read", path=content.path) from None
    except (calamine.CalamineError, zipfile.BadZipFile):
        if _is_encrypted(content):
            raise _protected(content.path) from None
        raise SourceError(
            "not a workbook, or a damaged one; open it in Excel and save it again",
            path=content.path,
        ) from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # how a library in Rust reports its own fault
            raise
        raise SourceError("the workbook is damaged; save it again", path=content.path) from None


def _is_encrypted(content: Content) -> bool:
    """Whether a workbook is wrapped in a container with a part that says so."""
    with content.open() as file:
        return _ENCRYPTED in file.read(_MAX_ENCRYPTED)


def _protected(path: str) -> SourceError:
    return SourceError("the workbook is protected by a password; save it without one", path=path)
