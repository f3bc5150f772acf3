"""A journal in a store that several machines reach: one attempt at a time writes to it.

Each entry has a version that names the attempt which wrote it, and is replaced only where the store
still has the expected version. So an attempt that was thought dead, and is not, cannot write once
another one has. An attempt is thought dead when its version has not changed for the time of the
lease, on the clock of the one that waits: clocks of different machines are never compared.

A store that has lost the last entries (evicted, restored from a backup, failed over to a replica
that was behind) gets them back from the attempt that wrote them. Otherwise the next attempt would
send again what they contain.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from secrets import token_hex
from typing import Final, TypeVar

import anyio
import attrs

from cleverreach_async.bulk.journal.record import JournalRecord, encode_rejects
from cleverreach_async.bulk.journal.refusals import (
    StoreRefusedError,
    is_gone,
    reason_of,
    taken_over,
)
from cleverreach_async.bulk.journal.state import JournalState
from cleverreach_async.bulk.journal.store import JournalEntry, JournalStore
from cleverreach_async.bulk.rows import RowResult
from cleverreach_async.errors import ConfigurationError, JournalError
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.shield import in_background
from cleverreach_async.transport.stop import StopRequestedError

__all__ = ["Holder", "SharedJournal", "ask"]

T = TypeVar("T")

_log: Final = logging.getLogger("cleverreach_async")

CALL_SECONDS: Final = 10.0
"""How long one call of a store may take."""
OUTAGE_SECONDS: Final = 60.0
"""How long an import waits for a store that cannot be reached, before it stops."""

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_RELEASE_SECONDS: Final = 5.0


async def ask(
    store: JournalStore, clock: Clock, call: Callable[[], Awaitable[T]], *, seconds: float
) -> T:
    """Call a store, again and again while it fails.

    Args:
        store: The store.
        clock: Source of time.
        call: Makes the call; it may have been executed although it failed.
        seconds: How long to go on.

    Raises:
        JournalError: It failed for so long, or the store says that waiting does not help.
        ConfigurationError: The store is not a :class:`JournalStore`.
    """
    started, pause = clock.monotonic(), _FIRST_PAUSE
    while True:
        reason = f"no answer within {CALL_SECONDS:g} s"
        with anyio.move_on_after(CALL_SECONDS):
            try:
                return await call()
            except (JournalError, ConfigurationError):
                raise
            except Exception as error:  # noqa: BLE001 - of any client
                reason = reason_of(error)
        if clock.monotonic() - started + pause > seconds:
            break
        await clock.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    raise JournalError(
        f"{store.name} cannot be used: {reason}. Nothing is lost: resume the import when the store"
        " works again"
    )


@attrs.define(eq=False)
class Holder:
    """One attempt of an import, which holds its entry in a store.

    Attributes:
        store: The store.
        clock: Source of time.
        version: The version that it has written last.
    """

    store: JournalStore
    clock: Clock
    version: str | None = None
    _name: str = attrs.field(factory=lambda: token_hex(8), init=False)
    _count: int = attrs.field(default=0, init=False)
    _replaced: str | None = attrs.field(default=None, init=False)
    _written: float = attrs.field(default=float("-inf"), init=False)
    _written_at: float = attrs.field(default=float("-inf"), init=False)
    _is_lost: bool = attrs.field(default=False, init=False)
    _rejects: list[str] = attrs.field(factory=list[str], init=False)
    _stored: int = attrs.field(default=0, init=False)

    @property
    def is_sure(self) -> bool:
        """Whether no other attempt can hold the entry now."""
        # Only the wall clock goes on while a virtual machine is suspended.
        passed = self.clock.now() - self._written_at
        return not self._is_lost and self.seconds_left > 0 and passed < self.store.lease

    @property
    def seconds_left(self) -> float:
        """Seconds until others may take the entry over."""
        return self._written + self.store.lease - self.clock.monotonic()

    async def take(self, expected: str | None, text: str) -> bool:
        """Take an entry; returns whether it still had the expected version.

        Raises:
            JournalError: The store cannot be reached.
        """
        self.version = self._replaced = expected
        with suppress(_LostError):
            await self.write(text, seconds=CALL_SECONDS)
            return True
        self._is_lost = False
        return False

    def know(self, rejects: str) -> None:
        """Keep rejects that the store has already, in case it loses them."""
        self._rejects.append(rejects)
        self._stored = len(self._rejects)

    async def write(self, text: str, rejects: str = "", *, seconds: float = OUTAGE_SECONDS) -> None:
        """Replace the entry.

        Args:
            text: Its new text.
            rejects: What to add to the rejects; if this fails, the next write adds it.
            seconds: How long to try.

        Raises:
            JournalError: Another attempt has taken the entry over, or the store cannot be reached.
        """
        if rejects:
            self._rejects.append(rejects)
        await ask(self.store, self.clock, lambda: self._swap(text), seconds=seconds)

    async def _swap(self, text: str) -> None:
        for _ in range(2):
            if self._is_lost:
                break
            started, started_at = self.clock.monotonic(), self.clock.now()
            self._count += 1
            entry = JournalEntry(f"{self._name}:{self._count}", text)
            rejects = self._rejects[self._stored :]
            if await self.store.swap(self.version, entry, "".join(rejects)):
                self.version = entry.version
                self._written, self._written_at = started, started_at
                self._stored += len(rejects)
                return
            await self._look(self.version)
        else:
            # Without a pause it would be asked for ever.
            raise RuntimeError("it does not replace the version that it shows")
        raise _LostError(f"{taken_over(self.store.name)}")

    async def _look(self, expected: str | None) -> None:
        """Find out why the store has another version than expected."""
        found = await self.store.load()
        version = None if found is None else found.version
        if version is not None and version.startswith(f"{self._name}:"):
            # An earlier call of this attempt may have been executed although it failed.
            went_back = self._number(version) < self._number(expected)
        else:
            went_back = version == self._replaced and self.is_sure
            self._is_lost = not went_back
        if went_back:
            _log.warning(
                "%s has lost what this import has written to it; it is written again",
                self.store.name,
            )
            self._stored = 0
        elif found is None:
            raise _LostError(f"{is_gone(self.store.name)}")
        self.version = version

    def _number(self, version: str | None) -> int:
        """Return the number of an entry of this attempt; 0 for any other."""
        name, _, number = (version or "").partition(":")
        return int(number) if name == self._name else 0


class _LostError(JournalError):
    """Another attempt has the entry."""


class SharedJournal:
    """The journal of a running import in a shared store.

    Args:
        holder: Holds the entry.
        record: Its content.
        is_new: Whether this run has created it.
        rejects: Rows that earlier runs have rejected.
    """

    def __init__(
        self, holder: Holder, record: JournalRecord, *, is_new: bool, rejects: Sequence[RowResult]
    ) -> None:
        self._holder = holder
        self._record = record
        # One write at a time: each expects the version of the one before.
        self._turn = anyio.Lock()
        self._on_lost: Callable[[Exception], None] = _ignore
        self.name: str = holder.store.name
        self.is_new: bool = is_new
        self.answer: str = record.report
        self.rejects: Sequence[RowResult] | None = rejects
        holder.know(encode_rejects(rejects))

    @property
    def state(self) -> JournalState:
        """See :class:`OpenJournal`."""
        return self._record.state

    async def save(
        self, state: JournalState, results: Sequence[RowResult], *, now: float, report: str = ""
    ) -> None:
        """See :class:`OpenJournal`."""
        del now
        record = attrs.evolve(self._record, state=state, report=report)
        text = record.to_text()
        async with self._turn:
            # Also if it cannot be written now: it is true, and fits the rejects.
            self._record = record
            await self._holder.write(text, encode_rejects(results))

    async def confirm(self, *, strictly: bool) -> None:
        """See :class:`OpenJournal`."""
        if strictly or not self._holder.is_sure:
            await self._renew(OUTAGE_SECONDS)

    def check(self) -> None:
        """See :class:`OpenJournal`."""
        if not self._holder.is_sure:
            self._on_lost(
                JournalError(
                    f"{self.name}: it was not renewed in time, and another attempt may have it; the"
                    " import stops and can be resumed"
                )
            )
            raise StopRequestedError

    async def _renew(self, seconds: float) -> None:
        async with self._turn:
            await self._holder.write(self._record.to_text(), seconds=seconds)

    @asynccontextmanager
    async def holding(self, on_lost: Callable[[Exception], None]) -> AsyncGenerator[None, None]:
        """See :class:`OpenJournal`."""
        self._on_lost = on_lost
        if self.state.finished:
            yield
            return
        async with in_background(self._keep_alive):
            yield

    async def _keep_alive(self) -> None:
        third = self._holder.store.lease / 3
        while True:
            # Each save is a sign of life too.
            await self._holder.clock.sleep(max(third / 10, self._holder.seconds_left - 2 * third))
            if self._holder.seconds_left > 2 * third:
                continue
            try:
                await self._renew(0.0)
            except (_LostError, StoreRefusedError, ConfigurationError) as error:
                self._on_lost(error)
                return
            except JournalError:
                pass  # it is tried again, and the next save waits for the store

    async def close(self) -> None:
        """See :class:`OpenJournal`. If the store cannot be reached, others wait for the lease."""
        if self.answer or self._holder.version is None:
            return
        record = attrs.evolve(self._record, held=False)
        with anyio.CancelScope(shield=True), suppress(JournalError, ConfigurationError):
            async with self._turn:
                await self._holder.write(record.to_text(), seconds=_RELEASE_SECONDS)

    async def discard(self) -> None:
        """See :class:`OpenJournal`."""
        store = self._holder.store
        await ask(store, self._holder.clock, store.delete, seconds=CALL_SECONDS)
        self._holder.version = None


def _ignore(error: Exception) -> None:
    del error
