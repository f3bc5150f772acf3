"""Messages of errors."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import typer

from cleverreach_async.cli.exit_statuses import INTERRUPTED, STOPPED, USAGE
from cleverreach_async.cli.output import Output
from cleverreach_async.errors import (
    APIConnectionError,
    APIStatusError,
    CleverReachError,
    ImportFailedError,
    PermissionDeniedError,
    TokenError,
)

__all__ = ["explain", "report_errors"]

_FIXED_BY_LOGIN: Final = {
    *("access_denied", "invalid_callback", "invalid_grant"),
    *("no_refresh_token", "state_mismatch"),
}


def explain(error: CleverReachError) -> str:
    """Return the message of an error and what to do about it."""
    return "; ".join([f"{error}{_advice(error)}", *getattr(error, "__notes__", ())])


def _advice(error: CleverReachError) -> str:
    if isinstance(error, TokenError):
        if error.error in _FIXED_BY_LOGIN:
            return "; run cleverreach login"
        return "; check CLEVERREACH_CLIENT_ID and CLEVERREACH_CLIENT_SECRET"
    if isinstance(error, PermissionDeniedError):
        return "; check the permissions of the app in the account's REST API settings"
    if isinstance(error, APIConnectionError) and not error.sent:
        return "; check the network, proxies and --base-url"
    if isinstance(error, APIStatusError) and not error.message:
        return "; the server gave no reason"
    return ""


@contextmanager
def report_errors(output: Output) -> Generator[None, None, None]:
    """End the command with a message and an exit status instead of a traceback.

    Args:
        output: Where to print.

    Raises:
        typer.Exit: The command failed; its exit status is set.
    """
    try:
        yield
    except CleverReachError as error:
        output.error(explain(error))
        status = STOPPED if isinstance(error, ImportFailedError) else USAGE
        raise typer.Exit(status) from None
    except KeyboardInterrupt:
        output.advise("interrupted")
        raise typer.Exit(INTERRUPTED) from None
