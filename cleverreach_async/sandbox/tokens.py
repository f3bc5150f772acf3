"""Access and refresh tokens: making, checking, expiring and revoking them."""

import secrets
from base64 import urlsafe_b64encode

from .call import AccountState
from .errors import ApiError
from .values import Json, dump_text

REFRESH_GRACE = 14 * 86_400
"""A refresh token dies within two weeks after its access token (M)."""


def make_jwt(account_id: int, issued_at: int, expires_at: int) -> str:
    """A text in the shape of the vendor's access tokens (H); its signature is noise."""
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


def issue(account: AccountState, *, refreshable: bool) -> dict[str, Json]:
    """Make an access token, perhaps a refresh token: the answer of the token endpoint."""
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
            account.store.run(
                "INSERT INTO refresh_tokens (token, expires_at) VALUES (?, ?)",
                refresh,
                expires_at + REFRESH_GRACE,
            )
            answer["refresh_token"] = refresh
    return answer


def add_access_token(
    account: AccountState, token: str, expires_at: int, refresh: str | None = None
) -> None:
    """Make a text a valid access token."""
    account.store.run(
        "INSERT OR REPLACE INTO access_tokens (token, expires_at, refresh_token) VALUES (?, ?, ?)",
        token,
        expires_at,
        refresh,
    )


def check_token(account: AccountState, token: str) -> int:
    """The seconds an access token has left.

    Raises:
        ApiError: 401, the token is missing, unknown or too old.
    """
    expires_at = account.store.value("SELECT expires_at FROM access_tokens WHERE token = ?", token)
    if expires_at is None:
        raise ApiError(401, "Unauthorized")  # H: a live probe without a token
    if expires_at <= account.now():
        raise ApiError(401, "Unauthorized: token expired")  # M: one production client matches it
    return int(expires_at - account.now())


def expire_token(account: AccountState, token: str) -> None:
    """Let one access token be too old from now on."""
    account.store.run("UPDATE access_tokens SET expires_at = 0 WHERE token = ?", token)


def revoke_token(account: AccountState, token: str) -> None:
    """Forget an access token and its refresh token."""
    with account.store.transaction():
        account.store.run(
            "DELETE FROM refresh_tokens WHERE token ="
            " (SELECT refresh_token FROM access_tokens WHERE token = ?)",
            token,
        )
        account.store.run("DELETE FROM access_tokens WHERE token = ?", token)
