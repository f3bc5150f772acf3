"""Send requests over a session of aiohttp that the user made. Only imported for one."""

import asyncio
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import anyio.to_thread
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from cleverreach_async.errors import ClientClosedError, ConfigurationError
from cleverreach_async.transport.http.bodies import read_response
from cleverreach_async.transport.http.exchange import (
    Failures,
    check_open,
    connect_seconds,
    exchange,
)
from cleverreach_async.transport.http.proxies import environment_proxy
from cleverreach_async.transport.http.sender import Headers
from cleverreach_async.transport.http.tls import tls_context
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.wire import Response

__all__ = ["AiohttpSender", "is_session", "open_session"]

_FAILURES: Final = Failures(
    not_connected=(
        aiohttp.ClientConnectorError,
        aiohttp.ClientHttpProxyError,
        aiohttp.NonHttpUrlClientError,
    ),
    not_connected_in_time=(aiohttp.ConnectionTimeoutError,),
    timeout=TimeoutError,
)


def is_session(client: object) -> bool:
    """Whether it is a session of aiohttp."""
    return isinstance(client, aiohttp.ClientSession)


async def open_session(base_url: str) -> aiohttp.ClientSession:
    """Open a session with the proxy and the certificates of the environment, for the command.

    Args:
        base_url: The server's root.

    Raises:
        ConfigurationError: The environment names certificates that cannot be read, or a proxy that
            aiohttp cannot use.
    """
    proxy = environment_proxy(base_url)
    if proxy is not None and urlsplit(proxy).scheme not in {"http", "https"}:
        raise ConfigurationError("aiohttp cannot use the proxy of the environment; use httpx")
    context = await anyio.to_thread.run_sync(tls_context)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), proxy=proxy)


class AiohttpSender:
    """Sends over the user's session, which is never closed or changed. It needs asyncio.

    Its proxies, TLS settings, default headers, cookies and middlewares apply; its own
    authentication, redirects, retries and time limits do not.

    Args:
        session: The session.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Headers,
        content: bytes,
        timeout: float | None,
        stop: Stop | None = None,
    ) -> Response:
        """See :meth:`Sender.send`."""
        check_open(is_closed=self._session.closed)
        self._check_loop()
        connect = connect_seconds(timeout)
        options: dict[str, Any] = {
            **self._with_headers(headers),
            "data": _SentOnce(content),
            "skip_auto_headers": ("Content-Type",),
            "allow_redirects": False,
            "auto_decompress": False,
            "raise_for_status": False,
            "timeout": aiohttp.ClientTimeout(total=None, sock_connect=connect),
        }

        async def respond() -> Response:
            async with self._session.request(method, url, **options) as response:
                return await read_response(
                    response.status, response.headers.items(), response.content.iter_any()
                )

        return await exchange(respond, _FAILURES, url, timeout, stop=stop)

    def _check_loop(self) -> None:
        """Check that the session belongs to the running event loop, before it sends anything.

        Raises:
            ConfigurationError: There is none of asyncio.
            ClientClosedError: It belongs to another one.
        """
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is None:
            raise ConfigurationError("aiohttp needs asyncio; on trio pass an httpx.AsyncClient")
        session: Any = self._session
        if getattr(session, "_loop", running) is not running:
            raise ClientClosedError(
                "the http_client belongs to another event loop; make one inside each asyncio.run()"
            )

    def _with_headers(self, headers: Headers) -> dict[str, Any]:
        """Return the options with the headers, so that the session authenticates nothing itself.

        aiohttp refuses a request that has a header and credentials of the session or of netrc.
        """
        session: Any = self._session
        if not (session.auth or session.trust_env):
            return {"headers": headers}
        ours = [value for name, value in headers if name == "authorization"]

        async def authorize(request: Any, send: Any) -> Any:
            request.headers.popall("Authorization", None)
            for value in ours:
                request.headers.add("Authorization", value)
            return await send(request)

        return {
            "headers": [it for it in headers if it[0] != "authorization"],
            "middlewares": (authorize, *getattr(session, "_middlewares", ())),
        }

    async def aclose(self) -> None:
        """Do nothing: whoever made the session closes it."""


class _SentOnce(Payload):
    """A body that aiohttp does not send a second time on its own.

    It would do so with ``GET``, ``PUT`` and ``DELETE`` when a connection breaks. Whether a request
    may be repeated is decided in one place, and not here.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._content = content

    def __bool__(self) -> bool:
        """Whether there is something to write, for which aiohttp starts a task."""
        return bool(self._content)

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self._content)

    @property
    def consumed(self) -> bool:
        """Whether it must not be sent again."""
        return True

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return it as text."""
        return self._content.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send it."""
        await writer.write(self._content)
