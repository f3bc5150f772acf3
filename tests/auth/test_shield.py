"""Work that is not interrupted, and work in the background of other work."""

import asyncio

import anyio
import anyio.lowlevel
import pytest
from anyio import wait_all_tasks_blocked

from cleverreach_async.transport.shield import alongside, uninterrupted

pytestmark = pytest.mark.anyio
on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])


class Work:
    """Work that continues on request."""

    def __init__(self, failure: BaseException | None = None) -> None:
        self.go = anyio.Event()
        self.steps: list[str] = []
        self.failure = failure

    async def __call__(self) -> str:
        """Begin, wait, end."""
        self.steps.append("begun")
        await self.go.wait()
        self.steps.append("ended")
        if self.failure is not None:
            raise self.failure
        return "result"


async def test_the_result_is_returned() -> None:
    """As if the work had been awaited."""
    work = Work()
    work.go.set()
    assert "result" == await uninterrupted(work)


@pytest.mark.parametrize("failure", [LookupError("own"), KeyboardInterrupt("own")], ids=repr)
async def test_an_error_is_raised_unchanged(failure: BaseException) -> None:
    """Neither in a group nor as a copy."""
    work = Work(failure)
    work.go.set()
    with pytest.raises(type(failure)) as caught:
        await uninterrupted(work)
    assert caught.value is failure


async def test_a_cancelled_scope_waits_for_the_end() -> None:
    """The caller is cancelled after the work has ended."""
    work = Work()
    after: list[str] = []

    async def caller() -> None:
        await uninterrupted(work)
        await anyio.lowlevel.checkpoint()  # trio raises the cancellation here
        after.append("went on")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(caller)
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await wait_all_tasks_blocked()
            assert ["begun"] == work.steps
            work.go.set()
    assert (["begun", "ended"], []) == (work.steps, after)


async def test_work_of_a_cancelled_caller_is_done() -> None:
    """Clean-up runs even when it begins after the cancellation."""
    work = Work()
    work.go.set()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await uninterrupted(work)
        await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert ["begun", "ended"] == work.steps


@on_asyncio
@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancelled_task_waits_for_the_end(times: int) -> None:
    """``Task.cancel`` cancels the caller, however often, and not the work."""
    work = Work()
    task = asyncio.create_task(uninterrupted(work))
    for _ in range(times):
        await wait_all_tasks_blocked()
        task.cancel()
    await wait_all_tasks_blocked()
    assert (False, ["begun"]) == (task.done(), work.steps)
    work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ["begun", "ended"] == work.steps


@on_asyncio
async def test_a_task_cancelled_before_it_begins_does_nothing() -> None:
    """There is nothing to protect yet."""
    work = Work()
    task = asyncio.create_task(uninterrupted(work))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [] == work.steps


@on_asyncio
async def test_a_timeout_waits_for_the_end() -> None:
    """``asyncio.timeout`` raises ``TimeoutError`` after the work has ended."""
    work = Work()

    async def caller() -> None:
        async with asyncio.timeout(0):
            await uninterrupted(work)

    task = asyncio.create_task(caller())
    await wait_all_tasks_blocked()
    assert (False, ["begun"]) == (task.done(), work.steps)
    work.go.set()
    with pytest.raises(TimeoutError):
        await task
    assert ["begun", "ended"] == work.steps


@on_asyncio
async def test_work_that_awaits_something_cancelled_raises() -> None:
    """A cancellation inside the work is the result of the work."""

    async def work() -> None:
        other = asyncio.create_task(asyncio.sleep(0))
        other.cancel()
        await other

    with pytest.raises(asyncio.CancelledError):
        await uninterrupted(work)


async def test_both_have_ended_on_return() -> None:
    """The result is that of the work. The background may take longer."""
    work, beside, got = Work(), Work(), list[str]()

    async def background() -> None:
        await beside()

    async def caller() -> None:
        got.append(await alongside(background, work))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(caller)
        await wait_all_tasks_blocked()
        assert (["begun"], ["begun"]) == (work.steps, beside.steps)
        work.go.set()
        await wait_all_tasks_blocked()
        assert [] == got
        beside.go.set()
    assert ["result"] == got


async def test_an_error_of_the_work_is_raised_unchanged() -> None:
    """After the background has ended."""
    failure = LookupError("own")
    work, beside = Work(failure), Work()
    work.go.set()
    beside.go.set()

    async def background() -> None:
        await wait_all_tasks_blocked()
        await beside()

    with pytest.raises(LookupError) as caught:
        await alongside(background, work)
    assert caught.value is failure
    assert ["begun", "ended"] == beside.steps


async def test_both_are_cancelled_together() -> None:
    """Nothing continues to run."""
    work, beside = Work(), Work()

    async def background() -> None:
        await beside()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(alongside, background, work)
            await wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert (["begun"], ["begun"]) == (work.steps, beside.steps)


@on_asyncio
async def test_both_are_cancelled_with_their_task() -> None:
    """By asyncio's own means as well."""
    work, beside = Work(), Work()

    async def background() -> None:
        await beside()

    task = asyncio.create_task(alongside(background, work))
    await wait_all_tasks_blocked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (["begun"], ["begun"]) == (work.steps, beside.steps)
