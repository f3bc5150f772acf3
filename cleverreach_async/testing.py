'''A pytest plugin: run your own tests with a local CleverReach server.

It requires the extra ``sandbox``, and pytest loads it on its own. In suites that run with
``PYTEST_DISABLE_PLUGIN_AUTOLOAD`` one line in the ``conftest.py`` at the root of the tests does::

    pytest_plugins = ["cleverreach_async.testing"]

A test uses a client and checks what the account contains::

    import pytest

    from cleverreach_async import ReceiverInput


    @pytest.mark.anyio
    async def test_sign_up_stores_the_customer(cleverreach, cleverreach_sandbox):
        """A customer who signs up is in the group."""
        group = await cleverreach.groups.create(name="Newsletter")

        await cleverreach.receivers.upsert(ReceiverInput("mia@example.org"), group_id=group.id)

        assert ["mia@example.org"] == cleverreach_sandbox.store.emails(group.id)

A test of several tenants gets a client of a further account, which sees nothing of the others::

    @pytest.mark.anyio
    async def test_tenants_are_separate(cleverreach, cleverreach_for, cleverreach_sandbox):
        """Each tenant has its own groups."""
        await cleverreach_for("shop-42").groups.create(name="Newsletter")

        assert [] == list(await cleverreach.groups.list())
        assert 1 == cleverreach_sandbox.accounts["shop-42"].count("POST", "/v3/groups")

The fixtures are not coroutines, so asynchronous tests work with pytest-asyncio and with anyio's
plugin, on asyncio and on trio. Each test has its own sandbox. To inject faults::

    cleverreach_sandbox.faults.add(Fault("status", code=429, retry_after=1, times=2))
'''

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import pytest

# pytest imports this module in every run, so it imports the rest only in the fixtures.
if TYPE_CHECKING:
    from cleverreach_async.client import CleverReach
    from cleverreach_async.sandbox import Sandbox, SandboxAccount

__all__ = ["cleverreach", "cleverreach_for", "cleverreach_sandbox", "cleverreach_sandbox_url"]

_CLIENT_ID: Final = "sandbox"
_CLIENT_SECRET: Final = "sandbox-secret"  # noqa: S105 - a sandbox has no secrets


@pytest.fixture
def cleverreach_sandbox() -> "Iterator[Sandbox]":
    """An empty account in memory; the OAuth app is ``sandbox`` with ``sandbox-secret``."""
    from cleverreach_async.sandbox import Sandbox  # noqa: PLC0415

    with Sandbox(client_id=_CLIENT_ID, client_secret=_CLIENT_SECRET) as sandbox:
        yield sandbox


def _client_of(account: "SandboxAccount", sandbox: "Sandbox") -> "CleverReach":
    from cleverreach_async.auth.app import OAuthApp  # noqa: PLC0415
    from cleverreach_async.client import CleverReach  # noqa: PLC0415
    from cleverreach_async.transport.http.choice import asgi_client  # noqa: PLC0415

    return CleverReach(
        OAuthApp(account.client_id, account.client_secret).client_credentials(),
        base_url="https://sandbox.invalid",
        http_client=asgi_client(sandbox.app),
    )


@pytest.fixture
def cleverreach(cleverreach_sandbox: "Sandbox") -> "CleverReach":
    """A client of the account, in process: it opens no socket and need not be closed."""
    return _client_of(cleverreach_sandbox, cleverreach_sandbox)


@pytest.fixture
def cleverreach_for(cleverreach_sandbox: "Sandbox") -> "Callable[[str], CleverReach]":
    """A function that returns a client of another account by name, which it adds if it is new."""

    def client_of(name: str) -> "CleverReach":
        known = cleverreach_sandbox.accounts.get(name)
        return _client_of(known or cleverreach_sandbox.add_account(name), cleverreach_sandbox)

    return client_of


@pytest.fixture
def cleverreach_sandbox_url(cleverreach_sandbox: "Sandbox") -> Iterator[str]:
    """The base URL of a server for the same account."""
    from cleverreach_async.sandbox.server import running  # noqa: PLC0415

    with running(cleverreach_sandbox) as url:
        yield url
