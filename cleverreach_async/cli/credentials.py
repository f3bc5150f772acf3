"""Credentials and server: from options, environment, env file, or the stored login.

The stored login comes last. It needs the client secret only to be renewed, so it is also used if
only the secret was found, or only the client id of the app that it is for.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs

from cleverreach_async.auth.app import BearerToken, OAuthApp
from cleverreach_async.cli.stored_login import TOKEN_FILE, Login, login_file, read_login
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.transport import Auth
from cleverreach_async.transport.wire import DEFAULT_BASE_URL, server_root

__all__ = ["Access", "find_access", "find_app", "find_login_file", "read_env_file"]

CLIENT_ID: Final = "CLEVERREACH_CLIENT_ID"
CLIENT_SECRET: Final = "CLEVERREACH_CLIENT_SECRET"  # noqa: S105 - the variable's name
TOKEN: Final = "CLEVERREACH_TOKEN"  # noqa: S105 - the variable's name
BASE_URL: Final = "CLEVERREACH_BASE_URL"

_QUOTED: Final = re.compile(r"""'([^']*)'\s*(?:\#.*)?|"((?:[^"\\]|\\.)*)"\s*(?:\#.*)?""")
_ESCAPED: Final = re.compile(r"""\\(["\\$`])""")


@attrs.frozen(kw_only=True)
class Access:
    """Credentials and server of a client.

    Attributes:
        auth: The credentials.
        base_url: Root URL of the server.
        login: The stored login, if the credentials are from there.
    """

    auth: Auth
    base_url: str
    login: Login | None = None

    @property
    def host(self) -> str:
        """Host and port of the server, without a password that the URL may contain."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]


def find_access(
    options: Mapping[str, str | None], environ: Mapping[str, str], env_file: Path | None
) -> Access:
    """Find credentials in options, environment, env file or the stored login, in this order.

    Client id and client secret may come from different places. If there are both a token and
    client credentials, those from the earlier place are used, and the token if both are from one.

    Args:
        options: Values of the options by the names of their environment variables.
        environ: The environment.
        env_file: A file with lines ``NAME=value``.

    Raises:
        ConfigurationError: Credentials are missing or incomplete, or a file cannot be read.
    """
    sources = _sources(options, environ, env_file)
    found = {name: _first(sources, name) for name in (CLIENT_ID, CLIENT_SECRET, TOKEN, BASE_URL)}
    base_url = found[BASE_URL][1]
    auth = _auth(found)
    if auth is not None:
        return Access(auth=auth, base_url=base_url or DEFAULT_BASE_URL)
    client_id, client_secret = found[CLIENT_ID][1], found[CLIENT_SECRET][1]
    login = read_login(_login_file(sources, environ))
    if login is None or (client_secret and not login.client_id):
        raise _missing_credentials(client_id, client_secret)
    if client_id and client_id != login.client_id:
        raise ConfigurationError(
            f"{CLIENT_ID} is not that of the stored login, and {CLIENT_SECRET} is missing"
        )
    return Access(auth=login.auth(client_secret), base_url=_server_of(login, base_url), login=login)


def find_app(
    options: Mapping[str, str | None], environ: Mapping[str, str], env_file: Path | None
) -> OAuthApp:
    """Return the app to log in with; the arguments are those of :func:`find_access`.

    Raises:
        ConfigurationError: Its client id or client secret is missing.
    """
    sources = _sources(options, environ, env_file)
    found = {name: _first(sources, name)[1] for name in (CLIENT_ID, CLIENT_SECRET)}
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise ConfigurationError(
            f"a login needs the app's client id and client secret: set {' and '.join(missing)}"
        )
    base_url = _first(sources, BASE_URL)[1] or DEFAULT_BASE_URL
    return OAuthApp(found[CLIENT_ID], found[CLIENT_SECRET], base_url=base_url)


def find_login_file(environ: Mapping[str, str], env_file: Path | None) -> Path:
    """Return the file of the stored login; the arguments are those of :func:`find_access`."""
    return _login_file(_sources({}, environ, env_file), environ)


_Sources = Sequence[Mapping[str, str | None]]


def _sources(
    options: Mapping[str, str | None], environ: Mapping[str, str], env_file: Path | None
) -> _Sources:
    return options, environ, read_env_file(env_file) if env_file else {}


def _login_file(sources: _Sources, environ: Mapping[str, str]) -> Path:
    return login_file({**environ, TOKEN_FILE: _first(sources, TOKEN_FILE)[1]})


def _server_of(login: Login, given: str) -> str:
    """Return the server that issued the token; it must not be sent to another one."""
    if not login.base_url:
        return given or DEFAULT_BASE_URL
    if given and server_root(given) != login.base_url:
        raise ConfigurationError(
            f"the stored login is for {urlsplit(login.base_url).netloc}, not for the configured"
            f" server: unset {BASE_URL} or run cleverreach login"
        )
    return login.base_url


_Found = tuple[int, str]


def _first(sources: _Sources, name: str) -> _Found:
    """Return the first value, after the number of its source."""
    for rank, source in enumerate(sources):
        value = (source.get(name) or "").strip()
        if value:
            return rank, value
    return len(sources), ""


def _auth(found: Mapping[str, _Found]) -> Auth | None:
    """Return the credentials that were found, or ``None`` if they are missing or incomplete."""
    token_rank, token = found[TOKEN]
    id_rank, client_id = found[CLIENT_ID]
    secret_rank, client_secret = found[CLIENT_SECRET]
    if token and token_rank <= min(id_rank, secret_rank):
        return BearerToken(token)
    if client_id and client_secret:
        return OAuthApp(client_id, client_secret).client_credentials()
    return None


def _missing_credentials(client_id: str, client_secret: str) -> ConfigurationError:
    if client_id or client_secret:
        given, missing = (CLIENT_ID, CLIENT_SECRET) if client_id else (CLIENT_SECRET, CLIENT_ID)
        return ConfigurationError(f"{given} is set, but {missing} is missing")
    return ConfigurationError(
        f"no credentials: set {CLIENT_ID} and {CLIENT_SECRET}, or {TOKEN}, in the environment or"
        " in a file for --env-file, or run cleverreach login; --sandbox needs none"
    )


def read_env_file(path: Path) -> dict[str, str]:
    """Read the ``CLEVERREACH_…`` lines of an env file as a shell would; others are ignored.

    Raises:
        ConfigurationError: The file cannot be read, or a closing quote is missing.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigurationError(f"{path}: cannot read the env file: {reason}") from None
    values: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, equals, rest = line.partition("=")
        name = name.strip().removeprefix("export ").strip()
        if not equals or not name.startswith("CLEVERREACH_"):
            continue
        value = rest.strip()
        if value.startswith(("'", '"')):
            quoted = _QUOTED.fullmatch(value)
            if quoted is None:
                # The value is not shown: it may be a secret.
                raise ConfigurationError(
                    f"{path}, line {number}: the closing quote of {name} is missing"
                )
            value = quoted[1] if quoted[1] is not None else _ESCAPED.sub(r"\1", quoted[2])
        else:
            value = re.split(r"\s#", rest, maxsplit=1)[0].strip()
        values[name] = value
    return values
