"""An error and the values of its frames are freed when nothing refers to the error any more."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from cleverreach_async import APIConnectionError, CleverReachError
from cleverreach_async.transport.wire import Response, build_request

if TYPE_CHECKING:
    from collections.abc import Generator

    from engine.conftest import ScriptedSender

    from cleverreach_async.transport.transport import Transport

pytestmark = pytest.mark.anyio


@pytest.fixture
def no_collector() -> Generator[None]:
    """Disable the garbage collector, which a busy import seldom runs."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("response", [Response(502, {}, b"<html>"), None])
async def test_an_error_is_in_no_reference_cycle(
    transport: Transport, sender: ScriptedSender, response: Response | None
) -> None:
    """Its traceback refers to the request's body; a cycle would keep hundreds of them."""
    sender.script(response or APIConnectionError("cut", sent=True))

    async def fail() -> weakref.ref[CleverReachError]:
        try:
            await transport.call_once(build_request("POST", "/groups", json={"name": "x"}))
        except CleverReachError as error:
            return weakref.ref(error)
        raise AssertionError

    assert (await fail())() is None
