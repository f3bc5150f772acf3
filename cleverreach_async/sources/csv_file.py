"""Rows of a CSV file."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from operator import itemgetter
from typing import Any, Final, TextIO

from cleverreach_async.resources.base import UNSET, Unset
from cleverreach_async.resources.receiver_models import AttributeValue, ReceiverInput
from cleverreach_async.sources.columns import (
    GROUP_PREFIX,
    TIME_TARGETS,
    AttributeType,
    ColumnMapping,
)
from cleverreach_async.sources.csv_records import FLAWS, Header, column_name, records
from cleverreach_async.sources.dates import (
    DATES_ACCEPTED,
    TIMES_ACCEPTED,
    date_attribute,
    gender,
    show_date,
    tags,
)
from cleverreach_async.sources.file_source import FileSource
from cleverreach_async.sources.line_offsets import Lines
from cleverreach_async.sources.rows import BadRow, SourceRow
from cleverreach_async.sources.text_file import TextFile

__all__ = ["CsvSource"]

TimeParser = Callable[[str], int | Unset]
_Build = Callable[[Sequence[str]], ReceiverInput]
_Reader = Callable[[Sequence[str]], Mapping[str, AttributeValue] | Unset]

_CONVERTERS: Final[Mapping[str, Callable[[str], str]]] = {"gender": gender, "date": date_attribute}


class CsvSource(FileSource):
    """Rows of a CSV file; :func:`~cleverreach_async.read_csv` makes one."""

    kind = "csv"

    def __init__(
        self,
        text: TextFile,
        header: Header,
        mapping: ColumnMapping,
        parse_time: TimeParser,
        zone: tzinfo,
    ) -> None:
        super().__init__(text, zone, delimiter=header.delimiter, mapping=mapping)
        self._header = header
        self._mapping = mapping
        self._parse_time = parse_time

    def identity(self) -> Mapping[str, Any]:
        """As of every file, and how cells become receivers: delimiter, columns, dates."""
        types = {
            **self._mapping.global_attributes,
            **{GROUP_PREFIX + name: kind for name, kind in self._mapping.group_attributes.items()},
        }
        return {
            **super().identity(),
            "delimiter": self._header.delimiter,
            "columns": dict(self._mapping.pairs),
            "date_attributes": sorted(name for name, kind in types.items() if kind == "date"),
        }

    def _rows(self, file: TextIO, lines: Lines) -> Iterator[SourceRow | BadRow]:
        header = self._header
        lines.skip(file, max(0, header.lines + 1 - lines.line))
        width = len(header.names)
        build = _compile(self._mapping, self._parse_time)
        for line, cells, flaw in records(file, lines, header.delimiter, width):
            try:
                receiver = None if flaw or len(cells) != width else build(cells)
            except ValueError:
                receiver = None
            if receiver is not None:
                yield SourceRow(receiver, line)
            elif (item := self._odd_row(build, line, cells, flaw)) is not None:
                yield item

    def _odd_row(
        self, build: _Build, line: int, cells: list[str], flaw: str
    ) -> SourceRow | BadRow | None:
        """Judge a row that is not as it should be; ``None`` for one that holds nothing."""
        if flaw:
            return self._bad(line, flaw, FLAWS[flaw], cells)
        if not any(cell.strip() for cell in cells):
            return None
        width = len(self._header.names)
        if any(cell.strip() for cell in cells[width:]):
            message = f"the row has {len(cells)} cells, and there are {width} columns"
            return self._bad(line, "ragged_row", message, cells)
        # Shop systems drop empty cells at the end of a line, and add some.
        fitted = [*cells, *([""] * (width - len(cells)))][:width]
        code, message = _problem(self._mapping, self._parse_time, fitted)
        if code == "missing_email" and len(cells) < width:
            message = f"the row ends after {len(cells)} of {width} cells, without an address"
            return self._bad(line, "ragged_row", message, cells)
        if code:
            return self._bad(line, code, message, cells)
        return SourceRow(build(fitted), line)

    def _bad(self, line: int, code: str, message: str, cells: Sequence[str]) -> BadRow:
        names = self._header.names
        surplus = (column_name(place) for place in range(len(names) + 1, len(cells) + 1))
        record = dict(zip((*names, *surplus), cells, strict=False))
        return BadRow(line, code, message, record)


def _compile(mapping: ColumnMapping, parse_time: TimeParser) -> _Build:
    """Build the function from cells to receiver; all look-ups by name are made here.

    The function raises ``ValueError`` for a row without address or with an impossible date.
    """
    places = {target: mapping.headers.index(column) for column, target in mapping.pairs}
    email_at = places["email"]
    registered, activated, deactivated = (places.get(target) for target in TIME_TARGETS)
    source, labels = places.get("source"), places.get("tags")
    of_group = _attribute_reader(mapping.group_attributes, places, GROUP_PREFIX)
    of_account = _attribute_reader(mapping.global_attributes, places, "")

    def build(cells: Sequence[str]) -> ReceiverInput:
        email = cells[email_at].strip()
        if not email:
            raise ValueError("no address")
        return ReceiverInput(
            email,
            UNSET if registered is None else parse_time(cells[registered]),
            UNSET if activated is None else parse_time(cells[activated]),
            UNSET if deactivated is None else parse_time(cells[deactivated]),
            UNSET if source is None else (cells[source].strip() or UNSET),
            UNSET if of_group is None else of_group(cells),
            UNSET if of_account is None else of_account(cells),
            UNSET if labels is None else tags(cells[labels]),
        )

    return build


def _attribute_reader(
    types: Mapping[str, AttributeType], places: Mapping[str, int], prefix: str
) -> _Reader | None:
    """Build the function from cells to attributes; ``None`` where no column holds one."""
    texts = [name for name, kind in types.items() if kind not in _CONVERTERS]
    columns = [places[prefix + name] for name in texts]
    converted = [
        (name, places[prefix + name], _CONVERTERS[kind])
        for name, kind in types.items()
        if kind in _CONVERTERS
    ]
    pick = _picker(columns)

    def read(cells: Sequence[str]) -> Mapping[str, AttributeValue] | Unset:
        values: dict[str, AttributeValue] = {
            name: text
            for name, cell in zip(texts, pick(cells), strict=True)
            if (text := cell.strip())
        }
        for name, place, convert in converted:
            value = convert(cells[place])
            if value:
                values[name] = value
        return values or UNSET

    return read if types else None


def _picker(places: Sequence[int]) -> Callable[[Sequence[str]], Iterable[str]]:
    if len(places) > 1:
        return itemgetter(*places)
    # Of one place itemgetter would return the cell itself.
    return lambda cells: [cells[place] for place in places]


def _problem(
    mapping: ColumnMapping, parse_time: TimeParser, cells: Sequence[str]
) -> tuple[str, str]:
    """Return code and message of what keeps a row from being a receiver, or empty strings."""
    types = {
        **{GROUP_PREFIX + name: kind for name, kind in mapping.group_attributes.items()},
        **mapping.global_attributes,
    }
    row = dict(zip(mapping.headers, cells, strict=True))
    for column, target in mapping.pairs:
        cell = row[column]
        if target == "email" and not cell.strip():
            return "missing_email", f"column {column!r} is empty"
        is_time = target in TIME_TARGETS
        try:
            if is_time:
                parse_time(cell)
            elif types.get(target) == "date":
                date_attribute(cell)
        except ValueError as error:
            accepted = TIMES_ACCEPTED if is_time else DATES_ACCEPTED
            shown = show_date(cell)
            return "invalid_date", f"column {column!r}: {shown}: {error}; it takes {accepted}"
    return "", ""
