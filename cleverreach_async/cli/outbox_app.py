"""``cleverreach outbox`` and the help of its commands."""

from typing import Final

import typer

from cleverreach_async.cli.commands import Command, CommandGroup, Run

__all__ = ["outbox_app"]

outbox_app: Final = typer.Typer(cls=CommandGroup, no_args_is_help=True, rich_markup_mode=None)


@outbox_app.callback(short_help="Send and look after the orders of an outbox.")
def root() -> None:
    """Send the orders of an outbox, and look after those that could not be sent.

    An outbox is an SQLite file, or the URL of a PostgreSQL database.
    """


@outbox_app.command(
    "run",
    cls=Command,
    short_help="Send orders until Ctrl-C.",
    epilog="For example: cleverreach outbox run orders.db",
)
def run_() -> Run:
    """Send the orders of one account until Ctrl-C or SIGTERM; several processes may do so.

    With --once it ends when no order is due, for cron. Exit status: 0 nothing was given up, 2 some
    orders were.
    """
    from cleverreach_async.cli.outbox_command import run_outbox  # noqa: PLC0415 - loaded when used

    return run_outbox


@outbox_app.command("list", cls=Command, short_help="List orders that are not stored yet.")
def list_() -> Run:
    """List orders that wait, are in flight or were given up; with --state others. No addresses."""
    from cleverreach_async.cli.outbox_command import list_entries  # noqa: PLC0415 - as above

    return list_entries


@outbox_app.command(cls=Command, short_help="Send orders again that were given up.")
def retry() -> Run:
    """Let orders be sent again that were given up. Those in doubt are looked up before that."""
    from cleverreach_async.cli.outbox_command import retry_entries  # noqa: PLC0415 - as above

    return retry_entries


@outbox_app.command(cls=Command, short_help="Delete orders that were given up, or wait.")
def drop() -> Run:
    """Delete orders from the outbox that were given up; by number also some that wait."""
    from cleverreach_async.cli.outbox_command import drop_entries  # noqa: PLC0415 - as above

    return drop_entries
