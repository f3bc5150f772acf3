"""``cleverreach sandbox``: a local CleverReach server."""

import ipaddress
import sqlite3
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import attrs
import typer

from cleverreach_async.auth.environment import BASE_URL, CLIENT_ID, CLIENT_SECRET
from cleverreach_async.cli.completion import FAULTS, one_of
from cleverreach_async.cli.connection import run, sandbox_extra
from cleverreach_async.cli.output import Output
from cleverreach_async.errors import ConfigurationError

__all__ = ["SandboxOptions", "serve_sandbox"]

_ID: Final = "sandbox"
_SECRET: Final = "sandbox-secret"  # noqa: S105 - a sandbox has no secrets


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
        int, typer.Option(metavar="N", help="Random seed; it decides which requests fail.")
    ] = 1
    token_lifetime: Annotated[
        int, typer.Option(min=1, metavar="N", help="Lifetime of an access token in seconds.")
    ] = 2_592_000

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
        from cleverreach_async.sandbox import Faults, Sandbox  # noqa: PLC0415
        from cleverreach_async.sandbox.server import serve  # noqa: PLC0415
    try:
        faults = Faults.parse(*options.faults, seed=options.seed)
        sandbox = Sandbox(
            str(options.store or ":memory:"),
            client_id=_ID,
            client_secret=_SECRET,
            token_lifetime=options.token_lifetime,
            faults=faults,
        )
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    except sqlite3.Error as error:
        raise ConfigurationError(f"{options.store}: cannot be used as store: {error}") from None
    with sandbox:
        announce = partial(_announce, options, output)
        try:
            run(partial(serve, sandbox, options.host, options.port, on_started=announce))
        except KeyboardInterrupt:
            output.info("Stopped.")
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {options.host} port {options.port}: {error.strerror or error};"
                " --port 0 uses a free port"
            ) from None


def _announce(options: SandboxOptions, output: Output, port: int) -> None:
    host = f"[{options.host}]" if ":" in options.host else options.host
    output.result(
        f"CleverReach sandbox on http://{host}:{port}\n\n"
        f"export {BASE_URL}=http://{host}:{port}\n"
        f"export {CLIENT_ID}={_ID}\n"
        f"export {CLIENT_SECRET}={_SECRET}\n"
        "cleverreach import customers.csv --group Newsletter --create\n"
    )
    if not _is_local(options.host):
        output.warn("other computers can connect to it: use invented data only")
    output.info("Ctrl-C stops it" + ("." if options.store else " and deletes its data."))


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
