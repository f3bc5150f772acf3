"""The ``cleverreach`` command.

Exit status: 0 all rows accepted, 1 ended before a row was sent, 2 some rows rejected or unknown,
3 stopped before the end (can be run again), 130 interrupted.
"""

import sys

from cleverreach_async.cli.exit_statuses import USAGE
from cleverreach_async.cli.loading import ended_by_ctrl_c

__all__ = ["main"]

_EXTRAS = frozenset({"click", "rich", "typer"})


def main() -> None:
    """Run the command with the arguments of the process."""
    try:
        with ended_by_ctrl_c():
            from cleverreach_async.cli.app import app  # noqa: PLC0415 - it is an extra
        app(prog_name="cleverreach")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRAS:
            raise
        # Whoever begins with the demo installs both at once.
        extras = "cli,sandbox" if sys.argv[1:2] == ["demo"] else "cli"
        sys.stderr.write(
            f"the cleverreach command is an extra: pip install 'cleverreach-async[{extras}]'\n"
        )
        raise SystemExit(USAGE) from None
