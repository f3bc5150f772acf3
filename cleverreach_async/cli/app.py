"""The commands and their options."""

import logging
import os
from pathlib import Path
from typing import Annotated, Final

import attrs
import typer

from cleverreach_async import __version__
from cleverreach_async.cli.account_commands import show_account, show_groups
from cleverreach_async.cli.credentials import find_app, find_login_file
from cleverreach_async.cli.failures import CommandGroup, handled
from cleverreach_async.cli.imports.command import import_file
from cleverreach_async.cli.imports.new_receivers import Newcomers, newcomers
from cleverreach_async.cli.imports.options import Breakers, Delivery, FileOptions, ImportOptions
from cleverreach_async.cli.imports.parameters import (
    Timezone,
    breakers,
    delivery,
    file_options,
)
from cleverreach_async.cli.imports.retry_rejects import RetryOptions, default_rejects
from cleverreach_async.cli.login.command import LoginOptions, log_in, log_out
from cleverreach_async.cli.options import (
    AsJson,
    BaseUrl,
    ClientId,
    ClientSecret,
    EnvFile,
    Session,
    for_account,
    given,
    with_options,
)
from cleverreach_async.cli.output import Output
from cleverreach_async.cli.sandbox_command import SandboxOptions, serve_sandbox
from cleverreach_async.sources.rejects_lines import Only

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

File = Annotated[
    Path,
    typer.Argument(help="CSV, JSON Lines or Parquet; encoding and delimiter are found out."),
]
RejectsFile = Annotated[
    Path, typer.Argument(metavar="REJECTS", help="The rejects file of an import, repaired.")
]
GroupWords = Annotated[str, typer.Option(help="Id or exact name of the group.", metavar="ID|NAME")]
Create = Annotated[
    bool, typer.Option("--create", help="Create the group and the attributes that are missing.")
]
CreateAttributes = Annotated[
    bool, typer.Option("--create-attributes", help="Create missing attributes, but no group.")
]
Rejects = Annotated[
    Path,
    typer.Option(metavar="FILE", help="File for the rows that are not accepted; it is replaced."),
]
NewRejects = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File for the rows that are refused again.",
        show_default="rejects.retry.jsonl for rejects.jsonl",
    ),
]
OnlyOutcome = Annotated[
    Only | None,
    typer.Option("--only", metavar="OUTCOME", help="Send rejected or unknown rows only."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check every row and send nothing.")]

Port = Annotated[
    int, typer.Option(min=0, max=65535, metavar="N", help="The port; 0 takes a free one.")
]
Host = Annotated[str, typer.Option(help="The address to listen on.")]
Store = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Keep the data in this file, across runs.")
]
Latency = Annotated[
    str | None, typer.Option(metavar="TIME", help="Let every call take longer, such as 200ms.")
]
FaultSpecs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SPEC",
        help="Let things go wrong: 429=5%, 502=2%:committed, reset=1%, cut=1%, hang=30s@1%,"
        " short_answer=1%, expire_token=1%. May be repeated.",
    ),
]
Seed = Annotated[
    int, typer.Option(metavar="N", help="Another number lets faults strike elsewhere.")
]
TokenLifetime = Annotated[
    int, typer.Option(min=1, metavar="N", help="Life of an access token in seconds.")
]

CallbackPort = Annotated[
    int,
    typer.Option(
        "--port", min=0, max=65535, metavar="N", help="Where the browser comes back; 0: any."
    ),
]
NoBrowser = Annotated[
    bool, typer.Option("--no-browser", help="Only print the address of the page of consent.")
]
TokenStore = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The token's file. Environment: CLEVERREACH_TOKEN_FILE. Else token.json in the folder"
        " cleverreach of your settings (~/.config, $XDG_CONFIG_HOME or %APPDATA%).",
    ),
]


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
@for_account
@with_options(delivery=delivery, newcomers=newcomers, breakers=breakers, reader=file_options)
def import_(
    session: Session,
    file: File,
    *,
    group: GroupWords,
    create: Create = False,
    create_attributes: CreateAttributes = False,
    rejects: Rejects = Path("rejects.jsonl"),
    dry_run: DryRun = False,
    as_json: AsJson = False,
    delivery: Delivery,
    newcomers: Newcomers,
    breakers: Breakers,
    reader: FileOptions,
) -> None:
    """Import customers from a file into a group.

    Receivers who are there already are updated. Rows that cannot be accepted are written to the
    rejects file and stop nothing; repaired, they are sent by retry-rejects.

    Ctrl-C lets the requests on their way end. With --journal the same command goes on from there
    when --resume is added.
    """
    options = ImportOptions(
        file=file,
        group=group,
        create=create,
        create_attributes=create_attributes,
        reader=reader,
        newcomers=newcomers,
        delivery=attrs.evolve(delivery, strategy=newcomers.strategy(delivery.strategy)),
        breakers=breakers,
        rejects=rejects,
        dry_run=dry_run,
        as_json=as_json,
    )
    access = None if dry_run else session.access()
    raise typer.Exit(import_file(options, access, session.output))


@app.command(epilog="An import, a look at rejects.jsonl, repairs there, and then this.")
@for_account
@with_options(delivery=delivery, newcomers=newcomers)
def retry_rejects(
    session: Session,
    file: RejectsFile,
    *,
    group: GroupWords,
    only: OnlyOutcome = None,
    rejects: NewRejects = None,
    timezone: Timezone = "Europe/Berlin",
    dry_run: DryRun = False,
    as_json: AsJson = False,
    delivery: Delivery,
    newcomers: Newcomers,
) -> None:
    """Send the rows of a rejects file again, after they have been repaired.

    The receiver of each line is what is sent. Lines that hold only a record, because it never
    became a receiver, are passed on to the new rejects file. Rows of unknown outcome that have
    orders are sent by --only unknown alone.
    """
    options = ImportOptions(
        file=file,
        group=group,
        create=False,
        reader=RetryOptions(only=only, timezone=timezone),
        newcomers=newcomers,
        delivery=attrs.evolve(delivery, strategy=newcomers.strategy(delivery.strategy)),
        breakers=Breakers(),
        rejects=rejects or default_rejects(file),
        dry_run=dry_run,
        as_json=as_json,
    )
    access = None if dry_run else session.access()
    raise typer.Exit(import_file(options, access, session.output))


@app.command()
@for_account
def groups(session: Session, *, as_json: AsJson = False) -> None:
    """List the groups of the account."""
    show_groups(session.access(), session.output, as_json=as_json)


@app.command()
@for_account
def whoami(session: Session, *, as_json: AsJson = False) -> None:
    """Tell whose account the credentials belong to."""
    show_account(session.access(), session.output, as_json=as_json)


@app.command()
def login(
    *,
    port: CallbackPort = 8765,
    no_browser: NoBrowser = False,
    store: TokenStore = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
    base_url: BaseUrl = None,
    env_file: EnvFile = None,
) -> None:
    """Connect an account by its owner's consent in the browser, and store the token.

    The app must have the redirect URI `http://localhost:8765/callback`, or that of another --port.

    Other commands use the token when they find no credentials in options, environment or env file.
    The secret is not stored: with CLEVERREACH_CLIENT_SECRET set, and no CLEVERREACH_CLIENT_ID, they
    renew the token; without it they use the token until it ends.
    """
    output = Output()
    with handled(output):
        options = LoginOptions(
            app=find_app(given(client_id, client_secret, base_url), os.environ, env_file),
            port=port,
            browser=not no_browser,
            store=(store or find_login_file(os.environ, env_file)).absolute(),
            is_elsewhere=store is not None,
        )
        log_in(options, output)


@app.command()
def logout(*, store: TokenStore = None, env_file: EnvFile = None) -> None:
    """Revoke the stored token, and delete it.

    When the server cannot be reached it is deleted all the same.
    """
    output = Output()
    with handled(output):
        log_out((store or find_login_file(os.environ, env_file)).absolute(), output)


@app.command()
def sandbox(
    *,
    port: Port = 8800,
    host: Host = "127.0.0.1",
    store: Store = None,
    latency: Latency = None,
    fault: FaultSpecs = None,
    seed: Seed = 1,
    token_lifetime: TokenLifetime = 2_592_000,
) -> None:
    """Run a CleverReach on this computer, to try imports and test programs against.

    It prints what to put into the environment. Ctrl-C stops it with status 0.
    """
    output = Output()
    with handled(output):
        options = SandboxOptions(
            host=host,
            port=port,
            store=str(store) if store else None,
            faults=[*([f"latency={latency}"] if latency else ()), *(fault or ())],
            seed=seed,
            token_lifetime=token_lifetime,
        )
        serve_sandbox(options, output)
