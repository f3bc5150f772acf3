"""ASGI applications in this process, with the checkpoints of a real socket."""

import anyio.lowlevel
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def with_checkpoints(app: ASGIApp) -> ASGIApp:
    """Wrap an application so that each receive and send yields to the event loop."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        async def slow_receive() -> Message:
            await anyio.lowlevel.checkpoint()
            return await receive()

        async def slow_send(message: Message) -> None:
            await anyio.lowlevel.checkpoint()
            await send(message)

        await app(scope, slow_receive, slow_send)

    return respond
