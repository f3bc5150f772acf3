"""Sources that are none, such as the path of a file: refused with what to pass instead."""

import os
from collections.abc import AsyncIterable, Awaitable, Iterable, Mapping

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.resources.receiver_models import ReceiverInput
from cleverreach_async.sources.rows import BadRow, SourceRow
from cleverreach_async.transport.arguments import kind_of

__all__ = ["check_source"]


def check_source(source: object, name: str = "source") -> None:
    """Check that a source yields rows.

    Python would iterate over the letters of a text, and the keys of a mapping.

    Args:
        source: The source.
        name: The parameter that takes it.

    Raises:
        ConfigurationError: It does not; the message says what to pass.
    """
    remedy = _remedy(source, name)
    if remedy:
        raise ConfigurationError(f"{name} is {kind_of(source)}; {remedy}")


def _remedy(source: object, name: str) -> str:  # noqa: PLR0911 - one per kind of mistake
    if isinstance(source, str) and "@" in source:
        return f"pass a list of addresses or receivers: [{name}]"
    if isinstance(source, str | bytes | os.PathLike):
        return "read a file with read_rows(path) or read_csv(path), and pass what they return"
    if isinstance(source, Mapping | ReceiverInput | SourceRow | BadRow):
        return f"pass a list, even for one receiver: [{name}]"
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__dataframe__"):
        return f"pass read_arrow({name})"
    if isinstance(source, Iterable | AsyncIterable) or hasattr(type(source), "__getitem__"):
        return ""
    if isinstance(source, Awaitable):
        return "pass its result: await it first"
    if callable(source):
        return "pass what it returns: call it first"
    return "pass a list or another iterable of receivers, or a source such as read_csv(path)"
