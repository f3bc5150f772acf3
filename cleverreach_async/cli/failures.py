"""Exceptions to messages and exit statuses: the one place that decides."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import typer
from typer.core import TyperGroup

from cleverreach_async.cli.output import Output, plain
from cleverreach_async.errors import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    CleverReachError,
    ImportFailedError,
    PermissionDeniedError,
    TokenError,
)

__all__ = [
    "INCOMPLETE",
    "INTERRUPTED",
    "MISUSED",
    "STOPPED",
    "CommandGroup",
    "explain",
    "handled",
    "told_status",
]

MISUSED: Final = 1
INCOMPLETE: Final = 2
STOPPED: Final = 3
INTERRUPTED: Final = 130

_LOGIN_MENDS: Final = {
    *("access_denied", "invalid_callback", "invalid_grant"),
    *("no_refresh_token", "state_mismatch"),
}

_UsageError: Final = typer.BadParameter.__bases__[0]


def explain(error: CleverReachError) -> str:
    """Return what an error means and what to do about it."""
    words = [f"{error}{_advice(error)}", *getattr(error, "__notes__", ())]
    return plain("; ".join(words))


def _advice(error: CleverReachError) -> str:  # noqa: PLR0911 - one per kind of error
    if isinstance(error, TokenError):
        if error.error in _LOGIN_MENDS:
            return "; run cleverreach login"
        return "; check CLEVERREACH_CLIENT_ID and CLEVERREACH_CLIENT_SECRET"
    if isinstance(error, AuthenticationError):
        return "; check the token or the client id and secret, and whether they have expired"
    if isinstance(error, PermissionDeniedError):
        return "; check what the app may do in the account's REST API settings"
    if isinstance(error, APIConnectionError) and not error.sent:
        return "; check the network, proxies and --base-url"
    if isinstance(error, APIStatusError) and not error.message:
        return "; the server gave no reason"
    return ""


def told_status(error: CleverReachError) -> int:
    """Return the exit status of an error."""
    return STOPPED if isinstance(error, ImportFailedError) else MISUSED


@contextmanager
def handled(output: Output) -> Generator[None, None, None]:
    """End the command with a message and a status where it would end with a traceback.

    Args:
        output: Where to say it.

    Raises:
        typer.Exit: The command failed; its status is set.
    """
    try:
        yield
    except CleverReachError as error:
        output.fail(explain(error))
        raise typer.Exit(told_status(error)) from None
    except KeyboardInterrupt:
        output.note("interrupted")
        raise typer.Exit(INTERRUPTED) from None


class CommandGroup(TyperGroup):
    """The command line, whose usage errors end with 1: status 2 is for rows that were refused."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the arguments before the subcommand."""
        with _misuse_as_one():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Read the subcommand's arguments and run it."""
        with _misuse_as_one():
            return super().invoke(ctx)


@contextmanager
def _misuse_as_one() -> Generator[None, None, None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, _UsageError):
            error.__dict__["exit_code"] = MISUSED
        raise
