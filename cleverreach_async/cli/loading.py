"""Load parts of the command, so that Ctrl-C meanwhile ends it without a traceback."""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress

from cleverreach_async.cli.exit_statuses import INTERRUPTED

__all__ = ["ended_by_ctrl_c"]


@contextmanager
def ended_by_ctrl_c() -> Generator[None, None, None]:
    """End the process on Ctrl-C during this block, in which it has done nothing yet.

    ``KeyboardInterrupt`` would print a traceback of whatever is being imported.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(_number: int, _frame: object) -> None:
    with suppress(OSError):
        os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)
