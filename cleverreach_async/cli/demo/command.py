"""``cleverreach demo``: import invented customers into a sandbox in this process."""

from pathlib import Path
from typing import Annotated, Final

import typer

from cleverreach_async.cli.connection import sandbox_extra
from cleverreach_async.cli.demo.customers import BROKEN_ROWS, ROWS, customer_file
from cleverreach_async.cli.exit_statuses import INCOMPLETE
from cleverreach_async.cli.imports.arguments import ImportArguments
from cleverreach_async.cli.imports.paths import check_files
from cleverreach_async.cli.imports.readers import FileOptions
from cleverreach_async.cli.imports.send_options import NewReceiverOptions, SendOptions
from cleverreach_async.cli.options import AccountOptions
from cleverreach_async.cli.output import Output
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.files import replace_file

__all__ = ["run_demo"]

_FILE: Final = Path("demo-customers.csv")
_REPORT: Final = Path("demo-customers.html")
_GROUP: Final = "Newsletter"

Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the files of an earlier demo.")
]


def run_demo(output: Output, *, overwrite: Overwrite = False) -> int:
    """Write a customer file, import it, and say what to do next.

    Args:
        output: Where to print.
        overwrite: Whether files of an earlier demo are replaced.

    Returns:
        The exit status: 0 although some rows are rejected, because they are meant to be.

    Raises:
        ConfigurationError: A file cannot be written, or the sandbox's extra is not installed.
        CleverReachError: The import did not begin.
    """
    with sandbox_extra():  # before a file is written
        from cleverreach_async.sandbox import Sandbox  # noqa: PLC0415 - it is an extra
    del Sandbox  # the import makes its own
    from cleverreach_async.cli.imports.command import import_file  # noqa: PLC0415

    arguments = _arguments(overwrite=overwrite)
    _write_customers(arguments)
    output.info(f"{_FILE}: {ROWS} invented customers, {BROKEN_ROWS} of them broken on purpose")
    output.info("")
    output.info(
        f"$ cleverreach import {_FILE} --group {_GROUP} --create --sandbox --report {_REPORT}",
        wrap=False,
    )
    status = import_file(arguments, AccountOptions(sandbox=True), output)
    if status != INCOMPLETE:
        return status
    for line in _explanation(arguments.rejects).splitlines():
        output.info(line, wrap=False)
    return 0


def _arguments(*, overwrite: bool) -> ImportArguments:
    """Return what the printed command stands for."""
    return ImportArguments(
        file=_FILE,
        group=_GROUP,
        create=True,
        overwrite=overwrite,
        send=SendOptions(report=_REPORT, new_receivers=NewReceiverOptions()),
        reader=FileOptions(),
    )


def _write_customers(arguments: ImportArguments) -> None:
    """Write the file, unless that would replace something that is not the demo's.

    Raises:
        ConfigurationError: It cannot be written, or there are files that somebody may have edited.
    """
    content = customer_file()
    try:
        if not arguments.overwrite:
            _check_no_others(content, arguments.rejects)
        check_files(arguments)
        replace_file(_FILE, [content])
    except OSError as error:
        raise ConfigurationError(
            f"{_FILE} cannot be written to this folder: {error.strerror}; change to another one"
        ) from None


def _check_no_others(content: bytes, rejects: Path) -> None:
    """Check that a second demo replaces nothing.

    Raises:
        ConfigurationError: It would.
    """
    found = [path for path in (rejects, _REPORT) if path.exists() and path.stat().st_size]
    if _FILE.exists() and _FILE.read_bytes() != content:
        found.append(_FILE)
    if found:
        names = " and ".join(sorted(map(str, found)))
        raise ConfigurationError(
            f"the demo would replace {names}: move what you want to keep, or replace the files of"
            " an earlier demo with cleverreach demo --overwrite"
        )


def _explanation(rejects: Path) -> str:
    return f"""
What happened
  Each row of the file is counted once above. The rows that were not accepted
  are in {rejects}, with their lines and the reasons.
  Because of them the import ended with status 2; the demo ends with status 0.
  Nothing was sent, and the sandbox is gone again. These files remain.
  Open {_REPORT} in a browser: it is the report of the import.

What to type next
  cleverreach import FILE --group Newsletter --create --dry-run
      checks a file of your own, and sends nothing
  cleverreach sandbox
      runs a local CleverReach server, for all other commands and for programs
  cleverreach login --help
      says how to connect a real account
  cleverreach --help
      lists all commands"""
