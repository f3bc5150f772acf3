"""The code of ``docs/shared-account.md`` runs, from top to bottom, with a real Redis."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.redis_server import redis_port

from cleverreach_async import CleverReach, OAuthApp, RedisAccount
from cleverreach_async.sandbox import Sandbox

__all__ = ["redis_port"]

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

PAGE = Path(__file__).parents[2] / "docs" / "shared-account.md"


async def test_the_page(redis_port: int) -> None:
    """Both clients list the groups of the account, with tokens that are in Redis."""
    from redis.asyncio import Redis  # noqa: PLC0415 - an extra

    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    lines = "".join(f"    {line}\n" for block in blocks for line in block.splitlines())
    seen: list[Any] = []
    with Sandbox() as sandbox:
        transport = httpx.ASGITransport(app=sandbox.app)
        async with httpx.AsyncClient(transport=transport) as http_client:

            class App(OAuthApp):
                """An app whose users need not connect it first."""

                user = OAuthApp.client_credentials  # type: ignore[assignment]

            def client(*arguments: Any, **options: Any) -> CleverReach:
                return CleverReach(*arguments, http_client=http_client, **options)

            space: dict[str, Any] = {
                "CleverReach": client,
                "Redis": Redis,
                "RedisAccount": RedisAccount,
                "redis_url": f"redis://127.0.0.1:{redis_port}",
                "app": App("sandbox", "sandbox-secret"),
                "seen": seen,
            }
            code = lines.replace("groups = ", "seen.append(0); groups = ")
            # The page closes its first client before it uses another.
            code = code.replace(
                "    tenants = cr.", "    cr = CleverReach('own')\n    tenants = cr."
            )
            code += "    keys = sorted(await redis.keys('*'))\n    await redis.aclose()\n"
            code += "    return keys\n"
            exec(f"async def use():\n{code}", space)  # noqa: S102 - our own page
            keys = await space["use"]()
    assert 2 == len(seen)
    assert [b"{cr:shop-42}:gate", b"{cr:shop-42}:processes", b"{cr:shop-42}:token"] == [
        key for key in keys if key.startswith(b"{cr:shop-42}")
    ]
