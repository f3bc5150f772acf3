"""Tokens as plain values: read from responses, written to stores and read again."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from cleverreach_async.auth.credentials import (
    as_credential,
    check_credential,
    defect_of,
    set_fields,
)
from cleverreach_async.errors import ConfigurationError, TokenError
from cleverreach_async.transport.redaction import Masked, Secret
from cleverreach_async.transport.wire import as_list, as_object

__all__ = ["Token", "parse_token", "read_token"]

_ID_DIGITS: Final = 19
_NO_TOKEN: Final = "the stored value is not a token"  # noqa: S105 - a message
_MIN_LIFETIME: Final = timedelta(seconds=1)


@attrs.frozen(kw_only=True, init=False)
class Token:
    """An access token and what belongs to it.

    Attributes:
        access_token: The bearer token.
        refresh_token: The token that renews it; ``None`` for client credentials.
        expires_at: When the access token expires, or ``None`` if the server did not say.
        scope: Granted scopes, separated by spaces, or an empty string.

    Raises:
        ConfigurationError: A token is empty or cannot be sent in a header, or ``expires_at`` has no
            time zone. The message does not show the token.
    """

    access_token: Secret
    refresh_token: Secret | None
    expires_at: datetime | None
    scope: str

    def __init__(
        self,
        *,
        access_token: Secret | str,
        refresh_token: Secret | str | None = None,
        expires_at: datetime | None = None,
        scope: str = "",
    ) -> None:
        access_token = as_credential(access_token)
        refresh_token = None if refresh_token is None else as_credential(refresh_token)
        set_fields(
            self,
            access_token=access_token,
            refresh_token=refresh_token,
            expires_at=expires_at,
            scope=scope,
        )
        check_credential(access_token, "access_token")
        if refresh_token is not None:
            check_credential(refresh_token, "refresh_token")
        _check_expiry(expires_at)
        _check_scope(scope)

    @property
    def account_id(self) -> int | None:
        """The account that the token is for, or ``None`` if the token does not contain it.

        It is read from the token's payload **without verifying the signature**. Use it to label
        tenants in a log, not to authenticate anybody. ``debug.whoami()`` asks the server.
        """
        number = str(_payload(self.access_token.reveal()).get("client_id", ""))
        # Ids are shorter, and int() raises for thousands of digits.
        return int(number) if number.isdecimal() and len(number) <= _ID_DIGITS else None

    def to_json(self) -> str:
        """Return the token as JSON, **with its secrets**: for a token store, not for a log."""
        fields: dict[str, Any] = {"access_token": self.access_token.reveal(), "scope": self.scope}
        if self.refresh_token is not None:
            fields["refresh_token"] = self.refresh_token.reveal()
        if self.expires_at is not None:
            fields["expires_at"] = self.expires_at.timestamp()
        return json.dumps(fields)

    @staticmethod
    def from_json(text: str | bytes) -> "Token":
        """Read the result of :meth:`to_json`.

        Raises:
            ConfigurationError: The text is not a token. The message does not show the text.
        """
        token = _parse_stored(text)
        if isinstance(token, str):
            del text  # It may be half a token, which no error report of this frame may show.
            raise ConfigurationError(f"{token}: authorise again")
        return token


def secrets_of(token: Token | None) -> tuple[Masked, ...]:
    """Return what no message may show of a token."""
    found = () if token is None else (token.access_token, token.refresh_token)
    return tuple(Masked(it.reveal()) for it in found if it is not None)


def _check_expiry(expires_at: object) -> None:
    if expires_at is None:
        return
    if not isinstance(expires_at, datetime) or expires_at.utcoffset() is None:
        raise ConfigurationError(
            "expires_at is not a datetime with a time zone; pass one, such as"
            " datetime.fromtimestamp(seconds, UTC)"
        )


def _check_scope(scope: object) -> None:
    if not isinstance(scope, str):
        raise ConfigurationError("scope is not text; pass the scopes separated by spaces")


def _parse_stored(text: str | bytes) -> "Token | str":
    """Return the token, or what is wrong with the text."""
    try:
        fields = as_object(json.loads(text))
        expires_at = fields.get("expires_at")
        access_token, refresh_token = fields.get("access_token"), fields.get("refresh_token")
        scope = fields.get("scope", "")
        if not isinstance(access_token, str) or not access_token:
            return _NO_TOKEN
        if not isinstance(refresh_token, str | None) or not isinstance(scope, str):
            return _NO_TOKEN
        if defect := _defect(access_token, refresh_token):
            return f"the stored {defect}"
        return Token(
            access_token=Secret(access_token),
            refresh_token=Secret(refresh_token) if refresh_token else None,
            expires_at=None if expires_at is None else datetime.fromtimestamp(expires_at, UTC),
            scope=scope,
        )
    except (ValueError, TypeError, OSError, OverflowError, RecursionError):
        return _NO_TOKEN


def _defect(access_token: str, refresh_token: str | None) -> str:
    """Return which token cannot be sent and why, or an empty text."""
    for name, token in (("access token", access_token), ("refresh token", refresh_token or "")):
        if defect := defect_of(token):
            return f"{name} contains {defect}"
    return ""


def parse_token(text: str | bytes | None, place: str) -> Token | None:
    """Read what a store has kept; ``None`` if it has nothing.

    Nothing is also what a crash can leave: an empty text, or one of zero bytes.

    Args:
        text: The result of :meth:`Token.to_json`.
        place: Where it was, for the message.

    Raises:
        ConfigurationError: The text is not a token, or one that cannot be sent.
    """
    if text is None or not (
        text.strip(" \0\r\n\t") if isinstance(text, str) else text.strip(b" \0\r\n\t")
    ):
        return None
    try:
        return Token.from_json(text)
    except ConfigurationError as error:
        del text  # It may be half a token, which no error report of this frame may show.
        raise ConfigurationError(f"{place}: {error}") from None


def read_token(response: Any, *, now: float) -> Token:
    """Read the token endpoint's response.

    Args:
        response: Decoded JSON. A plain text is the access token.
        now: Unix time, to which ``expires_in`` (seconds) is relative.

    Raises:
        TokenError: The response has no access token, or one that cannot be sent.
    """
    token = _parse_response(response, now)
    if isinstance(token, str):
        del response  # It may have a refresh token, which no error report may show.
        raise TokenError("invalid_response", token, status_code=200)
    return token


def _parse_response(response: Any, now: float) -> Token | str:
    """Return the token, or what is wrong with the response."""
    fields = {"access_token": response} if isinstance(response, str) else as_object(response)
    access_token = fields.get("access_token")
    if not isinstance(access_token, str) or not access_token:
        return "the response has no access_token"
    refresh_token = fields.get("refresh_token") or None
    if isinstance(refresh_token, bool) or not isinstance(refresh_token, str | int | None):
        return "the refresh_token in the response is not text"
    refresh_token = None if refresh_token is None else str(refresh_token)
    if defect := _defect(access_token, refresh_token):
        return f"the {defect}"
    scope = fields.get("scope") or ""
    return Token(
        access_token=Secret(access_token),
        refresh_token=Secret(refresh_token) if refresh_token else None,
        expires_at=_expiry(fields.get("expires_in"), now),
        scope=scope if isinstance(scope, str) else _joined(scope),
    )


def _joined(scope: Any) -> str:
    return " ".join(str(it) for it in as_list(scope))


def _expiry(expires_in: Any, now: float) -> datetime | None:
    """Return when a token expires.

    ``None`` without a lifetime, or one below a second: that token would have to be renewed before
    every call. It is used until the server refuses it.
    """
    if isinstance(expires_in, bool):
        return None
    try:
        lifetime = timedelta(seconds=float(expires_in))
        return datetime.fromtimestamp(now, UTC) + lifetime if lifetime >= _MIN_LIFETIME else None
    except (TypeError, ValueError, OverflowError):
        return None


def _payload(jwt: str) -> Mapping[str, Any]:
    """Return the claims of a JSON Web Token, or an empty mapping for any other text."""
    parts = jwt.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
        return {}
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        return as_object(json.loads(base64.urlsafe_b64decode(padded)))
    except (ValueError, RecursionError):
        return {}
