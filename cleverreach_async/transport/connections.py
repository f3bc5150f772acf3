"""The connections that a client shares with its siblings, and their lifetime."""

import anyio.lowlevel

from cleverreach_async.errors import ClientClosedError
from cleverreach_async.transport.http.sender import Headers, Sender
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.wire import Response

__all__ = ["Connections"]


class Connections:
    """A sender that refuses to work after it was closed, and in a second event loop.

    Args:
        sender: Owner of the connections.

    Attributes:
        state: ``unopened``, ``open`` or ``closed``.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._loop: object = None
        self.state: str = "unopened"

    def check(self) -> None:
        """Check that the connections can be used in the running event loop.

        Raises:
            ClientClosedError: They are closed or belong to another event loop.
        """
        if self.state == "closed":
            raise ClientClosedError("the client is closed; make a new one")
        loop = anyio.lowlevel.current_token()
        if self._loop is None:
            self._loop = loop
            self.state = "open"
        elif self._loop != loop:
            raise ClientClosedError(
                "the client belongs to another event loop; make one inside each asyncio.run() or "
                "anyio.run()"
            )

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
        self.check()
        return await self._sender.send(
            method, url, headers=headers, content=content, timeout=timeout, stop=stop
        )

    async def aclose(self) -> None:
        """Close the connections; a second call does nothing."""
        if self.state != "closed":
            self.state = "closed"
            await self._sender.aclose()
