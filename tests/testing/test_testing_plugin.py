"""The pytest plugin, in test suites as users write them."""

import importlib
import inspect
import textwrap
from collections.abc import Callable

import anyio
import pytest

from cleverreach_async import CleverReach, OAuthApp, RateLimitError, ReceiverInput, RetryPolicy
from cleverreach_async.sandbox import Fault, Sandbox

pytest_plugins = ["pytester"]

PLUGIN = "cleverreach_async.testing"

Suite = Callable[..., pytest.RunResult]


@pytest.fixture
def run_suite(pytester: pytest.Pytester) -> Suite:
    """Run a test module in a suite without a conftest. Warnings are errors there too."""

    def run(module: str, *more: str) -> pytest.RunResult:
        pytester.makepyfile(textwrap.dedent(module))
        options = ("-p", "no:randomly", "-o", "asyncio_default_fixture_loop_scope=function")
        return pytester.runpytest_inprocess(*options, "-W", "error", *more)

    return run


def example() -> str:
    """The test in the module's docstring."""
    lines = inspect.cleandoc(importlib.import_module(PLUGIN).__doc__ or "").splitlines()
    start = lines.index("    import pytest")
    code: list[str] = []
    for line in lines[start:]:
        if line and not line.startswith("    "):
            break
        code.append(line)
    return textwrap.dedent("\n".join(code))


def test_the_docstring_example_passes_on_both_loops(run_suite: Suite) -> None:
    """The example is a whole test module. anyio's plugin runs it on asyncio and on trio."""
    run_suite(example()).assert_outcomes(passed=2)


def test_the_fixtures_work_under_pytest_asyncio(run_suite: Suite) -> None:
    """The client is created outside the event loop and used inside."""
    run_suite("""
        import pytest

        @pytest.mark.asyncio
        async def test_group(cleverreach, cleverreach_sandbox):
            group = await cleverreach.groups.create(name="Newsletter")
            assert group.id == cleverreach_sandbox.store.group_id("Newsletter")
    """).assert_outcomes(passed=1)


def test_the_fixtures_work_in_a_plain_test(run_suite: Suite) -> None:
    """A synchronous test may start its own event loop."""
    run_suite("""
        import asyncio

        def test_group(cleverreach):
            async def main():
                async with cleverreach:
                    return await cleverreach.groups.list()

            assert 0 == len(asyncio.run(main()))
    """).assert_outcomes(passed=1)


def test_each_test_has_its_own_account(run_suite: Suite) -> None:
    """Data of one test is gone in the next."""
    run_suite("""
        import pytest

        @pytest.mark.asyncio
        @pytest.mark.parametrize("turn", [1, 2])
        async def test_group(cleverreach, turn):
            await cleverreach.groups.create(name="Newsletter")
            assert 1 == len(await cleverreach.groups.list())
    """).assert_outcomes(passed=2)


def test_a_suite_that_names_the_plugin(pytester: pytest.Pytester, run_suite: Suite) -> None:
    """It is loaded once, where pytest loads it on its own and where it must not."""
    pytester.makeconftest('pytest_plugins = ["cleverreach_async.testing"]')
    again = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # imported here before
    module = "def test_account(cleverreach_sandbox): assert [] == cleverreach_sandbox.requests"
    run_suite(module, *again).assert_outcomes(passed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        pytester.runpytest_inprocess("-W", "error", *again).assert_outcomes(passed=1)


def test_a_suite_without_the_fixtures_imports_nothing(run_suite: Suite) -> None:
    """The plugin imports neither client nor sandbox for it."""
    source = inspect.getsource(importlib.import_module(PLUGIN))
    heads = [line for line in source.splitlines() if line.startswith(("import ", "from "))]

    assert [
        "from collections.abc import Callable, Iterator",
        "from typing import TYPE_CHECKING, Final",
        "import pytest",
    ] == heads
    run_suite("def test_nothing(): pass").assert_outcomes(passed=1)


@pytest.mark.anyio
async def test_faults_affect_the_client(
    cleverreach: CleverReach, cleverreach_sandbox: Sandbox
) -> None:
    """A fault that a test adds affects the client of the same test."""
    cleverreach_sandbox.faults.add(Fault("status", code=429, times=1))

    with pytest.raises(RateLimitError) as refused:
        await cleverreach.with_options(retry=RetryPolicy(attempts=1)).groups.list()

    assert 429 == refused.value.status_code


@pytest.mark.anyio
async def test_clients_of_several_accounts(
    cleverreach: CleverReach,
    cleverreach_for: Callable[[str], CleverReach],
    cleverreach_sandbox: Sandbox,
) -> None:
    """Each name is an account of its own, and the same one for the same name."""
    await cleverreach_for("shop-42").groups.create(name="Newsletter")

    assert [[], ["Newsletter"], []] == [
        [group.name for group in await client.groups.list()]
        for client in (cleverreach, cleverreach_for("shop-42"), cleverreach_for("shop-43"))
    ]
    assert ["main", "shop-42", "shop-43"] == list(cleverreach_sandbox.accounts)


@pytest.mark.socket
def test_the_url_serves_the_same_account(
    cleverreach_sandbox: Sandbox, cleverreach_sandbox_url: str
) -> None:
    """Data that is stored over the socket is in the sandbox of the test."""

    async def main() -> int:
        """Store a receiver and return the group."""
        auth = OAuthApp("sandbox", "sandbox-secret").client_credentials()
        async with CleverReach(auth, base_url=cleverreach_sandbox_url) as client:
            group = await client.groups.create(name="Newsletter")
            await client.receivers.upsert(ReceiverInput("mia@example.org"), group_id=group.id)
            return group.id

    group_id = anyio.run(main)

    assert ["mia@example.org"] == cleverreach_sandbox.store.emails(group_id)
