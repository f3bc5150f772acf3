"""OAuth 2 endpoints, and the debug calls."""

import secrets
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from hmac import compare_digest
from html import escape
from urllib.parse import parse_qsl, unquote_plus, urlencode

from starlette.responses import HTMLResponse, RedirectResponse

from .accounts import AccountState
from .call import Call, media_type
from .clients import client_json
from .errors import OAuthError
from .routing import route
from .store import Row
from .tokens import check_token, issue, revoke_token
from .values import Json, as_map, parse_json

CODE_LIFETIME = 30
# The token endpoint.


def _grant_fields(call: Call) -> dict[str, str]:
    """Return the fields of a token request; a form and JSON both work (H)."""
    try:
        if media_type(call.headers) == "application/json":
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


def _app_of(call: Call, fields: Mapping[str, str]) -> AccountState:
    """Return the account whose OAuth app asks; a Basic header and body fields both work (H)."""
    basic = _basic_credentials(call.headers.get("authorization", ""))
    client_id, secret = basic or (fields.get("client_id", ""), fields.get("client_secret", ""))
    app = call.account.accounts.with_app(client_id)
    if app is None or not compare_digest(secret.encode(), app.client_secret.encode()):
        raise OAuthError("invalid_client", "The client credentials are invalid")
    return app


def _owner(call: Call, row: Row | None, app: AccountState) -> AccountState | None:
    """Return the account that a code or a refresh token is of; None if another app got it."""
    if row is None or row["client_id"] not in {"", app.client_id}:
        return None
    return call.account.accounts.with_id(row["account"])


def _use_code(call: Call, fields: Mapping[str, str], app: AccountState) -> AccountState:
    """Use up an authorization code, which works once and for a few seconds."""
    code = fields.get("code", "")
    row = call.account.tokens.one("DELETE FROM codes WHERE code = ? RETURNING *", code)
    owner = _owner(call, row, app)
    if row is None or owner is None or row["expires_at"] <= call.now():
        raise OAuthError(
            "invalid_grant", "Authorization code doesn't exist or is invalid for the client"
        )
    if row["redirect_uri"] != fields.get("redirect_uri", ""):
        raise OAuthError("redirect_uri_mismatch", "The redirect URI is missing or do not match")
    return owner


def _use_refresh_token(call: Call, fields: Mapping[str, str], app: AccountState) -> AccountState:
    """Use a refresh token; a used one is refused unless the behaviour accepts it (M)."""
    token = fields.get("refresh_token", "")
    row = call.account.tokens.one("SELECT * FROM refresh_tokens WHERE token = ?", token)
    owner = _owner(call, row, app)
    if row is None or owner is None or row["expires_at"] <= call.now():
        raise OAuthError("invalid_grant", "Invalid refresh token")
    if row["used"] and owner.behaviour.refresh_reuse == "refuse":
        raise OAuthError("invalid_grant", "Invalid refresh token")
    call.account.tokens.run("UPDATE refresh_tokens SET used = 1 WHERE token = ?", token)
    return owner


def create_token(call: Call) -> Json:
    """POST /oauth/token.php: the account is that of the code, the refresh token or the app."""
    fields = _grant_fields(call)
    app = _app_of(call, fields)
    refreshable = True
    match fields.get("grant_type"):
        case "client_credentials":
            owner, refreshable = app, app.behaviour.client_credentials_refresh
        case "authorization_code":
            owner = _use_code(call, fields, app)
        case "refresh_token":
            owner = _use_refresh_token(call, fields, app)
        case None:
            raise OAuthError("invalid_request", "The grant type was not specified in the request")
        case other:
            raise OAuthError("unsupported_grant_type", f'Grant type "{other}" not supported')
    call.found = owner
    return issue(owner, app.client_id, refreshable=refreshable)


def authorize(call: Call) -> Json:
    """GET /oauth/authorize.php: consents at once and redirects with a code.

    ``account=NAME`` in the query selects the account, as a login would. Without it the app of an
    account that was added is for that account; the first one's app shows a page to select from.
    """
    query, accounts = call.query, call.account.accounts
    app = accounts.with_app(query.get("client_id", ""))
    if app is None:
        # H: a plugin relies on JSON with error_description here.
        raise OAuthError("invalid_client", "The client id supplied is invalid")
    if query.get("response_type") != "code" or query.get("grant", "basic") != "basic":
        raise OAuthError("invalid_request", "Invalid or missing response type or grant")
    redirect_uri = query.get("redirect_uri", "")
    if not redirect_uri:
        raise OAuthError("invalid_uri", "No redirect URI was supplied or stored")
    owner = accounts.with_name(query["account"]) if "account" in query else app
    if owner is None:
        raise OAuthError("invalid_request", "There is no such account in the sandbox")
    if "account" not in query and app is accounts.first and len(accounts.opened) > 1:
        return _page_of_accounts(call)
    call.found = owner
    code = secrets.token_hex(20)
    owner.tokens.insert(
        "codes",
        code=code,
        redirect_uri=redirect_uri,
        expires_at=call.now() + CODE_LIFETIME,
        account=owner.id,
        client_id=app.client_id,
    )
    answer = {"code": code} | {name: query[name] for name in ("state",) if name in query}
    joint = "&" if "?" in redirect_uri else "?"
    return RedirectResponse(f"{redirect_uri}{joint}{urlencode(answer)}", status_code=302)


def _page_of_accounts(call: Call) -> HTMLResponse:
    """Return a page with a link for each account, in place of a login."""
    links = [
        f'<li><a href="?{escape(urlencode({**call.query, "account": it.name}))}">{it.name}</a></li>'
        for it in call.account.accounts.opened
    ]
    return HTMLResponse(
        f"<title>Sandbox</title><h1>Log in to an account</h1><ul>{''.join(links)}</ul>"
    )


def revoke(call: Call) -> Json:
    """DELETE /v3/oauth/token: revokes the token of the call and its refresh token."""
    revoke_token(call.account, call.token)
    return True


# The debug calls.


def exchange(call: Call) -> Json:
    """GET /v3/debug/exchange: replaces the token of the call with a new one (M)."""
    tokens = call.account.tokens
    find_app = (
        "SELECT r.client_id FROM access_tokens a JOIN refresh_tokens r ON r.token = a.refresh_token"
        " WHERE a.token = ?"
    )
    with tokens.transaction():
        app = tokens.value(find_app, call.token) or ""
        revoke_token(call.account, call.token)
        answer = issue(call.account, app, refreshable=True)
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
    return client_json(call.account, call.account.id)


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
