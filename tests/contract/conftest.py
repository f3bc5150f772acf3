"""Fixtures of the contract tests."""

from collections.abc import AsyncIterator

import httpx
import pytest

from cleverreach_async import CleverReach, OAuthApp
from cleverreach_async.sandbox import Sandbox


@pytest.fixture
def anyio_backend() -> str:
    """One event loop: the behaviours change what the server says, not how the client waits."""
    return "asyncio"


@pytest.fixture
async def cr(sandbox: Sandbox) -> AsyncIterator[CleverReach]:
    """A client of the sandbox."""
    transport = httpx.ASGITransport(app=sandbox.app)
    async with (
        httpx.AsyncClient(transport=transport) as http_client,
        CleverReach(
            OAuthApp("sandbox", "sandbox-secret").client_credentials(), http_client=http_client
        ) as client,
    ):
        yield client
