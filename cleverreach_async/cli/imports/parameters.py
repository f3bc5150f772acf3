"""The options of commands that send rows, as they are typed."""

from pathlib import Path
from typing import Annotated, Final

import typer

from cleverreach_async.bulk.strategies import StrategyName
from cleverreach_async.cli.imports.mapping import parse_map
from cleverreach_async.cli.imports.options import (
    Breakers,
    Delivery,
    FileOptions,
    parse_concurrency,
    parse_share,
)

__all__ = ["breakers", "delivery", "file_options"]

_FILE: Final = "File"
_RESUMING: Final = "Resuming"
_PACE: Final = "Pace"
_BREAKERS: Final = "When to give up"

Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="COLUMN=TARGET",
        help="Where a column goes: email, registered, activated, deactivated, source, tags, the"
        " name of an attribute, attributes.NAME for one of the group, or - to leave it out. May be"
        " repeated.",
        rich_help_panel=_FILE,
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The file's encoding, such as cp1252.", rich_help_panel=_FILE
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        metavar="CHAR", help=r"What stands between cells; \t for tabs.", rich_help_panel=_FILE
    ),
]
Timezone = Annotated[
    str,
    typer.Option(
        metavar="ZONE", help="Where the clocks of the file's dates stood.", rich_help_panel=_FILE
    ),
]

MaxRejects = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Stop when more rows than this are rejected.",
        rich_help_panel=_BREAKERS,
    ),
]
MaxRejectShare = Annotated[
    str,
    typer.Option(
        metavar="PERCENT",
        help="Stop when more of the last 5000 rows are rejected; 100% never stops.",
        rich_help_panel=_BREAKERS,
    ),
]
NoCanary = Annotated[
    bool,
    typer.Option(
        "--no-canary",
        help="Do not send the first 100 rows alone, to see whether they are taken.",
        rich_help_panel=_BREAKERS,
    ),
]

Strategy = Annotated[
    StrategyName,
    typer.Option(
        metavar="NAME",
        help="upsertplus: add or change; upsert: the same, without orders; insert: add new ones"
        " only; update: change those who are there; delete: remove from the group.",
    ),
]
Activate = Annotated[
    bool,
    typer.Option(
        "--activate",
        help="With update: send who is active, which may bring back people who have unsubscribed.",
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(metavar="FILE.html", help="Write a report with plots, as a page."),
]
Journal = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Keep track in this file, so that the import can be resumed even after a crash.",
        rich_help_panel=_RESUMING,
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on where the import of the journal stopped; its rejects file is continued.",
        rich_help_panel=_RESUMING,
    ),
]
Settle = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="How long a request without an answer may still be at work on the server; rows are"
        " sent again only after that.",
        rich_help_panel=_RESUMING,
    ),
]
Concurrency = Annotated[
    str,
    typer.Option(
        metavar="N|auto",
        help="Requests on the wire at a time, 1 to 32; auto finds out how many the server bears,"
        " up to 8.",
        rich_help_panel=_PACE,
    ),
]
BatchSize = Annotated[
    int,
    typer.Option(
        min=1, max=1000, metavar="N", help="Most rows per request.", rich_help_panel=_PACE
    ),
]
MaxRowsPerSecond = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Go no faster than this.", rich_help_panel=_PACE),
]


def file_options(
    *,
    map: Map = None,  # noqa: A002 - the option's name
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    timezone: Timezone = "Europe/Berlin",
) -> FileOptions:
    """Return how the file is read.

    Raises:
        ConfigurationError: A value of ``--map`` is none.
    """
    return FileOptions(
        columns=parse_map(map or ()),
        encoding=encoding,
        delimiter="\t" if delimiter == r"\t" else delimiter,
        timezone=timezone,
    )


def breakers(
    *,
    max_rejects: MaxRejects = None,
    max_reject_share: MaxRejectShare = "10%",
    no_canary: NoCanary = False,
) -> Breakers:
    """Return when to stop because of rejects.

    Raises:
        ConfigurationError: The share is none.
    """
    return Breakers(
        max_rejects=max_rejects,
        max_reject_share=parse_share(max_reject_share),
        canary=not no_canary,
    )


def delivery(
    *,
    strategy: Strategy = "upsertplus",
    activate: Activate = False,
    report: Report = None,
    journal: Journal = None,
    resume: Resume = False,
    settle: Settle = 5.0,
    concurrency: Concurrency = "auto",
    batch_size: BatchSize = 1000,
    max_rows_per_second: MaxRowsPerSecond = None,
) -> Delivery:
    """Return how rows are sent.

    Raises:
        ConfigurationError: Options do not fit each other.
    """
    return Delivery(
        strategy=strategy,
        activate=activate,
        report=report,
        journal=journal,
        resume=resume,
        settle=settle,
        concurrency=parse_concurrency(concurrency),
        batch_size=batch_size,
        max_rows_per_second=max_rows_per_second,
    )
