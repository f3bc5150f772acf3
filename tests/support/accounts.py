"""An account in this process, for tests that import into it and look at what it holds."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import httpx

from cleverreach_async import CleverReach, ImportReport, OAuthApp, Outcome, Receiver, RowResult
from cleverreach_async.sandbox import Sandbox
from cleverreach_async.transport.clock import SYSTEM_CLOCK, Clock

__all__ = ["Account", "an_account", "attribute"]


@attrs.frozen
class Account:
    """An account with one group.

    Attributes:
        sandbox: The server.
        client: A client of it.
        group_id: The group.
    """

    sandbox: Sandbox
    client: CleverReach
    group_id: int

    async def load(self, source: Any, **options: Any) -> "Loaded":
        """Import a source, creating the attributes that are missing."""
        settings: Any = {"attributes": "create", "settle": 0.0, **options}
        async with self.client.bulk.open(group_id=self.group_id, **settings) as run:
            for row in source:
                await run.put(row)
            results = [result async for result in run.results()]
        return Loaded(run.report, results)

    async def people(self) -> dict[str, Receiver]:
        """Return all receivers of the group, by address."""
        found = self.client.receivers.list(group_id=self.group_id)
        return {receiver.email: receiver async for receiver in found}

    async def person(self, email: str) -> Receiver:
        """Return one receiver."""
        return await self.client.receivers.get(email, group_id=self.group_id)


@attrs.frozen
class Loaded:
    """What an import did.

    Attributes:
        report: The counters.
        results: The result of every row.
    """

    report: ImportReport
    results: list[RowResult]

    def outcomes(self) -> list[str]:
        """Return the outcome of every row in order, with the code of those not accepted."""
        rows = sorted(self.results, key=lambda it: it.row)
        return [
            "accepted" if it.outcome is Outcome.ACCEPTED else f"{it.outcome.value}: {it.code}"
            for it in rows
        ]


def attribute(receiver: Receiver, *names: str) -> Any:
    """Return the values of attributes; one as it is."""
    values = [receiver.global_attributes.get(name, "") for name in names]
    return values[0] if len(values) == 1 else values


@asynccontextmanager
async def an_account(clock: Clock = SYSTEM_CLOCK, **options: Any) -> AsyncGenerator[Account]:
    """Open an empty account with a group.

    Args:
        clock: That of the client.
        options: Those of the sandbox.
    """
    with Sandbox(**options) as sandbox:
        app = OAuthApp("sandbox", "sandbox-secret")
        transport = httpx.ASGITransport(app=sandbox.app)
        async with (
            httpx.AsyncClient(transport=transport) as http_client,
            CleverReach(app.client_credentials(), http_client=http_client, clock=clock) as client,
        ):
            group = await client.groups.create(name="N")
            yield Account(sandbox, client, group.id)
