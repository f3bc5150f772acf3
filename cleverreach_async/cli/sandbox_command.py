"""``cleverreach sandbox``: a local CleverReach behind a port."""

import ipaddress
import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Final

import attrs

from cleverreach_async.cli.connection import run, sandbox_extra
from cleverreach_async.cli.credentials import BASE_URL, CLIENT_ID, CLIENT_SECRET
from cleverreach_async.cli.output import Output
from cleverreach_async.errors import ConfigurationError

__all__ = ["SandboxOptions", "serve_sandbox"]

_ID: Final = "sandbox"
_SECRET: Final = "sandbox-secret"  # noqa: S105 - a sandbox has no secrets


@attrs.frozen(kw_only=True)
class SandboxOptions:
    """What the command line says.

    Attributes:
        host: The address to listen on.
        port: The port; 0 for a free one.
        store: The file that keeps the data; ``None`` forgets them.
        faults: What goes wrong on purpose, in the words of ``Faults.parse``.
        seed: What decides which requests the faults strike.
        token_lifetime: The life of an access token in seconds.
    """

    host: str
    port: int
    store: str | None
    faults: Sequence[str]
    seed: int
    token_lifetime: int


def serve_sandbox(options: SandboxOptions, output: Output) -> None:
    """Serve a sandbox until Ctrl-C, which is how it is meant to end.

    Args:
        options: What the command line says.
        output: Where to print.

    Raises:
        ConfigurationError: An option cannot be used, or the sandbox's extra is not installed.
    """
    with sandbox_extra():
        from cleverreach_async.sandbox import Faults, Sandbox  # noqa: PLC0415
        from cleverreach_async.sandbox.server import serve  # noqa: PLC0415
    try:
        faults = Faults.parse(*options.faults, seed=options.seed)
        sandbox = Sandbox(
            options.store or ":memory:",
            client_id=_ID,
            client_secret=_SECRET,
            token_lifetime=options.token_lifetime,
            faults=faults,
        )
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    except sqlite3.Error as error:
        raise ConfigurationError(f"{options.store}: cannot be the store: {error}") from None
    with sandbox:
        announce = partial(_announce, options, output)
        try:
            run(partial(serve, sandbox, options.host, options.port, on_started=announce))
        except KeyboardInterrupt:
            output.note("stopped")
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {options.host} port {options.port}: {error.strerror or error};"
                " --port 0 takes a free port"
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
        output.warn("it listens beyond this computer and lets everybody in: use invented data")
    output.note("Ctrl-C stops it" + ("." if options.store else ", and its data are gone then."))


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
