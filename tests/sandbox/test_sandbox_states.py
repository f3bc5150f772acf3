"""When a receiver is active: the times of new and of known receivers."""

from typing import Any

import httpx
import pytest

from cleverreach_async.sandbox import Behaviour, Sandbox

pytestmark = pytest.mark.anyio

GOOD: dict[str, Any] = {"email": "ann@example.org"}


async def write(api: httpx.AsyncClient, group: int, call: str, body: object) -> Any:
    """Send a batch and return the JSON of the response."""
    answer = await api.post(f"groups/{group}/receivers/{call}", json=body)
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize(
    ("times", "active"),
    [
        ({}, True),
        ({"activated": 0}, False),
        ({"registered": 5}, False),
        ({"registered": 5, "activated": 0}, False),
        ({"activated": 5}, True),
        ({"activated": "5"}, True),
        ({"activated": 5, "deactivated": 1}, False),
        ({"deactivated": 6}, False),
        ({"activated": None}, True),
    ],
)
async def test_state_of_new_receivers(
    api: httpx.AsyncClient, group: int, times: dict[str, Any], active: bool
) -> None:
    """A new receiver is active without any of the three times, else only with `activated`."""
    answer = (await write(api, group, "upsertplus", [GOOD | times]))[0]
    assert answer["active"] is active
    for name, value in times.items():
        if value is not None:
            assert answer[name] == int(value)


async def test_state_changes(
    api: httpx.AsyncClient, group: int, sandbox: Sandbox, now: int
) -> None:
    """Omitted times are kept; `activated` does not undo an unsubscription, `deactivated: 0` may."""

    async def active(**times: int) -> bool:
        """Write times and return the state."""
        row = GOOD | {"email": "ANN@example.org"} | times
        return bool((await write(api, group, "upsertplus", [row]))[0]["active"])

    assert await active()
    assert await active()
    assert not await active(deactivated=now)
    assert not await active(activated=now)
    sandbox.behaviour = Behaviour(lift_deactivation=False)
    assert not await active(deactivated=0)
    sandbox.behaviour = Behaviour()
    assert await active(deactivated=0)
    assert not await active(activated=0)
    assert not await active(deactivated=now)
    sandbox.behaviour = Behaviour(activated_reactivates=True)
    assert not await active(activated=0)
    assert await active(activated=now)


async def test_pending_state_may_need_two_calls(
    api: httpx.AsyncClient, group: int, sandbox: Sandbox
) -> None:
    """With the switch, upsertplus creates active receivers; the second call deactivates them."""
    sandbox.behaviour = Behaviour(doi_state_in_one_call=False)
    row = GOOD | {"activated": 0}
    assert (await write(api, group, "upsertplus", [row]))[0]["active"] is True
    assert (await write(api, group, "upsertplus", [row]))[0]["active"] is False
    await write(api, group, "upsert", [{"email": "bob@example.org", "activated": 0}])
    stored = sandbox.store.receiver(group, "bob@example.org")
    assert stored is not None
    assert stored["active"] is False
