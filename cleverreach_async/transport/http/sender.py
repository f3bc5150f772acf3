"""What the layers above need of an HTTP library."""

from collections.abc import Sequence
from typing import Protocol

from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.wire import Response

__all__ = ["Headers", "Sender"]

Headers = Sequence[tuple[str, str]]


class Sender(Protocol):
    """Sends one request and returns its response, whatever the status."""

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
        """Send one request and return its response.

        Args:
            method: HTTP method.
            url: Absolute URL.
            headers: All headers but ``Host`` and ``Content-Length``.
            content: Body bytes.
            timeout: Seconds from connecting to the last byte; ``None`` for no deadline.
            stop: Its abort cuts the exchange off.

        Raises:
            APITimeoutError: The deadline passed.
            APIConnectionError: There is no usable response.
        """
        ...

    async def aclose(self) -> None:
        """Close what this sender opened."""
        ...
