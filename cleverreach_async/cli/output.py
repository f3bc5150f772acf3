"""What the command says: results to stdout, everything else to stderr."""

import io
import json
import sys
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

__all__ = ["Output", "plain"]


def plain(text: str) -> str:
    """Return text without control characters, which could play tricks on a terminal."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


class Output:
    """Both streams of one run of the command.

    Attributes:
        console: The console on stderr.
    """

    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            # A Windows console knows few characters; a question mark is better than an end.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        self.console = Console(stderr=True, markup=False, highlight=False, emoji=False)

    @property
    def is_terminal(self) -> bool:
        """Whether somebody watches stderr. ``FORCE_COLOR``, set for logs, does not make it one."""
        return sys.stderr.isatty() and not self.console.is_dumb_terminal

    def note(self, text: str) -> None:
        """Tell something by the way, on stderr."""
        self.console.print(Text(text), soft_wrap=not self.is_terminal)

    def line(self, text: str) -> None:
        """Tell something that is to be copied, on stderr: no terminal's width breaks it."""
        self.console.print(Text(text), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Warn, on stderr."""
        self.console.print(
            Text.assemble(("warning: ", "yellow"), text), soft_wrap=not self.is_terminal
        )

    def fail(self, text: str) -> None:
        """Say why the command ends, on stderr."""
        self.console.print(
            Text.assemble(("error: ", "bold red"), text), soft_wrap=not self.is_terminal
        )

    def result(self, text: str) -> None:
        """Print a result on stdout."""
        typer.echo(text)

    def result_json(self, value: Any) -> None:
        """Print a result on stdout as JSON, in ASCII so that no console can spoil it."""
        typer.echo(json.dumps(value, indent=2))
