"""The HTTP library of the connections that the library opens itself.

This is the one switch between httpx with httpcore, and their maintained forks httpx2 and httpcore2,
which have the same interface. ``httpx`` stays the default while respx, with which applications
test what they send, cannot intercept httpx2.
"""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from cleverreach_async.errors import ConfigurationError

__all__ = ["HTTP_LIBRARY", "chosen_library", "httpcore", "load_httpx", "loaded"]

HTTP_LIBRARY: Final = "CLEVERREACH_HTTP_LIBRARY"
"""Name of the environment variable: ``httpx`` or ``httpx2``."""

_DEFAULT: Final = "httpx"
_CONNECTIONS: Final = {"httpx": "httpcore", "httpx2": "httpcore2"}
"""The package with the connections of each library."""


def chosen_library(environ: Mapping[str, str]) -> str:
    """Return the name of the library that the environment chooses.

    Args:
        environ: The environment variables.

    Raises:
        ConfigurationError: It is none of the known ones.
    """
    name = environ.get(HTTP_LIBRARY) or _DEFAULT
    if name not in _CONNECTIONS:
        raise ConfigurationError(f"{HTTP_LIBRARY} is {name!r}; use {' or '.join(_CONNECTIONS)}")
    return name


def loaded(package: str) -> Any:
    """Return a package of the chosen library.

    Args:
        package: Its name.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ConfigurationError(
            f"{HTTP_LIBRARY} needs {package}: pip install 'cleverreach-async[httpx2]'"
        ) from None


def load_httpx() -> Any:
    """Return ``httpx``, or ``httpx2`` if the environment chooses it.

    Raises:
        ConfigurationError: The environment chooses an unknown library, or one that is missing.
    """
    return loaded(chosen_library(os.environ))


if TYPE_CHECKING:
    import httpcore
else:
    httpcore = loaded(_CONNECTIONS[chosen_library(os.environ)])
