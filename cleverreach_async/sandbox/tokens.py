"""Access and refresh tokens: create, check, expire and revoke them."""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from .call import AccountState
from .errors import ApiError
from .values import Json, as_map, dump_text, parse_json

REFRESH_GRACE = 14 * 86_400
"""A refresh token expires two weeks after its access token (M)."""


def make_jwt(account_id: int, issued_at: int, expires_at: int) -> str:
    """Return a token like those of the vendor (H); its signature is random."""
    claims = {
        "iss": "sandbox",
        "iat": issued_at,
        "exp": expires_at,
        "client_id": account_id,
        "jti": secrets.token_hex(8),
    }
    header = {"typ": "JWT", "alg": "HS256"}
    parts = dump_text(header).encode(), dump_text(claims).encode(), secrets.token_bytes(32)
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def client_in(token: str) -> int | None:
    """Return the account that a token is for; None if it is not one of :func:`make_jwt`."""
    try:
        claims = as_map(parse_json(urlsafe_b64decode(f"{token.split('.')[1]}==")))
    except (IndexError, ValueError):
        return None
    found = (claims or {}).get("client_id")
    return found if type(found) is int else None


def issue(account: AccountState, *, refreshable: bool) -> dict[str, Json]:
    """Create an access token and, if ``refreshable``, a refresh token."""
    now = account.now()
    expires_at = now + account.token_lifetime
    access = make_jwt(account.id, now, expires_at)
    refresh = secrets.token_hex(20) if refreshable else None
    answer: dict[str, Json] = {
        "access_token": access,
        "expires_in": account.token_lifetime,
        "token_type": "bearer",
        "scope": "basic",
    }
    with account.store.transaction():
        add_access_token(account, access, expires_at, refresh)
        if refresh is not None:
            account.store.insert(
                "refresh_tokens", token=refresh, expires_at=expires_at + REFRESH_GRACE
            )
            answer["refresh_token"] = refresh
    return answer


def add_access_token(
    account: AccountState, token: str, expires_at: int, refresh: str | None = None
) -> None:
    """Store a valid access token."""
    account.store.run(
        "INSERT OR REPLACE INTO access_tokens (token, expires_at, refresh_token) VALUES (?, ?, ?)",
        token,
        expires_at,
        refresh,
    )


def check_token(account: AccountState, token: str) -> int:
    """Return the remaining lifetime of an access token in seconds.

    Raises:
        ApiError: 401, the token is missing, unknown or expired.
    """
    expires_at = account.store.value("SELECT expires_at FROM access_tokens WHERE token = ?", token)
    if expires_at is None:
        raise ApiError(401, "Unauthorized")  # H: a live request without a token
    if expires_at <= account.now():
        # M: a production client matches this text.
        raise ApiError(401, "Unauthorized: token expired")
    return int(expires_at - account.now())


def expire_token(account: AccountState, token: str) -> None:
    """Expire one access token."""
    account.store.run("UPDATE access_tokens SET expires_at = 0 WHERE token = ?", token)


def revoke_token(account: AccountState, token: str) -> None:
    """Delete an access token and its refresh token."""
    with account.store.transaction():
        account.store.run(
            "DELETE FROM refresh_tokens WHERE token ="
            " (SELECT refresh_token FROM access_tokens WHERE token = ?)",
            token,
        )
        account.store.run("DELETE FROM access_tokens WHERE token = ?", token)
