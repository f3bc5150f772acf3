"""A model server that holds its responses until the test releases them."""

from collections.abc import Callable

import anyio

from cleverreach_async import APIConnectionError
from cleverreach_async.transport.http.sender import Headers
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.wire import Response
from support.model_server import ModelServer, Script

__all__ = ["HeldServer"]


class HeldServer(ModelServer):
    """Executes a batch when it arrives, and responds when :meth:`release` is called.

    Args:
        script: See :class:`ModelServer`.
        holds: Returns whether the request of that number, from 0, is held; all are by default.

    Attributes:
        holds: Returns whether the request of that number is held.
        held: Requests that wait for their response.
        aborted: Requests that the client aborted.
    """

    def __init__(
        self, script: Script | None = None, *, holds: Callable[[int], bool] = lambda _: True
    ) -> None:
        super().__init__(script)
        self.holds: Callable[[int], bool] = holds
        self._arrived = 0
        self._gates: list[anyio.Event] = []
        self.aborted = 0

    @property
    def held(self) -> int:
        """Requests that wait for their response."""
        return len(self._gates)

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
        """Execute immediately, respond when released; an abort ends the wait."""
        number = self._arrived
        self._arrived += method != "GET"
        response = await super().send(
            method, url, headers=headers, content=content, timeout=timeout, stop=None
        )
        if method == "GET" or not self.holds(number):
            return response
        gate = anyio.Event()
        self._gates.append(gate)
        with anyio.CancelScope(shield=True) as scope, (stop or Stop()).cutting(scope):
            await gate.wait()
        if gate in self._gates:
            self._gates.remove(gate)
        if scope.cancelled_caught:
            self.aborted += 1
            raise APIConnectionError("aborted", sent=True)
        return response

    def stop_holding(self) -> None:
        """Release all requests, and hold no more."""
        self.holds = lambda _: False
        self.release()

    def release(self, count: int = 1_000_000) -> None:
        """Respond to the requests that have waited longest."""
        gates, self._gates = self._gates[:count], self._gates[count:]
        for gate in gates:
            gate.set()
