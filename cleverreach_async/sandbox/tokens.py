"""Access and refresh tokens: create, check, expire and revoke them."""

import secrets
from base64 import urlsafe_b64encode

from .accounts import AccountState
from .errors import ApiError
from .values import Json, dump_text

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


def issue(account: AccountState, client_id: str, *, refreshable: bool) -> dict[str, Json]:
    """Create an access token of an account and, if ``refreshable``, a refresh token.

    Args:
        account: The account that both are for.
        client_id: The id of the OAuth app that asks; only it can use the refresh token.
        refreshable: Whether to create a refresh token.
    """
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
    with account.tokens.transaction():
        add_access_token(account, access, expires_at, refresh)
        if refresh is not None:
            account.tokens.insert(
                "refresh_tokens",
                token=refresh,
                expires_at=expires_at + REFRESH_GRACE,
                account=account.id,
                client_id=client_id,
            )
            answer["refresh_token"] = refresh
    return answer


def add_access_token(
    account: AccountState, token: str, expires_at: int, refresh: str | None = None
) -> None:
    """Store a valid access token.

    Raises:
        ValueError: Another account has the same one.
    """
    owner = account.accounts.with_token(token)
    if owner is not None and owner is not account:
        raise ValueError(f"The account {owner.name!r} has the same token: use another one")
    account.tokens.run(
        "INSERT OR REPLACE INTO access_tokens (token, expires_at, refresh_token, account)"
        " VALUES (?, ?, ?, ?)",
        token,
        expires_at,
        refresh,
        account.id,
    )


def check_token(account: AccountState, token: str) -> int:
    """Return the remaining lifetime of an access token in seconds.

    Raises:
        ApiError: 401, the token is missing, unknown or expired.
    """
    expires_at = account.tokens.value("SELECT expires_at FROM access_tokens WHERE token = ?", token)
    if expires_at is None:
        raise ApiError(401, "Unauthorized")  # H: a live request without a token
    if expires_at <= account.now():
        # M: a production client matches this text.
        raise ApiError(401, "Unauthorized: token expired")
    return int(expires_at - account.now())


def expire_token(account: AccountState, token: str) -> None:
    """Expire one access token."""
    account.tokens.run("UPDATE access_tokens SET expires_at = 0 WHERE token = ?", token)


def revoke_token(account: AccountState, token: str) -> None:
    """Delete an access token and its refresh token."""
    with account.tokens.transaction():
        account.tokens.run(
            "DELETE FROM refresh_tokens WHERE token ="
            " (SELECT refresh_token FROM access_tokens WHERE token = ?)",
            token,
        )
        account.tokens.run("DELETE FROM access_tokens WHERE token = ?", token)


def expire_tokens(account: AccountState) -> None:
    """Expire every access token of an account."""
    account.tokens.run("UPDATE access_tokens SET expires_at = 0 WHERE account = ?", account.id)


def revoke_tokens(account: AccountState) -> None:
    """Delete every access and refresh token of an account."""
    with account.tokens.transaction():
        for table in ("access_tokens", "refresh_tokens"):
            account.tokens.run(f"DELETE FROM {table} WHERE account = ?", account.id)  # noqa: S608 - fixed names
