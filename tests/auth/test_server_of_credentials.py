"""Credentials go to the server that they are for, and nowhere else."""

from collections.abc import Callable

import httpx
import pytest

from cleverreach_async import (
    BearerToken,
    CleverReach,
    ConfigurationError,
    MemoryTokenStore,
    OAuthApp,
    Secret,
    Token,
)
from cleverreach_async.transport.transport import Auth

SANDBOX, OTHER = "http://127.0.0.1:8801", "http://127.0.0.1:8802"
DEFAULT = "https://rest.cleverreach.com"
TOKEN = Token(access_token=Secret("token"))

GRANTS: list[Callable[[OAuthApp], Auth]] = [
    lambda app: app.client_credentials(),
    lambda app: app.user(TOKEN),
    lambda app: app.user(TOKEN, on_refresh=lambda _: None),
    lambda app: app.user(store=MemoryTokenStore(TOKEN)),
]


def server_of(client: CleverReach) -> str:
    """The client's server."""
    return repr(client).split()[1]


@pytest.mark.parametrize("grant", GRANTS)
def test_a_client_uses_the_server_of_the_app(grant: Callable[[OAuthApp], Auth]) -> None:
    """The same server may also be given twice, in any spelling."""
    auth = grant(OAuthApp("id", "secret", base_url=f"{SANDBOX}/v3/"))

    assert SANDBOX == server_of(CleverReach(auth))
    assert SANDBOX == server_of(CleverReach(auth, base_url=f"{SANDBOX}/"))


@pytest.mark.parametrize("grant", GRANTS)
@pytest.mark.parametrize(("of_app", "of_client"), [(SANDBOX, OTHER), (SANDBOX, DEFAULT)])
def test_another_server_is_refused(
    grant: Callable[[OAuthApp], Auth], of_app: str, of_client: str
) -> None:
    """Also the default, and also for a sibling; the message names both servers."""
    auth = grant(OAuthApp("id", "secret", base_url=of_app))

    with pytest.raises(ConfigurationError, match=f"{of_app}.*{of_client}.*base_url="):
        CleverReach(auth, base_url=of_client)
    with pytest.raises(ConfigurationError, match=f"{of_app}.*{of_client}.*base_url="):
        CleverReach("token", base_url=of_client).with_auth(auth)


def test_the_default_server_can_be_named() -> None:
    """Then the secret goes nowhere else either."""
    app = OAuthApp("id", "secret", base_url=DEFAULT)

    with pytest.raises(ConfigurationError, match=SANDBOX):
        CleverReach(app.client_credentials(), base_url=SANDBOX)


def test_an_app_without_server_uses_that_of_the_client() -> None:
    """As does a token, which has none."""
    app = OAuthApp("id", "secret")

    assert DEFAULT == app.base_url
    assert DEFAULT == server_of(CleverReach(app.client_credentials()))
    assert SANDBOX == server_of(CleverReach(app.client_credentials(), base_url=SANDBOX))
    assert SANDBOX == server_of(CleverReach("token", base_url=SANDBOX).with_auth(BearerToken("b")))


@pytest.mark.anyio
async def test_the_secret_is_sent_to_the_server_of_the_app() -> None:
    """And so is every other request."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.url}")
        is_token = request.url.path.startswith("/oauth")
        return httpx.Response(200, json={"access_token": "t", "expires_in": 99} if is_token else [])

    app = OAuthApp("id", "secret", base_url=SANDBOX)
    http_client = httpx.AsyncClient(transport=httpx.MockTransport(answer))

    async with CleverReach(app.client_credentials(), http_client=http_client) as cr:
        await cr.groups.list()

    assert [f"{SANDBOX}/oauth/token.php", f"{SANDBOX}/v3/groups"] == asked
