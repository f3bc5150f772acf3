"""Engines are imported by name: each is an extra, and few users have more than one."""

from importlib import import_module
from typing import Any

from cleverreach_async.errors import ConfigurationError

__all__ = ["import_engine"]


def import_engine(module: str, extra: str) -> Any:
    """Return a module of an engine.

    Args:
        module: Its name.
        extra: The extra that installs it.

    Raises:
        ConfigurationError: The extra is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"{module} cannot be imported ({error}): pip install 'cleverreach-async[{extra}]'"
        ) from None
