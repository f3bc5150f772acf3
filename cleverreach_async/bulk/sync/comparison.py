"""Compare a source with the state, and pass new and changed rows to two imports."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

import anyio
import anyio.lowlevel
import attrs

from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.intake.preparation import Preparation
from cleverreach_async.bulk.intake.reading import Source, read_source
from cleverreach_async.bulk.intake.slices import SliceLimit
from cleverreach_async.bulk.outcomes.rejects import RejectsFile
from cleverreach_async.bulk.rows import EncodedRow, Outcome, RowResult
from cleverreach_async.bulk.run import ImportRun
from cleverreach_async.bulk.strategies import find_strategy
from cleverreach_async.bulk.sync.report import SyncReport
from cleverreach_async.bulk.sync.selection import Selected, Selection
from cleverreach_async.bulk.sync.state import SyncState
from cleverreach_async.bulk.sync.unsendable import Unsendable
from cleverreach_async.bulk.threads import to_end_in_thread
from cleverreach_async.errors import SyncStateError
from cleverreach_async.resources.times import EARLIEST
from cleverreach_async.sources.rows import Item
from cleverreach_async.transport.stop import StopRequestedError

__all__ = ["Comparison"]

T = TypeVar("T")

_ROWS_AT_ONCE: Final = 1000
_ACCEPTED_AT_ONCE: Final = 500
_DONE: Final = frozenset({Outcome.ACCEPTED, Outcome.SUPERSEDED})
"""A superseded row changes nothing: the later one fills all its fields."""


@attrs.frozen
class _Row:
    """A row that was passed to an import.

    Attributes:
        number: Its number in the source.
        item: The row as the source yielded it.
        selected: What is new about it; ``None`` if it cannot be sent.
    """

    number: int
    item: Item
    selected: Selected | None


@attrs.define(eq=False)
class _Stream:
    """An import, and its rows that have no result yet, by their numbers there."""

    run: ImportRun
    rows: dict[int, _Row] = attrs.field(factory=dict[int, _Row])
    count: int = 0

    async def put(self, row: _Row) -> None:
        """Pass a row on."""
        self.count += 1
        self.rows[self.count] = row
        await self.run.put(row.item)


class Comparison:
    """Reads a source, leaves out the rows that have not changed, and records what is accepted.

    Args:
        state: The state.
        report: The counters.
        rejects: File for rows that were not accepted, opened.
        limit: How many rows are encoded at once.
        on_progress: Called with the report from time to time.
    """

    def __init__(
        self,
        state: SyncState,
        report: SyncReport,
        *,
        rejects: RejectsFile,
        limit: SliceLimit,
        on_progress: Callable[[SyncReport], None] | None,
    ) -> None:
        self.selection: Selection = Selection(state)
        self.unsendable: Unsendable = Unsendable()
        self.failure: Exception | None = None
        self._state = state
        self._report = report
        self._rejects = rejects
        self._limit = limit
        self._on_progress = on_progress
        self._turn = anyio.Lock()
        self._duplicates = 0
        # The same row gives the same bytes every night, whatever the time.
        self._encoder = Encoder(
            Preparation(strategy=find_strategy("insert"), now=EARLIEST, deactivates=True)
        )
        self._additions: _Stream
        self._changes: _Stream
        self._items: list[Item] = []
        self._rows: list[EncodedRow] = []

    async def run(
        self,
        source: Source,
        before_rows: Callable[[], Awaitable[None]],
        *,
        additions: ImportRun,
        changes: ImportRun,
    ) -> None:
        """Compare all rows; returns when each has a result, or an import has stopped.

        Args:
            source: The rows.
            before_rows: Awaited when the first rows are read.
            additions: The import of new rows, by ``insert``.
            changes: The import of changed rows, by ``update``.
        """
        self._report.additions, self._report.changes = additions.report, changes.report
        self._additions, self._changes = _Stream(additions), _Stream(changes)
        all_added = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow, self._additions, self._added, all_added)
            tasks.start_soon(self._follow, self._changes, self._changed, anyio.Event())
            with suppress(StopRequestedError):  # the import that stopped raises the reason
                await self._read(source, before_rows)
            await self._additions.run.end()
            await all_added.wait()  # duplicates become changes
            await self._changes.run.end()

    def refresh(self) -> None:
        """Update the counters from those of the imports."""
        report, added, changed = self._report, self._report.additions, self._report.changes
        report.added, report.changed = added.accepted, changed.accepted
        report.gone = changed.reasons.get("not_found", 0)
        report.rejected = added.rejected - self._duplicates + changed.rejected - report.gone
        for name in ("unknown", "superseded", "excluded", "pending"):
            setattr(report, name, getattr(added, name) + getattr(changed, name))
        report.pending += len(self._items)

    async def _read(self, source: Source, before_rows: Callable[[], Awaitable[None]]) -> None:
        items: list[Item] = []
        is_first = True

        async def take() -> None:
            nonlocal is_first
            if is_first:
                is_first = False
                await before_rows()
            await self._take(items)

        try:
            await read_source(source, items, take, self._limit)
        except StopRequestedError:
            raise
        except Exception as error:  # noqa: BLE001 - what was read before it is delivered
            self.failure = self.failure or error
            await self._take(items)
        await self._compare()

    async def _take(self, items: list[Item]) -> None:
        """Encode a slice of rows, whose numbers are their places in the portion."""
        limit, place = self._limit, len(self._items)
        limit.start()
        rows, refused = self._encoder.encode(items, range(place, place + len(items)))
        for result in refused:
            self.unsendable.add(items[result.row - place], result.code)
        self._items += items
        self._rows += rows
        self._report.read += len(items)
        limit.stop(len(items))
        items.clear()
        if len(self._items) >= _ROWS_AT_ONCE:
            await self._compare()
        elif limit.must_yield:
            await anyio.lowlevel.checkpoint()
            limit.yielded()

    async def _compare(self) -> None:
        """Pass on the rows of the portion that have changed, and those that cannot be sent."""
        rows, items, self._rows = self._rows, self._items, []
        try:
            selected = await self._in_state(partial(self._select, rows))
        except SyncStateError as error:
            self._fail(error)
            raise StopRequestedError from error
        changed = {it.place: it for it in selected}
        unsendable = {*range(len(items))}.difference([row.number for row in rows])
        first = self._report.read - len(items) + 1
        self._report.unchanged += len(rows) - len(selected)
        passed = sorted(unsendable.union(changed))
        self._items = [items[at] for at in passed]  # they are pending until they are passed on
        for at in passed:
            row = _Row(first + at, self._items.pop(0), changed.get(at))
            is_known = row.selected is not None and row.selected.is_known
            await (self._changes if is_known else self._additions).put(row)
        self._tell()

    def _select(self, rows: Sequence[EncodedRow]) -> list[Selected]:
        self.selection.see(self.unsendable.take_keys())
        return self.selection.select(rows)

    async def _follow(
        self,
        stream: _Stream,
        settle: Callable[[_Row, RowResult], Awaitable[bool]],
        ended: anyio.Event,
    ) -> None:
        """Record the results of an import.

        Args:
            stream: The import.
            settle: Returns whether a row that was not accepted is done all the same.
            ended: Set at the end.
        """
        accepted: list[tuple[bytes, bytes]] = []
        async for result in stream.run.results(until_end=True):
            row = stream.rows.pop(result.row)
            is_done = result.outcome in _DONE or await settle(row, result)
            if is_done and row.selected is not None:
                accepted.append((row.selected.address, row.selected.content))
            if len(accepted) >= _ACCEPTED_AT_ONCE:
                await self._accept(accepted)
                self._tell()
        await self._accept(accepted)
        ended.set()

    async def _added(self, row: _Row, result: RowResult) -> bool:
        """Pass on what the group has already, as a change."""
        if result.code == "duplicate" and row.selected is not None:
            self._duplicates += 1
            with suppress(StopRequestedError):  # then it is pending there
                await self._changes.put(row)
            return False
        self._reject(row, result)
        return False

    async def _changed(self, row: _Row, result: RowResult) -> bool:
        """Leave alone whoever was removed from the group, until the row changes again."""
        if result.code == "not_found":
            return True
        self._reject(row, result)
        return False

    def _reject(self, row: _Row, result: RowResult) -> None:
        if self.failure is None:
            try:
                self._rejects.write([attrs.evolve(result, row=row.number)])
            except Exception as error:  # noqa: BLE001 - ends the run in order
                self._fail(error)

    async def _accept(self, rows: list[tuple[bytes, bytes]]) -> None:
        """Record accepted rows. After a failure nothing is recorded: the rows are sent again."""
        if rows and not isinstance(self.failure, SyncStateError):
            try:
                await self._in_state(partial(self._state.accept, rows.copy()))
            except SyncStateError as error:
                self._fail(error)
        rows.clear()

    def _fail(self, error: Exception) -> None:
        self.failure = self.failure or error
        for stream in (self._additions, self._changes):
            stream.run.stop(str(error))

    def _tell(self) -> None:
        if self._on_progress is None:
            return
        self.refresh()
        try:
            self._on_progress(self._report)
        except Exception as error:  # noqa: BLE001 - ends the run in order
            self._fail(error)

    async def _in_state(self, call: Callable[[], T]) -> T:
        """Call a method of the state in a worker thread, one at a time."""
        async with self._turn:
            return await to_end_in_thread(call)
