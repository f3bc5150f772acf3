"""Read larger pieces from the socket than the HTTP library asks for.

The library asks for 64 KiB at a time. The response to a batch has ten times that, and every read
passes five layers, which costs a quarter of the CPU time of such a call.

There is no public setting for this, so private parts of httpcore are replaced. Each is checked
first; where one is not as expected, the library stays as it is, and only the saving is lost.
"""

from contextlib import suppress
from inspect import iscoroutinefunction, signature, unwrap
from typing import Any, Final

__all__ = ["enable_large_reads"]

_READ_BYTES: Final = 256 * 1024


def enable_large_reads(transport: Any) -> None:
    """Let the connections of an ``httpx.AsyncHTTPTransport`` read up to 256 KiB at a time."""
    with suppress(Exception):  # private parts may change in any way
        pool = transport._pool  # noqa: SLF001
        backend = pool._network_backend  # noqa: SLF001
        if _is_async(backend.connect_tcp):
            pool._network_backend = _Backend(backend)  # noqa: SLF001


def _with_large_reads(stream: Any) -> Any:
    """Wrap a stream, unless its methods are not as expected."""
    with suppress(Exception):
        takes = [*signature(stream.read).parameters]
        if takes == ["max_bytes", "timeout"] and _is_async(stream.read, stream.start_tls):
            return _Stream(stream)
    return stream


def _is_async(*methods: Any) -> bool:
    return all(iscoroutinefunction(unwrap(method)) for method in methods)


class _Backend:
    """Opens streams with large reads."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    async def connect_tcp(self, *args: Any, **options: Any) -> Any:
        """Connect."""
        return _with_large_reads(await self._backend.connect_tcp(*args, **options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


class _Stream:
    """A stream with large reads."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has arrived."""
        received: bytes = await self._stream.read(max(max_bytes, _READ_BYTES), timeout)
        return received

    async def start_tls(self, *args: Any, **options: Any) -> Any:
        """Encrypt the stream."""
        return _with_large_reads(await self._stream.start_tls(*args, **options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
