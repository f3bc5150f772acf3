"""Sockets for httpcore: large reads, and TLS that reads all that has arrived at once.

httpcore asks for 64 KiB at a time, and TLS hands over records of 16 KiB. The response to a batch
has ten times that, and each read passes several layers.

The exchange as a whole has a deadline. So reading and writing have none here, but connecting has.
"""

import select
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

from cleverreach_async.transport.http.library import httpcore

__all__ = ["NetworkBackend", "NetworkStream"]

T = TypeVar("T")

_READ_BYTES: Final = 256 * 1024
_RECORD_BYTES: Final = 16 * 1024
_BROKEN: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError)


class NetworkBackend(httpcore.AsyncNetworkBackend):
    """Opens sockets for httpcore, on asyncio and on trio."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a server.

        Raises:
            httpcore.ConnectTimeout: It took longer than ``timeout`` seconds.
            httpcore.ConnectError: It is not possible.
        """
        stream = await _connecting(
            lambda: anyio.connect_tcp(host, port, local_host=local_address), timeout
        )
        raw_socket = stream.extra(SocketAttribute.raw_socket)
        for option in socket_options or ():
            raw_socket.setsockopt(*option)
        return NetworkStream(stream)

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await anyio.sleep(seconds)


async def _connecting(connect: Callable[[], Awaitable[T]], timeout: float | None) -> T:
    try:
        with anyio.fail_after(timeout):
            return await connect()
    except TimeoutError as error:
        raise httpcore.ConnectTimeout(str(error)) from error
    except (OSError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
        raise httpcore.ConnectError(str(error)) from error


class NetworkStream(httpcore.AsyncNetworkStream):
    """An open connection."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._tls: ssl.SSLObject | None = stream.extra(TLSAttribute.ssl_object, None)
        self._socket = stream.extra(SocketAttribute.raw_socket, None)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has arrived, and nothing at the end.

        Raises:
            httpcore.ReadError: The connection is broken.
        """
        del max_bytes, timeout
        try:
            received = await self._stream.receive(_READ_BYTES)
        except anyio.EndOfStream:
            return b""
        except _BROKEN as error:
            raise httpcore.ReadError(str(error)) from error
        return received if self._tls is None else _with_further_records(self._tls, received)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes.

        Raises:
            httpcore.WriteError: The connection is broken.
        """
        del timeout
        if not buffer:
            return
        try:
            await self._stream.send(buffer)
        except _BROKEN as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Encrypt the connection.

        Raises:
            httpcore.ConnectTimeout: It took longer than ``timeout`` seconds.
            httpcore.ConnectError: The certificate is invalid, or the server speaks no TLS.
        """
        plain = _LargeReceives(self._stream)
        try:
            stream = await _connecting(
                lambda: TLSStream.wrap(
                    plain,
                    ssl_context=ssl_context,
                    hostname=server_hostname,
                    standard_compatible=False,
                    server_side=False,
                ),
                timeout,
            )
        except BaseException:  # cancellations too: nobody else knows the socket
            with anyio.CancelScope(shield=True):
                await self.aclose()
            raise
        return NetworkStream(stream)

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks for: the TLS object, or whether something has arrived."""
        if info == "ssl_object":
            return self._tls
        if info == "is_readable":
            return _is_readable(self._socket)
        return None


class _LargeReceives(ByteStream):
    """Receives more at a time than TLS asks for."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """Those of the stream."""
        stream: Any = self._stream
        attributes: Mapping[Any, Callable[[], Any]] = stream.extra_attributes
        return attributes

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Receive what has arrived."""
        return await self._stream.receive(max(max_bytes, _READ_BYTES))

    async def send(self, item: bytes) -> None:
        """Send bytes."""
        await self._stream.send(item)

    async def send_eof(self) -> None:
        """Say that nothing follows."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()


def _with_further_records(tls: ssl.SSLObject, received: bytes) -> bytes:
    """Return a record and those after it that have arrived already."""
    records = [received]
    size = len(received)
    while size < _READ_BYTES:
        try:
            record = tls.read(_RECORD_BYTES)
        except ssl.SSLError:
            break  # none is left, or the next read meets the same error
        if not record:
            break
        records.append(record)
        size += len(record)
    return b"".join(records) if len(records) > 1 else received


def _is_readable(raw_socket: Any) -> bool:
    """Whether something has arrived on an idle connection, which can only be its end."""
    number = -1 if raw_socket is None else raw_socket.fileno()
    if number < 0:
        return True
    if sys.platform == "win32":
        return bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))
