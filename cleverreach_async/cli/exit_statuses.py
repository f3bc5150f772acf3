"""Exit statuses of the command."""

from typing import Final

__all__ = ["INCOMPLETE", "INTERRUPTED", "STOPPED", "USAGE"]

USAGE: Final = 1
INCOMPLETE: Final = 2
STOPPED: Final = 3
INTERRUPTED: Final = 130
