"""Fixtures of all tests: the event loops that asynchronous tests run on."""

import pytest
from hypothesis import settings

# A busy machine is slow, not wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """The event loop; tests marked ``anyio`` run once on each."""
    return str(request.param)
