"""How much work the processor does, whatever its speed."""

import time
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["Effort", "effort", "seconds_of_a_loop"]

_STEPS = 1_000_000


class Effort:
    """The work of a block.

    Attributes:
        loops: Its time on the processor, in that of a loop of a million steps on this machine.
    """

    loops: float = 0.0


@contextmanager
def effort() -> Generator[Effort]:
    """Measure a block, and beside it how fast this machine is at the moment."""
    found = Effort()
    loop = min(seconds_of_a_loop(), seconds_of_a_loop())
    began = time.thread_time()
    yield found
    found.loops = (time.thread_time() - began) / loop


def seconds_of_a_loop() -> float:
    """Return the time on the processor of a loop of a million steps, at the moment."""
    total, began = 0, time.thread_time()
    for number in range(_STEPS):
        total += number
    return time.thread_time() - began
