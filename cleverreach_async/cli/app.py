"""The commands and their help."""

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
    """Import receivers into a CleverReach account, or try it in a local sandbox.

    Exit status: 0 all rows accepted, 1 usage or configuration error, 2 some rows rejected or
    unknown, 3 stopped before the end (can be run again), 130 interrupted.
    """
    del version
    # Without a handler Python prints the library's warnings in the middle of the progress bar.
    logging.getLogger("cleverreach_async").addHandler(logging.NullHandler())


@app.command(
    "import",
    epilog="Try it: cleverreach import customers.csv --group Newsletter --create --sandbox",
)
@command
def import_(output: Output, arguments: ImportArguments, account: AccountOptions) -> int:
    """Import receivers from a file into a group.

    Receivers that exist already are updated. Rows that are not accepted are written to the rejects
    file and do not stop the import. Repair them there, then send them with retry-rejects.

    Ctrl-C stops the import when the requests in flight have completed. If it was started with
    --journal, the same command with --resume continues it.
    """
    return import_file(arguments, account, output)


@app.command(
    epilog="First run an import, then repair the rows in its rejects file, then run this command."
)
@command
def retry_rejects(output: Output, arguments: RetryArguments, account: AccountOptions) -> int:
    """Send the repaired rows of a rejects file.

    The `receiver` of each line is sent. Lines that only have a `record`, a row that could not be
    converted, are copied to the new rejects file. Rows of unknown outcome that have orders, or
    numbers like +1 that are added, are sent only with --only unknown.
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
    """Show the account that the credentials belong to."""
    show_account(account.access(output), output, as_json=as_json)


@app.command()
@command
def login(output: Output, options: LoginOptions) -> None:
    """Log in to an account in the browser and store the token.

    The redirect URI `http://localhost:8765/callback` has to be registered with the app; with
    --port, the URI with that port.

    Other commands use the token if they find no credentials in options, environment or env file.
    The client secret is not stored. If CLEVERREACH_CLIENT_SECRET is set, and CLEVERREACH_CLIENT_ID
    is not, they renew the token; without the secret they use it until it expires.
    """
    log_in(options, output)


@app.command()
@command
def logout(output: Output, *, store: TokenFile = None, env_file: EnvFile = None) -> None:
    """Revoke and delete the stored token.

    It is deleted even if the server cannot be reached.
    """
    log_out(store, env_file, output)


@app.command()
@command
def sandbox(output: Output, options: SandboxOptions) -> None:
    """Run a local CleverReach server, to try imports and to test programs.

    It prints the environment variables for a client. Ctrl-C stops it with status 0.
    """
    serve_sandbox(options, output)
