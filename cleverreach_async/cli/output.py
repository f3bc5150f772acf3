"""Output of the command: results on stdout, everything else on stderr."""

import io
import json
import sys
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

__all__ = ["Output", "printable"]


def printable(text: str) -> str:
    """Replace control characters, which could manipulate a terminal."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


class Output:
    """Both streams of one run of the command. Control characters never reach stderr.

    Attributes:
        console: The console on stderr.
    """

    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            # A Windows console cannot show every character; a question mark is better than a crash.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        self.console = Console(stderr=True, markup=False, highlight=False, emoji=False)

    @property
    def is_terminal(self) -> bool:
        """Whether stderr is a terminal. ``FORCE_COLOR``, set for logs, does not make it one."""
        return sys.stderr.isatty() and not self.console.is_dumb_terminal

    def info(self, text: str, *, wrap: bool = True) -> None:
        """Print information on stderr.

        Args:
            text: The information.
            wrap: Whether a terminal may wrap it at words; not for text to be copied.
        """
        self._print("", "", text, wrap=wrap)

    def warn(self, text: str) -> None:
        """Print a warning on stderr."""
        self._print("warning: ", "yellow", text)

    def error(self, text: str) -> None:
        """Print why the command ends on stderr."""
        self._print("error: ", "bold red", text)

    def _print(self, prefix: str, style: str, text: str, *, wrap: bool = True) -> None:
        line = Text.assemble((prefix, style), printable(text))
        self.console.print(line, soft_wrap=not (wrap and self.is_terminal))

    def result(self, text: str) -> None:
        """Print a result on stdout."""
        typer.echo(text)

    def result_json(self, value: Any) -> None:
        """Print a result on stdout as JSON, in ASCII so that every console can show it."""
        typer.echo(json.dumps(value, indent=2))
