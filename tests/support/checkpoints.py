"""Cancel a call at a chosen checkpoint, where it yields to the event loop."""

import types
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, TypeVar

import anyio

__all__ = ["cancelled_at", "counted"]

T = TypeVar("T")


@types.coroutine
def counted(
    call: Coroutine[Any, Any, T], on_checkpoint: Callable[[int], object]
) -> Generator[Any, Any, T]:
    """Run a coroutine; ``on_checkpoint`` is called at each checkpoint, with 1, 2, 3 and so on."""
    step: Callable[[], Any] = partial(call.send, None)
    number = 0
    while True:
        try:
            trap = step()
        except StopIteration as end:
            result: T = end.value
            return result
        number += 1
        on_checkpoint(number)
        try:
            sent = yield trap
        except BaseException as error:  # noqa: BLE001 - raised inside, as the event loop does
            step = partial(call.throw, error)
        else:
            step = partial(call.send, sent)


async def cancelled_at(number: int, call: Coroutine[Any, Any, object]) -> bool:
    """Cancel the scope of a call at the checkpoint of that number.

    Returns:
        Whether the call reached it.
    """
    reached = False
    with anyio.CancelScope() as scope:

        def cancel(checkpoint: int) -> None:
            nonlocal reached
            if checkpoint == number:
                reached = True
                scope.cancel()

        await counted(call, cancel)
    return reached
