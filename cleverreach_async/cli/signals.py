"""What signals do to a running command. This decides; :mod:`.connection` acts."""

import enum
import signal
import sys
from typing import TYPE_CHECKING, Final

from cleverreach_async.cli.output import Output

if TYPE_CHECKING:
    # Commands that import nothing need not load the importer.
    from cleverreach_async.bulk.run import ImportRun

__all__ = ["ImportInterrupts", "Interrupts", "Reaction"]

_STOPPING: Final = (
    "stopping when the requests in flight have completed; press Ctrl-C again to abort them"
)
_ABORTING: Final = "aborting the requests in flight"


class Reaction(enum.Enum):
    """What to do with the running work."""

    CONTINUE = enum.auto()
    """Nothing: it ends on its own."""
    CANCEL = enum.auto()
    """Cancel it; requests in flight complete first."""
    ABORT = enum.auto()
    """Cancel everything, including requests in flight."""
    ABORT_SOON = enum.auto()
    """Cancel everything unless it ends within a moment."""


class Interrupts:
    """The first Ctrl-C cancels, the second aborts.

    Attributes:
        signals: The signals to handle.
        caught: The first signal; ``None`` before any.
    """

    signals: tuple[signal.Signals, ...] = (signal.SIGINT,)

    def __init__(self) -> None:
        self.caught: signal.Signals | None = None

    def react(self, caught: signal.Signals) -> Reaction:
        """Handle a signal.

        Args:
            caught: The signal.

        Returns:
            What to do.
        """
        is_first, self.caught = self.caught is None, self.caught or caught
        return Reaction.CANCEL if is_first else Reaction.ABORT


class ImportInterrupts(Interrupts):
    """Stops an import in order, and aborts it if asked again.

    Before an import has begun, the first signal cancels. Afterwards the first signal lets requests
    in flight complete, the second Ctrl-C aborts them, and the third aborts everything. SIGTERM and
    SIGHUP, which says that the terminal was closed, never abort: a supervisor that loses patience
    sends SIGKILL.

    Args:
        output: Where to print.
    """

    signals: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
    if sys.platform != "win32":
        signals = (*signals, signal.SIGHUP)

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output
        self._run: ImportRun | None = None
        self._is_aborted = False

    def watch(self, run: "ImportRun") -> None:
        """Pass signals to a run that is about to begin."""
        self._run = run

    def react(self, caught: signal.Signals) -> Reaction:
        """See :meth:`Interrupts.react`."""
        is_first = self.caught is None
        reaction = super().react(caught)
        if self._run is None:
            is_decided = is_first or caught == signal.SIGINT
            return reaction if is_decided else Reaction.CONTINUE
        if is_first:
            self._output.advise(_STOPPING)
            self._run.stop("interrupted" if caught == signal.SIGINT else "terminated by a signal")
            return Reaction.CONTINUE
        if caught != signal.SIGINT:
            return Reaction.CONTINUE
        if self._is_aborted:
            return Reaction.ABORT
        self._is_aborted = True
        self._output.advise(_ABORTING)
        self._run.abort()
        return Reaction.ABORT_SOON
