"""Settings and fixtures of all tests: hypothesis profiles, and the event loops."""

import pytest
from hypothesis import settings

# Without a deadline per example, because a test that is slow on a busy machine is not wrong.
settings.register_profile("default-without-deadline", deadline=None)
settings.register_profile("hunt", deadline=None, max_examples=1000)
settings.load_profile("default-without-deadline")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """The event loop; tests marked ``anyio`` run once on each."""
    return str(request.param)


@pytest.fixture(autouse=True)
def _long_keep_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep unused connections open: the usual seconds may pass on a busy machine."""
    monkeypatch.setattr("cleverreach_async.transport.http.pooled_sender._KEEP_ALIVE", 600.0)
