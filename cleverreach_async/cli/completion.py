"""Values that the shell completes, beside those of options with a fixed choice.

None of them needs a request: completing a word must be quick, and must not fail.
"""

import zoneinfo
from collections.abc import Callable
from typing import Final, Literal, get_args, get_origin, get_type_hints

__all__ = ["ENCODINGS", "FAULTS", "behaviours", "one_of", "time_zones"]

ENCODINGS: Final = (
    *("utf-8", "cp1252", "cp850", "cp437", "iso8859-1", "iso8859-15", "mac_roman", "utf-16"),
)
FAULTS: Final = (
    *("429=5%", "502=2%", "502=2%:committed", "reset=1%", "cut=1%", "hang=30s@1%"),
    *("short_answer=1%", "expire_token=1%"),
)


def one_of(*values: str) -> Callable[[], list[str]]:
    """Return a function that completes values, for ``typer.Option(autocompletion=)``."""
    return lambda: list(values)


def behaviours() -> list[str]:
    """Complete a switch of the sandbox with its value."""
    try:
        from cleverreach_async.sandbox import Behaviour  # noqa: PLC0415 - it is an extra
    except ModuleNotFoundError:
        return []
    found: list[str] = []
    for name, kind in get_type_hints(Behaviour).items():
        values = ("yes", "no") if kind is bool else get_args(kind)
        is_choice = kind is bool or get_origin(kind) is Literal
        found += [f"{name}={value}" for value in values] if is_choice else [f"{name}="]
    return found


def time_zones() -> list[str]:
    """Complete the name of a time zone."""
    return sorted(zoneinfo.available_timezones())
