"""Check arguments that are numbers."""

import math
from typing import Any

from cleverreach_async.errors import ConfigurationError

__all__ = ["check_above_zero", "check_number", "check_seconds"]


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
    if not (_is_number(value, whole=whole) and least <= value <= most):
        kind = "a whole number" if whole else "a number"
        limits = f"of {least:g} or more" if most == math.inf else f"from {least:g} to {most:g}"
        raise ConfigurationError(f"{name} is {value!r}; it must be {kind} {limits}")


def check_seconds(name: str, value: Any, *, least: float = 0) -> None:
    """Check that an argument is a number of seconds, and not infinite.

    Args:
        name: The name of the argument.
        value: What was passed for it.
        least: The smallest number that is allowed.

    Raises:
        ConfigurationError: It is no such number.
    """
    if not (_is_number(value) and least <= value < math.inf):
        limit = f"{least:g} or more"
        raise ConfigurationError(f"{name} is {value!r}; it must be a number of seconds, {limit}")


def check_above_zero(
    name: str, value: Any, unit: str = "number", *, may_be_infinite: bool = False
) -> None:
    """Check that an argument is a number above 0.

    Args:
        name: The name of the argument.
        value: What was passed for it.
        unit: What it counts, such as ``number of seconds``.
        may_be_infinite: Whether infinity is allowed.

    Raises:
        ConfigurationError: It is no such number.
    """
    if not (_is_number(value) and value > 0 and (may_be_infinite or value < math.inf)):
        raise ConfigurationError(f"{name} is {value!r}; it must be a {unit} above 0")


def _is_number(value: Any, *, whole: bool = False) -> bool:
    return isinstance(value, int if whole else int | float) and not isinstance(value, bool)
