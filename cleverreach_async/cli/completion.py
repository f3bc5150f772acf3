"""Values that the shell completes, beside those of options with a fixed choice.

None of them needs a request: completing a word must be quick, and must not fail.
"""

import zoneinfo
from collections.abc import Callable
from typing import Final

__all__ = ["ENCODINGS", "FAULTS", "one_of", "time_zones"]

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


def time_zones() -> list[str]:
    """Complete the name of a time zone."""
    return sorted(zoneinfo.available_timezones())
