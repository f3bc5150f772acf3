"""The options that tell whose account a command works with, for every command that needs one."""

import inspect
import os
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cleverreach_async.cli import credentials
from cleverreach_async.cli.credentials import Access, find_access
from cleverreach_async.cli.failures import handled
from cleverreach_async.cli.output import Output

__all__ = [
    "AsJson",
    "BaseUrl",
    "ClientId",
    "ClientSecret",
    "EnvFile",
    "Session",
    "for_account",
    "given",
    "with_options",
]

_PANEL: Final = "Account"

ClientId = Annotated[
    str | None,
    typer.Option(
        help="Id of the OAuth app. Environment: CLEVERREACH_CLIENT_ID.",
        rich_help_panel=_PANEL,
    ),
]
ClientSecret = Annotated[
    str | None,
    typer.Option(
        help="Its secret. Other users of this computer can see options: rather use the"
        " environment, CLEVERREACH_CLIENT_SECRET, or --env-file.",
        rich_help_panel=_PANEL,
    ),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        help="The server's root, for a sandbox or a proxy. Environment: CLEVERREACH_BASE_URL.",
        rich_help_panel=_PANEL,
    ),
]
EnvFile = Annotated[
    Path | None,
    typer.Option(
        help="A file with lines such as CLEVERREACH_TOKEN=…; options and the environment go"
        " before it, and the token of cleverreach login comes after it.",
        rich_help_panel=_PANEL,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


class Session:
    """What every command is given.

    Attributes:
        output: Where to print.
    """

    def __init__(self, output: Output, find: Callable[[], Access | None]) -> None:
        self.output = output
        self._find = find

    def access(self) -> Access | None:
        """Return credentials and server; ``None`` for a sandbox in this process.

        Raises:
            ConfigurationError: There are no credentials.
        """
        access = self._find()
        if access is not None and access.login is not None:
            account = access.login.token.account_id
            whose = "" if account is None else f" to account {account}"
            self.output.note(f"using the stored login{whose}")
        return access


def _account_options(
    *,
    sandbox: Annotated[
        bool,
        typer.Option(
            "--sandbox",
            help="Use an empty CleverReach inside this process: no account, no network.",
            rich_help_panel=_PANEL,
        ),
    ] = False,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
    token: Annotated[
        str | None,
        typer.Option(
            help="An access token instead of id and secret; rather in the environment too, as"
            " CLEVERREACH_TOKEN.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    base_url: BaseUrl = None,
    env_file: EnvFile = None,
) -> Access | None:
    if sandbox:
        return None
    options = given(client_id, client_secret, base_url)
    return find_access({**options, credentials.TOKEN: token}, os.environ, env_file)


def given(
    client_id: str | None, client_secret: str | None, base_url: str | None
) -> dict[str, str | None]:
    """Return values of options by the name of their variable."""
    return {
        credentials.CLIENT_ID: client_id,
        credentials.CLIENT_SECRET: client_secret,
        credentials.BASE_URL: base_url,
    }


def for_account(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the account's options, turn them into a session, and handle its failures.

    Args:
        command: Takes a :class:`Session` first and its own options after it.
    """
    own = list(inspect.signature(command).parameters.values())[1:]
    added = list(inspect.signature(_account_options).parameters.values())

    @wraps(command)
    def run(**values: Any) -> None:
        output = Output()
        account = {parameter.name: values.pop(parameter.name) for parameter in added}
        with handled(output):
            command(Session(output, lambda: _account_options(**account)), **values)

    return _declared(run, [*own, *added])


def with_options(
    **makers: Callable[..., Any],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of several functions.

    Args:
        **makers: Functions whose parameters are options. The command takes what each returns as
            the argument of its name.
    """
    groups = {name: inspect.signature(make).parameters for name, make in makers.items()}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        taken = inspect.signature(command).parameters.values()
        own = [parameter for parameter in taken if parameter.name not in makers]
        added = [parameter for group in groups.values() for parameter in group.values()]

        @wraps(command)
        def run(*session: Session, **values: Any) -> None:
            made = {
                name: makers[name](**{option: values.pop(option) for option in group})
                for name, group in groups.items()
            }
            command(*session, **values, **made)

        return _declared(run, [*own, *added])

    return decorate


def _declared(
    command: Callable[..., None], parameters: Sequence[inspect.Parameter]
) -> Callable[..., None]:
    """Let a command say that it takes these options."""
    # Typer reads them from here, or from the annotations, depending on its version.
    command.__dict__.pop("__wrapped__")
    command.__dict__["__signature__"] = inspect.Signature(parameters)
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command
