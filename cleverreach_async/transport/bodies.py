"""Read the body of a response from an HTTP library, up to a limit."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

import anyio.lowlevel

from cleverreach_async.errors import APIConnectionError
from cleverreach_async.transport.decompression import ContentError, Decompressor, codings_of
from cleverreach_async.transport.wire import Response

__all__ = ["read_response"]

MAX_RESPONSE_BYTES: Final = 64 * 1024 * 1024
_LARGE: Final = 1024 * 1024
_STEPS_AT_ONCE: Final = 4
"""Steps of decompression, of 256 KiB at most, before other tasks run."""


async def read_response(response: Any) -> Response:
    """Read and decompress the body of a response of httpx or httpx2, and close it.

    Raises:
        APIConnectionError: The body is too large, damaged, or compressed in an unknown way.
    """
    headers = {name.lower(): value for name, value in response.headers.items()}
    try:
        chunks = [chunk async for chunk in _chunks(response, headers)]
    except ContentError as error:
        problem = str(error)
    else:
        content = b"".join(chunks)
        if len(content) > _LARGE:  # what follows goes through all of it once more
            await anyio.lowlevel.checkpoint()
        return Response(response.status_code, headers, content)
    finally:
        await response.aclose()
    raise APIConnectionError(problem, sent=True)


async def _chunks(response: Any, headers: dict[str, str]) -> AsyncIterator[bytes]:
    if response.is_stream_consumed:
        # A hook of the user's client has read it, or a mocked transport has made it.
        is_read, codings = True, list[str]()
    else:
        is_read, codings = False, codings_of(headers.get("content-encoding", ""))
    decompressor = Decompressor(codings, MAX_RESPONSE_BYTES)
    async with aclosing(response.aiter_bytes() if is_read else response.aiter_raw()) as received:
        async for chunk in received:
            for step, piece in enumerate(decompressor.feed(chunk), start=1):
                yield piece
                if not step % _STEPS_AT_ONCE:
                    await anyio.lowlevel.checkpoint()
    decompressor.finish()
