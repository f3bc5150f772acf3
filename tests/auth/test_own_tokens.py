"""A client does not mistake a token that it stored for one that another process stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from cleverreach_async import CleverReach, OAuthApp, Secret, Token
from cleverreach_async.auth.file_store import FileTokenStore
from cleverreach_async.auth.renewal import RenewingTokens
from cleverreach_async.auth.stores import MemoryTokenStore
from cleverreach_async.sandbox import Sandbox
from cleverreach_async.transport.transport import Auth
from cleverreach_async.transport.wire import Request, Response

if TYPE_CHECKING:
    from pathlib import Path

    from support.clocks import FakeClock

pytestmark = pytest.mark.anyio

Connect = Callable[["Auth | str"], CleverReach]


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.123456])
async def test_the_clients_own_token_is_recognised(
    connect: Connect,
    app: OAuthApp,
    sandbox: Sandbox,
    token: Token,
    clock: FakeClock,
    refreshes: Callable[[], int],
    tmp_path: Path,
    fraction: float,
) -> None:
    """Between two seconds as well: after a 401 the token that was just stored is renewed."""
    clock.elapsed += fraction
    store = FileTokenStore(tmp_path / "token.json")
    await store.save(token)
    cr = connect(app.user(store=store))
    for count in (1, 2, 3):
        sandbox.expire_tokens()
        await cr.debug.ttl()
        assert count == refreshes()


async def test_a_token_that_the_store_rounded_is_recognised(
    clock: FakeClock, sandbox: Sandbox
) -> None:
    """A store of the user's may keep whole seconds."""

    class RoundingStore(MemoryTokenStore):
        """A store that keeps whole seconds only."""

        async def load(self) -> Token | None:
            token = await super().load()
            if token is None or token.expires_at is None:
                return token
            return attrs.evolve(token, expires_at=token.expires_at.replace(microsecond=0))

    class Numbers:
        """A grant whose tokens are numbered."""

        count = 0

        async def fetch(self, call: Any, previous: Token | None, *, now: float) -> Token:
            self.count += 1
            return Token(
                access_token=Secret(f"number-{self.count}"),
                expires_at=datetime.fromtimestamp(now + 1000.25, UTC),
            )

    async def no_call(request: Request) -> Response:
        raise NotImplementedError(request)

    source = RenewingTokens(Numbers(), RoundingStore(), no_call, clock)
    await source.renew((await source.credential()).generation)
    assert "Bearer number-2" == (await source.credential()).authorization
