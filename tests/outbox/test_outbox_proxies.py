"""Pages of a proxy, a firewall or maintenance instead of a response of the API."""

from typing import Any

import pytest
from support.outbox_server import ANN, GROUP, LAMP, OutboxServer, receiver
from support.virtual_time import VirtualClock

from cleverreach_async import Outbox

pytestmark = pytest.mark.anyio


async def states(outbox: Outbox) -> list[str]:
    """Return the states of all entries."""
    return [it.state for it in await outbox.entries()]


PAGE = b"<html>maintenance</html>"


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ((404, PAGE), "waiting"),
        ((403, PAGE), "waiting"),
        ((405, PAGE), "waiting"),
        ((408, b""), "waiting"),
        ((302, b"", {"location": "https://example.org"}), "waiting"),
        ((404, {"error": {"code": 404, "message": "Not Found: invalid group"}}), "dead"),
        ((404, {"message": "Not Found"}), "dead"),
        ((403, {"error": {"code": 403, "message": "Forbidden"}}), "dead"),
        ((400, PAGE), "dead"),
        ((413, PAGE), "dead"),
    ],
    ids=str,
)
@pytest.mark.parametrize("creates", [True, False], ids=["receiver", "order"])
async def test_a_page_of_a_proxy_refuses_no_order(
    outbox: Outbox,
    server: OutboxServer,
    clock: VirtualClock,
    answer: Any,
    state: str,
    creates: bool,
) -> None:
    """During maintenance all entries of an account would be dead within seconds."""
    server.script = lambda number: answer if number == 0 else "stored"
    if creates:
        await outbox.put(receiver(), group_id=GROUP)
    else:
        await outbox.put_order(ANN, LAMP)
    await server.send_due(outbox)
    assert [state] == await states(outbox)
    clock.elapsed += 61
    await server.send_due(outbox)
    assert ["done" if state == "waiting" else "dead"] == await states(outbox)
