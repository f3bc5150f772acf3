"""``cleverreach outbox run``, ``list``, ``retry`` and ``drop``."""

import signal
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import anyio
import attrs
import typer

from cleverreach_async.cli.confirmation import check_yes, confirm
from cleverreach_async.cli.connection import connect, run
from cleverreach_async.cli.credentials import Access
from cleverreach_async.cli.exit_statuses import INCOMPLETE, USAGE
from cleverreach_async.cli.options import AccountOptions, AsJson
from cleverreach_async.cli.output import Output
from cleverreach_async.cli.signals import Interrupts
from cleverreach_async.cli.tables import day, plain_fields, print_list
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.outbox.entries import ENTRY_STATES, EntryState, OutboxEntry, checked_state
from cleverreach_async.outbox.order_store import DEFAULT_ACCOUNT, OrderStore
from cleverreach_async.outbox.outbox import Outbox, PostgresOutbox

__all__ = ["drop_entries", "list_entries", "retry_entries", "run_outbox"]

Place = Annotated[
    str,
    typer.Argument(
        metavar="OUTBOX",
        help="SQLite file, or URL of a PostgreSQL database. Other users of this computer can see"
        " it, so keep the password in PGPASSWORD or ~/.pgpass.",
        show_default=False,
    ),
]
Ids = Annotated[
    list[int] | None,
    typer.Argument(metavar="[ID]...", help="Numbers of entries.", show_default=False),
]
All = Annotated[bool, typer.Option("--all", help="All that were given up.")]
_SHORT: Final = 100


class OutboxInterrupts(Interrupts):
    """A supervisor stops it with SIGTERM: then requests in flight complete too."""

    signals: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)


@attrs.frozen(kw_only=True)
class RunOptions:
    """The options of ``outbox run``."""

    account_name: Annotated[
        str,
        typer.Option(
            "--account", metavar="NAME", help="The account= under which the orders were put."
        ),
    ] = DEFAULT_ACCOUNT
    once: Annotated[bool, typer.Option("--once", help="End when no order is due.")] = False
    concurrency: Annotated[
        int, typer.Option(min=1, metavar="N", help="Most requests in flight.")
    ] = 4


def run_outbox(
    output: Output, outbox: Place, options: RunOptions, account: AccountOptions
) -> int | None:
    """Send the orders of one account.

    Args:
        output: Where to print.
        outbox: Where they are.
        options: The options.
        account: The account.

    Returns:
        The exit status.

    Raises:
        ConfigurationError: There are no credentials, or there is no outbox.
        OutboxError: The outbox cannot be used.
    """
    dead: list[OutboxEntry] = []

    def on_dead(entry: OutboxEntry) -> None:
        dead.append(entry)
        output.warn(f"{entry.id} ({', '.join(entry.order_ids)}): {_reason(entry)}")

    access = account.access(output)
    work = partial(_run, output, outbox, options, access, on_dead)
    run(work, interrupts=OutboxInterrupts())
    return INCOMPLETE if dead else None


async def _run(
    output: Output, place: str, options: RunOptions, access: Access | None, on_dead: Any
) -> None:
    settings: Any = {
        "accounts": [options.account_name],
        "concurrency": options.concurrency,
        "on_dead": on_dead,
    }
    with _opened(place) as outbox:
        await _tell_of_others(output, outbox, options.account_name)
        async with connect(access) as client:
            await _send(output, outbox, client, options, settings)


async def _tell_of_others(output: Output, outbox: OrderStore, name: str) -> None:
    """Say which orders stay: an account that is mistyped or left out would send nothing."""
    others = sorted({it.account for it in await outbox.entries(state="waiting")} - {name})
    if others:
        output.info(
            f"this sends the orders of account {name}; those of {', '.join(others)} stay until"
            " --account names it"
        )


async def _send(
    output: Output, outbox: OrderStore, client: CleverReach, options: RunOptions, settings: Any
) -> None:
    if options.once:
        await outbox.send_due(lambda _: client, **settings)
        counts = await outbox.counts()
        output.info(", ".join(f"{number} {state}" for state, number in counts.items()))
        return
    output.info("sending orders; Ctrl-C ends it when the requests in flight have completed")
    async with outbox.sending(lambda _: client, **settings):
        await anyio.sleep_forever()


def list_entries(
    output: Output,
    outbox: Place,
    *,
    state: Annotated[
        str | None,
        typer.Option(metavar="STATE", help=f"Only {', '.join(ENTRY_STATES)}."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Most entries.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """List entries, oldest first; all but those that are done by default.

    Args:
        output: Where to print.
        outbox: Where they are.
        state: Only those in this state.
        limit: Most entries.
        as_json: Whether to print JSON.

    Raises:
        ConfigurationError: There is no outbox, or no such state.
        OutboxError: The outbox cannot be used.
    """
    wanted = checked_state(state)
    states: list[EntryState] = [it for it in ENTRY_STATES if it != "done"]
    if wanted is not None:
        states = [wanted]

    async def find(place: OrderStore) -> list[OutboxEntry]:
        found = [entry for it in states for entry in await place.entries(state=it, limit=limit)]
        return sorted(found, key=lambda entry: entry.id)[:limit]

    with _opened(outbox) as place:
        found = run(partial(find, place))
    print_list(
        output,
        found,
        as_json=as_json,
        fields=plain_fields,
        head=(">ID", "PUT", "STATE", "ACCOUNT", "ORDERS", ">TRIES", "REASON"),
        cells=_cells,
        empty="there are no such orders",
    )
    if len(found) == limit:
        output.info(f"these are the first {limit}; --limit shows more")


def retry_entries(
    output: Output,
    outbox: Place,
    ids: Ids = None,
    *,
    every: All = False,
    resend_doubtful: Annotated[
        bool,
        typer.Option(
            "--resend-doubtful",
            help="Send those in doubt without a look-up: you have seen that CleverReach does not"
            " have them.",
        ),
    ] = False,
) -> None:
    """Let entries be sent again.

    Args:
        output: Where to print.
        outbox: Where they are.
        ids: Their numbers.
        every: Whether all are meant.
        resend_doubtful: Whether those in doubt are sent without a look-up.

    Raises:
        ConfigurationError: There is no outbox, or it is not said which entries are meant.
        OutboxError: The outbox cannot be used.
    """
    chosen = _chosen(ids, every=every)
    with _opened(outbox) as place:
        number = run(partial(place.retry, chosen, resend_doubtful=resend_doubtful))
    output.info(f"{number} to be sent again{_missing(chosen, number)}")


def drop_entries(
    output: Output,
    outbox: Place,
    ids: Ids = None,
    *,
    every: All = False,
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="Do not ask. Without a terminal it is needed."),
    ] = False,
) -> int | None:
    """Delete entries.

    Args:
        output: Where to print.
        outbox: Where they are.
        ids: Their numbers.
        every: Whether all that were given up are meant.
        yes: Whether nobody is asked.

    Returns:
        The exit status.

    Raises:
        ConfigurationError: There is no outbox, it is not said which entries are meant, or nobody
            can be asked.
        OutboxError: The outbox cannot be used.
    """
    chosen = _chosen(ids, every=every)
    check_yes(output, "drop", yes=yes)
    with _opened(outbox) as place:

        def question() -> str:
            number = len({*chosen}) if chosen else run(place.counts)["dead"]
            return f"{number} orders are deleted from {outbox} for good. Delete them?"

        if not confirm(output, question, yes=yes):
            return USAGE
        number = run(partial(place.drop, chosen))
    output.info(f"{number} deleted{_missing(chosen, number)}")
    return None


@contextmanager
def _opened(place: str) -> Generator[OrderStore]:
    """Open an outbox that exists: a mistyped name must not become a new one."""
    is_url = "://" in place
    if not is_url and not (Path(place).is_file() and _may_be_outbox(Path(place))):
        raise ConfigurationError(
            f"there is no outbox {place}; name the file of Outbox(…), which its first put() or"
            " prepare() creates"
        )
    outbox = PostgresOutbox(place) if is_url else Outbox(place)
    try:
        yield outbox
    finally:
        outbox.close()


def _may_be_outbox(path: Path) -> bool:
    """Whether an SQLite file has the tables, which would be created in any other one."""
    query = "SELECT 1 FROM sqlite_master WHERE name = 'cleverreach_outbox'"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchone() is not None
    except sqlite3.Error:
        return True  # what is wrong with it is said when it is used


def _chosen(ids: list[int] | None, *, every: bool) -> list[int] | None:
    if every == bool(ids):
        raise ConfigurationError("name the numbers of entries, or --all; list shows them")
    return ids or None


def _missing(ids: list[int] | None, number: int) -> str:
    left = len(set(ids or ())) - number
    return f"; {left} of the numbers are of no such order" if left > 0 else ""


def _reason(entry: OutboxEntry) -> str:
    return f"in doubt: {entry.reason}" if entry.doubtful and entry.reason else entry.reason


def _cells(entry: OutboxEntry) -> tuple[str, ...]:
    reason = _reason(entry)
    return (
        str(entry.id),
        day(entry.created),
        entry.state,
        entry.account,
        ", ".join(entry.order_ids),
        str(entry.attempts),
        reason if len(reason) <= _SHORT else f"{reason[: _SHORT - 1]}…",
    )
