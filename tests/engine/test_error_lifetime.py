"""An error goes when nobody holds it any more, and takes what its frames held with it."""

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
    """Leave it to reference counts, as a busy import does between two rare collections."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("answer", [Response(502, {}, b"<html>"), None])
async def test_an_error_is_in_no_reference_cycle(
    transport: Transport, sender: ScriptedSender, answer: Response | None
) -> None:
    """Its traceback knows the request's body; in a cycle, hundreds of them would pile up."""
    sender.script(answer or APIConnectionError("cut", sent=True))

    async def fail() -> weakref.ref[CleverReachError]:
        try:
            await transport.call_once(build_request("POST", "/groups", json={"name": "x"}))
        except CleverReachError as error:
            return weakref.ref(error)
        raise AssertionError

    assert (await fail())() is None
