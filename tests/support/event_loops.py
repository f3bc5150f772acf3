"""The event loops on which tests run."""

import pytest

__all__ = ["anyio_backend"]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Each event loop in turn.

    Every test marked ``anyio`` has it. In folders whose tests run on one event loop a file imports
    it if its tests start tasks or wait.
    """
    return str(request.param)
