"""Long steps of several tasks never share a pass of the event loop."""

import anyio
import anyio.lowlevel
import pytest

from cleverreach_async.bulk.turns import Turns

pytestmark = pytest.mark.anyio


async def test_no_two_steps_run_in_one_pass() -> None:
    """However many tasks are ready, another task runs between their steps."""
    turns, events = Turns(), list[str]()

    async def step() -> None:
        for _ in range(3):
            await turns.take()
            events.append("step")

    async def other() -> None:
        while True:
            await anyio.lowlevel.checkpoint()
            events.append("other")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        async with anyio.create_task_group() as steps:
            for _ in range(5):
                steps.start_soon(step)
        tasks.cancel_scope.cancel()

    assert 15 == events.count("step")
    # On trio the other task may run first in one pass, and last in the next.
    assert "stepstepstep" not in "".join(events)


async def test_a_cancelled_task_gives_up_its_turn() -> None:
    """Those behind it go on."""
    turns = Turns()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await turns.take()
    with anyio.fail_after(5):
        await turns.take()
