"""How the rows of a file are read, as the command line says."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import attrs
import typer

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.sources import RowFile, read_rows
from cleverreach_async.sources.rejects_lines import Only, RejectsSource, read_rejects

__all__ = ["FileOptions", "RejectsFileOptions"]

_PANEL: Final = "File"

Timezone = Annotated[
    str,
    typer.Option(
        metavar="ZONE", help="Where the clocks of the file's dates stood.", rich_help_panel=_PANEL
    ),
]
_TIMEZONE: Final = "Europe/Berlin"


def _parse_map(words: list[str] | None) -> dict[str, str]:
    """Read the values of ``--map``; a column's name may hold an equals sign.

    Raises:
        ConfigurationError: A word is no pair, or names a column again.
    """
    columns: dict[str, str] = {}
    for word in words or ():
        column, equals, target = word.rpartition("=")
        if not equals or not column.strip():
            raise ConfigurationError(f"--map takes COLUMN=TARGET, not {word!r}")
        if column in columns:
            raise ConfigurationError(f"--map names the column {column!r} twice")
        columns[column] = target
    return columns


@attrs.frozen(kw_only=True)
class FileOptions:
    """How a file of customers is read."""

    columns: Annotated[
        Mapping[str, str],
        typer.Option(
            "--map",
            metavar="COLUMN=TARGET",
            help="Where a column goes: email, registered, activated, deactivated, source, tags, the"
            " name of an attribute, attributes.NAME for one of the group, or - to leave it out. May"
            " be repeated.",
            rich_help_panel=_PANEL,
        ),
    ] = attrs.field(default=None, converter=_parse_map)
    encoding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The file's encoding, such as cp1252.", rich_help_panel=_PANEL
        ),
    ] = None
    delimiter: Annotated[
        str | None,
        typer.Option(
            metavar="CHAR", help=r"What stands between cells; \t for tabs.", rich_help_panel=_PANEL
        ),
    ] = None
    timezone: Timezone = _TIMEZONE

    def read(self, file: Path, date_attributes: Collection[str] = frozenset()) -> RowFile:
        """Return the rows of a file.

        Args:
            file: The file.
            date_attributes: Attributes that hold a day.

        Raises:
            ConfigurationError: The options do not fit the file.
            SourceError: The file cannot be read as rows.
        """
        return read_rows(
            file,
            mapping=self.columns or None,
            delimiter="\t" if self.delimiter == r"\t" else self.delimiter,
            encoding=self.encoding,
            timezone=self.timezone,
            date_attributes=date_attributes,
        )

    def remarks(self, source: RowFile) -> Sequence[str]:
        """Return what is to be told of the rows before any is sent."""
        del source
        return ()

    def settings(self) -> Mapping[str, object]:
        """Return what is in force, by name, for a report."""
        return {"time zone of dates": self.timezone}


@attrs.frozen(kw_only=True)
class RejectsFileOptions:
    """How a rejects file is read."""

    only: Annotated[
        Only | None,
        typer.Option(metavar="OUTCOME", help="Send rejected or unknown rows only."),
    ] = None
    timezone: Timezone = _TIMEZONE

    def read(self, file: Path, date_attributes: Collection[str] = frozenset()) -> RowFile:
        """See :meth:`FileOptions.read`."""
        del date_attributes
        return read_rejects(file, only=self.only, timezone=self.timezone)

    def remarks(self, source: RowFile) -> Iterable[str]:
        """See :meth:`FileOptions.remarks`."""
        return self._remarks(source) if isinstance(source, RejectsSource) else ()

    def _remarks(self, source: RejectsSource) -> Iterator[str]:
        found = sum(1 for _ in source)
        passed = source.passed
        records = passed.records
        yield f"  {_rows(found - records.total())} to send again"
        if records:
            codes = ", ".join(f"{count:,} {code}" for code, count in records.most_common())
            yield (
                f"  {_rows(records.total())} without a receiver ({codes}): not sent, and passed on"
                " to the new rejects file; repair them in the file that was imported, or give the"
                " line a receiver"
            )
        if passed.left_out:
            yield f"  {_rows(passed.left_out)} left out by --only {self.only}"
        if passed.with_orders:
            yield (
                f"  {_rows(passed.with_orders)} of unknown outcome left out: they have orders,"
                " which would be stored twice if they are stored already; look whether they are,"
                " and send those that are not by --only unknown"
            )

    def settings(self) -> Mapping[str, object]:
        """See :meth:`FileOptions.settings`."""
        return {"rows": self.only or "rejected and unknown"}


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
