"""What the outboxes of all databases have in common: to put, send, list, retry and drop."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, Unpack

import anyio

from cleverreach_async.outbox import queries
from cleverreach_async.outbox.database import (
    OutboxDatabase,
)
from cleverreach_async.outbox.entries import EntryState, OutboxEntry, checked_state
from cleverreach_async.outbox.joining import join, join_async
from cleverreach_async.outbox.parcels import (
    Parcel,
    check_account,
    order_parcel,
    receiver_parcel,
)
from cleverreach_async.outbox.queries import Execute
from cleverreach_async.outbox.sender import ClientOf, OutboxSender
from cleverreach_async.outbox.settings import SendingOptions, SendingSettings
from cleverreach_async.outbox.statements import Rows, Statement, insertion, run_steps
from cleverreach_async.resources.orders import OrderLike
from cleverreach_async.resources.receiver_arguments import ReceiverLike
from cleverreach_async.transport.arguments import check_plain_function
from cleverreach_async.transport.clock import Clock
from cleverreach_async.transport.numbers import check_number
from cleverreach_async.transport.paths import check_ids
from cleverreach_async.transport.shield import uninterrupted

__all__ = ["DEFAULT_ACCOUNT", "OrderStore"]

DEFAULT_ACCOUNT: Final = "default"
MOST_LISTED: Final = 10**9


class OrderStore(ABC):
    """What :class:`Outbox` and :class:`PostgresOutbox` have in common.

    Every order is delivered at least once, and stored once as far as CleverReach's own list of
    orders shows: after a lost answer the order is looked up by its number before it is sent again.
    What the look-up does not decide is ``dead`` and ``doubtful``, and stays in the list.

    Args:
        database: The database.
        clock: Source of time, for tests.
    """

    def __init__(self, database: OutboxDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._senders: set[OutboxSender] = set()

    async def put(
        self, receiver: ReceiverLike, *, group_id: int, account: str = DEFAULT_ACCOUNT
    ) -> int:
        """Store a receiver with orders, to be sent by ``upsertplus``. It never calls the API.

        When this returns, the orders are on the disk. A line that the outbox has already, of the
        same account, receiver, order number and product, is not stored again, so a checkout may be
        repeated. Orders without ``stamp`` get the current time. As with every upsert, a **new**
        receiver without ``registered`` and ``activated`` is active at once.

        Args:
            receiver: The receiver with at least one order.
            group_id: The group.
            account: Name of the account, for ``client_of``.

        Returns:
            The number of order lines that are new.

        Raises:
            ConfigurationError: Something cannot be sent.
            OutboxError: The database cannot be written.
        """
        parcel = self._receiver(receiver, account, group_id)
        return await self._put(parcel)

    async def put_order(
        self,
        receiver_id: int | str,
        order: OrderLike,
        *,
        group_id: int | None = None,
        account: str = DEFAULT_ACCOUNT,
    ) -> int:
        """Store one order of a receiver who exists already; nobody is created or changed.

        Args:
            receiver_id: E-mail address or pool id.
            order: The order.
            group_id: The group; ``None`` for the whole account.
            account: Name of the account.

        Returns:
            1, or 0 if the outbox has the line already.

        Raises:
            ConfigurationError: Something cannot be sent.
            OutboxError: The database cannot be written.
        """
        now = self._clock.now()
        return await self._put(
            order_parcel(receiver_id, order, account=account, group_id=group_id, now=now)
        )

    def put_in(
        self,
        connection: Any,
        receiver: ReceiverLike,
        *,
        group_id: int,
        account: str = DEFAULT_ACCOUNT,
    ) -> int:
        """Store a receiver with orders in the shop's own transaction: if it is rolled back, too.

        The tables must be in the database of the connection; see :meth:`prepare`. Neither commits
        nor rolls back.

        Args:
            connection: A connection of sqlite3, psycopg or SQLAlchemy, a ``Session``, or
                ``django.db.connection``, in a transaction.
            receiver: The receiver with at least one order.
            group_id: The group.
            account: Name of the account.

        Returns:
            The number of order lines that are new.

        Raises:
            ConfigurationError: Something cannot be sent, or the connection is in no transaction.
            Exception: What the connection raises.
        """
        return join(connection, self._steps(self._receiver(receiver, account, group_id)))

    async def aput_in(
        self,
        connection: Any,
        receiver: ReceiverLike,
        *,
        group_id: int,
        account: str = DEFAULT_ACCOUNT,
    ) -> int:
        """Do what :meth:`put_in` does, on an asynchronous connection.

        It is one of asyncpg, psycopg, aiosqlite or SQLAlchemy, or an ``AsyncSession``.
        """
        parcel = self._receiver(receiver, account, group_id)
        return await join_async(connection, self._steps(parcel))

    @asynccontextmanager
    async def sending(
        self, client_of: ClientOf, **options: Unpack[SendingOptions]
    ) -> AsyncGenerator[None, None]:
        """Send entries in the background during the block; any number of processes may.

        The end of the block waits ``drain`` seconds for the requests in flight, then cuts them off;
        they are looked up later.

        Args:
            client_of: Returns the client of an account by its name, such as
                ``tenants.__getitem__``, or ``lambda account: cr``.
            **options: See :class:`SendingOptions`.

        Raises:
            ConfigurationError: An option is wrong.
        """
        sender = self._sender(client_of, options)
        errors: list[Exception] = []
        async with anyio.create_task_group() as tasks:
            ended = anyio.Event()

            async def run() -> None:
                with anyio.CancelScope(shield=True):
                    try:
                        await sender.run()
                    finally:
                        ended.set()

            tasks.start_soon(run)
            self._senders.add(sender)
            try:
                yield
            except Exception as error:  # noqa: BLE001 - raised below, not in a group
                errors.append(error)
            finally:
                self._senders.discard(sender)
                sender.stop.request()
                sender.wake()
                await uninterrupted(partial(self._drain, sender, ended))
        if errors:
            raise errors[0]

    async def send_due(self, client_of: ClientOf, **options: Unpack[SendingOptions]) -> None:
        """Send the entries that are due now, and return: for a timer, such as cron.

        Args:
            client_of: As for :meth:`sending`.
            **options: See :class:`SendingOptions`.

        Raises:
            ConfigurationError: An option is wrong.
            OutboxError: The database cannot be used.
        """
        sender = self._sender(client_of, options)
        sender.until_idle = True
        await sender.run()

    async def entries(
        self, *, state: EntryState | None = None, account: str | None = None, limit: int = 1000
    ) -> list[OutboxEntry]:
        """Return entries, oldest first.

        Args:
            state: Only those in this state.
            account: Only those of this account.
            limit: Most entries.

        Raises:
            ConfigurationError: There is no such state, or an argument is invalid.
            OutboxError: The database cannot be used.
        """
        check_number("limit", limit, most=MOST_LISTED)
        if account is not None:
            check_account(account)
        find = partial(queries.entries, state=checked_state(state), account=account, limit=limit)
        return await self._database.run(find)

    async def counts(self) -> dict[EntryState, int]:
        """Return the number of entries by state.

        Raises:
            OutboxError: The database cannot be used.
        """
        return await self._database.run(queries.counts)

    async def retry(
        self, ids: Sequence[int] | None = None, *, resend_doubtful: bool = False
    ) -> int:
        """Let dead entries be sent again. Those in doubt are looked up first.

        Args:
            ids: Their numbers; all by default.
            resend_doubtful: Whether those in doubt are sent without a look-up, because you have
                seen that the server does not have them.

        Returns:
            How many there were.

        Raises:
            ConfigurationError: The numbers are none.
            OutboxError: The database cannot be used.
        """
        found = await self._change(partial(queries.retry, resend_doubtful=resend_doubtful), ids)
        self._wake()
        return found

    async def drop(self, ids: Sequence[int] | None = None) -> int:
        """Delete dead entries, or with ``ids`` also some that wait. They can be put again.

        By its number an entry that is ``sent`` is deleted too, unless a sender has it now: the
        account may be gone that it would be looked up in.

        Args:
            ids: Their numbers; all that are dead by default.

        Returns:
            How many there were.

        Raises:
            ConfigurationError: The numbers are none.
            OutboxError: The database cannot be used.
        """
        return await self._change(queries.drop, ids)

    async def prepare(self) -> None:
        """Create the tables, if they do not exist. Every other method but ``put_in`` does so too.

        Raises:
            OutboxError: The database cannot be used.
        """
        await self._database.run(queries.counts)

    @property
    def tables(self) -> tuple[str, ...]:
        """The statements that create the tables, for a migration of yours."""
        return self._database.dialect.tables

    def close(self) -> None:
        """Close the connection. It is opened again when it is needed."""
        self._database.close()

    @abstractmethod
    def __repr__(self) -> str: ...

    def _receiver(self, receiver: ReceiverLike, account: str, group_id: int) -> Parcel:
        now = self._clock.now()
        return receiver_parcel(receiver, account=account, group_id=group_id, now=now)

    def _steps(self, parcel: Parcel) -> Generator[Statement, Rows, int]:
        return insertion(parcel, self._clock.now())

    async def _change(self, change: Callable[..., int], ids: Sequence[int] | None) -> int:
        """Change the entries with some numbers, or all; returns how many there were."""
        chosen = None if ids is None else check_ids("ids", ids)

        def work(execute: Execute) -> int:
            return change(execute, chosen, now=self._database.now(execute, self._clock))

        return await self._database.run(work)

    async def _put(self, parcel: Parcel) -> int:
        def work(execute: Execute) -> int:
            return run_steps(self._steps(parcel), execute)

        found = await self._database.run(work)
        self._wake()
        return found

    def _wake(self) -> None:
        for sender in self._senders:
            sender.wake()

    def _sender(self, client_of: ClientOf, options: SendingOptions) -> OutboxSender:
        remedy = "pass a function that returns the client of an account: lambda account: cr"
        check_plain_function("client_of", client_of, remedy)
        settings = SendingSettings.of(**options)
        return OutboxSender(
            database=self._database, client_of=client_of, settings=settings, clock=self._clock
        )

    async def _drain(self, sender: OutboxSender, ended: anyio.Event) -> None:
        """Wait for the requests in flight, and cut them off when the time is over."""
        async with anyio.create_task_group() as tasks:

            async def cut_off() -> None:
                await self._clock.sleep(sender.settings.drain)
                sender.stop.abort()

            tasks.start_soon(cut_off)
            await ended.wait()
            tasks.cancel_scope.cancel()
