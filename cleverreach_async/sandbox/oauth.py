"""OAuth 2 endpoints, and the debug calls."""

import secrets
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from hmac import compare_digest
from urllib.parse import parse_qsl, unquote_plus, urlencode

from starlette.responses import RedirectResponse

from .call import Call
from .clients import whose_token
from .errors import OAuthError
from .routing import route
from .tokens import check_token, issue, revoke_token
from .values import Json, as_map, parse_json

CODE_LIFETIME = 30
# The token endpoint.


def _grant_fields(call: Call) -> dict[str, str]:
    """Return the fields of a token request; a form and JSON both work (H)."""
    try:
        if call.headers.get("content-type", "").startswith("application/json"):
            fields = as_map(parse_json(call.raw)) or {}
        else:
            fields = dict(parse_qsl(call.raw.decode(), keep_blank_values=True))
    except ValueError as error:
        raise OAuthError("invalid_request", "The body could not be read") from error
    return {name: str(value) for name, value in fields.items()}


def _basic_credentials(header: str) -> tuple[str, str] | None:
    """Return user and password of a Basic header, percent-decoded as in RFC 6749."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return unquote_plus(user), unquote_plus(password)


def _check_client(call: Call, fields: Mapping[str, str]) -> None:
    """Refuse wrong client credentials; a Basic header and body fields both work (H)."""
    basic = _basic_credentials(call.headers.get("authorization", ""))
    client_id, secret = basic or (fields.get("client_id", ""), fields.get("client_secret", ""))
    known = compare_digest(client_id.encode(), call.account.client_id.encode())
    if not (known and compare_digest(secret.encode(), call.account.client_secret.encode())):
        raise OAuthError("invalid_client", "The client credentials are invalid")


def _use_code(call: Call, fields: Mapping[str, str]) -> None:
    """Use up an authorization code, which works once and for a few seconds."""
    code = fields.get("code", "")
    row = call.store.one(
        "DELETE FROM codes WHERE code = ? RETURNING redirect_uri, expires_at", code
    )
    if row is None or row["expires_at"] <= call.now():
        raise OAuthError(
            "invalid_grant", "Authorization code doesn't exist or is invalid for the client"
        )
    if row["redirect_uri"] != fields.get("redirect_uri", ""):
        raise OAuthError("redirect_uri_mismatch", "The redirect URI is missing or do not match")


def _use_refresh_token(call: Call, fields: Mapping[str, str]) -> None:
    """Use a refresh token; a used one is refused unless the behaviour accepts it (M)."""
    token = fields.get("refresh_token", "")
    row = call.store.one("SELECT * FROM refresh_tokens WHERE token = ?", token)
    used_up = row is not None and row["used"] and call.behaviour.refresh_reuse == "refuse"
    if row is None or used_up or row["expires_at"] <= call.now():
        raise OAuthError("invalid_grant", "Invalid refresh token")
    call.store.run("UPDATE refresh_tokens SET used = 1 WHERE token = ?", token)


def create_token(call: Call) -> Json:
    """POST /oauth/token.php."""
    fields = _grant_fields(call)
    _check_client(call, fields)
    match fields.get("grant_type"):
        case "client_credentials":
            return issue(call.account, refreshable=call.behaviour.client_credentials_refresh)
        case "authorization_code":
            _use_code(call, fields)
        case "refresh_token":
            _use_refresh_token(call, fields)
        case None:
            raise OAuthError("invalid_request", "The grant type was not specified in the request")
        case other:
            raise OAuthError("unsupported_grant_type", f'Grant type "{other}" not supported')
    return issue(call.account, refreshable=True)


def authorize(call: Call) -> Json:
    """GET /oauth/authorize.php: consents at once and redirects with a code."""
    query = call.query
    if query.get("client_id") != call.account.client_id:
        # H: a plugin relies on JSON with error_description here.
        raise OAuthError("invalid_client", "The client id supplied is invalid")
    if query.get("response_type") != "code" or query.get("grant", "basic") != "basic":
        raise OAuthError("invalid_request", "Invalid or missing response type or grant")
    redirect_uri = query.get("redirect_uri", "")
    if not redirect_uri:
        raise OAuthError("invalid_uri", "No redirect URI was supplied or stored")
    code = secrets.token_hex(20)
    call.store.run(
        "INSERT INTO codes VALUES (?, ?, ?)", code, redirect_uri, call.now() + CODE_LIFETIME
    )
    answer = {"code": code} | {name: query[name] for name in ("state",) if name in query}
    joint = "&" if "?" in redirect_uri else "?"
    return RedirectResponse(f"{redirect_uri}{joint}{urlencode(answer)}", status_code=302)


def revoke(call: Call) -> Json:
    """DELETE /v3/oauth/token: revokes the token of the call and its refresh token."""
    revoke_token(call.account, call.token)
    return True


# The debug calls.


def exchange(call: Call) -> Json:
    """GET /v3/debug/exchange: replaces the token of the call with a new one (M)."""
    with call.store.transaction():
        revoke_token(call.account, call.token)
        answer = issue(call.account, refreshable=True)
    return answer if call.behaviour.exchange_answer == "object" else answer["access_token"]


def time_to_live(call: Call) -> Json:
    """GET /v3/debug/ttl."""
    left = check_token(call.account, call.token)
    expires = datetime.fromtimestamp(call.now() + left, UTC)
    return {"ttl": left, "date": expires.strftime("%Y-%m-%d %H:%M:%S")}


def return_true(_call: Call) -> Json:
    """GET /v3/debug/validate, and /v3/debug/ping, whose body is not recorded anywhere."""
    return True


def whoami(call: Call) -> Json:
    """GET /v3/debug/whoami, with the fields of a recorded response (H)."""
    return whose_token(call)


ROUTES = (
    route("POST", "/oauth/token.php", create_token, needs_token=False),
    route("GET", "/oauth/authorize.php", authorize, needs_token=False),
    route("DELETE", "/oauth/token", revoke),
    route("DELETE", "/v3/oauth/token", revoke),
    route("GET", "/v3/debug/ping", return_true, needs_token=False),  # H
    route("GET", "/v3/debug/exchange", exchange),
    route("GET", "/v3/debug/ttl", time_to_live),
    route("GET", "/v3/debug/validate", return_true),
    route("GET", "/v3/debug/whoami", whoami),
)
