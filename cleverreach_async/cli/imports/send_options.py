"""The options about how rows are sent, and when the import stops by itself."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import attrs
import typer

from cleverreach_async.bulk.options import MAX_CONCURRENCY, Settings
from cleverreach_async.bulk.rows import MAX_ROWS
from cleverreach_async.bulk.strategies import StrategyName
from cleverreach_async.cli.imports.new_receivers import NewReceiverOptions
from cleverreach_async.cli.options import AsJson
from cleverreach_async.errors import ConfigurationError

__all__ = ["SendOptions", "parse_concurrency", "parse_share"]

_RESUMING: Final = "Resuming"
_PACE: Final = "Pace"
_LIMITS: Final = "When to give up"

_DEFAULTS: Final = Settings()
# As it is typed: the field's converter makes a number of it.
_DEFAULT_SHARE: Final[Any] = f"{_DEFAULTS.max_reject_share:.0%}"
_MOST_DIGITS: Final = 9


def parse_concurrency(word: str) -> int | Literal["auto"]:
    """Read the value of ``--concurrency``.

    Raises:
        ConfigurationError: It is neither a number from 1 to 32 nor ``auto``.
    """
    if word == "auto":
        return "auto"
    is_number = word.isascii() and word.isdecimal() and len(word) <= _MOST_DIGITS
    number = int(word) if is_number else 0
    if not 1 <= number <= MAX_CONCURRENCY:
        raise ConfigurationError(
            f"--concurrency takes a number from 1 to {MAX_CONCURRENCY}, or auto; not {word!r}"
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


@attrs.frozen(kw_only=True)
class SendOptions:
    """How rows are sent, and when the import stops by itself."""

    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every row and send nothing.")
    ] = False
    as_json: AsJson = False
    requested_strategy: Annotated[
        StrategyName,
        typer.Option(
            "--strategy",
            metavar="NAME",
            help="upsertplus: add or change; upsert: the same, without orders; insert: add new ones"
            " only; update: change those who are there; delete: remove from the group.",
        ),
    ] = "upsertplus"
    activate: Annotated[
        bool,
        typer.Option(
            "--activate",
            help="With update: send who is active, which may bring back people who have"
            " unsubscribed.",
        ),
    ] = _DEFAULTS.activate
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Write a report with plots, as a page."),
    ] = None
    journal: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keep track in this file, so that the import can be resumed even after a crash.",
            rich_help_panel=_RESUMING,
        ),
    ] = None
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on where the import of the journal stopped; its rejects file is continued.",
            rich_help_panel=_RESUMING,
        ),
    ] = _DEFAULTS.resume
    settle: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="How long a request without an answer may still be at work on the server; rows are"
            " sent again only after that.",
            rich_help_panel=_RESUMING,
        ),
    ] = _DEFAULTS.settle
    concurrency: Annotated[
        int | Literal["auto"],
        typer.Option(
            metavar="N|auto",
            help="Requests on the wire at a time, 1 to 32; auto finds out how many the server"
            " bears, up to 8.",
            rich_help_panel=_PACE,
        ),
    ] = attrs.field(default=_DEFAULTS.concurrency, converter=parse_concurrency)
    batch_size: Annotated[
        int,
        typer.Option(
            min=1, max=MAX_ROWS, metavar="N", help="Most rows per request.", rich_help_panel=_PACE
        ),
    ] = _DEFAULTS.batch_size
    max_rows_per_second: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Go no faster than this.", rich_help_panel=_PACE),
    ] = None
    new_receivers: NewReceiverOptions
    max_rejects: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Stop when more rows than this are rejected.",
            rich_help_panel=_LIMITS,
        ),
    ] = _DEFAULTS.max_rejects
    max_reject_share: Annotated[
        float,
        typer.Option(
            metavar="PERCENT",
            help="Stop when more of the last 5000 rows are rejected; 100% never stops.",
            rich_help_panel=_LIMITS,
        ),
    ] = attrs.field(default=_DEFAULT_SHARE, converter=parse_share)
    no_canary: Annotated[
        bool,
        typer.Option(
            "--no-canary",
            help="Do not send the first 100 rows alone, to see whether they are taken.",
            rich_help_panel=_LIMITS,
        ),
    ] = not _DEFAULTS.canary

    def __attrs_post_init__(self) -> None:
        if self.resume and self.journal is None:
            raise ConfigurationError("--resume goes on with a journal; name it with --journal FILE")
        if self.activate and self.requested_strategy != "update":
            raise ConfigurationError(
                "--activate goes with --strategy update: upsert, upsertplus and insert tell the"
                " server who is active anyway, as the file says"
            )
        # upsertplus is the default, so it need not have been asked for.
        if self.inactive and self.requested_strategy not in {"upsertplus", "insert"}:
            raise ConfigurationError(
                "--inactive adds new receivers by insert, and does not go with --strategy"
                f" {self.requested_strategy}"
            )
        if self.dry_run and self.resume:
            raise ConfigurationError(
                "--dry-run checks the whole file, and would replace the rejects of the import that"
                " --resume goes on with; leave one of them out"
            )

    @property
    def strategy(self) -> StrategyName:
        """The batch call."""
        return "insert" if self.inactive else self.requested_strategy

    @property
    def inactive(self) -> bool:
        """Whether new receivers are added as not yet confirmed."""
        return self.new_receivers.inactive

    @property
    def canary(self) -> bool:
        """Whether the first 100 rows are sent alone."""
        return not self.no_canary

    def settings(self) -> dict[str, Any]:
        """Return the options that the library's importer takes, by name."""
        return {
            name: getattr(self, name) for name in attrs.fields_dict(Settings) if hasattr(self, name)
        }
