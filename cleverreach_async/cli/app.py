"""The commands."""

import logging
from typing import Annotated, Final

import typer

from cleverreach_async import __version__
from cleverreach_async.cli.account_commands import show_account, show_groups
from cleverreach_async.cli.failures import CommandGroup
from cleverreach_async.cli.imports.arguments import ImportArguments, RetryArguments
from cleverreach_async.cli.imports.command import import_file
from cleverreach_async.cli.login.command import LoginOptions, TokenFile, log_in, log_out
from cleverreach_async.cli.options import AccountOptions, AsJson, EnvFile, command
from cleverreach_async.cli.output import Output
from cleverreach_async.cli.sandbox_command import SandboxOptions, serve_sandbox

__all__ = ["app"]

# Typer's own tracebacks would show local variables, secrets among them.
app: Final = typer.Typer(
    cls=CommandGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
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
def root(*, version: Version = False) -> None:
    """Work with a CleverReach account: imports of any size, and a sandbox to try them in.

    Exit status: 0 all rows accepted, 1 usage or configuration, 2 some rows rejected or unknown,
    3 stopped before the end and worth running again, 130 interrupted.
    """
    del version
    # Without a handler Python would print the library's warnings into the progress bar.
    logging.getLogger("cleverreach_async").addHandler(logging.NullHandler())


@app.command(
    "import",
    epilog="To see it work: cleverreach import customers.csv --group Newsletter --create --sandbox",
)
@command
def import_(output: Output, arguments: ImportArguments, account: AccountOptions) -> int:
    """Import customers from a file into a group.

    Receivers who are there already are updated. Rows that cannot be accepted are written to the
    rejects file and stop nothing; repaired, they are sent by retry-rejects.

    Ctrl-C lets the requests on their way end. With --journal the same command goes on from there
    when --resume is added.
    """
    return import_file(arguments, account, output)


@app.command(epilog="An import, a look at rejects.jsonl, repairs there, and then this.")
@command
def retry_rejects(output: Output, arguments: RetryArguments, account: AccountOptions) -> int:
    """Send the rows of a rejects file again, after they have been repaired.

    The receiver of each line is what is sent. Lines that hold only a record, because it never
    became a receiver, are passed on to the new rejects file. Rows of unknown outcome that have
    orders are sent by --only unknown alone.
    """
    return import_file(arguments, account, output)


@app.command()
@command
def groups(output: Output, *, as_json: AsJson = False, account: AccountOptions) -> None:
    """List the groups of the account."""
    show_groups(account.access(output), output, as_json=as_json)


@app.command()
@command
def whoami(output: Output, *, as_json: AsJson = False, account: AccountOptions) -> None:
    """Tell whose account the credentials belong to."""
    show_account(account.access(output), output, as_json=as_json)


@app.command()
@command
def login(output: Output, options: LoginOptions) -> None:
    """Connect an account by its owner's consent in the browser, and store the token.

    The app must have the redirect URI `http://localhost:8765/callback`, or that of another --port.

    Other commands use the token when they find no credentials in options, environment or env file.
    The secret is not stored: with CLEVERREACH_CLIENT_SECRET set, and no CLEVERREACH_CLIENT_ID, they
    renew the token; without it they use the token until it ends.
    """
    log_in(options, output)


@app.command()
@command
def logout(output: Output, *, store: TokenFile = None, env_file: EnvFile = None) -> None:
    """Revoke the stored token, and delete it.

    When the server cannot be reached it is deleted all the same.
    """
    log_out(store, env_file, output)


@app.command()
@command
def sandbox(output: Output, options: SandboxOptions) -> None:
    """Run a CleverReach on this computer, to try imports and test programs against.

    It prints what to put into the environment. Ctrl-C stops it with status 0.
    """
    serve_sandbox(options, output)
