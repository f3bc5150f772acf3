"""Flows: requests and responses."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cleverreach_async.errors import ConfigurationError, NotFoundError, PermissionDeniedError
from cleverreach_async.resources.flows import Flow, Flows, FlowSetup
from cleverreach_async.transport.transport import Call
from cleverreach_async.transport.wire import Request

pytestmark = pytest.mark.anyio

Act = Callable[[Flows], Awaitable[object]]

UUID = "3b241101-e2bb-4255-8caf-4136c566a962"
RECORDED = {
    "id": UUID,
    "name": "Goodbye",
    "playbook": "unsubscribe",
    "setup": {"groupid": "540001", "theme": "plain"},
    "version": 2,
}
FLOW = Flow(
    id=UUID,
    name="Goodbye",
    playbook="unsubscribe",
    setup=FlowSetup(group_id=540001, extra={"theme": "plain"}),
    extra={"version": 2},
)

ROWS: dict[str, tuple[Act, str, str, object, object, object]] = {
    "list": (lambda it: it.list(), "GET", "/flow/flow", None, [RECORDED], (FLOW,)),
    "list of a kind": (
        lambda it: it.list(playbook="unsubscribe", order="name", direction="desc"),
        "GET",
        "/flow/flow?playbook=unsubscribe&order=name&dir=desc",
        None,
        [{"uuid": UUID, "setup": []}],
        (Flow(id=UUID),),
    ),
    "get": (lambda it: it.get(UUID), "GET", f"/flow/flow/{UUID}", None, [RECORDED], FLOW),
}


@pytest.mark.parametrize(
    ("act", "method", "target", "body", "answer", "expected"), ROWS.values(), ids=ROWS.keys()
)
async def test_flow_calls(
    act: Act,
    method: str,
    target: str,
    body: object,
    answer: object,
    expected: object,
    exchange: Callable[..., Awaitable[object]],
) -> None:
    """Each method sends the request that was seen, beside /v3, and reads the response."""
    assert (method, target, body, expected) == await exchange(Flows, act, answer)


@pytest.mark.parametrize("uuid", [None, "", " ", "..", "a/../b", "\x00", 0, True, [UUID]])
async def test_what_is_not_a_flow_id(
    uuid: Any, serve: Callable[..., Call], sent: list[Request]
) -> None:
    """An empty one would address the list."""
    with pytest.raises(ConfigurationError, match=r"^uuid is "):
        await Flows(serve([])).get(uuid)
    assert [] == sent


async def test_errors_of_flows(serve: Callable[..., Call]) -> None:
    """A flow that does not exist, and an app without the right."""
    with pytest.raises(NotFoundError):
        await Flows(serve([])).get(UUID)
    answer = {"error": {"code": 403, "message": "Forbidden: invalid scope"}}
    with pytest.raises(PermissionDeniedError, match="invalid scope"):
        await Flows(serve(answer)).list()
