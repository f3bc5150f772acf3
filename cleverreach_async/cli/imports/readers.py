"""Options for how the rows of a file are read."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final

import attrs
import typer

from cleverreach_async.cli.completion import ENCODINGS, one_of, time_zones
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.sources import RowFile, read_rows
from cleverreach_async.sources.content import Content
from cleverreach_async.sources.rejects_file import Only, RejectsSource, read_rejects

__all__ = ["FileOptions", "RejectsFileOptions"]

_PANEL: Final = "File"

Timezone = Annotated[
    str,
    typer.Option(
        metavar="ZONE",
        help="Time zone of dates in the file.",
        rich_help_panel=_PANEL,
        autocompletion=time_zones,
    ),
]
_TIMEZONE: Final = "Europe/Berlin"


def _parse_map(pairs: list[str] | None) -> dict[str, str]:
    """Parse the values of ``--map``. The name of a column may contain an equals sign.

    Raises:
        ConfigurationError: A value is not ``COLUMN=TARGET``, or a column is given twice.
    """
    columns: dict[str, str] = {}
    for pair in pairs or ():
        column, equals, target = pair.rpartition("=")
        if not equals or not column.strip():
            raise ConfigurationError(f"--map is {pair!r}; use COLUMN=TARGET")
        if column in columns:
            raise ConfigurationError(f"--map has the column {column!r} twice")
        columns[column] = target
    return columns


@attrs.frozen(kw_only=True)
class FileOptions:
    """How a file of receivers is read."""

    columns: Annotated[
        Mapping[str, str],
        typer.Option(
            "--map",
            metavar="COLUMN=TARGET",
            help="Target of a column: email, registered, activated, deactivated, subscribed,"
            " unsubscribed, source, tags, the name of an attribute, attributes.NAME for an"
            " attribute of the group, or - to leave it out. Can be repeated.",
            rich_help_panel=_PANEL,
        ),
    ] = attrs.field(default=None, converter=_parse_map)
    encoding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Encoding of the file, such as cp1252 or mac_roman; it is taken as it is.",
            rich_help_panel=_PANEL,
            autocompletion=one_of(*ENCODINGS),
        ),
    ] = None
    delimiter: Annotated[
        str | None,
        typer.Option(
            metavar="CHAR", help=r"Column separator; \t for a tab.", rich_help_panel=_PANEL
        ),
    ] = None
    skip_lines: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            help="Skip N lines before the column names, such as a title.",
            rich_help_panel=_PANEL,
        ),
    ] = 0
    sheet: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Sheet of an Excel file, if several have rows.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    timezone: Timezone = _TIMEZONE
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Reject a row if any of its values cannot be used. By default such a value of an"
            " attribute is left out, and counted.",
            rich_help_panel=_PANEL,
        ),
    ] = False

    def read(self, file: Path | Content, *, check_consent: bool = True) -> RowFile:
        """Return the rows of a file.

        Args:
            file: The file, or its content.
            check_consent: Whether a column or a name of the file that looks like consent, and of
                which nothing says what it means, is an error.

        Raises:
            ConfigurationError: The options do not fit the file.
            SourceError: The file cannot be read as rows.
        """
        return read_rows(
            file,
            mapping=self.columns or None,
            delimiter="\t" if self.delimiter == r"\t" else self.delimiter,
            encoding=self.encoding,
            sheet=self.sheet,
            timezone=self.timezone,
            check_consent=check_consent,
            strict=self.strict,
            skip_lines=self.skip_lines,
        )

    def remarks(self, source: RowFile) -> Iterable[str]:
        """Return remarks about the rows, to be printed before any is sent."""
        del source
        return ()

    def settings(self) -> Mapping[str, object]:
        """Return the options for the report, by name."""
        return {"time zone of dates": self.timezone}


@attrs.frozen(kw_only=True)
class RejectsFileOptions:
    """How a rejects file is read."""

    only: Annotated[
        Only | None,
        typer.Option(
            metavar="OUTCOME", help="Send only rows with this outcome: rejected or unknown."
        ),
    ] = None
    timezone: Timezone = _TIMEZONE

    def read(self, file: Path | Content, *, check_consent: bool = True) -> RowFile:
        """See :meth:`FileOptions.read`."""
        del check_consent
        return read_rejects(file, only=self.only, timezone=self.timezone)

    def remarks(self, source: RowFile) -> Iterable[str]:
        """See :meth:`FileOptions.remarks`."""
        return self._remarks(source) if isinstance(source, RejectsSource) else ()

    def _remarks(self, source: RejectsSource) -> Iterator[str]:
        found = sum(1 for _ in source)
        skipped = source.skipped
        records = skipped.records
        yield f"  {_rows(found - records.total())} to send"
        if records:
            codes = ", ".join(f"{count:,} {code}" for code, count in records.most_common())
            yield (
                f"  {_rows(records.total())} without a receiver ({codes}): not sent, but copied to"
                " the new rejects file; repair them in the file of the import, or add a receiver to"
                " the line"
            )
        if skipped.left_out:
            yield f"  {_rows(skipped.left_out)} left out because of --only {self.only}"
        if skipped.unrepeatable:
            yield (
                f"  {_rows(skipped.unrepeatable)} of unknown outcome left out: they have orders, or"
                " numbers like +1 that are added, which would count twice if they are stored"
                " already; check the account, and send the missing ones with --only unknown"
            )

    def settings(self) -> Mapping[str, object]:
        """See :meth:`FileOptions.settings`."""
        return {"rows": self.only or "rejected and unknown"}


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
