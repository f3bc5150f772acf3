"""Applications in this process, made a little more like those behind a socket."""

import anyio.lowlevel
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def with_checkpoints(app: ASGIApp) -> ASGIApp:
    """Let an application give way to the event loop wherever a socket would."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        async def slow_receive() -> Message:
            await anyio.lowlevel.checkpoint()
            return await receive()

        async def slow_send(message: Message) -> None:
            await anyio.lowlevel.checkpoint()
            await send(message)

        await app(scope, slow_receive, slow_send)

    return respond
