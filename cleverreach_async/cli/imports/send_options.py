"""Options for how rows are sent, and when the import stops itself."""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import attrs
import typer

from cleverreach_async.bulk.options import AUTO_CONCURRENCY, MAX_CONCURRENCY, Settings
from cleverreach_async.bulk.rows import MAX_ROWS
from cleverreach_async.bulk.strategies import StrategyName
from cleverreach_async.cli.completion import one_of
from cleverreach_async.cli.confirmation import Yes
from cleverreach_async.cli.imports.http_library import HttpLibrary
from cleverreach_async.cli.options import AsJson
from cleverreach_async.errors import ConfigurationError

__all__ = ["NewReceiverOptions", "SendOptions", "parse_concurrency", "parse_share"]

_CONSENT: Final = "Consent"
_RESUMING: Final = "Resuming"
_SPEED: Final = "Speed"
_NEW_RECEIVERS: Final = "New receivers"
_LIMITS: Final = "Reject limits"

_DEFAULTS: Final = Settings()
# As it would be typed: the field's converter parses it.
_DEFAULT_SHARE: Final[Any] = f"{_DEFAULTS.max_reject_share:.0%}"


def parse_concurrency(text: str) -> int | Literal["auto"]:
    """Parse the value of ``--concurrency``.

    Raises:
        ConfigurationError: It is neither a number from 1 to 32 nor ``auto``.
    """
    if text == "auto":
        return "auto"
    number = int(text) if re.fullmatch("[0-9]{1,9}", text) else 0
    if not 1 <= number <= MAX_CONCURRENCY:
        raise ConfigurationError(
            f"--concurrency is {text!r}; use a number from 1 to {MAX_CONCURRENCY}, or auto"
        )
    return number


def parse_share(text: str, option: str = "--max-reject-share") -> float:
    """Parse a share, such as ``10%`` or ``0.1``.

    Args:
        text: The value of the option.
        option: Its name.

    Returns:
        The share, from 0 to 1.

    Raises:
        ConfigurationError: It is not a share, or a 1 that may mean 1 % or 100 %.
    """
    if text == "1":
        raise ConfigurationError(f"{option} 1 is ambiguous; use 1% or 100%")
    digits, percent = (text[:-1], 100) if text.endswith("%") else (text, 1)
    try:
        share = float(digits) / percent
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigurationError(
            f"{option} is {text!r}; use a percentage, such as 10%, or a share, such as 0.1"
        )
    return share


@attrs.frozen(kw_only=True)
class NewReceiverOptions:
    """Whether new receivers are active, and the mail with which they confirm."""

    inactive: Annotated[
        bool,
        typer.Option(
            "--inactive",
            help="Add new receivers as not yet confirmed, whatever the file says, and do not change"
            " receivers that are in the group already. This uses insert.",
            rich_help_panel=_NEW_RECEIVERS,
        ),
    ] = _DEFAULTS.inactive
    form_id: Annotated[
        int | None,
        typer.Option(
            "--double-opt-in",
            metavar="FORM_ID",
            help="After the import, send the activation mail of this form to every receiver that"
            " was added. Needs --inactive and the three options below, which CleverReach stores as"
            " evidence of the sign-up. Nobody gets a second mail.",
            rich_help_panel=_NEW_RECEIVERS,
        ),
    ] = None
    user_ip: Annotated[
        str,
        typer.Option(
            "--doi-ip",
            metavar="ADDRESS",
            help="IP address that people signed up from, or of the system that recorded it.",
            show_default=False,
            rich_help_panel=_NEW_RECEIVERS,
        ),
    ] = ""
    referer: Annotated[
        str,
        typer.Option(
            "--doi-referer",
            metavar="URL",
            help="Page on which people signed up.",
            show_default=False,
            rich_help_panel=_NEW_RECEIVERS,
        ),
    ] = ""
    user_agent: Annotated[
        str,
        typer.Option(
            "--doi-user-agent",
            metavar="TEXT",
            help="Browser with which people signed up, or the name of the system that recorded it.",
            show_default=False,
            rich_help_panel=_NEW_RECEIVERS,
        ),
    ] = ""

    def __attrs_post_init__(self) -> None:
        evidence = {
            "--doi-ip": self.user_ip,
            "--doi-referer": self.referer,
            "--doi-user-agent": self.user_agent,
        }
        given = [name for name, text in evidence.items() if text.strip()]
        missing = [name for name in evidence if name not in given]
        if self.form_id is None:
            if given:
                raise ConfigurationError(f"{given[0]} needs --double-opt-in FORM_ID")
        elif missing:
            raise ConfigurationError(
                f"--double-opt-in needs {', '.join(missing)}: CleverReach sends no mail without"
                " evidence of the sign-up"
            )
        elif not self.inactive:
            raise ConfigurationError(
                "--double-opt-in is for receivers that have yet to confirm: add --inactive"
            )


@attrs.frozen(kw_only=True)
class SendOptions:
    """How rows are sent, and when the import stops itself."""

    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every row, but send nothing; offline.")
    ] = False
    check_account: Annotated[
        bool,
        typer.Option(
            "--check-account",
            help="With --dry-run: also look into the account for the group, the attributes, the"
            " form, and receivers that exist already. Nothing is changed there.",
        ),
    ] = False
    as_json: AsJson = False
    requested_strategy: Annotated[
        StrategyName,
        typer.Option(
            "--strategy",
            metavar="NAME",
            help="upsertplus: add or update; upsert: the same, without orders; insert: only add;"
            " update: only update; delete: remove from the group.",
        ),
    ] = "upsertplus"
    yes: Yes = False
    activate: Annotated[
        bool,
        typer.Option(
            "--activate",
            help="With update: send the activation date too, which can activate people who have"
            " unsubscribed.",
        ),
    ] = _DEFAULTS.activate
    not_subscribed: Annotated[
        Literal["exclude", "deactivate"] | None,
        typer.Option(
            metavar="exclude|deactivate",
            help="Rows that say that the person is not subscribed: leave them out, or send them as"
            " unsubscribed, so that those who are in the group are deactivated.",
            show_default="exclude; deactivate with --strategy update",
            rich_help_panel=_CONSENT,
        ),
    ] = _DEFAULTS.not_subscribed
    reactivate: Annotated[
        bool,
        typer.Option(
            "--reactivate",
            help="Send a 0 or 0000-00-00 in the column of unsubscribe dates, which can make people"
            " active who have unsubscribed.",
            rich_help_panel=_CONSENT,
        ),
    ] = _DEFAULTS.reactivate
    relative: Annotated[
        bool,
        typer.Option(
            "--relative",
            help="Send numbers with a sign, such as +1 or -5, which CleverReach adds to the stored"
            " number. Otherwise such a row is rejected.",
        ),
    ] = _DEFAULTS.relative
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Write a report with charts, as an HTML page."),
    ] = None
    journal: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Record the progress in this file, to resume the import even after a crash.",
            rich_help_panel=_RESUMING,
        ),
    ] = None
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue the import of the journal, and append to its rejects file.",
            rich_help_panel=_RESUMING,
        ),
    ] = False
    settle: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="How long the server may still process a request after its response was lost. Its"
            " rows are resent only after that time.",
            rich_help_panel=_RESUMING,
        ),
    ] = _DEFAULTS.settle
    concurrency: Annotated[
        int | Literal["auto"],
        typer.Option(
            metavar="N|auto",
            help=f"Requests in flight at a time, 1 to {MAX_CONCURRENCY}; auto searches how many the"
            f" server can handle, up to {AUTO_CONCURRENCY}.",
            rich_help_panel=_SPEED,
            autocompletion=one_of("auto", "1", "2", "4", "8", "16", "32"),
        ),
    ] = attrs.field(default=_DEFAULTS.concurrency, converter=parse_concurrency)
    batch_size: Annotated[
        int,
        typer.Option(
            min=1,
            max=MAX_ROWS,
            metavar="N",
            help="Maximum number of rows per request.",
            rich_help_panel=_SPEED,
        ),
    ] = _DEFAULTS.batch_size
    max_rows_per_second: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Maximum number of rows per second.", rich_help_panel=_SPEED
        ),
    ] = None
    http: Annotated[
        HttpLibrary,
        typer.Option(
            metavar="auto|httpx|aiohttp",
            help="HTTP library: aiohttp needs less processor time and is an extra; auto uses it"
            " for large files if it is installed.",
            rich_help_panel=_SPEED,
        ),
    ] = "auto"
    new_receivers: NewReceiverOptions
    max_rejects: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Stop if more rows than this are rejected.",
            rich_help_panel=_LIMITS,
        ),
    ] = _DEFAULTS.max_rejects
    max_reject_share: Annotated[
        float,
        typer.Option(
            metavar="PERCENT",
            help="Stop if more than this share of the last 5000 rows is rejected; 100% never"
            " stops.",
            rich_help_panel=_LIMITS,
        ),
    ] = attrs.field(default=_DEFAULT_SHARE, converter=parse_share)
    no_canary: Annotated[
        bool,
        typer.Option(
            "--no-canary",
            help="Do not send the first 100 rows alone, which would detect mistakes in all rows.",
            rich_help_panel=_LIMITS,
        ),
    ] = not _DEFAULTS.canary

    def __attrs_post_init__(self) -> None:
        if self.check_account and not self.dry_run:
            raise ConfigurationError(
                "--check-account needs --dry-run: an import checks the account anyway"
            )
        if self.resume and self.journal is None:
            raise ConfigurationError("--resume needs a journal; name it with --journal FILE")
        if self.resume and self.dry_run:
            raise ConfigurationError(
                "--dry-run checks the whole file, and --resume continues in the middle; use only"
                " one of them"
            )
        if self.activate and self.requested_strategy != "update":
            raise ConfigurationError(
                "--activate needs --strategy update: upsert, upsertplus and insert send the"
                " activation date of the file anyway"
            )
        # upsertplus is the default, so it was perhaps not requested.
        if self.inactive and self.requested_strategy not in {"upsertplus", "insert"}:
            raise ConfigurationError(
                "--inactive adds new receivers with insert; it cannot be used with --strategy"
                f" {self.requested_strategy}"
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
        """Return the importer's options, by name."""
        return {
            name: getattr(self, name) for name in attrs.fields_dict(Settings) if hasattr(self, name)
        }
