"""``--verbose``: what the library logs, on stderr. It logs neither secrets nor addresses."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from cleverreach_async.cli.output import Output
from cleverreach_async.transport.redaction import mask_emails

__all__ = ["logged_requests"]

_LIBRARY: Final = logging.getLogger("cleverreach_async")


class _LinesOnStderr(logging.Handler):
    """Prints a line for each record, without tracebacks."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        self._output.info(mask_emails(record.getMessage()), wrap=False)


@contextmanager
def logged_requests(output: Output) -> Generator[None, None, None]:
    """Print what the library logs in this block.

    Args:
        output: Where to print.
    """
    handler, level = _LinesOnStderr(output), _LIBRARY.level
    _LIBRARY.addHandler(handler)
    _LIBRARY.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        _LIBRARY.setLevel(level)
        _LIBRARY.removeHandler(handler)
