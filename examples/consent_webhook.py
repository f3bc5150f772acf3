"""A shop's table of consent, kept in step with CleverReach by webhooks.

    uv run --extra all uvicorn examples.consent_webhook:from_environment --factory
    uv run --extra all python examples/consent_webhook.py https://shop.example/cleverreach

The first command serves the webhook, the second registers it and fills the table. Both read
CLEVERREACH_CLIENT_ID, CLEVERREACH_CLIENT_SECRET, CLEVERREACH_BASE_URL, CLEVERREACH_GROUP (the id of
the group), WEBHOOK_WORD (10 to 50 characters) and CONSENT_FILE (an SQLite file).

An event is a hint: the table gets what the API says afterwards. So it does not matter in which
order events arrive, or how often.
"""

import logging
import os
import sqlite3
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.routing import Route

from cleverreach_async import (
    CleverReach,
    NotFoundError,
    OAuthApp,
    Receiver,
    ReceiverEvent,
    RetryPolicy,
    WebhookApp,
    WebhookEndpoint,
    WebhookEvent,
    WebhookKeys,
)

log = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS consent (
    email TEXT PRIMARY KEY, pool_id INTEGER NOT NULL UNIQUE, state TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS webhook_keys (
    event TEXT NOT NULL, condition TEXT NOT NULL, call_token TEXT NOT NULL, secret TEXT NOT NULL,
    PRIMARY KEY (event, condition)
);
"""


class ConsentTable:
    """The shop's database. Each call opens it, because calls run in different threads.

    Args:
        path: The SQLite file. It holds secrets: nobody else may read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._run(SCHEMA.partition(";\n")[0])
        self._run(SCHEMA.partition(";\n")[2])

    def _run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self._path) as database:
            rows = database.execute(sql, values).fetchall()
        database.close()
        return rows

    def store(self, email: str, pool_id: int, state: str) -> None:
        """Store the state of a receiver, under a new address if it has changed."""
        self._run("DELETE FROM consent WHERE pool_id = ? AND email <> ?", pool_id, email.lower())
        self._run(
            "INSERT OR REPLACE INTO consent (email, pool_id, state) VALUES (?, ?, ?)",
            email.lower(),
            pool_id,
            state,
        )

    def withdraw(self, receiver: str | int) -> None:
        """Store that a receiver is gone: there is no consent any more."""
        column = "pool_id" if isinstance(receiver, int) else "email"
        value = receiver.lower() if isinstance(receiver, str) else receiver
        self._run(f"UPDATE consent SET state = 'gone' WHERE {column} = ?", value)  # noqa: S608 - two fixed names

    def states(self) -> dict[str, str]:
        """Return the state of every address."""
        return dict(self._run("SELECT email, state FROM consent"))

    def store_keys(self, event: str, condition: str, call_token: str, secret: str) -> None:
        """Store what a registration returned."""
        self._run(
            "INSERT OR REPLACE INTO webhook_keys VALUES (?, ?, ?, ?)",
            event,
            condition,
            call_token,
            secret,
        )

    def keys(self) -> list[WebhookKeys]:
        """Return the keys of all webhooks."""
        rows = self._run("SELECT call_token, secret, event, condition FROM webhook_keys")
        return [
            WebhookKeys(calltoken=token, secret=secret, event=event, condition=condition)
            for token, secret, event, condition in rows
        ]


def state_of(receiver: Receiver) -> str:
    """Return what a receiver's consent is worth today."""
    if receiver.deactivated is not None:
        return "unsubscribed"
    if receiver.bounced is not None:
        return "bounced"
    return "subscribed" if receiver.activated is not None else "unconfirmed"


class ConsentSync:
    """Brings the table in step with the account.

    Args:
        cr: A client of the account.
        table: The table.
        group_id: The group whose receivers have consented.
    """

    def __init__(self, cr: CleverReach, table: ConsentTable, group_id: int) -> None:
        self._cr = cr
        self._table = table
        self._group_id = group_id
        self._lock = anyio.Lock()

    async def handle(self, event: WebhookEvent) -> None:
        """Handle an event. If it raises, the vendor is told to repeat the event."""
        if not isinstance(event, ReceiverEvent):
            return  # a webhook for a whole family may deliver what is not needed
        # Deleted receivers have an address instead of an id.
        receiver = event.email if event.action == "deleted" else event.pool_id
        if receiver is None:
            raise ValueError(event.email_problem or "the event names no receiver")
        # One after the other: otherwise what was read first could be written last.
        async with self._lock:
            await self._look_up(receiver)

    async def _look_up(self, receiver: str | int) -> None:
        try:
            found = await self._cr.receivers.get(receiver, group_id=self._group_id)
        except NotFoundError:
            await anyio.to_thread.run_sync(self._table.withdraw, receiver)
        else:
            await anyio.to_thread.run_sync(
                self._table.store, found.email, found.id, state_of(found)
            )

    async def fill(self) -> int:
        """Store all receivers, because webhooks tell changes only. Returns their number."""
        count = 0
        async with self._lock:
            async for receiver in self._cr.receivers.list(group_id=self._group_id):
                await anyio.to_thread.run_sync(
                    self._table.store, receiver.email, receiver.id, state_of(receiver)
                )
                count += 1
        return count


async def register(
    cr: CleverReach, table: ConsentTable, url: str, word: str, group_id: int
) -> None:
    """Register the webhook, which must be served already, in place of an older one."""
    event, condition = "receiver", str(group_id)
    try:
        await cr.webhooks.delete(event, condition=condition)
    except NotFoundError:
        log.info("no webhook was registered before")
    made = await cr.webhooks.register(url, event, verify=word, condition=condition)
    table.store_keys(event, condition, made.call_token.reveal(), made.secret.reveal())


def create_app(cr: CleverReach, table: ConsentTable, *, group_id: int, word: str) -> Starlette:
    """Return the application that receives the webhook at ``/cleverreach``.

    Args:
        cr: A client of the account; the application opens and closes it.
        table: The table.
        group_id: The group.
        word: The word that the webhook is registered with.
    """

    async def keys() -> list[WebhookKeys]:
        return await anyio.to_thread.run_sync(table.keys)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None, None]:
        async with cr:
            yield

    sync = ConsentSync(cr, table, group_id)
    # Without a window nothing is taken for a repeat: two changes of one person within seconds look
    # the same, and looking somebody up twice does no harm.
    endpoint = WebhookEndpoint(sync.handle, keys=keys, verify=word, window=0)
    return Starlette(routes=[Route("/cleverreach", WebhookApp(endpoint))], lifespan=lifespan)


def client_from_environment() -> CleverReach:
    """Return a client of the account."""
    app = OAuthApp(
        os.environ["CLEVERREACH_CLIENT_ID"],
        os.environ["CLEVERREACH_CLIENT_SECRET"],
        base_url=os.environ.get("CLEVERREACH_BASE_URL", "https://rest.cleverreach.com"),
    )
    # The vendor waits for the answer to a webhook, and repeats what failed.
    retry = RetryPolicy(attempts=2, max_retry_after=2.0)
    return CleverReach(app.client_credentials(), timeout=10.0, retry=retry)


def from_environment() -> Starlette:
    """Return the application, configured by environment variables."""
    return create_app(
        client_from_environment(),
        ConsentTable(Path(os.environ.get("CONSENT_FILE", "consent.sqlite"))),
        group_id=int(os.environ["CLEVERREACH_GROUP"]),
        word=os.environ["WEBHOOK_WORD"],
    )


async def main(url: str) -> None:
    """Register the webhook and fill the table."""
    table = ConsentTable(Path(os.environ.get("CONSENT_FILE", "consent.sqlite")))
    group_id = int(os.environ["CLEVERREACH_GROUP"])
    async with client_from_environment() as cr:
        await register(cr, table, url, os.environ["WEBHOOK_WORD"], group_id)
        count = await ConsentSync(cr, table, group_id).fill()
    print(f"registered; {count} receivers stored")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
