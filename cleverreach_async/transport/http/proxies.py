"""Proxies that the environment names."""

import urllib.request
from typing import Any
from urllib.parse import unquote, urlsplit

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.http.library import httpcore
from cleverreach_async.transport.http.tls import tls_context

__all__ = ["ProxyConnection", "environment_proxy"]


def environment_proxy(base_url: str) -> str | None:
    """Return the proxy for a server from ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``."""
    server = urlsplit(base_url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(server.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(server.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


class ProxyConnection:
    """A connection through a proxy.

    httpcore opens such connections only in pools of its own. So this is a pool of one.

    Args:
        proxy: URL of the proxy, with a user and a password if it asks for them.
        options: What each connection gets.

    Raises:
        ConfigurationError: The proxy cannot be used.
    """

    def __init__(self, proxy: str, **options: Any) -> None:
        try:
            self._pool = _pool_over(proxy, options)
        except (RuntimeError, ValueError) as error:
            raise ConfigurationError(
                f"the proxy set in the environment cannot be used: {type(error).__name__}; check "
                "HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, and install httpx[socks] for SOCKS"
            ) from None

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request and return the response, whose body is not read yet."""
        return await self._pool.handle_async_request(request)

    def is_idle(self) -> bool:
        """Whether it is open and takes a request."""
        connections = self._pool.connections
        return bool(connections) and all(it.is_idle() for it in connections)

    def has_expired(self) -> bool:
        """Whether it was unused for long, or closed by the other side."""
        return any(it.has_expired() for it in self._pool.connections)

    async def aclose(self) -> None:
        """Close it."""
        await self._pool.aclose()


def _pool_over(proxy: str, options: dict[str, Any]) -> httpcore.AsyncConnectionPool:
    parts = urlsplit(proxy)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    scheme = parts.scheme.removesuffix("h")
    if scheme not in {"http", "https", "socks5"} or not parts.hostname:
        raise ValueError(scheme)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    url = f"{scheme}://{host}" + (f":{parts.port}" if parts.port else "")
    options |= {
        "proxy_url": url,
        "proxy_auth": (user, password) if user or password else None,
        "max_connections": 1,
    }
    if scheme == "socks5":
        return httpcore.AsyncSOCKSProxy(**options)
    context = tls_context() if scheme == "https" else None
    return httpcore.AsyncHTTPProxy(**options, proxy_ssl_context=context)
