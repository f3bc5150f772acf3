"""Who the command acts as, and on which server: options, environment, env file, stored login.

A stored login comes last. It needs the app's secret only to be renewed, so it is also used where
the secret is all that was found, or the id of the app that it is for.
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
    """What a client needs.

    Attributes:
        auth: How to authenticate.
        base_url: The server's root.
        login: The stored login that ``auth`` uses, if it does.
    """

    auth: Auth
    base_url: str
    login: Login | None = None

    @property
    def host(self) -> str:
        """The server as it may be shown: a URL can hold a password before the host."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]


def find_access(
    options: Mapping[str, str | None], environ: Mapping[str, str], env_file: Path | None
) -> Access:
    """Choose among options, environment, env file and the stored login, in this order.

    A part of the client credentials may come from one place and the other from another, so that
    only the secret needs hiding. Where both a token and client credentials are given, those of the
    earlier place win, and within one place the token.

    Args:
        options: Values of the options by the name of their variable.
        environ: The environment.
        env_file: A file with lines ``NAME=value``.

    Raises:
        ConfigurationError: There are no credentials, or half of them, or a file is unreadable.
    """
    places = _places(options, environ, env_file)
    found = {name: _first(places, name) for name in (CLIENT_ID, CLIENT_SECRET, TOKEN, BASE_URL)}
    base_url = found[BASE_URL][1]
    auth = _auth(found)
    if auth is not None:
        return Access(auth=auth, base_url=base_url or DEFAULT_BASE_URL)
    client_id, client_secret = found[CLIENT_ID][1], found[CLIENT_SECRET][1]
    login = read_login(_login_file(places, environ))
    if login is None or (client_secret and not login.client_id):
        raise _lacking(client_id, client_secret)
    if client_id and client_id != login.client_id:
        raise ConfigurationError(
            f"{CLIENT_ID} is not the app of the stored login, and {CLIENT_SECRET} is missing"
        )
    return Access(auth=login.auth(client_secret), base_url=_server_of(login, base_url), login=login)


def find_app(
    options: Mapping[str, str | None], environ: Mapping[str, str], env_file: Path | None
) -> OAuthApp:
    """Return the app that a user is to connect; arguments as for :func:`find_access`.

    Raises:
        ConfigurationError: Its id or its secret is missing.
    """
    places = _places(options, environ, env_file)
    client_id, client_secret = (_first(places, name)[1] for name in (CLIENT_ID, CLIENT_SECRET))
    if not (client_id and client_secret):
        missing = " and ".join(
            name
            for name, value in {CLIENT_ID: client_id, CLIENT_SECRET: client_secret}.items()
            if not value
        )
        raise ConfigurationError(f"a login needs the app's id and secret: set {missing}")
    base_url = _first(places, BASE_URL)[1] or DEFAULT_BASE_URL
    return OAuthApp(client_id, client_secret, base_url=base_url)


def find_login_file(environ: Mapping[str, str], env_file: Path | None) -> Path:
    """Return the file of the stored login; arguments as for :func:`find_access`."""
    return _login_file(_places({}, environ, env_file), environ)


_Places = Sequence[Mapping[str, str | None]]


def _places(
    options: Mapping[str, str | None], environ: Mapping[str, str], env_file: Path | None
) -> _Places:
    return options, environ, read_env_file(env_file) if env_file else {}


def _login_file(places: _Places, environ: Mapping[str, str]) -> Path:
    return login_file({**environ, TOKEN_FILE: _first(places, TOKEN_FILE)[1]})


def _server_of(login: Login, given: str) -> str:
    """Return the server that gave the token, which no other one is to see."""
    if not login.base_url:
        return given or DEFAULT_BASE_URL
    if given and server_root(given) != login.base_url:
        raise ConfigurationError(
            f"the stored login is for {urlsplit(login.base_url).netloc}, not for the server that is"
            f" given: unset {BASE_URL} or run cleverreach login"
        )
    return login.base_url


_Found = tuple[int, str]


def _first(places: _Places, name: str) -> _Found:
    """Return the number of the first place that has a value, and the value."""
    for rank, place in enumerate(places):
        value = (place.get(name) or "").strip()
        if value:
            return rank, value
    return len(places), ""


def _auth(found: Mapping[str, _Found]) -> Auth | None:
    """Return what the credentials that were given make, or ``None`` when they do not suffice."""
    token_rank, token = found[TOKEN]
    id_rank, client_id = found[CLIENT_ID]
    secret_rank, client_secret = found[CLIENT_SECRET]
    if token and token_rank <= min(id_rank, secret_rank):
        return BearerToken(token)
    if client_id and client_secret:
        return OAuthApp(client_id, client_secret).client_credentials()
    return None


def _lacking(client_id: str, client_secret: str) -> ConfigurationError:
    """Say what is missing."""
    if client_id or client_secret:
        there, missing = (CLIENT_ID, CLIENT_SECRET) if client_id else (CLIENT_SECRET, CLIENT_ID)
        return ConfigurationError(f"{there} is given, but {missing} is missing")
    return ConfigurationError(
        f"no credentials: set {CLIENT_ID} and {CLIENT_SECRET}, or {TOKEN}, in the environment or"
        " in a file named with --env-file, or run cleverreach login; --sandbox needs none"
    )


def read_env_file(path: Path) -> dict[str, str]:
    """Read the ``CLEVERREACH_…`` lines of an env file as a shell would; others are passed over.

    Raises:
        ConfigurationError: The file cannot be read, or a quote is not closed.
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
                # Nothing of the line is shown: it may be a secret.
                raise ConfigurationError(f"{path}, line {number}: the quotes of {name} do not end")
            value = quoted[1] if quoted[1] is not None else _ESCAPED.sub(r"\1", quoted[2])
        else:
            value = re.split(r"\s#", rest, maxsplit=1)[0].strip()
        values[name] = value
    return values
