"""What the command line of an import says, checked."""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, Protocol

import attrs

from cleverreach_async.bulk import options as importer
from cleverreach_async.bulk.report import OnProgress
from cleverreach_async.bulk.run import ImportRun
from cleverreach_async.bulk.strategies import StrategyName
from cleverreach_async.cli.imports.new_receivers import Newcomers
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.sources import RowFile, read_rows

__all__ = [
    "Breakers",
    "Delivery",
    "FileOptions",
    "ImportOptions",
    "Reader",
    "parse_concurrency",
    "parse_share",
]

_MOST_DIGITS: Final = 9


@attrs.frozen(kw_only=True)
class Breakers:
    """When an import had better stop by itself.

    Attributes:
        max_rejects: Rejected rows in all at which it stops; ``None`` for no such limit.
        max_reject_share: Share of rejected rows, 0 to 1, at which it stops.
        canary: Whether the first 100 rows go alone.
    """

    max_rejects: int | None = None
    max_reject_share: float = 1.0
    canary: bool = True


@attrs.frozen(kw_only=True)
class Delivery:
    """How rows are sent.

    Attributes:
        strategy: The batch call.
        activate: Whether an update sends who is active.
        report: Where to write the report as a page, if at all.
        journal: File that makes the import resumable.
        resume: Whether to go on with the import of that journal.
        concurrency: Requests on the wire at a time.
        batch_size: Most rows per request.
        max_rows_per_second: Limit of the pace.
        settle: Seconds to wait before rows are sent again after an answer was lost.
    """

    strategy: StrategyName = "upsertplus"
    activate: bool = False
    report: Path | None = None
    journal: Path | None = None
    resume: bool = False
    concurrency: int | Literal["auto"] = "auto"
    batch_size: int = 1000
    max_rows_per_second: float | None = None
    settle: float = 5.0

    def __attrs_post_init__(self) -> None:
        if self.resume and self.journal is None:
            raise ConfigurationError("--resume goes on with a journal; name it with --journal FILE")
        if self.activate and self.strategy != "update":
            raise ConfigurationError(
                "--activate goes with --strategy update: upsert, upsertplus and insert tell the"
                " server who is active anyway, as the file says"
            )


class Reader(Protocol):
    """Reads the rows of a file as the command line says."""

    def read(self, file: Path, date_attributes: Collection[str] = frozenset()) -> RowFile:
        """Return the rows of a file.

        Args:
            file: The file.
            date_attributes: Attributes that hold a day.

        Raises:
            ConfigurationError: The options do not fit the file.
            SourceError: The file cannot be read as rows.
        """
        ...

    def remarks(self, source: RowFile) -> Iterable[str]:
        """Return what is to be told of the rows before any is sent."""
        ...

    def settings(self) -> Mapping[str, object]:
        """Return what is in force, by name, for a report."""
        ...


@attrs.frozen(kw_only=True)
class FileOptions:
    """How a file of customers is read.

    Attributes:
        columns: Target by column, from ``--map``.
        encoding: Encoding of the file, if it is not to be found out.
        delimiter: What stands between cells, if it is not to be found out.
        timezone: Where the clocks stood that the file's dates were read from.
    """

    columns: Mapping[str, str]
    encoding: str | None
    delimiter: str | None
    timezone: str

    def read(self, file: Path, date_attributes: Collection[str] = frozenset()) -> RowFile:
        """See :meth:`Reader.read`."""
        return read_rows(
            file,
            mapping=self.columns or None,
            delimiter=self.delimiter,
            encoding=self.encoding,
            timezone=self.timezone,
            date_attributes=date_attributes,
        )

    def remarks(self, source: RowFile) -> Iterable[str]:
        """See :meth:`Reader.remarks`."""
        del source
        return ()

    def settings(self) -> Mapping[str, object]:
        """See :meth:`Reader.settings`."""
        return {"time zone of dates": self.timezone}


@attrs.frozen(kw_only=True)
class ImportOptions:
    """What the command line says.

    Attributes:
        file: The file.
        group: Id or name of the group.
        create: Whether to create a missing group and missing attributes.
        create_attributes: Whether to create missing attributes, but no group.
        newcomers: What becomes of new receivers.
        reader: How the file is read.
        delivery: How rows are sent.
        breakers: When to stop because of rejects.
        rejects: File for the rows that are not accepted.
        dry_run: Whether to check the rows only.
        as_json: Whether the result is printed as JSON.
    """

    file: Path
    group: str
    create: bool
    create_attributes: bool = False
    newcomers: Newcomers = attrs.field(factory=Newcomers)
    reader: Reader
    delivery: Delivery
    breakers: Breakers
    rejects: Path
    dry_run: bool
    as_json: bool

    def __attrs_post_init__(self) -> None:
        if self.create and self.delivery.strategy == "delete":
            raise ConfigurationError(
                "--create makes a group, and a new group has nobody to delete; leave it out"
            )
        if self.dry_run and self.delivery.resume:
            raise ConfigurationError(
                "--dry-run checks the whole file, and would replace the rejects of the import that"
                " --resume goes on with; leave one of them out"
            )

    def arguments(
        self, *, on_start: Callable[[ImportRun], None], on_progress: OnProgress
    ) -> importer.ImportOptions:
        """Return what the library's importer is told, but for the strategy.

        Args:
            on_start: Called with the run before the first row is read.
            on_progress: Called with each progress event.
        """
        delivery, breakers = self.delivery, self.breakers
        return {
            "on_start": on_start,
            "on_progress": on_progress,
            "concurrency": delivery.concurrency,
            "max_rows_per_second": delivery.max_rows_per_second,
            "batch_size": delivery.batch_size,
            "rejects": self.rejects,
            "journal": delivery.journal,
            "resume": delivery.resume,
            "max_reject_share": breakers.max_reject_share,
            "max_rejects": breakers.max_rejects,
            "canary": breakers.canary,
            "activate": delivery.activate,
            "inactive": self.newcomers.inactive,
            "settle": delivery.settle,
        }


def parse_concurrency(word: str) -> int | Literal["auto"]:
    """Read the value of ``--concurrency``.

    Raises:
        ConfigurationError: It is neither a number from 1 to 32 nor ``auto``.
    """
    if word == "auto":
        return "auto"
    is_number = word.isascii() and word.isdecimal() and len(word) <= _MOST_DIGITS
    number = int(word) if is_number else 0
    if not 1 <= number <= importer.MAX_CONCURRENCY:
        raise ConfigurationError(
            f"--concurrency takes a number from 1 to {importer.MAX_CONCURRENCY}, or auto;"
            f" not {word!r}"
        )
    return number


def parse_share(word: str) -> float:
    """Read the value of ``--max-reject-share``, such as ``10%`` or ``0.1``; from 0 to 1.

    Raises:
        ConfigurationError: It is none, or a 1 that may be a percent as well as all.
    """
    if word == "1":
        raise ConfigurationError("--max-reject-share 1 may be read in two ways; say 1% or 100%")
    digits, percent = (word[:-1], 100) if word.endswith("%") else (word, 1)
    try:
        share = float(digits) / percent
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigurationError(
            f"--max-reject-share takes percent, such as 10%, or a share, such as 0.1; not {word!r}"
        )
    return share
