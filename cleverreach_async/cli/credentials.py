"""Credentials and server: from options, environment, env file, or the stored login.

The stored login comes last. It needs the client secret only to be renewed, so it is also used if
only the secret was found, or only the client id of the app that it is for.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs

from cleverreach_async.auth.app import OAuthApp
from cleverreach_async.auth.environment import (
    BASE_URL,
    CLIENT_ID,
    CLIENT_SECRET,
    Places,
    allows_http,
    find_auth,
    find_value,
    missing_credentials,
)
from cleverreach_async.cli.stored_login import TOKEN_FILE, Login, login_file, read_login
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.base_url import server_root
from cleverreach_async.transport.transport import Auth
from cleverreach_async.transport.wire import DEFAULT_BASE_URL

__all__ = ["Access", "find_access", "find_app", "find_login_file", "read_env_file"]

_QUOTED: Final = re.compile(r"""'([^']*)'\s*(?:\#.*)?|"((?:[^"\\]|\\.)*)"\s*(?:\#.*)?""")
_OTHERWISE: Final = " or in a file for --env-file, or run cleverreach login; --sandbox needs none"
_EXPORT: Final = re.compile(r"\Aexport\s+")
_UNREADABLE: Final = re.compile(
    r"""\s*["'-]?\s*(?:\$(?i:env):|(?i:set|setx|setenv)\s+)?CLEVERREACH_[A-Z]"""
)
"""A variable as YAML, PowerShell and other shells write it."""
_ESCAPED: Final = re.compile(r"""\\(["\\$`])""")


@attrs.frozen(kw_only=True)
class Access:
    """Credentials and server of a client.

    Attributes:
        auth: The credentials.
        base_url: Root URL of the server; it may be used, also if it is ``http://``.
        login: The stored login, if the credentials are from there.
    """

    auth: Auth
    base_url: str
    login: Login | None = None

    @property
    def host(self) -> str:
        """Host and port of the server."""
        return urlsplit(self.base_url).netloc


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
    base_url, allow_http = find_value(sources, BASE_URL), allows_http(sources)
    auth = find_auth(sources, allow_http=allow_http)
    if auth is not None:
        root = server_root(base_url or DEFAULT_BASE_URL, allow_http=allow_http)
        return Access(auth=auth, base_url=root)
    client_id, client_secret = (find_value(sources, name) for name in (CLIENT_ID, CLIENT_SECRET))
    login = read_login(_login_file(sources, environ))
    if login is None or (client_secret and not login.client_id):
        raise missing_credentials(sources, otherwise=_OTHERWISE)
    if client_id and client_id != login.client_id:
        raise ConfigurationError(
            f"{CLIENT_ID} is not that of the stored login, and {CLIENT_SECRET} is missing"
        )
    root = _server_of(login, base_url, allow_http=allow_http)
    return Access(auth=login.auth(client_secret), base_url=root, login=login)


def find_app(
    options: Mapping[str, str | None], environ: Mapping[str, str], env_file: Path | None
) -> OAuthApp:
    """Return the app to log in with; the arguments are those of :func:`find_access`.

    Raises:
        ConfigurationError: Its client id or client secret is missing.
    """
    sources = _sources(options, environ, env_file)
    found = {name: find_value(sources, name) for name in (CLIENT_ID, CLIENT_SECRET)}
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise ConfigurationError(
            f"a login needs the app's client id and client secret: set {' and '.join(missing)}"
        )
    base_url = find_value(sources, BASE_URL) or None
    return OAuthApp(
        found[CLIENT_ID],
        found[CLIENT_SECRET],
        base_url=base_url,
        allow_http=allows_http(sources),
    )


def find_login_file(environ: Mapping[str, str], env_file: Path | None) -> Path:
    """Return the file of the stored login; the arguments are those of :func:`find_access`."""
    return _login_file(_sources({}, environ, env_file), environ)


def _sources(
    options: Mapping[str, str | None], environ: Mapping[str, str], env_file: Path | None
) -> Places:
    return Places(options, environ, read_env_file(env_file) if env_file else {})


def _login_file(sources: Places, environ: Mapping[str, str]) -> Path:
    return login_file({**environ, TOKEN_FILE: find_value(sources, TOKEN_FILE)})


def _server_of(login: Login, given: str, *, allow_http: bool) -> str:
    """Return the server that issued the token; it must not be sent to another one."""
    if not login.base_url:
        return server_root(given or DEFAULT_BASE_URL, allow_http=allow_http)
    if given and server_root(given, allow_http=True) != login.base_url:
        raise ConfigurationError(
            f"the stored login is for {urlsplit(login.base_url).netloc}, not for the configured"
            f" server: unset {BASE_URL} or run cleverreach login"
        )
    return login.base_url


def read_env_file(path: Path) -> dict[str, str]:
    """Read the ``CLEVERREACH_…`` lines of an env file as a shell would; others are ignored.

    Raises:
        ConfigurationError: The file cannot be read, or a line of ours is in another form.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigurationError(f"{path}: cannot read the env file: {reason}") from None
    values: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, equals, rest = line.partition("=")
        name = _EXPORT.sub("", name.strip(), count=1).strip()
        if not equals or not name.startswith("CLEVERREACH_"):
            if _UNREADABLE.match(line):
                # Without it another server or account would be used.
                raise ConfigurationError(
                    f"{path}, line {number}: a variable is not of the form NAME=value"
                )
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
