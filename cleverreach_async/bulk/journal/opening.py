"""Create or resume a journal, in a file or in a store that several machines reach."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import attrs

from cleverreach_async.bulk.journal.checked import CheckedStore
from cleverreach_async.bulk.journal.identity import differences, encode_identity
from cleverreach_async.bulk.journal.journal import Journal
from cleverreach_async.bulk.journal.opened import FileJournal, OpenJournal, run_in_thread
from cleverreach_async.bulk.journal.places import check_lease
from cleverreach_async.bulk.journal.record import JournalRecord, decode_rejects, new_meta
from cleverreach_async.bulk.journal.refusals import (
    exists_already,
    is_another,
    is_complete,
    no_journal,
)
from cleverreach_async.bulk.journal.shared import CALL_SECONDS, Holder, SharedJournal, ask
from cleverreach_async.bulk.journal.state import JournalState
from cleverreach_async.bulk.journal.store import JournalStore
from cleverreach_async.bulk.rows import RowResult
from cleverreach_async.errors import ConfigurationError, JournalError
from cleverreach_async.transport.clock import Clock

__all__ = ["JournalPlace", "Resume", "check_place", "load_rejects", "open_journal"]

JournalPlace = str | Path | JournalStore
Resume = bool | Literal["auto"]

_LONGEST_WAIT: Final = 3600.0
"""Seconds to wait for another attempt that is alive."""
_LONGEST_POLL: Final = 2.0
_MEMBERS: Final = ("name", "lease", "load", "swap", "load_rejects", "delete")


async def open_journal(
    place: JournalPlace,
    identity: Callable[[], Mapping[str, Any]],
    *,
    resume: Resume,
    clock: Clock,
) -> OpenJournal:
    """Create or resume the journal of an import.

    Args:
        place: A file, or a store.
        identity: Returns what must be the same when the import is resumed. It may read files, so
            it is called in a thread.
        resume: Whether there has to be a journal; ``"auto"`` for either.
        clock: Source of time.

    Raises:
        ConfigurationError: There is one, or none, or it is complete, against ``resume``; or it
            belongs to another import.
        JournalError: It is in use, is damaged, or cannot be reached.
    """
    if isinstance(place, str | Path):
        return await run_in_thread(partial(_open_file, Path(place), identity, resume, clock.now()))
    text = encode_identity(await run_in_thread(identity))
    return await _open_shared(CheckedStore(place), text, resume, clock)


def _open_file(
    path: Path, identity: Callable[[], Mapping[str, Any]], resume: Resume, now: float
) -> FileJournal:
    opener = Journal.resume if resume else Journal.create
    if resume == "auto":
        opener = Journal.create_or_resume
    return FileJournal(opener(path, identity(), now=now))


async def _open_shared(
    store: JournalStore, identity: str, resume: Resume, clock: Clock
) -> SharedJournal:
    """Take the entry of an import, as soon as no other attempt is alive."""
    holder = Holder(store, clock)
    patience = _Patience(store, clock)
    while True:
        entry = await ask(store, clock, store.load, seconds=CALL_SECONDS)
        if entry is None:
            if resume is True:
                raise no_journal(store.name)
            record = JournalRecord(
                meta=new_meta(identity, clock.now()), state=JournalState(), held=True
            )
            if await holder.take(None, record.to_text()):
                return SharedJournal(holder, record, is_new=True, rejects=())
            continue
        record = _checked(store.name, entry.text, identity, resume)
        if not record.state.finished:
            if record.held and not patience.sees_no_life(entry.version):
                await patience.wait()
                continue
            record = attrs.evolve(record, held=True)
            if not await holder.take(entry.version, record.to_text()):
                continue
        rejects = await load_rejects(store, clock, seconds=CALL_SECONDS)
        return SharedJournal(holder, record, is_new=False, rejects=rejects)


@attrs.define
class _Patience:
    """Waits for another attempt, which may be dead.

    Attributes:
        store: The store.
        clock: Source of time.
    """

    store: JournalStore
    clock: Clock
    _started: float | None = attrs.field(default=None, init=False)
    _seen: str = attrs.field(default="", init=False)
    _since: float = attrs.field(default=0.0, init=False)

    def sees_no_life(self, version: str) -> bool:
        """Return whether the version has been the same for the time of the lease."""
        now = self.clock.monotonic()
        if version != self._seen:
            self._seen, self._since = version, now
        return now - self._since >= self.store.lease

    async def wait(self) -> None:
        """Wait for a while.

        Raises:
            JournalError: It has taken too long.
        """
        now = self.clock.monotonic()
        self._started = now if self._started is None else self._started
        if now - self._started >= _LONGEST_WAIT:
            raise JournalError(
                f"{self.store.name} is in use by another attempt of this import, which is alive;"
                " wait for it to end"
            )
        await self.clock.sleep(min(self.store.lease / 8, _LONGEST_POLL))


async def load_rejects(store: JournalStore, clock: Clock, *, seconds: float) -> list[RowResult]:
    """Return the rejects in a store.

    Args:
        store: The store.
        clock: Source of time.
        seconds: How long to try.

    Raises:
        JournalError: They are damaged, or cannot be reached.
        ConfigurationError: The store is not a :class:`JournalStore`.
    """
    texts = await ask(store, clock, CheckedStore(store).load_rejects, seconds=seconds)
    try:
        return decode_rejects(texts)
    except (TypeError, ValueError) as error:
        raise _damaged(store.name, error) from None


def _checked(name: str, text: str, identity: str, resume: Resume) -> JournalRecord:
    """Return the content of an entry, if the import may go on with it."""
    if not resume:
        raise exists_already(name)
    try:
        record = JournalRecord.from_text(text)
        found = differences(record.meta["identity"], identity)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(name, error) from None
    if found:
        raise is_another(name, found)
    if record.state.finished and resume is True:
        raise is_complete(name)
    return record


def _damaged(name: str, error: Exception) -> JournalError:
    return JournalError(f"{name} is damaged ({error}); delete it to start again")


def check_place(place: object) -> None:
    """Check what was passed as journal.

    Raises:
        ConfigurationError: It is neither a file nor a store, or its lease is not above 0.
    """
    if isinstance(place, str | Path):
        return
    if not isinstance(place, JournalStore):
        missing = [name for name in _MEMBERS if not hasattr(place, name)]
        without = f" without {', '.join(missing)}" if len(missing) < len(_MEMBERS) else ""
        raise ConfigurationError(
            f"journal is a {type(place).__name__}{without}; pass a path, RedisJournal(redis, key)"
            " or SqlJournal(engine, key)"
        )
    check_lease(place.lease)
