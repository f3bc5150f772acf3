"""Which HTTP library an import uses."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

from cleverreach_async.cli.credentials import Access
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.sources.content import Content

__all__ = ["HttpLibrary", "opened_client"]

HttpLibrary = Literal["auto", "httpx", "aiohttp"]

_WORTH_LOADING: Final = 8 * 1024 * 1024
"""Bytes of a file. Loading aiohttp takes longer than it saves with fewer."""


@asynccontextmanager
async def opened_client(
    library: HttpLibrary, content: Path | Content, access: Access | None
) -> AsyncGenerator[Any]:
    """Open a session of aiohttp for an import; ``None`` for the connections of the library itself.

    Args:
        library: What was asked for. ``auto`` is aiohttp for a large file, if it can be used.
        content: The file.
        access: The server; ``None`` for a sandbox in this process, which needs no session.

    Raises:
        ConfigurationError: aiohttp was asked for, and cannot be used.
    """
    is_wanted = library == "aiohttp" or (library == "auto" and _is_worth_loading(content))
    if access is None or not is_wanted:
        yield None
        return
    try:
        session = await _open_session(access.base_url)
    except ConfigurationError:
        if library == "aiohttp":
            raise
        yield None
        return
    async with session:
        yield session


def _is_worth_loading(content: Path | Content) -> bool:
    size = content.stat().st_size if isinstance(content, Path) else content.size()
    return size >= _WORTH_LOADING


async def _open_session(base_url: str) -> Any:
    if find_spec("aiohttp") is None:
        raise ConfigurationError(
            "--http aiohttp needs an extra: pip install 'cleverreach-async[aiohttp]'"
        )
    from cleverreach_async.transport.http.aiohttp_sender import (  # noqa: PLC0415 - it is an extra
        open_session,
    )

    return await open_session(base_url)
