"""Files to write: checked before anything is read or sent."""

import os
from pathlib import Path
from typing import Any

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.arguments import kind_of

__all__ = ["check_apart", "check_target", "checked_path"]


def checked_path(path: Any, name: str = "path") -> Path:
    """Return the path of a file to write.

    Args:
        path: What was passed.
        name: The argument for which it was passed.

    Raises:
        ConfigurationError: It is none.
    """
    try:
        found = Path(path)
    except TypeError:
        raise ConfigurationError(f"{name} is {kind_of(path)}; pass the name of a file") from None
    if not _is_possible(found):
        raise ConfigurationError(f"{name} has a character that no name of a file can have")
    if not found.name:
        raise ConfigurationError(f"'{found}' is a folder; pass the name of a file")
    return found


def check_target(path: Path, *, overwrite: bool) -> None:
    """Check that a file may get a name, which replaces whatever has it.

    Args:
        path: The name.
        overwrite: Whether an existing file is replaced.

    Raises:
        ConfigurationError: It is that of something else, or of a file that is not to be replaced.
        OSError: The name is impossible.
    """
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder; name a file")
    if path.exists() and not path.is_file():
        raise ConfigurationError(
            f"{path} is a device or a pipe, and would be replaced; name a file"
        )
    if path.exists() and not overwrite:
        raise ConfigurationError(
            f"{path} exists already: choose another file, or replace it (--overwrite,"
            " overwrite=True)"
        )


def check_apart(path: Path, name: str, *others: object) -> None:
    """Check that a file to write is none of those that are read or written too.

    Args:
        path: The file.
        name: What is written to it.
        *others: The other files, or sources, of which those are meant that have a file.

    Raises:
        ConfigurationError: It is one of them.
    """
    for other in others:
        file = getattr(other, "path", other)
        if isinstance(file, str | os.PathLike) and _is_same(path, Path(os.fspath(file))):
            raise ConfigurationError(
                f"{path} is used already, and {name} would replace it; choose another file"
            )


def _is_possible(path: Path) -> bool:
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.resolve() == other.resolve() or path.samefile(other)
    except (OSError, ValueError):
        return False
