"""``cleverreach login`` and ``cleverreach logout``: work with the account of whoever consents.

The login is the authorization code flow. The page of consent opens in the browser, which comes back
to ``http://localhost:PORT/callback`` on this computer; that address has to be registered with the
app. The token is stored for the other commands; the app's secret never is.

Credentials that are given, by an option, the environment or an env file, go before the stored
login. The other commands use it when they find none, and then need no secret until the token ends.
Where they find the secret alone, they renew the token with it.
"""

import os
import webbrowser
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final

import anyio
import anyio.to_thread
import attrs
import typer

from cleverreach_async.auth.app import BearerToken, OAuthApp, new_state
from cleverreach_async.auth.stores import FileTokenStore
from cleverreach_async.auth.tokens import Token
from cleverreach_async.cli.connection import run
from cleverreach_async.cli.credentials import (
    BASE_URL,
    CLIENT_ID,
    CLIENT_SECRET,
    TOKEN,
    find_app,
    find_login_file,
)
from cleverreach_async.cli.login.loopback import Loopback, listening
from cleverreach_async.cli.options import BaseUrl, ClientId, ClientSecret, EnvFile, by_variable
from cleverreach_async.cli.output import Output, plain
from cleverreach_async.cli.stored_login import (
    TOKEN_FILE,
    Login,
    delete_login,
    read_login,
    save_login,
)
from cleverreach_async.client import CleverReach
from cleverreach_async.errors import CleverReachError, ConfigurationError
from cleverreach_async.resources.debug import Whoami
from cleverreach_async.transport.retry import RetryPolicy
from cleverreach_async.transport.wire import DEFAULT_BASE_URL

__all__ = ["LoginOptions", "TokenFile", "log_in", "log_out"]

PATIENCE: Final = 300.0

Visit = Mapping[str, str]


TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The token's file. Environment: CLEVERREACH_TOKEN_FILE. Else token.json in the folder"
        " cleverreach of your settings (~/.config, $XDG_CONFIG_HOME or %APPDATA%).",
    ),
]


@attrs.frozen(kw_only=True)
class LoginOptions:
    """The command line of ``login``."""

    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="N", help="Where the browser comes back; 0: any."),
    ] = 8765
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address of the page of consent.")
    ] = False
    store: TokenFile = None
    client_id: ClientId = None
    client_secret: ClientSecret = None
    base_url: BaseUrl = None
    env_file: EnvFile = None


def log_in(options: LoginOptions, output: Output) -> None:
    """Let a user connect the app, and store the token.

    Args:
        options: What the command line says.
        output: Where to print.

    Raises:
        ConfigurationError: The port or the file cannot be used, or nobody came back.
        TokenError: The user refused, or the code was refused.
        CleverReachError: A call failed.
    """
    app = find_app(by_variable(options), os.environ, options.env_file)
    path = _token_path(options.store, options.env_file)
    account = run(partial(_log_in, app, path, options, output))
    name = account.company or f"{account.firstname} {account.name}".strip()
    output.result(plain(f"Logged in to {name} (account {account.id})."))
    output.note(f"The token is in {path}; commands without credentials use it.")
    if options.store is not None:
        output.note(f"Name the file to them: export {TOKEN_FILE}={path}")
    if os.environ.get(TOKEN):
        output.warn(f"{TOKEN} is set and goes before this login")
    elif os.environ.get(CLIENT_ID) and os.environ.get(CLIENT_SECRET):
        output.warn(
            f"{CLIENT_ID} and {CLIENT_SECRET} are set and go before this login: they mean the"
            f" app's own account. Unset {CLIENT_ID} to work with the login; the secret alone"
            " renews it"
        )


def _token_path(store: Path | None, env_file: Path | None) -> Path:
    return (store or find_login_file(os.environ, env_file)).absolute()


async def _log_in(app: OAuthApp, path: Path, options: LoginOptions, output: Output) -> Whoami:
    async with FileTokenStore(path).lock():
        pass  # a folder that cannot be written is told before the user consents, not after
    async with listening(options.port) as loopback:
        app = attrs.evolve(app, redirect_uri=loopback.url)
        state = new_state()
        url = app.authorization_url(state=state)
        output.note(f"{loopback.url} has to be registered as redirect URI with the app.")
        output.note("Opening the page of consent:" if not options.no_browser else "Open this page:")
        output.line(url)
        query = await _visit(url, loopback, browser=not options.no_browser, output=output)
        try:
            token = await app.exchange_code(app.read_callback(query, state=state))
            account = await _whoami(app, token)
            await save_login(
                Login(
                    path=path,
                    token=token,
                    client_id=app.client_id,
                    base_url=app.base_url,
                )
            )
        except CleverReachError:
            reason = "The command line says why. You can close this window."
            await loopback.show("Not logged in", reason, status=HTTPStatus.BAD_REQUEST)
            raise
        await loopback.show("Logged in", "You can close this window.")
        return account


async def _visit(url: str, loopback: Loopback, *, browser: bool, output: Output) -> Visit:
    """Open the browser and wait for it to come back."""
    query: Visit = {}
    with anyio.move_on_after(PATIENCE) as patience:
        async with anyio.create_task_group() as tasks:
            if browser:
                tasks.start_soon(_open_browser, url, output)
            query = await loopback.visit()
            tasks.cancel_scope.cancel()
    if patience.cancelled_caught:
        raise ConfigurationError(
            f"nobody came back within {PATIENCE / 60:g} minutes; run cleverreach login again"
        )
    return query


async def _open_browser(url: str, output: Output) -> None:
    try:
        # One that runs in the terminal returns only when it is closed.
        opened = await anyio.to_thread.run_sync(webbrowser.open, url, abandon_on_cancel=True)
    except webbrowser.Error:
        opened = False
    if not opened:
        output.note("no browser could be opened; open the address yourself")


async def _whoami(app: OAuthApp, token: Token) -> Whoami:
    async with CleverReach(BearerToken(token.access_token), base_url=app.base_url) as client:
        return await client.debug.whoami()


def log_out(store: Path | None, env_file: Path | None, output: Output) -> None:
    """Revoke the stored token if the server can be reached, and delete it in any case.

    Args:
        store: The file that holds it, if it is named.
        env_file: Where it may be named instead.
        output: Where to print.

    Raises:
        ConfigurationError: The file cannot be deleted.
    """
    run(partial(_log_out, _token_path(store, env_file), output))


async def _log_out(store: Path, output: Output) -> None:
    try:
        login = read_login(store)
    except ConfigurationError:
        login = None  # no token, so nothing to revoke; deleted all the same
    if login is None and not store.exists():  # noqa: ASYNC240 - a look at one file
        output.note(f"there is no login in {store}")
        return
    if login is not None:
        await _revoke(login, output)
    await delete_login(store)
    output.result("Logged out.")


async def _revoke(login: Login, output: Output) -> None:
    base_url = login.base_url or os.environ.get(BASE_URL) or DEFAULT_BASE_URL
    try:
        async with CleverReach(
            BearerToken(login.token.access_token),
            base_url=base_url,
            timeout=10.0,
            retry=RetryPolicy(attempts=2),
        ) as client:
            await client.oauth.revoke()
    except CleverReachError as error:
        output.warn(plain(f"the token could not be revoked and ends by itself: {error}"))
