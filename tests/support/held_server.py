"""A model server that keeps its answers back until the test says so."""

from collections.abc import Callable

import anyio

from cleverreach_async import APIConnectionError
from cleverreach_async.transport.http import Headers
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.wire import Response
from support.model_server import ModelServer, Script

__all__ = ["HeldServer"]


class HeldServer(ModelServer):
    """Executes a batch when it arrives, and answers it when :meth:`release` is called.

    Args:
        script: See :class:`ModelServer`.
        holds: Numbers of the requests that are held; all by default.

    Attributes:
        holds: Tells by its number whether a request is held.
        held: Requests that wait for their response.
        cut: Requests that the client broke off.
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
        """Execute at once, response late; an abort cuts the wait."""
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
            raise APIConnectionError("broken off", sent=True)
        return response

    def stop_holding(self) -> None:
        """Hold nothing any more."""
        self.holds = lambda _: False
        self.release()

    def release(self, count: int = 1_000_000) -> None:
        """Answer the requests that have waited longest."""
        gates, self._gates = self._gates[:count], self._gates[count:]
        for gate in gates:
            gate.set()
