"""The login that ``cleverreach login`` leaves behind for the other commands.

The token stands in a file of its own, as :class:`FileTokenStore` keeps it. A second file beside it
tells the app and the server that it is for, so that it is never sent to another. The app's secret
is in neither.
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
from cleverreach_async.auth.stores import FileTokenStore
from cleverreach_async.auth.tokens import Token
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.files import replace_file
from cleverreach_async.transport.transport import Auth

__all__ = ["TOKEN_FILE", "Login", "delete_login", "login_file", "read_login", "save_login"]

TOKEN_FILE: Final = "CLEVERREACH_TOKEN_FILE"  # noqa: S105 - the variable's name


@attrs.frozen(kw_only=True)
class Login:
    """A token in a file, and what it is for.

    Attributes:
        path: The token's file.
        token: The token.
        client_id: The app that the user connected; empty when it is not known.
        base_url: The root of the server that gave the token; empty when it is not known.
    """

    path: Path
    token: Token
    client_id: str = ""
    base_url: str = ""

    def auth(self, client_secret: str) -> Auth:
        """Return the way to use it.

        Args:
            client_secret: The app's secret, which renews the token; without it the token is used
                until it ends.

        Raises:
            ConfigurationError: It has ended, and nothing is there to renew it with.
        """
        if client_secret and self.client_id:
            return OAuthApp(self.client_id, client_secret).user(store=FileTokenStore(self.path))
        end = self.token.expires_at
        if end is not None and end <= datetime.now(UTC):
            raise ConfigurationError(
                "the stored login has ended: run cleverreach login; where CLEVERREACH_CLIENT_SECRET"
                " is set, a login is renewed before it ends"
            )
        return BearerToken(self.token.access_token)


def login_file(environ: Mapping[str, str | None], *, platform: str = sys.platform) -> Path:
    """Return the token's file: the one that is named, else the one in the user's settings.

    Args:
        environ: The environment.
        platform: The operating system as ``sys.platform`` has it.
    """
    if named := (environ.get(TOKEN_FILE) or "").strip():
        return Path(named).expanduser()
    if platform == "win32":
        folder, fallback = environ.get("APPDATA"), Path.home() / "AppData" / "Roaming"
    else:
        folder, fallback = environ.get("XDG_CONFIG_HOME"), Path.home() / ".config"
    # The XDG specification has relative folders passed over.
    parent = Path(folder) if folder and Path(folder).is_absolute() else fallback
    return parent / "cleverreach" / "token.json"


def read_login(path: Path) -> Login | None:
    """Return the login, or ``None`` when nobody has logged in.

    Raises:
        ConfigurationError: A file cannot be read, or holds something else.
    """
    try:
        token = Token.from_json(path.read_bytes())
        about = _about(path)
        described: Any = json.loads(about.read_bytes()) if about.exists() else {}
        return Login(
            path=path,
            token=token,
            client_id=str(described.get("client_id", "")),
            base_url=str(described.get("base_url", "")),
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read the login: {error.strerror}") from None
    except (ValueError, AttributeError):
        raise ConfigurationError(f"{path}: holds no login: run cleverreach login") from None


async def save_login(login: Login) -> None:
    """Store a login in place of the one that may be there.

    Raises:
        ConfigurationError: The files cannot be written.
    """
    store = FileTokenStore(login.path)
    async with store.lock():
        await anyio.to_thread.run_sync(_describe, login)
        await store.save(login.token)


def _describe(login: Login) -> None:
    # The old token goes first: it must not be taken for one of the new server.
    _remove(login.path)
    about = {"client_id": login.client_id, "base_url": login.base_url}
    try:
        replace_file(_about(login.path), [json.dumps(about).encode()])
    except OSError as error:
        raise ConfigurationError(f"{login.path}: {error.strerror or 'cannot be used'}") from None


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
        raise ConfigurationError(f"{path}: cannot be deleted: {error.strerror}") from None


def _about(path: Path) -> Path:
    return path.with_name(f"{path.name}.about")
