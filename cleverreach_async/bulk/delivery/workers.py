"""The workers of an import: each delivers one batch after another."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import anyio
import anyio.abc
import attrs
from anyio.streams.memory import MemoryObjectReceiveStream

from cleverreach_async.bulk.delivery.delivery import Delivery
from cleverreach_async.bulk.outcomes.accounting import Accounting
from cleverreach_async.bulk.outcomes.batch_result import BatchResult
from cleverreach_async.bulk.rows import Batch
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.stop import Stop, StopRequestedError

__all__ = ["Workers"]


@attrs.define(kw_only=True, eq=False)
class Workers:
    """A pool of workers, one per batch that may be held at a time.

    A batch is held while it is in flight, waits for a permit, or waits for a retry; that bounds
    memory.

    Attributes:
        delivery: Sends a batch and decides the result of every row.
        accounting: Records the results.
        batches: The batches.
        stop: Stops the import.
        clock: Source of time.
        count: Number of workers.
        drain: Seconds that a stop leaves to requests in flight.
        canary: Whether nothing else is sent before the first batch has a result.
        delivering: Batches being delivered now.
    """

    delivery: Delivery
    accounting: Accounting
    batches: MemoryObjectReceiveStream[Batch]
    stop: Stop
    clock: Clock
    count: int
    drain: float
    canary: bool = False
    delivering: int = attrs.field(default=0, init=False)
    _running: int = attrs.field(default=0, init=False)
    _has_first: bool = attrs.field(default=False, init=False)
    _first_done: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _in_order: anyio.Lock = attrs.field(factory=anyio.Lock, init=False)
    _tasks: anyio.abc.TaskGroup | None = attrs.field(default=None, init=False)
    _all_ended: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _drain_scope: anyio.CancelScope = attrs.field(
        factory=lambda: anyio.CancelScope(shield=True), init=False
    )

    def start(
        self,
        tasks: anyio.abc.TaskGroup,
        *,
        on_taken: Callable[[Batch], None],
        on_done: Callable[[Batch], None],
    ) -> None:
        """Start the workers.

        Args:
            tasks: Runs them.
            on_taken: Called when a worker has taken a batch.
            on_done: Called when every row of a batch has a result.
        """
        self._tasks = tasks
        self._running = self.count
        self.stop.on_request(self._abort_after_drain)
        for _ in range(self.count):
            tasks.start_soon(self._work, self.batches.clone(), on_taken, on_done)
        self.batches.close()

    async def wait(self) -> None:
        """Wait until all workers have ended, which they do when no more batches are sent."""
        await self._all_ended.wait()

    async def _work(
        self,
        batches: MemoryObjectReceiveStream[Batch],
        on_taken: Callable[[Batch], None],
        on_done: Callable[[Batch], None],
    ) -> None:
        try:
            # Shielded: after a cancellation the import stops in order, and no result is lost.
            with anyio.CancelScope(shield=True), batches:
                async for batch in batches:
                    is_first, self._has_first = not self._has_first, True
                    with self._errors():
                        on_taken(batch)
                        await self._deliver(batch, is_first=is_first)
                        on_done(batch)
                        self.accounting.emit_progress()
                    del batch  # else its rows stay in memory until the next one is there
                    if is_first:
                        self._first_done.set()
        finally:
            self._worker_ended()

    def _worker_ended(self) -> None:
        self._running -= 1
        if not self._running:
            self._drain_scope.cancel()
            self.accounting.results.end()
            self._all_ended.set()

    async def _deliver(self, batch: Batch, *, is_first: bool) -> None:
        """Deliver a batch; an error stops the import but never the accounting."""
        accounting = self.accounting
        result, has_begun = BatchResult(), False
        try:
            with self._errors():
                if self.canary and not is_first:
                    await self._wait_for_first()
                if not self.stop.requested:
                    self.delivery.begin(batch, result)
                    has_begun = True
                    self.delivering += 1
                    await accounting.checkpoint.record_sending(batch)
                    await self.delivery.deliver(batch, result)
                    accounting.report.batches += 1
        finally:
            self.delivering -= has_begun
            with self._errors():
                accounting.record(batch, result)
        if not has_begun:
            return  # what an earlier run has written about these rows is still valid
        with self._errors():
            await accounting.checkpoint.record(batch, result)

    async def _wait_for_first(self) -> None:
        """Wait until the first batch has a result: a mistake in all rows shows in it.

        Meanwhile other workers take batches, so that they can be sent immediately after it, in the
        order of their rows: an event would wake them in any.

        Raises:
            StopRequestedError: The import is to stop.
        """
        with self.stop.ending_waits():
            async with self._in_order:
                await self._first_done.wait()

    @contextmanager
    def _errors(self) -> Generator[None, None, None]:
        """Let an error of the block end the import in order.

        Workers are shielded, so a cancellation comes from code of the caller, such as a callback or
        a token store. It would end only this worker, and nobody would notice.
        """
        try:
            yield
        except StopRequestedError:
            pass
        except Exception as error:  # noqa: BLE001 - any error ends the import in order
            self.accounting.fail(error)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - as above
            name = type(error).__name__
            failure = RuntimeError(f"{name} came out of a callback, a token store or other code")
            failure.__cause__ = error
            self.accounting.fail(failure)

    def _abort_after_drain(self) -> None:
        if self._tasks is not None and self._running and not self.stop.aborted:
            self._tasks.start_soon(self._abort_later)

    async def _abort_later(self) -> None:
        with self._drain_scope:
            await self.clock.sleep(self.drain)
            self.stop.abort()
