"""Read the callback of the authorization page, in whatever form a web framework has it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast
from urllib.parse import parse_qsl

from cleverreach_async.errors import ConfigurationError, TokenError
from cleverreach_async.transport.redaction import Masked

__all__ = ["callback_parameters"]

_WANTED: Final = frozenset({"code", "state", "error", "error_description"})

_Pairs = Iterable[tuple[Any, Any]]


def callback_parameters(query: Any) -> dict[str, str]:
    """Return the parameters of a callback that matter. No ``repr`` shows their values.

    Args:
        query: The callback's URL, its query as text or bytes, or its parameters as a mapping with
            one value or a list per name.

    Raises:
        ConfigurationError: It is none of these.
        TokenError: A parameter is repeated, so that two readers may take different values.
    """
    found: dict[str, str] = {}
    repeated: set[str] = set()
    for name, value in _pairs(query):
        text = _text(name)
        if text not in _WANTED:
            continue
        for one in _values(value):
            repeated |= {text} & found.keys()
            found[text] = Masked(_text(one))
    del query
    if repeated:
        names = " and ".join(sorted(repeated))
        raise TokenError("invalid_callback", f"the callback has {names} more than once")
    return found


def _pairs(query: Any) -> _Pairs:
    if isinstance(query, str | bytes | bytearray):
        return _parse(_text(query))
    if isinstance(query, Mapping):
        # A mapping of a web framework shows one value per name, and has another method for all.
        mapping: Any = cast("Any", query)
        names = ("multi_items", "lists", "items")
        every: Callable[[], _Pairs] = getattr(
            mapping, next(it for it in names if hasattr(mapping, it))
        )
        return every()
    if hasattr(query, "scheme") and hasattr(query, "query"):
        return _parse(str(query))  # a URL of a library
    kind = type(query).__name__
    raise ConfigurationError(
        f"query is of type {kind}; pass the callback's URL, its query string or a mapping"
    )


def _parse(text: str) -> _Pairs:
    """Return the parameters of a URL, or of a query string with or without its ``?``."""
    is_url = "://" in text.partition("?")[0] or text.startswith(("/", "?"))
    query = text.partition("#")[0].partition("?")[2] if is_url else text
    return parse_qsl(query.strip(), keep_blank_values=True)


def _values(value: Any) -> Iterable[Any]:
    return cast("Iterable[Any]", value) if isinstance(value, list | tuple) else [value]


def _text(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return Masked(value.decode("utf-8", "replace"))
    return Masked(value) if isinstance(value, str) else ""
