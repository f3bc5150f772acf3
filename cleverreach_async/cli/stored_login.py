"""The login that ``cleverreach login`` stores for the other commands.

The token is in a file of :class:`FileTokenStore`. A second file beside it names the app and the
server that it is for, so that it is never sent to another server. The client secret is in neither.
"""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import attrs

from cleverreach_async.auth.app import BearerToken, OAuthApp
from cleverreach_async.auth.file_store import FileTokenStore, read_token_file
from cleverreach_async.auth.tokens import Token, parse_token
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.files import replace_file
from cleverreach_async.transport.transport import Auth

__all__ = [
    "TOKEN_FILE",
    "Login",
    "check_login_file",
    "delete_login",
    "login_file",
    "read_login",
    "save_login",
]

TOKEN_FILE: Final = "CLEVERREACH_TOKEN_FILE"  # noqa: S105 - the variable's name


_BEGINNING: Final = b'{"access_token":'
"""Of every stored token; a damaged one has at least a part of it."""


@attrs.frozen(kw_only=True)
class Login:
    """A stored token, and the app and server that it is for.

    Attributes:
        path: File of the token.
        token: The token.
        client_id: The app that the user logged in to; empty if it is unknown.
        base_url: Root URL of the server that issued the token; empty if it is unknown.
    """

    path: Path
    token: Token
    client_id: str = ""
    base_url: str = ""

    def auth(self, client_secret: str) -> Auth:
        """Return the credentials.

        Args:
            client_secret: The app's secret, which renews the token; without it the token is used
                until it expires.

        Raises:
            ConfigurationError: The token has expired, and there is no secret to renew it.
        """
        if client_secret and self.client_id:
            app = OAuthApp(
                self.client_id,
                client_secret,
                base_url=self.base_url or None,
                allow_http=True,  # it was allowed when the user logged in
            )
            return app.user(store=FileTokenStore(self.path))
        expires_at = self.token.expires_at
        if expires_at is not None and expires_at <= datetime.now(UTC):
            raise ConfigurationError(
                "the stored login has expired: run cleverreach login; if CLEVERREACH_CLIENT_SECRET"
                " is set, a login is renewed before it expires"
            )
        return BearerToken(self.token.access_token)


def login_file(environ: Mapping[str, str | None], *, platform: str = sys.platform) -> Path:
    """Return the file of the token: from the environment, or in the user's configuration folder.

    Args:
        environ: The environment.
        platform: The operating system, as in ``sys.platform``.
    """
    if path := (environ.get(TOKEN_FILE) or "").strip():
        return Path(path).expanduser()
    if platform == "win32":
        folder, fallback = environ.get("APPDATA"), Path.home() / "AppData" / "Roaming"
    else:
        folder, fallback = environ.get("XDG_CONFIG_HOME"), Path.home() / ".config"
    # The XDG specification says to ignore relative folders.
    parent = Path(folder) if folder and Path(folder).is_absolute() else fallback
    return parent / "cleverreach" / "token.json"


def read_login(path: Path) -> Login | None:
    """Return the stored login, or ``None`` if there is none or an empty file.

    Raises:
        ConfigurationError: A file cannot be read, or is not a login.
    """
    try:
        token = parse_token(read_token_file(path), str(path))
        if token is None:
            return None
        about = _about(path)
        app: Any = json.loads(about.read_bytes()) if about.exists() else {}
        return Login(
            path=path,
            token=token,
            client_id=str(app.get("client_id", "")),
            base_url=str(app.get("base_url", "")),
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read the login: {error.strerror}") from None
    except (ValueError, AttributeError):
        raise ConfigurationError(f"{path}: not a stored login; run cleverreach login") from None


def check_login_file(path: Path) -> None:
    """Check that a file may be replaced or deleted as a login.

    The user names it, and a mistaken name may be that of any other file. A damaged login may be
    replaced.

    Raises:
        ConfigurationError: It is something else, which would be lost.
    """
    try:
        content = (read_token_file(path) or b"").strip(b" \0\r\n\t")
    except OSError:
        return  # whoever writes or deletes it says why that fails
    if _about(path).exists() or content.startswith(_BEGINNING[: len(content)]):
        return
    try:
        parse_token(content, str(path))
    except ConfigurationError:
        raise ConfigurationError(
            f"{path} is another file than a stored login, and would be lost: name one with --store"
            f" or {TOKEN_FILE}, or move it"
        ) from None


async def save_login(login: Login) -> None:
    """Store a login and replace the one before.

    Raises:
        ConfigurationError: The files cannot be written.
    """
    store = FileTokenStore(login.path)
    async with store.lock():
        await anyio.to_thread.run_sync(_save_app, login)
        await store.save(login.token)


def _save_app(login: Login) -> None:
    # Delete the old token first: it must not be taken for one of the new server.
    _remove(login.path)
    about = {"client_id": login.client_id, "base_url": login.base_url}
    try:
        replace_file(_about(login.path), [json.dumps(about).encode()])
    except OSError as error:
        raise ConfigurationError(
            f"{login.path}: cannot write the login: {error.strerror}"
        ) from None


async def delete_login(path: Path) -> None:
    """Delete a login.

    Raises:
        ConfigurationError: A file cannot be deleted.
    """
    async with FileTokenStore(path).lock():
        await anyio.to_thread.run_sync(_remove, path)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
        _about(path).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot delete the login: {error.strerror}") from None


def _about(path: Path) -> Path:
    return path.with_name(f"{path.name}.about")
