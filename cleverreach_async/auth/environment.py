"""Credentials from the environment, and from other places with the same names."""

from collections.abc import Mapping
from typing import Final

from cleverreach_async.auth.app import BearerToken, OAuthApp
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.redaction import Masked
from cleverreach_async.transport.transport import Auth

__all__ = [
    "ALLOW_HTTP",
    "BASE_URL",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "TOKEN",
    "Places",
    "allows_http",
    "find_auth",
    "find_value",
    "missing_credentials",
]

CLIENT_ID: Final = "CLEVERREACH_CLIENT_ID"
CLIENT_SECRET: Final = "CLEVERREACH_CLIENT_SECRET"  # noqa: S105 - the variable's name
TOKEN: Final = "CLEVERREACH_TOKEN"  # noqa: S105 - the variable's name
BASE_URL: Final = "CLEVERREACH_BASE_URL"

ALLOW_HTTP: Final = "CLEVERREACH_ALLOW_HTTP"

_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"", "0", "false", "no", "off"})


class Places:
    """Where values may be, by the names of the variables; the first place with a value counts.

    No ``repr`` shows the values, because secrets are among them.

    Args:
        *places: Such as the environment.
    """

    def __init__(self, *places: Mapping[str, str | None]) -> None:
        self._places = places

    def find(self, name: str) -> tuple[int, str]:
        """Return the first value of a name, after the number of its place; or an empty text."""
        for rank, place in enumerate(self._places):
            value = Masked((place.get(name) or "").strip())
            if value:
                return rank, value
        return len(self._places), ""


def find_value(places: Places, name: str) -> str:
    """Return the first value of a name without blanks around it, or an empty text."""
    return places.find(name)[1]


def allows_http(places: Places) -> bool:
    """Return whether ``http://`` may leave this computer.

    Raises:
        ConfigurationError: The value is neither yes nor no.
    """
    value = find_value(places, ALLOW_HTTP).lower()
    if value not in _YES | _NO:
        raise ConfigurationError(f"{ALLOW_HTTP} is neither 1 nor 0")
    return value in _YES


def find_auth(places: Places, *, allow_http: bool) -> Auth | None:
    """Return the credentials, or ``None`` if they are missing or incomplete.

    Client id and client secret may be in different places. If there are both a token and client
    credentials, those from the earlier place are used, and the token if both are from one.

    Args:
        places: Where to search.
        allow_http: Whether ``http://`` may leave this computer.

    Raises:
        ConfigurationError: A value is invalid.
    """
    token_rank, token = places.find(TOKEN)
    id_rank, client_id = places.find(CLIENT_ID)
    secret_rank, client_secret = places.find(CLIENT_SECRET)
    if token and token_rank <= min(id_rank, secret_rank):
        return BearerToken(token)
    if client_id and client_secret:
        base_url = find_value(places, BASE_URL) or None
        app = OAuthApp(client_id, client_secret, base_url=base_url, allow_http=allow_http)
        return app.client_credentials()
    return None


def missing_credentials(places: Places, *, otherwise: str = "") -> ConfigurationError:
    """Return the error for credentials that are missing or incomplete.

    Args:
        places: Where they were searched.
        otherwise: Other ways to give them, for the message.
    """
    client_id, client_secret = (find_value(places, name) for name in (CLIENT_ID, CLIENT_SECRET))
    if client_id or client_secret:
        given, missing = (CLIENT_ID, CLIENT_SECRET) if client_id else (CLIENT_SECRET, CLIENT_ID)
        return ConfigurationError(f"{given} is set, but {missing} is missing")
    return ConfigurationError(
        f"no credentials: set {CLIENT_ID} and {CLIENT_SECRET}, or {TOKEN}, in the environment"
        f"{otherwise}"
    )
