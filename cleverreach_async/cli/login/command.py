"""``cleverreach login`` and ``cleverreach logout``: use the account of a user who logs in.

The login is the authorization code flow. The login page opens in the browser, which is redirected
to ``http://localhost:PORT/callback`` on this computer; that URI has to be registered with the app.
The token is stored for the other commands; the client secret is not.

Credentials from an option, the environment or an env file take precedence over the stored login.
The other commands use it if they find none, and need no secret until the token expires. If they
find only the secret, they renew the token with it.
"""

import os
import webbrowser
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final

import anyio
import anyio.to_thread
import attrs
import typer

from cleverreach_async.auth.app import BearerToken, OAuthApp, new_state
from cleverreach_async.auth.environment import BASE_URL, CLIENT_ID, CLIENT_SECRET, TOKEN
from cleverreach_async.auth.file_store import FileTokenStore
from cleverreach_async.auth.tokens import Token
from cleverreach_async.cli.connection import run
from cleverreach_async.cli.credentials import find_app, find_login_file
from cleverreach_async.cli.login.loopback import Loopback, listening
from cleverreach_async.cli.options import BaseUrl, ClientId, ClientSecret, EnvFile, by_variable
from cleverreach_async.cli.output import Output
from cleverreach_async.cli.stored_login import (
    TOKEN_FILE,
    Login,
    check_login_file,
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

LOGIN_TIMEOUT: Final = 300.0


TokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File of the token. Environment: CLEVERREACH_TOKEN_FILE. Default:"
        " cleverreach/token.json in your configuration folder (~/.config, $XDG_CONFIG_HOME or"
        " %APPDATA%).",
    ),
]


# Without a repr, which would show secrets.
@attrs.frozen(kw_only=True, repr=False)
class LoginOptions:
    """The command line of ``login``."""

    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, metavar="N", help="Port of the redirect URI; 0 for a free one."
        ),
    ] = 8765
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the URL of the login page.")
    ] = False
    store: TokenFile = None
    client_id: ClientId = None
    client_secret: ClientSecret = None
    base_url: BaseUrl = None
    env_file: EnvFile = None


def log_in(output: Output, options: LoginOptions) -> None:
    """Let a user log in, and store the token.

    Args:
        output: Where to print.
        options: The command line.

    Raises:
        ConfigurationError: The port or the file cannot be used, or the login timed out.
        TokenError: The user denied access, or the server refused the code.
        CleverReachError: A call failed.
    """
    app = find_app(by_variable(options), os.environ, options.env_file)
    path = _token_path(options.store, options.env_file)
    account = run(partial(_log_in, app, path, options, output))
    name = account.company or f"{account.firstname} {account.name}".strip()
    output.result(f"Logged in to {name} (account {account.id}).")
    output.info(f"The token is in {path}. Commands without other credentials use it.")
    if options.store is not None:
        output.info(f"Tell them the file: export {TOKEN_FILE}={path}", wrap=False)
    if os.environ.get(TOKEN):
        output.warn(f"{TOKEN} is set and takes precedence over this login")
    elif os.environ.get(CLIENT_ID) and os.environ.get(CLIENT_SECRET):
        output.warn(
            f"{CLIENT_ID} and {CLIENT_SECRET} are set and take precedence over this login: they"
            f" belong to the app's own account. Unset {CLIENT_ID} to use the login; the secret"
            " alone renews it"
        )


def _token_path(store: Path | None, env_file: Path | None) -> Path:
    return (store or find_login_file(os.environ, env_file)).absolute()


async def _log_in(app: OAuthApp, path: Path, options: LoginOptions, output: Output) -> Whoami:
    check_login_file(path)
    async with FileTokenStore(path).lock():
        pass  # report a folder that cannot be written before the user logs in, not after
    state = new_state()
    async with listening(options.port, state) as loopback:
        app = attrs.evolve(app, redirect_uri=loopback.url)
        url = app.authorization_url(state=state)
        output.info(f"{loopback.url} has to be registered as redirect URI with the app.")
        output.advise("Open this page:" if options.no_browser else "Opening the login page:")
        output.advise(url, wrap=False)
        query = await _wait_for_browser(url, loopback, options, output)
        try:
            token = await app.exchange_code(app.read_callback(query, state=state))
            account = await _whoami(app, token)
            await save_login(
                Login(path=path, token=token, client_id=app.client_id, base_url=app.base_url)
            )
        except CleverReachError:
            text = "The terminal shows the reason. You can close this window."
            await loopback.respond("Not logged in", text, status=HTTPStatus.BAD_REQUEST)
            raise
        await loopback.respond("Logged in", "You can close this window.")
        return account


async def _wait_for_browser(
    url: str, loopback: Loopback, options: LoginOptions, output: Output
) -> str:
    """Open the browser and wait until it is redirected; return the query string."""
    query = ""
    with anyio.move_on_after(LOGIN_TIMEOUT) as scope:
        async with anyio.create_task_group() as tasks:
            if not options.no_browser:
                tasks.start_soon(_open_browser, url, output)
            query = await loopback.wait()
            tasks.cancel_scope.cancel()
    if scope.cancelled_caught:
        raise ConfigurationError(
            f"no login within {LOGIN_TIMEOUT / 60:g} minutes; run cleverreach login again"
        )
    return query


async def _open_browser(url: str, output: Output) -> None:
    try:
        # A browser that runs in the terminal returns only when it is closed.
        opened = await anyio.to_thread.run_sync(webbrowser.open, url, abandon_on_cancel=True)
    except webbrowser.Error:
        opened = False
    if not opened:
        output.advise("no browser found; open the page yourself")


async def _whoami(app: OAuthApp, token: Token) -> Whoami:
    async with CleverReach(
        BearerToken(token.access_token), base_url=app.base_url, allow_http=app.allow_http
    ) as client:
        return await client.debug.whoami()


def log_out(output: Output, *, store: TokenFile = None, env_file: EnvFile = None) -> None:
    """Revoke the stored token if the server can be reached, and delete it in any case.

    Args:
        output: Where to print.
        store: File of the token; ``None`` for the default.
        env_file: File with environment variables.

    Raises:
        ConfigurationError: The file cannot be deleted.
    """
    run(partial(_log_out, _token_path(store, env_file), output))


async def _log_out(store: Path, output: Output) -> None:
    check_login_file(store)
    try:
        login = read_login(store)
    except ConfigurationError:
        login = None  # nothing to revoke; the file is deleted anyway
    if login is None and not store.exists():  # noqa: ASYNC240 - one fast call
        output.info(f"no stored login in {store}")
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
            allow_http=bool(login.base_url),  # it was allowed when the user logged in
            timeout=10.0,
            retry=RetryPolicy(attempts=2),
        ) as client:
            await client.oauth.revoke()
    except CleverReachError as error:
        output.warn(f"cannot revoke the token, which stays valid until it expires: {error}")
