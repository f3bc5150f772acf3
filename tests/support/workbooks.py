"""Workbooks for tests."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from importlib import import_module
from typing import Any

FORMATS = {datetime: "dd.mm.yyyy hh:mm", date: "dd.mm.yyyy", time: "hh:mm", timedelta: "[h]:mm"}


def write_workbook(target: Any, sheets: Mapping[str, Sequence[Sequence[Any]]]) -> None:
    """Write sheets, each as rows of cells: ``None`` for none, ``#N/A`` for an error.

    A cell that begins with an equals sign is a formula with the value 2.

    Args:
        target: A path or a binary file.
        sheets: The rows by the name of the sheet.
    """
    library: Any = import_module("xlsxwriter")
    with library.Workbook(target) as workbook:
        formats = {kind: workbook.add_format({"num_format": it}) for kind, it in FORMATS.items()}
        for title, rows in sheets.items():
            sheet = workbook.add_worksheet(title)
            for row, cells in enumerate(rows):
                for column, cell in enumerate(cells):
                    _write(sheet, row, column, cell, formats)


def _write(sheet: Any, row: int, column: int, cell: Any, formats: Mapping[type, Any]) -> None:
    if type(cell) in formats:
        sheet.write_datetime(row, column, cell, formats[type(cell)])
    elif cell == "#N/A":
        sheet.write_formula(row, column, "=NA()", None, "#N/A")
    elif isinstance(cell, str) and cell.startswith("="):
        sheet.write_formula(row, column, cell, None, 2)
    elif cell is not None:
        sheet.write(row, column, cell)
