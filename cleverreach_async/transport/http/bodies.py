"""Read the body of a response from an HTTP library, up to a limit."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from typing import Any, Final

import anyio.lowlevel

from cleverreach_async.errors import APIConnectionError
from cleverreach_async.transport.http.decompression import ContentError, Decompressor, codings_of
from cleverreach_async.transport.wire import Response

__all__ = ["read_response"]

MAX_RESPONSE_BYTES: Final = 64 * 1024 * 1024
_LARGE: Final = 1024 * 1024
_STEPS_AT_ONCE: Final = 4
"""Steps of decompression, of 256 KiB at most, before other tasks run."""


async def read_response(
    status_code: int,
    headers: Iterable[tuple[str, str]],
    chunks: AsyncIterable[bytes],
    *,
    is_decompressed: bool = False,
) -> Response:
    """Read and decompress the body of a response.

    Args:
        status_code: HTTP status.
        headers: The response's.
        chunks: The body as it arrives.
        is_decompressed: Whether the library or the user has decompressed the chunks.

    Raises:
        APIConnectionError: The body is too large, damaged, or compressed in an unknown way.
    """
    by_name = {name.lower(): value for name, value in headers}
    received = pieces = aiter(chunks)
    try:
        codings = [] if is_decompressed else codings_of(by_name.get("content-encoding", ""))
        if codings:
            pieces = _decompressed(received, codings)
        content = await _joined(pieces)
    except ContentError as error:
        problem = str(error)
    else:
        if len(content) > _LARGE:  # what follows goes through all of it once more
            await anyio.lowlevel.checkpoint()
        return Response(status_code, by_name, content)
    await _end(received)
    raise APIConnectionError(problem, sent=True)


async def _joined(pieces: AsyncIterator[bytes]) -> bytes:
    size = 0
    joined: list[bytes] = []
    async for piece in pieces:
        size += len(piece)
        if size > MAX_RESPONSE_BYTES:
            raise ContentError(f"the response is larger than {MAX_RESPONSE_BYTES} bytes")
        joined.append(piece)
    return b"".join(joined)


async def _decompressed(received: AsyncIterator[bytes], codings: list[str]) -> AsyncIterator[bytes]:
    decompressor = Decompressor(codings, MAX_RESPONSE_BYTES)
    async for chunk in received:
        for step, piece in enumerate(decompressor.feed(chunk), start=1):
            yield piece
            if not step % _STEPS_AT_ONCE:
                await anyio.lowlevel.checkpoint()
    decompressor.finish()


async def _end(received: Any) -> None:
    """Close an asynchronous generator of a library, which may still be suspended."""
    with suppress(AttributeError):
        await received.aclose()
