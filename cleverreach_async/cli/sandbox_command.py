"""``cleverreach sandbox``: a local CleverReach server."""

import ipaddress
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import attrs
import typer

from cleverreach_async.auth.environment import BASE_URL, CLIENT_ID, CLIENT_SECRET
from cleverreach_async.cli.completion import FAULTS, behaviours, one_of
from cleverreach_async.cli.connection import run, sandbox_extra
from cleverreach_async.cli.output import Output
from cleverreach_async.errors import ConfigurationError

if TYPE_CHECKING:
    from cleverreach_async.sandbox import Sandbox
    from cleverreach_async.sandbox.scenario import Scenario

__all__ = ["SandboxOptions", "serve_sandbox"]


@attrs.frozen(kw_only=True)
class SandboxOptions:
    """The command line of ``sandbox``."""

    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="N", help="Port to listen on; 0 for a free one."),
    ] = 8800
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1"
    store: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to keep the data in.")
    ] = None
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TOML file with these options; options here go first."),
    ] = None
    latency: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Delay of every request, such as 200ms.",
            autocompletion=one_of("50ms", "200ms", "1s"),
        ),
    ] = None
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC",
            help="Inject faults: 429=5%, 502=2%:committed, reset=1%, cut=1%, hang=30s@1%,"
            " short_answer=1%, expire_token=1%. Can be repeated.",
            autocompletion=one_of(*FAULTS),
        ),
    ] = None
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="Random seed, 1 by default; it decides what fails."),
    ] = None
    token_lifetime: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Seconds until a token expires; 30 days by default."),
    ] = None

    behaviour: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            autocompletion=behaviours,
            help="How to act where the API is undocumented, such as put_tags=replace."
            " Can be repeated.",
        ),
    ] = None
    account: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Add an account. Can be repeated."),
    ] = None
    rate: Annotated[
        float | None,
        typer.Option(metavar="N", help="Requests per second of each account; above it 429."),
    ] = None
    max_in_flight: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Requests at once of each account; above it 429."),
    ] = None
    retry_after: Annotated[
        bool,
        typer.Option("--retry-after", help="Say in a 429 for the rate how long to wait."),
    ] = False
    outage: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FROM:TO",
            help="Answer 503 from one second to another, such as 10:30. Can be repeated.",
        ),
    ] = None
    access_log: Annotated[
        bool,
        typer.Option(
            "--access-log", help="Print a line for each request on stderr, as --verbose does."
        ),
    ] = False

    @property
    def faults(self) -> list[str]:
        """The faults to inject, as ``Faults.parse`` reads them."""
        latency = [f"latency={self.latency}"] if self.latency else []
        return [*latency, *(self.fault or ())]


def serve_sandbox(output: Output, options: SandboxOptions) -> None:
    """Run a sandbox until Ctrl-C.

    Args:
        output: Where to print.
        options: The command line.

    Raises:
        ConfigurationError: An option is not valid, or the sandbox's extra is not installed.
    """
    with sandbox_extra():
        from cleverreach_async.sandbox.server import serve  # noqa: PLC0415
    try:
        sandbox = _make(options)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    except OSError as error:
        raise ConfigurationError(f"{options.config}: {error.strerror or error}") from None
    with sandbox:
        if options.access_log or output.is_verbose:
            sandbox.on_request = lambda request: output.info(request.line, wrap=False)
        announce = partial(_announce, options, output, sandbox)
        try:
            run(partial(serve, sandbox, options.host, options.port, on_started=announce))
        except KeyboardInterrupt:
            output.info("Stopped.")
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {options.host} port {options.port}: {error.strerror or error};"
                " --port 0 uses a free port"
            ) from None


def _make(options: SandboxOptions) -> "Sandbox":
    """Return the sandbox with its accounts.

    Raises:
        ValueError: An option is not valid, or the file of the data cannot be used.
    """
    from cleverreach_async.sandbox import Sandbox  # noqa: PLC0415

    return Sandbox.from_scenario(_scenario(options))


def _scenario(options: SandboxOptions) -> "Scenario":
    """Return the scenario of the file and the command line.

    Raises:
        ValueError: An option or the file is not valid.
    """
    from cleverreach_async.sandbox import Behaviour, Faults  # noqa: PLC0415
    from cleverreach_async.sandbox.limits import parse_outage  # noqa: PLC0415
    from cleverreach_async.sandbox.scenario import (  # noqa: PLC0415
        AccountScenario,
        Scenario,
        read_scenario,
    )

    scenario = read_scenario(options.config) if options.config else Scenario()
    if options.store:
        scenario.path = str(options.store)
    scenario.seed = scenario.seed if options.seed is None else options.seed
    scenario.token_lifetime = options.token_lifetime or scenario.token_lifetime
    scenario.faults += Faults.parse(*options.faults).current
    for name in options.account or ():
        if name in scenario.accounts:
            raise ValueError(f"There is an account {name!r} already: use another name")
        scenario.accounts[name] = AccountScenario()
    outages = [parse_outage(spec) for spec in options.outage or ()]
    for account in (scenario, *scenario.accounts.values()):
        account.rate = account.rate if options.rate is None else options.rate
        account.max_in_flight = options.max_in_flight or account.max_in_flight
        account.outages = outages or account.outages
        account.retry_after = options.retry_after or account.retry_after
        if options.behaviour and (account is scenario or account.behaviour):
            account.behaviour = Behaviour.parse(*options.behaviour, base=account.behaviour)
    return scenario


def _announce(options: SandboxOptions, output: Output, sandbox: "Sandbox", port: int) -> None:
    host = f"[{options.host}]" if ":" in options.host else options.host
    output.result(
        f"CleverReach sandbox on http://{host}:{port}\n\n"
        f"export {BASE_URL}=http://{host}:{port}\n"
        f"export {CLIENT_ID}={quote(sandbox.client_id)}\n"
        f"export {CLIENT_SECRET}={quote(sandbox.client_secret)}\n"
        "cleverreach import customers.csv --group Newsletter --create\n"
    )
    for name, account in sandbox.accounts.items():
        if account is sandbox:
            continue
        output.result(
            f"# account {name}\n"
            f"export {CLIENT_ID}={quote(account.client_id)}\n"
            f"export {CLIENT_SECRET}={quote(account.client_secret)}\n"
        )
    if not _is_local(options.host):
        output.warn("other computers can connect to it: use invented data only")
    output.info("Open its address in a browser to look inside.")
    keeps = sandbox.account.accounts.is_stored
    output.info("Ctrl-C stops it" + ("." if keeps else " and deletes its data."))


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
