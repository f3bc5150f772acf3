"""The switch between httpx and httpx2, for the connections that the library opens itself."""

import os
import subprocess
import sys

import pytest

from cleverreach_async import ConfigurationError
from cleverreach_async.transport.http.library import HTTP_LIBRARY, chosen_library, loaded

USE = """
import sys

import anyio

from cleverreach_async import CleverReach, OAuthApp
from cleverreach_async.sandbox import Sandbox
from cleverreach_async.sandbox.server import running
from cleverreach_async.transport.http.choice import asgi_client

async def names(url, http_client=None):
    auth = OAuthApp("sandbox", "sandbox-secret", base_url=url).client_credentials()
    async with CleverReach(auth, base_url=url, http_client=http_client) as cr:
        await cr.groups.ensure(name="Newsletter")
        return [group.name for group in await cr.groups.list()]

async def main():
    with Sandbox() as sandbox, running(sandbox) as url:
        print(await names(url))
        async with asgi_client(sandbox.app) as in_process:
            print(await names("https://sandbox.invalid", in_process))
    print(*sorted({"httpx", "httpcore", "httpx2", "httpcore2"} & sys.modules.keys()))

anyio.run(main)
"""


def use(library: str, code: str = USE) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter whose environment chooses a library."""
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code],
        capture_output=True,
        check=False,
        encoding="utf-8",
        env={**os.environ, HTTP_LIBRARY: library},
    )


@pytest.mark.socket
def test_the_switch_replaces_both_libraries() -> None:
    """Calls work over sockets and in process, and neither httpx nor httpcore is loaded."""
    done = use("httpx2")

    assert ["['Newsletter']", "['Newsletter']", "httpcore2 httpx2"] == done.stdout.splitlines(), (
        done.stderr
    )


@pytest.mark.parametrize("environ", [{}, {HTTP_LIBRARY: ""}, {HTTP_LIBRARY: "httpx"}])
def test_httpx_is_the_default(environ: dict[str, str]) -> None:
    """An empty variable is like none."""
    assert "httpx" == chosen_library(environ)


def test_an_unknown_library_is_refused() -> None:
    """The error has the name of the variable and what it may be."""
    with pytest.raises(
        ConfigurationError, match=rf"^{HTTP_LIBRARY} is 'curl'; use httpx or httpx2"
    ):
        chosen_library({HTTP_LIBRARY: "curl"})


def test_a_missing_library_is_an_extra() -> None:
    """The error says how to install it."""
    with pytest.raises(ConfigurationError, match=r"needs httpx3: pip install .*\[httpx2\]"):
        loaded("httpx3")


def test_a_client_says_that_the_library_is_unknown() -> None:
    """Not when the package is imported, but when a client is made."""
    code = (
        "from cleverreach_async import CleverReach, ConfigurationError\n"
        "try: CleverReach('token')\n"
        "except ConfigurationError as error: print(error)"
    )

    assert f"{HTTP_LIBRARY} is 'curl'; use httpx or httpx2\n" == use("curl", code).stdout
