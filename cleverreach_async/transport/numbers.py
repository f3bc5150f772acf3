"""Check arguments that are numbers."""

import math
from typing import Any

from cleverreach_async.errors import ConfigurationError

__all__ = ["check_number"]


def check_number(
    name: str, value: Any, *, least: float = 0, most: float = math.inf, whole: bool = True
) -> None:
    """Check that an argument is a number between two others.

    Args:
        name: The name of the argument.
        value: What was passed for it.
        least: The smallest number that is allowed.
        most: The largest one.
        whole: Whether fractions are refused.

    Raises:
        ConfigurationError: It is out of range, or no such number.
    """
    is_number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not (is_number and least <= value <= most):
        kind = "a whole number" if whole else "a number"
        limits = f"of {least:g} or more" if most == math.inf else f"from {least:g} to {most:g}"
        raise ConfigurationError(f"{name} is {value!r}; it must be {kind} {limits}")
