"""Choose the HTTP library."""

from typing import Any

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.http.httpx_sender import HttpxSender, is_httpx_client
from cleverreach_async.transport.http.sender import Sender

__all__ = ["asgi_client", "make_sender"]


def make_sender(http_client: Any, *, base_url: str, max_connections: int) -> Sender:
    """Return a sender over the user's own client, or over connections of its own.

    Args:
        http_client: The user's, or ``None``.
        base_url: The server's root.
        max_connections: Most connections at a time; ignored with ``http_client``.

    Raises:
        ConfigurationError: ``http_client`` is of no known kind, or the environment names a proxy
            or an HTTP library that cannot be used.
    """
    # Each library is loaded only where it is needed.
    if http_client is None:
        from cleverreach_async.transport.http.pooled_sender import PooledSender  # noqa: PLC0415

        return PooledSender(base_url=base_url, max_connections=max_connections)
    if is_httpx_client(http_client):
        return HttpxSender(http_client)
    if _library_of(http_client) == "aiohttp":
        from cleverreach_async.transport.http.aiohttp_sender import (  # noqa: PLC0415
            AiohttpSender,
            is_session,
        )

        if is_session(http_client):
            return AiohttpSender(http_client)
    raise ConfigurationError(
        "http_client must be an httpx.AsyncClient, an httpx2.AsyncClient or an"
        f" aiohttp.ClientSession, not {type(http_client).__name__}"
    )


def _library_of(client: object) -> str:
    return type(client).__module__.partition(".")[0]


def asgi_client(app: Any) -> Any:
    """Return a client that calls an ASGI application in this process, without a socket.

    Raises:
        ConfigurationError: The environment names an HTTP library that cannot be used.
    """
    from cleverreach_async.transport.http.library import load_httpx  # noqa: PLC0415

    httpx = load_httpx()
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app))
