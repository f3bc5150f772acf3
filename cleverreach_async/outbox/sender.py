"""Send what is in the outbox: claim an entry, deliver it, store what became of it.

Each step is stored before the next one, so the process may be killed anywhere.
"""

import logging
from collections.abc import Callable
from functools import partial
from secrets import token_hex
from typing import Final

import anyio
import attrs
from anyio.abc import TaskGroup

from cleverreach_async.client import CleverReach, transport_of
from cleverreach_async.errors import ConfigurationError, OutboxError
from cleverreach_async.outbox import queries
from cleverreach_async.outbox.attempt import EntryAttempt
from cleverreach_async.outbox.database import OutboxDatabase
from cleverreach_async.outbox.entries import Claimed, OutboxEntry, Verdict
from cleverreach_async.outbox.queries import Execute
from cleverreach_async.outbox.settings import SendingSettings
from cleverreach_async.outbox.stopwatch import Stopwatch
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.stop import Stop, StopRequestedError

__all__ = ["ClientOf", "OutboxSender"]

_log: Final = logging.getLogger("cleverreach_async")

ClientOf = Callable[[str], CleverReach]
"""Returns the client of an account by the name under which orders were put."""

_CLEAN_EVERY: Final = 3600.0
_BROKEN_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 60.0
_UNKNOWN_ACCOUNT: Final = 60.0
"""Seconds until an entry is tried again whose account has no client."""


@attrs.define
class AccountPause:
    """An account whose server or token fails: most of its entries need not be tried.

    Attributes:
        failures: Attempts in a row that failed.
        until: Clock reading at which some are tried again.
    """

    failures: int
    until: float


@attrs.define(kw_only=True, eq=False)
class OutboxSender:
    """Sends entries until it is stopped.

    Attributes:
        database: Where they are.
        client_of: Returns the client of an account.
        settings: The options.
        clock: Source of time.
        until_idle: Whether to end when no entry is due.
        stop: Ends it; its abort cuts off the requests in flight.
    """

    database: OutboxDatabase
    client_of: ClientOf
    settings: SendingSettings
    clock: Clock
    until_idle: bool = False
    stop: Stop = attrs.field(factory=Stop)
    _in_flight: int = attrs.field(default=0, init=False)
    _changed: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _next_cleaning: float = attrs.field(default=0.0, init=False)
    _failure: OutboxError | None = attrs.field(default=None, init=False)
    _is_broken: bool = attrs.field(default=False, init=False)
    _pauses: dict[str, AccountPause] = attrs.field(factory=dict[str, AccountPause], init=False)

    def wake(self) -> None:
        """Look for entries now: one was put, or a request has ended."""
        self._changed.set()
        self._changed = anyio.Event()

    async def run(self) -> None:
        """Send entries until a stop is requested, and end when the requests in flight have ended.

        Raises:
            OutboxError: With ``until_idle``: the database cannot be used, or could not be at the
                end of an attempt.
        """
        async with anyio.create_task_group() as tasks:
            try:
                while not self.stop.requested:
                    changed = self._changed
                    started = await self._start_one(tasks)
                    if started:
                        continue
                    if self.until_idle and not self._in_flight:
                        break
                    await self._wait(changed)
            except StopRequestedError:
                pass
        if self.until_idle and self._failure is not None:
            raise self._failure

    async def _start_one(self, tasks: TaskGroup) -> bool:
        """Start to deliver one entry; returns whether there was one, and place for it."""
        if self._in_flight >= self.settings.concurrency:
            return False
        watch, paused = Stopwatch(self.clock), self._paused()
        if self.settings.accounts is not None and {*self.settings.accounts} <= {*paused}:
            return False
        try:
            await self._clean()
            claimed = await self.database.run(partial(self._claim, paused))
        except OutboxError as error:
            if self.until_idle:
                raise
            await self._pause(error)
            return False
        self._is_broken = False
        if claimed is None:
            return False
        self._in_flight += 1
        tasks.start_soon(self._deliver, claimed, watch)
        return True

    def _claim(self, paused: list[str], execute: Execute) -> Claimed | None:
        now = self.database.now(execute, self.clock)
        return queries.claim(
            execute,
            self.database.dialect,
            owner=token_hex(8),
            now=now,
            until=now + self.settings.lease + self.settings.settle,
            accounts=self.settings.accounts,
            but_not=paused,
        )

    def _paused(self) -> list[str]:
        now = self.clock.monotonic()
        return [name for name, pause in self._pauses.items() if pause.until > now]

    def _note(self, account: str, verdict: Verdict) -> None:
        """Pause an account whose entries cannot be sent, whatever is in them."""
        if verdict.state == "waiting":
            known = self._pauses.get(account)
            failures = 1 if known is None else known.failures + 1
            wait = max(verdict.wait, min(_LONGEST_PAUSE, 2.0 ** min(failures - 1, 10) / 2))
            self._pauses[account] = AccountPause(failures, self.clock.monotonic() + wait)
        elif verdict.state == "done":
            self._pauses.pop(account, None)

    async def _deliver(self, claimed: Claimed, watch: Stopwatch) -> None:
        try:
            verdict = await self._attempt(claimed, watch)
            self._note(claimed.parcel.account, verdict)
            entry = await self.database.run(partial(self._settle, claimed, verdict))
        except OutboxError as error:
            # It stays stored as sent, and is looked up after the lease.
            self._failure = error
            _log.warning("the outbox could not store what became of an entry: %s", error)
        else:
            if verdict.state == "dead" and entry is not None:
                self._report(entry)
        finally:
            self._in_flight -= 1
            self.wake()

    async def _attempt(self, claimed: Claimed, watch: Stopwatch) -> Verdict:
        try:
            client = self.client_of(claimed.parcel.account)
            transport = transport_of(client)
        except Exception as error:  # noqa: BLE001 - whatever the caller's function raises
            known = isinstance(error, ConfigurationError)
            why = str(error) if known else type(error).__name__
            reason = f"there is no client of account {claimed.parcel.account!r} ({why})"
            _log.warning("%s", reason)
            return Verdict(
                state="sent" if claimed.doubtful else "waiting",
                doubtful=claimed.doubtful,
                reason=reason,
                wait=_UNKNOWN_ACCOUNT,
            )

        async def renew() -> bool:
            return await self.database.run(partial(self._renew, claimed))

        attempt = EntryAttempt(
            transport=transport,
            settings=self.settings,
            claimed=claimed,
            renew=renew,
            clock=self.clock,
            watch=watch,
            stop=self.stop,
        )
        return await attempt.deliver()

    def _renew(self, claimed: Claimed, execute: Execute) -> bool:
        now = self.database.now(execute, self.clock)
        until = now + self.settings.lease + self.settings.settle
        return queries.renew(execute, claimed, until=until)

    def _settle(self, claimed: Claimed, verdict: Verdict, execute: Execute) -> OutboxEntry | None:
        """Store what became of an entry; returns it if it is still ours."""
        now = self.database.now(execute, self.clock)
        if not queries.settle(execute, claimed, verdict, now=now):
            return None
        return queries.entry(execute, claimed.id) if verdict.state == "dead" else None

    async def _clean(self) -> None:
        """Remove addresses that are no longer needed, from time to time, and mend times."""
        if self.clock.monotonic() < self._next_cleaning:
            return

        def clean(execute: Execute) -> None:
            now = self.database.now(execute, self.clock)
            queries.mend_times(execute, now=now)
            queries.remove_addresses(execute, before=now - self.settings.keep)

        await self.database.run(clean)
        self._next_cleaning = self.clock.monotonic() + min(_CLEAN_EVERY, 1.0 + self.settings.keep)

    async def _pause(self, error: OutboxError) -> None:
        """Wait after a failure of the database, which is logged once until it works again."""
        if not self._is_broken:
            _log.warning("nothing is sent from the outbox for now: %s", error)
        self._is_broken = True
        with self.stop.ending_waits():
            await self.clock.sleep(_BROKEN_PAUSE)

    async def _wait(self, changed: anyio.Event) -> None:
        """Wait until something has changed here, or for the time between two looks."""
        if self._in_flight >= self.settings.concurrency or self.until_idle:
            await changed.wait()
            return
        with self.stop.ending_waits():
            async with anyio.create_task_group() as tasks:

                async def sleep() -> None:
                    await self.clock.sleep(self.settings.poll)
                    tasks.cancel_scope.cancel()

                tasks.start_soon(sleep)
                await changed.wait()
                tasks.cancel_scope.cancel()

    def _report(self, entry: OutboxEntry) -> None:
        _log.warning(
            "entry %d of the outbox is dead%s: %s",
            entry.id,
            " and in doubt" if entry.doubtful else "",
            entry.reason,
        )
        if self.settings.on_dead is None:
            return
        try:
            self.settings.on_dead(entry)
        except Exception as error:  # noqa: BLE001 - the other entries must be sent
            # The text of the error may hold what the entry does not show.
            _log.error("on_dead failed with %s: entry %d", type(error).__name__, entry.id)
