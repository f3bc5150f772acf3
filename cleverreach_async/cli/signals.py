"""What Ctrl-C and SIGTERM do to a running command. Decides; :mod:`.connection` acts."""

import enum
import signal
from typing import Final

from cleverreach_async.bulk.run import ImportRun
from cleverreach_async.cli.output import Output

__all__ = ["ImportInterrupts", "Interrupts", "Reaction"]

_DRAINING: Final = (
    "stopping when the requests on their way have ended; Ctrl-C again breaks them off"
)
_BREAKING_OFF: Final = "breaking off the requests on their way"


class Reaction(enum.Enum):
    """What is to be done with the work at hand."""

    GO_ON = enum.auto()
    """Nothing: it ends by itself."""
    CANCEL = enum.auto()
    """Cancel it; requests on the wire end first."""
    BREAK_OFF = enum.auto()
    """Break everything off."""
    BREAK_OFF_SOON = enum.auto()
    """Break everything off unless it ends by itself within a moment."""


class Interrupts:
    """The first Ctrl-C cancels, the second breaks off.

    Attributes:
        signals: The signals that are handled.
        caught: The signal that came first; ``None`` before any.
    """

    signals: tuple[signal.Signals, ...] = (signal.SIGINT,)

    def __init__(self) -> None:
        self.caught: signal.Signals | None = None

    def react(self, caught: signal.Signals) -> Reaction:
        """Take a signal.

        Args:
            caught: Which one.

        Returns:
            What is to be done.
        """
        is_first, self.caught = self.caught is None, self.caught or caught
        return Reaction.CANCEL if is_first else Reaction.BREAK_OFF


class ImportInterrupts(Interrupts):
    """Stops an import in order, and breaks it off when asked again.

    Before an import is under way the first signal cancels. Once it is, the first Ctrl-C and
    SIGTERM let what is on the wire end, the second Ctrl-C breaks that off, and the third
    everything. SIGTERM alone never breaks off: who sends it will kill when patience ends.

    Args:
        output: Where to say so.
    """

    signals = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output
        self._run: ImportRun | None = None
        self._is_aborted = False

    def watch(self, run: ImportRun) -> None:
        """Let signals reach a run that is about to begin."""
        self._run = run

    def react(self, caught: signal.Signals) -> Reaction:
        """See :meth:`Interrupts.react`."""
        is_first, self.caught = self.caught is None, self.caught or caught
        if self._run is None:
            return Reaction.CANCEL if is_first else Reaction.BREAK_OFF
        if is_first:
            self._output.note(_DRAINING)
            self._run.stop("interrupted" if caught == signal.SIGINT else "terminated by a signal")
            return Reaction.GO_ON
        if caught != signal.SIGINT:
            return Reaction.GO_ON
        if self._is_aborted:
            return Reaction.BREAK_OFF
        self._is_aborted = True
        self._output.note(_BREAKING_OFF)
        self._run.abort()
        return Reaction.BREAK_OFF_SOON
