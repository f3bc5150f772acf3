"""``cleverreach import`` and ``retry-rejects``, which load the importer when they run."""

from cleverreach_async.cli.imports.arguments import Arguments, ImportArguments, RetryArguments
from cleverreach_async.cli.options import AccountOptions
from cleverreach_async.cli.output import Output

__all__ = ["run_import", "run_retry"]


def run_import(output: Output, arguments: ImportArguments, account: AccountOptions) -> int:
    """Import a file.

    Args:
        output: Where to print.
        arguments: The command line.
        account: The account.

    Returns:
        The exit status.
    """
    return _import(arguments, account, output)


def run_retry(output: Output, arguments: RetryArguments, account: AccountOptions) -> int:
    """Import a rejects file; see :func:`run_import`."""
    return _import(arguments, account, output)


def _import(arguments: Arguments, account: AccountOptions, output: Output) -> int:
    from cleverreach_async.cli.imports.command import import_file  # noqa: PLC0415

    return import_file(arguments, account, output)
