"""A real account, or none: what is learned is printed as a table at the end.

``CLEVERREACH_LIVE_TOKEN`` is the token of an account in which these tests may create groups. They
remove them, and everything in them. No mail is sent. ``CLEVERREACH_BASE_URL`` is another server.
"""

import os
import secrets
from collections.abc import AsyncIterator

import pytest
from _pytest.terminal import TerminalReporter

from cleverreach_async import CleverReach

LEARNED = pytest.StashKey[dict[str, str]]()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The real account is asked once."""
    return "asyncio"


@pytest.fixture
async def cr() -> AsyncIterator[CleverReach]:
    """A client of the account."""
    token = os.environ.get("CLEVERREACH_LIVE_TOKEN")
    if not token:
        pytest.skip("set CLEVERREACH_LIVE_TOKEN to ask a real account")
    base_url = os.environ.get("CLEVERREACH_BASE_URL")
    async with CleverReach(token, base_url=base_url, allow_http=True) as client:
        yield client


@pytest.fixture
async def group_id(cr: CleverReach) -> AsyncIterator[int]:
    """A group of the test's own."""
    group = await cr.groups.create(name=f"cleverreach-async test {secrets.token_hex(4)}")
    yield group.id
    await cr.groups.delete(group.id)


@pytest.fixture
def learned(pytestconfig: pytest.Config) -> dict[str, str]:
    """The answers so far, by question."""
    return pytestconfig.stash.setdefault(LEARNED, {})


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """Print what was learned."""
    answers = config.stash.get(LEARNED, dict[str, str]())
    if not answers:
        return
    width = max(map(len, answers))
    terminalreporter.section("learned from the account")
    for question, answer in answers.items():
        terminalreporter.write_line(f"{question:{width}}  {answer}")
