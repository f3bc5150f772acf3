"""The ``cleverreach`` command.

Exit status: 0 all rows accepted, 1 usage or configuration error, 2 some rows rejected or unknown,
3 stopped before the end (can be run again), 130 interrupted.
"""

import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress

__all__ = ["main"]

_EXTRAS = frozenset({"click", "rich", "typer"})
_INTERRUPTED = 130


def main() -> None:
    """Run the command with the arguments of the process."""
    try:
        with _ended_by_ctrl_c():
            from cleverreach_async.cli.app import app  # noqa: PLC0415 - it is an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRAS:
            raise
        sys.stderr.write(
            "the cleverreach command is an extra: pip install 'cleverreach-async[cli]'\n"
        )
        raise SystemExit(1) from None
    app(prog_name="cleverreach")


@contextmanager
def _ended_by_ctrl_c() -> Generator[None, None, None]:
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
    os._exit(_INTERRUPTED)
