"""Commands whose options are the fields of attrs classes, and the options that several share.

An option is declared once: by the annotation and the default of the field that holds its value.
"""

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final

import attrs
import typer

from cleverreach_async.cli.credentials import Access, find_access
from cleverreach_async.cli.failures import report_errors
from cleverreach_async.cli.output import Output
from cleverreach_async.cli.request_log import logged_requests
from cleverreach_async.cli.verbosity import Quiet, Verbose
from cleverreach_async.errors import ConfigurationError

__all__ = [
    "AccountOptions",
    "AsJson",
    "BaseUrl",
    "ClientId",
    "ClientSecret",
    "EnvFile",
    "by_variable",
    "command",
]

_PANEL: Final = "Account"

ClientId = Annotated[
    str | None,
    typer.Option(
        help="Client id of the OAuth app. Environment: CLEVERREACH_CLIENT_ID.",
        rich_help_panel=_PANEL,
    ),
]
ClientSecret = Annotated[
    str | None,
    typer.Option(
        help="Client secret of the OAuth app. Other users of this computer can see options, so"
        " better set CLEVERREACH_CLIENT_SECRET in the environment or in --env-file.",
        rich_help_panel=_PANEL,
    ),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        help="Root URL of the server, for a sandbox or a proxy. Environment: CLEVERREACH_BASE_URL.",
        rich_help_panel=_PANEL,
    ),
]
EnvFile = Annotated[
    Path | None,
    typer.Option(
        help="File with lines such as CLEVERREACH_TOKEN=…, used after options and the environment,"
        " and before the token of cleverreach login.",
        rich_help_panel=_PANEL,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


# Without a repr, which would show secrets.
@attrs.frozen(kw_only=True, repr=False)
class AccountOptions:
    """The account that a command works with."""

    sandbox: Annotated[
        bool,
        typer.Option(
            "--sandbox",
            help="Use an empty sandbox in this process: no account, no network.",
            rich_help_panel=_PANEL,
        ),
    ] = False
    client_id: ClientId = None
    client_secret: ClientSecret = None
    token: Annotated[
        str | None,
        typer.Option(
            help="Access token, instead of client id and secret. Better set CLEVERREACH_TOKEN in"
            " the environment or in --env-file.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    base_url: BaseUrl = None
    env_file: EnvFile = None

    def access(self, output: Output) -> Access | None:
        """Return credentials and server; ``None`` for a sandbox in this process.

        Raises:
            ConfigurationError: There are no credentials.
        """
        if self.sandbox:
            return None
        access = find_access(by_variable(self), os.environ, self.env_file)
        if access.login is not None:
            account = access.login.token.account_id
            whose = "" if account is None else f" to account {account}"
            output.info(f"using the stored login{whose}")
        return access


def by_variable(options: attrs.AttrsInstance) -> dict[str, Any]:
    """Return the values of options by the names of their environment variables."""
    return {f"CLEVERREACH_{name.upper()}": value for name, value in attrs.asdict(options).items()}


def command(run: Callable[..., int | None]) -> Callable[..., None]:
    """Turn a function into a command that reports errors.

    Args:
        run: Takes ``output``, an :class:`Output`, and options. An argument whose type is an attrs
            class stands for all fields of that class. Returns the exit status, ``None`` for 0.
    """
    options = [option for option in _options(run) if option.name != "output"]
    context, *of_output = inspect.signature(_in_force).parameters.values()

    @wraps(run)
    def handle(*, context: typer.Context, quiet: bool, verbose: bool, **values: Any) -> None:
        quiet, verbose = _in_force(context, quiet=quiet, verbose=verbose)
        output = Output(quiet=quiet, verbose=verbose)
        log = logged_requests(output) if output.is_verbose else nullcontext()
        with report_errors(output), log:
            if quiet and verbose:
                raise ConfigurationError("use only one of --quiet and --verbose")
            raise typer.Exit(_call(run, {**values, "output": output}) or 0)

    # Some versions of Typer read the signature, others the annotations.
    handle.__dict__.pop("__wrapped__")
    parameters = [context, *options, *of_output]
    handle.__dict__["__signature__"] = inspect.Signature(parameters)
    handle.__annotations__ = {it.name: it.annotation for it in parameters}
    return handle


def _in_force(
    context: typer.Context, *, quiet: Quiet = False, verbose: Verbose = False
) -> tuple[bool, bool]:
    """Return the two options, which may also stand before the subcommand."""
    before = context.find_root().params
    return quiet or before["quiet"], verbose or before["verbose"]


def _options(function: Callable[..., Any]) -> Iterator[inspect.Parameter]:
    """Yield the parameters of a function, and the fields of those that are attrs classes."""
    for parameter in _parameters(function):
        if attrs.has(parameter.annotation):
            yield from _options(parameter.annotation)
        else:
            yield parameter


def _parameters(function: Callable[..., Any]) -> Iterable[inspect.Parameter]:
    parameters = dict(inspect.signature(function).parameters)
    fields: Iterable[Any] = attrs.fields(function) if isinstance(function, type) else ()
    annotated: Any = Annotated
    for field in fields:
        if field.converter is not None:
            # The option has the type of the converter's argument, not of the field.
            taken = parameters[field.name].annotation
            annotation = annotated[(taken, *field.type.__metadata__)]
            parameters[field.name] = parameters[field.name].replace(annotation=annotation)
    return parameters.values()


def _call(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """Call a function with the values of its options."""
    arguments = {
        parameter.name: (
            _call(parameter.annotation, values)
            if attrs.has(parameter.annotation)
            else values[parameter.name]
        )
        for parameter in _parameters(function)
    }
    return function(**arguments)
