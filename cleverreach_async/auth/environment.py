"""Credentials from the environment, and from other places with the same names."""

from collections.abc import Mapping, Sequence
from typing import Final

from cleverreach_async.auth.app import BearerToken, OAuthApp
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.transport import Auth

__all__ = [
    "BASE_URL",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "TOKEN",
    "Places",
    "find_auth",
    "find_value",
    "missing_credentials",
]

CLIENT_ID: Final = "CLEVERREACH_CLIENT_ID"
CLIENT_SECRET: Final = "CLEVERREACH_CLIENT_SECRET"  # noqa: S105 - the variable's name
TOKEN: Final = "CLEVERREACH_TOKEN"  # noqa: S105 - the variable's name
BASE_URL: Final = "CLEVERREACH_BASE_URL"

Places = Sequence[Mapping[str, str | None]]
"""Where values may be, by the names of the variables; the first place with a value counts."""


def find_value(places: Places, name: str) -> str:
    """Return the first value of a name without blanks around it, or an empty text."""
    return _first(places, name)[1]


def find_auth(places: Places) -> Auth | None:
    """Return the credentials, or ``None`` if they are missing or incomplete.

    Client id and client secret may be in different places. If there are both a token and client
    credentials, those from the earlier place are used, and the token if both are from one.

    Raises:
        ConfigurationError: A value is invalid.
    """
    token_rank, token = _first(places, TOKEN)
    id_rank, client_id = _first(places, CLIENT_ID)
    secret_rank, client_secret = _first(places, CLIENT_SECRET)
    if token and token_rank <= min(id_rank, secret_rank):
        return BearerToken(token)
    if client_id and client_secret:
        base_url = find_value(places, BASE_URL) or None
        return OAuthApp(client_id, client_secret, base_url=base_url).client_credentials()
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


def _first(places: Places, name: str) -> tuple[int, str]:
    """Return the first value, after the number of its place."""
    for rank, place in enumerate(places):
        value = (place.get(name) or "").strip()
        if value:
            return rank, value
    return len(places), ""
