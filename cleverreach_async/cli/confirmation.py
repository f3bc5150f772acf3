"""Nobody is deleted or deactivated before somebody has said yes: on the terminal, or with --yes."""

import signal
from collections.abc import Callable
from typing import Annotated

import typer

from cleverreach_async.cli.output import Output
from cleverreach_async.errors import ConfigurationError

__all__ = ["Yes", "check_yes", "confirm"]

Yes = Annotated[
    bool,
    typer.Option(
        "--yes",
        "-y",
        help="Do not ask before receivers are deleted or deactivated. Without a terminal it is"
        " needed for that.",
    ),
]


def check_yes(output: Output, option: str, *, yes: bool) -> None:
    """Check, before anything is done, that a removal is confirmed or that somebody can be asked.

    Args:
        output: Where to ask.
        option: The option that removes receivers.
        yes: Whether it is confirmed.

    Raises:
        ConfigurationError: It is not, and there is no terminal.
    """
    if not (yes or output.can_ask):
        raise ConfigurationError(
            f"{option} needs a confirmation, and there is no terminal to ask on: add --yes"
        )


def confirm(output: Output, question: Callable[[], str], *, yes: bool) -> bool:
    """Ask whether receivers are to be removed; returns whether they are.

    Args:
        output: Where to ask.
        question: Returns the question, with the number of receivers and the group. It is called
            only if there is somebody to ask, since counting them may take a while.
        yes: Whether it is confirmed already.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed instead.
    """
    if yes:
        return True
    # An event loop may be waiting for this answer, and would not see the signal before it.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return output.ask(question())
    finally:
        signal.signal(signal.SIGINT, handler)
