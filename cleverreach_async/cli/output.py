"""Output of the command: results on stdout, everything else on stderr."""

import io
import json
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["LastingStream", "Output", "printable"]


def printable(text: str) -> str:
    """Replace control characters, which could manipulate a terminal."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


class LastingStream:
    """A standard stream that may go away: a terminal that is closed, a pipe that nobody reads.

    What is written to it from then on is dropped, so that an import goes on without a screen.

    Args:
        stream: The stream; ``None`` if it was closed when the process started.

    Attributes:
        is_gone: Whether something could not be written.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.is_gone: bool = stream is None

    @property
    def encoding(self) -> str:
        """The encoding."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write text, if the stream is still there."""
        if self._stream is not None and not self.is_gone:
            try:
                self._stream.write(text)
            except (OSError, ValueError):
                self._leave(self._stream)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, if the stream is still there."""
        if self._stream is not None and not self.is_gone:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._leave(self._stream)

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        with suppress(OSError, ValueError):
            return self._stream is not None and not self.is_gone and self._stream.isatty()
        return False

    def fileno(self) -> int:
        """Return the number of the stream.

        Raises:
            OSError: It has none.
        """
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    def _leave(self, stream: TextIO) -> None:
        self.is_gone = True
        # Python writes what is buffered at the end of the process, and would fail again.
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


class Output:
    """Both streams of one run of the command. Control characters never reach a terminal.

    Without a terminal there are neither colours nor live lines, and rich is not loaded.

    Args:
        quiet: Whether neither information nor warnings are printed, nor progress.
        verbose: Whether requests are logged.

    Attributes:
        is_quiet: See above.
        is_verbose: See above.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.is_quiet: bool = quiet
        self.is_verbose: bool = verbose
        for stream in (sys.stdout, sys.stderr):
            # A Windows console cannot show every character; a question mark is better than a crash.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        self._results, self._messages = LastingStream(sys.stdout), LastingStream(sys.stderr)

    @cached_property
    def console(self) -> "Console":
        """The console on stderr."""
        from rich.console import Console  # noqa: PLC0415

        return Console(
            file=cast("TextIO", self._messages), markup=False, highlight=False, emoji=False
        )

    @property
    def is_terminal(self) -> bool:
        """Whether stderr is a terminal. ``FORCE_COLOR``, set for logs, does not make it one."""
        return self._messages.isatty() and not self.console.is_dumb_terminal

    def info(self, text: str, *, wrap: bool = True) -> None:
        """Print information on stderr.

        Args:
            text: The information.
            wrap: Whether a terminal may wrap it at words; not for text to be copied.
        """
        if not self.is_quiet:
            self._print("", "", text, wrap=wrap)

    def warn(self, text: str) -> None:
        """Print a warning on stderr."""
        if not self.is_quiet:
            self._print("warning: ", "yellow", text)

    def advise(self, text: str, *, wrap: bool = True) -> None:
        """Print on stderr what the user has to do or to know next, also if the output is quiet.

        Args:
            text: The advice.
            wrap: Whether a terminal may wrap it at words; not for text to be copied.
        """
        self._print("", "", text, wrap=wrap)

    def error(self, text: str) -> None:
        """Print why the command ends on stderr."""
        self._print("error: ", "bold red", text)

    def _print(self, prefix: str, style: str, text: str, *, wrap: bool = True) -> None:
        if not (self._messages.isatty() or _are_colours_forced()):
            self._messages.write(f"{prefix}{printable(text)}\n")
            self._messages.flush()
            return
        from rich.text import Text  # noqa: PLC0415

        line = Text.assemble((prefix, style), printable(text))
        self.console.print(line, soft_wrap=not (wrap and self.is_terminal))

    @contextmanager
    def steps(self) -> Generator[Callable[[str], None], None, None]:
        """Yield a function that says what is being done, each in its turn.

        A terminal shows the current step until the end of the block, a log has a line for each.
        """
        if self.is_quiet or not self.is_terminal:
            yield self.info
            return
        with self.console.status("") as status:
            yield lambda text: status.update(printable(text))

    @property
    def can_ask(self) -> bool:
        """Whether somebody at a terminal can answer a question."""
        return self._messages.isatty() and LastingStream(sys.stdin).isatty()

    def ask(self, question: str) -> bool:
        """Ask a question on the terminal; returns whether the answer is yes.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed instead.
        """
        self._messages.write(f"{printable(question)} [y/N] ")
        self._messages.flush()
        answer = ""
        try:
            with suppress(OSError, ValueError):  # the terminal was closed
                answer = sys.stdin.readline()
        finally:
            if not answer.endswith("\n"):
                self._messages.write("\n")  # Ctrl-C and Ctrl-D leave the cursor in the line
        return answer.strip().lower() in {"y", "yes"}

    def result(self, text: str) -> None:
        """Print a result, of one line or several, on stdout; on stderr if stdout is gone."""
        lines = "".join(f"{printable(line)}\n" for line in text.split("\n"))
        for stream in (self._results, self._messages):
            stream.write(lines)
            stream.flush()
            if not stream.is_gone:
                break

    def result_json(self, value: Any) -> None:
        """Print a result as JSON, in ASCII so that every console can show it."""
        self.result(json.dumps(value, indent=2))


def _are_colours_forced() -> bool:
    """Whether rich would use colours without a terminal, as for the log of a build server."""
    return bool(os.environ.get("FORCE_COLOR")) or os.environ.get("TTY_COMPATIBLE") == "1"
