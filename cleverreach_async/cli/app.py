"""The commands and their help."""

import logging
from typing import Annotated, Final

import typer

from cleverreach_async.cli.commands import Command, CommandGroup, Run
from cleverreach_async.cli.outbox_app import outbox_app
from cleverreach_async.cli.verbosity import Quiet, Verbose
from cleverreach_async.version import __version__

__all__ = ["app"]

# Typer's own tracebacks would show local variables, secrets among them. Its help in boxes would
# load rich and a reader of Markdown, which takes as long as everything else.
app: Final = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cleverreach {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True),
]


@app.callback()
def root(*, version: Version = False, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Import receivers into a CleverReach account, or try it in a local sandbox.

    Exit status: 0 all rows accepted, 1 ended before a row was sent, such as a usage error, 2 some
    rows rejected or unknown, 3 stopped before the end (can be run again), 130 interrupted.
    """
    del version, quiet, verbose  # a command reads the last two where its own are
    # Without a handler Python prints the library's warnings in the middle of the progress bar.
    library = logging.getLogger("cleverreach_async")
    if not library.handlers:
        library.addHandler(logging.NullHandler())


@app.command(cls=Command, short_help="See a first import, without an account and without a file.")
def demo() -> Run:
    """See a first import, without an account and without a file.

    It writes `demo-customers.csv`, invented customers of whom some are broken on purpose, to this
    folder. Then it imports them into a sandbox, which ends with the command: nothing is sent. The
    rows that were not accepted are written to `demo-customers.rejects.jsonl`, and a report to
    `demo-customers.html`.

    Exit status: 0 the demo ran, although some rows are rejected; 1 it could not, because a file
    cannot be written or the extra sandbox is missing.
    """
    from cleverreach_async.cli.demo.command import run_demo

    return run_demo


@app.command(
    "import",
    cls=Command,
    epilog="Try it: cleverreach import customers.csv --group Newsletter --create --sandbox",
)
def import_() -> Run:
    """Import receivers from a file into a group.

    Receivers that exist already are updated. Rows that are not accepted are written to the rejects
    file and do not stop the import. Repair them there, then send them with retry-rejects.

    Ctrl-C stops the import when the requests in flight have completed. If it was started with
    --journal, the same command with --resume continues it.
    """
    from cleverreach_async.cli.imports.command_line import run_import

    return run_import


@app.command(
    cls=Command,
    epilog="First run an import, then repair the rows in its rejects file, then run this command.",
)
def retry_rejects() -> Run:
    """Send the repaired rows of a rejects file.

    The `receiver` of each line is sent. Lines that only have a `record`, a row that could not be
    converted, are copied to the new rejects file. Rows of unknown outcome that have orders, or
    numbers like +1 that are added, are sent only with --only unknown.
    """
    from cleverreach_async.cli.imports.command_line import run_retry

    return run_retry


@app.command(
    cls=Command,
    short_help="Send the rows of a file that are new or changed.",
    epilog="Run it every night: cleverreach sync customers.csv --group Newsletter --state"
    " customers.sync",
)
def sync() -> Run:
    """Send the rows of a file that are new or changed since the last run.

    Nobody who unsubscribed or bounced becomes active again: new receivers are inserted, and
    existing ones are changed but never activated. A run that was stopped goes on with the next one.
    """
    from cleverreach_async.cli.sync_command import synchronise

    return synchronise


@app.command(
    cls=Command, epilog="For example: cleverreach export --group Newsletter -o newsletter.csv"
)
def export() -> Run:
    """Write the receivers of a group to a file.

    A CSV or Parquet file can be imported again. JSON Lines have every field, for archives. The file
    has its name only when it is complete; an interrupted export goes on with --resume. While others
    write to the group, a receiver may be missed; nobody is written twice.
    """
    from cleverreach_async.cli.export_command import export_group

    return export_group


@app.command(
    cls=Command,
    short_help="Compare a file with a group.",
    epilog="For example, after an import: cleverreach verify customers.csv --group 7",
)
def verify() -> Run:
    """Compare a file with a group: what is missing in it, what differs, what is beyond the file.

    Rows are compared as an import would send them; columns are mapped as there. Orders are not
    compared, and the group may have more tags. Exit status: 0 equal, 2 there are differences.
    """
    from cleverreach_async.cli.verify_command import verify_file

    return verify_file


@app.command(cls=Command, short_help="List the groups of the account with their totals.")
def groups() -> Run:
    """List the groups of the account with their totals, which the server caches."""
    from cleverreach_async.cli.account_commands import show_groups

    return show_groups


@app.command(cls=Command)
def receiver() -> Run:
    """Show a receiver in every group that has them."""
    from cleverreach_async.cli.receiver_command import show_receiver

    return show_receiver


@app.command(cls=Command, short_help="List the attributes of the account, or of a group too.")
def attributes() -> Run:
    """List the attributes of the account, and with --group those of a group too."""
    from cleverreach_async.cli.account_commands import show_attributes

    return show_attributes


@app.command(cls=Command)
def forms() -> Run:
    """List the forms of the account or of a group."""
    from cleverreach_async.cli.account_commands import show_forms

    return show_forms


@app.command(cls=Command, short_help="List the addresses on the blacklist.")
def blacklist() -> Run:
    """List the addresses on the blacklist of the account, or of a group."""
    from cleverreach_async.cli.lists_command import show_blacklist

    return show_blacklist


@app.command(cls=Command)
def webhooks() -> Run:
    """List the registered webhooks."""
    from cleverreach_async.cli.lists_command import show_webhooks

    return show_webhooks


@app.command(cls=Command, short_help="Show the account of the credentials.")
def whoami() -> Run:
    """Show the account that the credentials belong to."""
    from cleverreach_async.cli.account_commands import show_account

    return show_account


@app.command(cls=Command, short_help="Log in in the browser and store the token.")
def login() -> Run:
    """Log in to an account in the browser and store the token.

    The redirect URI `http://localhost:8765/callback` has to be registered with the app; with
    --port, the URI with that port.

    Other commands use the token if they find no credentials in options, environment or env file.
    The client secret is not stored. If CLEVERREACH_CLIENT_SECRET is set, and CLEVERREACH_CLIENT_ID
    is not, they renew the token; without the secret they use it until it expires.
    """
    from cleverreach_async.cli.login.command import log_in

    return log_in


@app.command(cls=Command)
def logout() -> Run:
    """Revoke and delete the stored token.

    It is deleted even if the server cannot be reached.
    """
    from cleverreach_async.cli.login.command import log_out

    return log_out


@app.command(cls=Command, short_help="Run a local CleverReach server, to try and to test.")
def sandbox() -> Run:
    """Run a local CleverReach server, to try imports and to test programs.

    It prints the environment variables for a client. Ctrl-C stops it with status 0.
    """
    from cleverreach_async.cli.sandbox_command import serve_sandbox

    return serve_sandbox


app.add_typer(outbox_app, name="outbox")
