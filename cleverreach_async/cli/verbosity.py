"""How much the command prints: ``--verbose`` and ``--quiet``, before or after the subcommand."""

from typing import Annotated

import typer

__all__ = ["Quiet", "Verbose"]

Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only results, errors, and what to do then.")
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Log every request on stderr: method, path, status, time, retries."
    ),
]
