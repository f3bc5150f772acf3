"""Larger reads from the socket than the HTTP library asks for.

It asks for 64 KiB at a time. An answer to a batch has ten times that, and every read costs a turn
through five layers: a quarter of the CPU time of such a call.
"""

from typing import Any, Final, Self

__all__ = ["read_more"]

_BYTES: Final = 256 * 1024


def read_more(transport: Any) -> None:
    """Let the connections of a transport read what has arrived, up to 256 KiB.

    Nothing public says how; where it is not as expected, all stays as it is.
    """
    pool = getattr(transport, "_pool", None)
    backend = getattr(pool, "_network_backend", None)
    if pool is not None and backend is not None:
        pool._network_backend = _Backend(backend)  # noqa: SLF001 - see above


class _Backend:
    """Opens streams that read more."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    async def connect_tcp(self, *args: Any, **options: Any) -> "_Stream":
        """Connect."""
        return _Stream(await self._backend.connect_tcp(*args, **options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


class _Stream:
    """A stream that reads more."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has arrived."""
        received: bytes = await self._stream.read(max(max_bytes, _BYTES), timeout)
        return received

    async def start_tls(self, *args: Any, **options: Any) -> Self:
        """Encrypt the stream."""
        return type(self)(await self._stream.start_tls(*args, **options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
