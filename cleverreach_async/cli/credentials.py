"""Who the command acts as, and on which server: options, environment, env file."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs

from cleverreach_async.auth.app import BearerToken, OAuthApp
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.transport import Auth
from cleverreach_async.transport.wire import DEFAULT_BASE_URL

__all__ = ["Access", "find_access", "read_env_file"]

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
    """

    auth: Auth
    base_url: str

    @property
    def host(self) -> str:
        """The server as it may be shown: a URL can hold a password before the host."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]


def find_access(
    options: Mapping[str, str | None], environ: Mapping[str, str], env_file: Path | None
) -> Access:
    """Choose among options, environment and env file, in this order.

    A part of the client credentials may come from one place and the other from another, so that
    only the secret needs hiding. Where both a token and client credentials are given, those of the
    earlier place win, and within one place the token.

    Args:
        options: Values of the options by the name of their variable.
        environ: The environment.
        env_file: A file with lines ``NAME=value``.

    Raises:
        ConfigurationError: There are no credentials, or half of them, or the file is unreadable.
    """
    places = (options, environ, read_env_file(env_file) if env_file else {})
    found = {name: _first(places, name) for name in (CLIENT_ID, CLIENT_SECRET, TOKEN, BASE_URL)}
    return Access(auth=_auth(found), base_url=found[BASE_URL][1] or DEFAULT_BASE_URL)


_Found = tuple[int, str]


def _first(places: Sequence[Mapping[str, str | None]], name: str) -> _Found:
    """Return the number of the first place that has a value, and the value."""
    for rank, place in enumerate(places):
        value = (place.get(name) or "").strip()
        if value:
            return rank, value
    return len(places), ""


def _auth(found: Mapping[str, _Found]) -> Auth:
    token_rank, token = found[TOKEN]
    id_rank, client_id = found[CLIENT_ID]
    secret_rank, client_secret = found[CLIENT_SECRET]
    if token and token_rank <= min(id_rank, secret_rank):
        return BearerToken(token)
    if client_id and client_secret:
        return OAuthApp(client_id, client_secret).client_credentials()
    if client_id or client_secret:
        there, missing = (CLIENT_ID, CLIENT_SECRET) if client_id else (CLIENT_SECRET, CLIENT_ID)
        raise ConfigurationError(f"{there} is given, but {missing} is missing")
    raise ConfigurationError(
        f"no credentials: set {CLIENT_ID} and {CLIENT_SECRET}, or {TOKEN}, in the environment or"
        " in a file named with --env-file; --sandbox needs none"
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
