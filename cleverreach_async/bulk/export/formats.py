"""The lines of an unfinished export: a CSV file, JSON Lines, or what becomes a Parquet file."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, Final, Literal, Protocol

import attrs
import msgspec

from cleverreach_async.bulk.export.columns import TIMES, Columns, Remarks, text_cells, unread_time
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.receiver_models import Detail, Receiver
from cleverreach_async.resources.times import EARLIEST
from cleverreach_async.sources.csv_records import raise_cell_limit
from cleverreach_async.transport.wire import encode_json_lines, to_unix

__all__ = ["CsvLines", "ExportFormat", "JsonLines", "LineFormat", "TableLines", "choose_format"]

ExportFormat = Literal["csv", "jsonl", "parquet"]

_BY_SUFFIX: Final[Mapping[str, ExportFormat]] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_BOM: Final = b"\xef\xbb\xbf"
"""Without it spreadsheets take UTF-8 for another encoding."""


class LineFormat(Protocol):
    """How receivers become lines."""

    @property
    def header(self) -> bytes:
        """What the file begins with."""
        ...

    def lines(self, receivers: Sequence[Receiver], remarks: Remarks) -> bytes:
        """Return the lines of some receivers, and add what they lack to the remarks."""
        ...

    def ids(self, file: IO[bytes]) -> Iterator[int]:
        """Iterate over the ids in a file of such lines."""
        ...


@attrs.frozen
class CsvLines:
    """A CSV file with a header, in UTF-8 with a byte-order mark."""

    columns: Columns
    delimiter: str

    @property
    def header(self) -> bytes:
        """See :class:`LineFormat`."""
        return _BOM + self._encode([self.columns.names])

    def lines(self, receivers: Sequence[Receiver], remarks: Remarks) -> bytes:
        """See :class:`LineFormat`."""
        return self._encode([text_cells(it, self.columns, remarks) for it in receivers])

    def ids(self, file: IO[bytes]) -> Iterator[int]:
        """See :class:`LineFormat`."""
        raise_cell_limit()
        with io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
            rows = csv.reader(text, delimiter=self.delimiter)
            next(rows, None)
            for row in rows:
                yield int(row[0])

    def _encode(self, rows: Sequence[Sequence[str]]) -> bytes:
        text = io.StringIO(newline="")
        # The module quotes a value with a line break only if it is one of the terminator.
        csv.writer(text, delimiter=self.delimiter, lineterminator="\r\n").writerows(rows)
        return text.getvalue().encode()


class _WithId(msgspec.Struct):
    """What is read of a line of JSON."""

    id: int


@attrs.frozen
class JsonLines:
    """One JSON object a line: every field of :class:`Receiver`, with ``extra`` as an object."""

    header: bytes = b""

    def lines(self, receivers: Sequence[Receiver], remarks: Remarks) -> bytes:
        """See :class:`LineFormat`."""
        del remarks
        return encode_json_lines(receivers)

    def ids(self, file: IO[bytes]) -> Iterator[int]:
        """See :class:`LineFormat`."""
        decode = msgspec.json.Decoder(_WithId).decode
        return (decode(line).id for line in file)


@attrs.frozen
class TableLines:
    """One JSON list a line, with the values of the columns; times are Unix seconds.

    A time before 1973, or that cannot be read, is one of 1973, and counted: the API stores 1 for an
    unknown time.
    """

    columns: Columns
    header: bytes = b""

    def lines(self, receivers: Sequence[Receiver], remarks: Remarks) -> bytes:
        """See :class:`LineFormat`."""
        rows = [self._values(receiver, remarks) for receiver in receivers]
        return encode_json_lines(rows)

    def _values(self, receiver: Receiver, remarks: Remarks) -> list[Any]:
        cells: list[Any] = [*text_cells(receiver, self.columns, remarks)]
        times = [_time(receiver, name, remarks) for name in TIMES]
        cells[: 2 + len(TIMES)] = [receiver.id, receiver.email, *times]
        if self.columns.has_tags:
            cells[self.columns.names.index("tags")] = receiver.tags
        return cells

    def ids(self, file: IO[bytes]) -> Iterator[int]:
        """See :class:`LineFormat`."""
        decode = msgspec.json.Decoder(list[Any]).decode
        return (int(decode(line)[0]) for line in file)


def _time(receiver: Receiver, name: str, remarks: Remarks) -> int | None:
    """Return a time that an import takes: for it one of the first years of Unix is none."""
    if unread_time(receiver, name) is not None:
        return EARLIEST  # counted already
    seconds: int | None = to_unix(getattr(receiver, name))
    if seconds is None or seconds >= EARLIEST:
        return seconds
    remarks.read_otherwise[name] += 1
    return EARLIEST


def choose_format(suffix: str, wanted: ExportFormat | None, detail: Detail) -> ExportFormat:
    """Return the format of a file.

    Args:
        suffix: The suffix of its name.
        wanted: The format, or ``None`` to choose it by the suffix.
        detail: What was requested.

    Raises:
        ConfigurationError: It is unknown, or cannot hold what was requested.
    """
    found = _BY_SUFFIX.get(suffix.lower()) if wanted is None else wanted
    if found is None:
        raise ConfigurationError(
            f"no format is known for files that end with {suffix!r}: name the file .csv, .jsonl or"
            " .parquet, or choose one with --format or format="
        )
    if found not in _BY_SUFFIX.values():
        raise ConfigurationError(f"format is {found!r}; use 'csv', 'jsonl' or 'parquet'")
    if found != "jsonl" and detail & (Detail.EVENTS | Detail.ORDERS):
        raise ConfigurationError(
            f"{found} has no place for events and orders; use jsonl, or leave out"
            " --detail or detail="
        )
    return found
