"""A web application with many tenants, each of whom connects a CleverReach account of their own.

    uv run --all-extras --group tests uvicorn examples.fastapi_app:from_environment --factory

It reads CLEVERREACH_CLIENT_ID, CLEVERREACH_CLIENT_SECRET, CLEVERREACH_REDIRECT_URI (by default
http://localhost:8000/callback; it has to be registered with the app), CLEVERREACH_BASE_URL and
TOKEN_FOLDER. Begin at http://localhost:8000/tenants/my-shop/connect. `cleverreach sandbox` runs a
CleverReach to try it with.

What is missing here is your own login: `known_tenant` has to check who may act for the tenant.
"""

import logging
import math
import os
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Annotated, Any

import anyio
import attrs
from anyio.abc import TaskGroup
from fastapi import APIRouter, Cookie, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel

from cleverreach_async import (
    AuthenticationError,
    CleverReach,
    CleverReachError,
    FileTokenStore,
    OAuthApp,
    OrderInput,
    RateLimitError,
    RetryPolicy,
    TokenError,
    TokenStore,
    new_state,
)

log = logging.getLogger(__name__)

# It names a file. No capitals: on some systems Acme.json and acme.json are one file.
TENANT = re.compile(r"[a-z0-9-]{1,64}")


@attrs.define
class Tenants:
    """The accounts of all tenants, over the connections of one client."""

    oauth_app: OAuthApp
    store_for: Callable[[str], TokenStore]
    cr: CleverReach
    tasks: TaskGroup
    checkout_timeout: float
    room: anyio.Semaphore = attrs.field(factory=lambda: anyio.Semaphore(100))
    clients: dict[str, CleverReach] = attrs.field(factory=dict[str, CleverReach])

    def client(self, tenant: str) -> CleverReach:
        """Return the tenant's client. It is kept: it knows the token, and when to hold back."""
        if tenant not in self.clients:
            auth = self.oauth_app.user(store=self.store_for(tenant))
            self.clients[tenant] = self.cr.with_auth(auth)
        return self.clients[tenant]

    async def connect(self, tenant: str, code: str) -> None:
        """Take the token of a tenant who has consented."""
        token = await self.oauth_app.exchange_code(code)  # at once: the code lives a few seconds
        store = self.store_for(tenant)
        async with store.lock():  # or a renewal under way might put the old token back
            await store.save(token)
        self.clients.pop(tenant, None)  # it may be another account than before

    def pass_on(self, tenant: str, order: "Order") -> None:
        """Tell CleverReach of an order, some time soon; raises nothing and waits for nothing."""
        try:
            self.room.acquire_nowait()
        except anyio.WouldBlock:
            log.warning("tenant %s: too many orders under way, %s left out", tenant, order.order_id)
        else:
            self.tasks.start_soon(self._pass_on, tenant, order)

    async def _pass_on(self, tenant: str, order: "Order") -> None:
        try:
            # One short attempt: nobody knows whether the server recognises a repeated order.
            checkout = self.client(tenant).with_options(
                timeout=self.checkout_timeout, retry=RetryPolicy(attempts=1, max_retry_after=0)
            )
            line = OrderInput(
                order.order_id, order.product, price=order.price, currency=order.currency
            )
            await checkout.orders.create(order.email, line)
        except Exception:  # an error that left the task group would end the whole application
            log.exception("tenant %s: order %s was not passed on", tenant, order.order_id)
        finally:
            self.room.release()


class Order(BaseModel):
    """What the checkout tells."""

    email: str
    order_id: str
    product: str
    price: Decimal
    currency: str = "EUR"


def all_tenants(request: Request) -> Tenants:
    """Return what the lifespan has made."""
    tenants: Tenants = request.app.state.tenants
    return tenants


def known_tenant(tenant: str) -> str:
    """Return the tenant of the path. Check here that the user who asks may act for it."""
    if not TENANT.fullmatch(tenant):
        raise HTTPException(404, "no such tenant")
    return tenant


All = Annotated[Tenants, Depends(all_tenants)]
Tenant = Annotated[str, Depends(known_tenant)]
router = APIRouter()


@router.get("/tenants/{tenant}/connect")
async def connect(tenant: Tenant, tenants: All) -> Response:
    """Send the user to CleverReach; a cookie that scripts cannot read remembers the state."""
    state = new_state()
    answer = RedirectResponse(tenants.oauth_app.authorization_url(state=state), 303)
    answer.set_cookie(
        "connecting",
        f"{tenant}.{state}",
        max_age=600,
        path="/callback",
        secure=(tenants.oauth_app.redirect_uri or "").startswith("https:"),
        httponly=True,
        samesite="lax",  # it has to come along when CleverReach sends the user back
    )
    return answer


@router.get("/callback")
async def callback(
    request: Request, tenants: All, connecting: Annotated[str, Cookie()] = ""
) -> Response:
    """Take the user back, with the code or with a refusal."""
    tenant, _, state = connecting.partition(".")
    try:
        code = tenants.oauth_app.read_callback(request.query_params, state=state)
        await tenants.connect(known_tenant(tenant), code)
    except CleverReachError as error:
        log.warning("tenant %r was not connected: %s", tenant, error)
        status = 400 if isinstance(error, TokenError) else 502
        words = escape(error.error if isinstance(error, TokenError) else "no answer")
        page = f"<h1>CleverReach is not connected</h1><p>Please try again. Reason: {words}</p>"
        answer: Response = HTMLResponse(page, status)
    else:
        answer = RedirectResponse(f"/tenants/{tenant}/groups", 303)
    answer.delete_cookie("connecting", path="/callback")
    return answer


@router.get("/tenants/{tenant}/groups")
async def groups(tenant: Tenant, tenants: All) -> list[dict[str, Any]]:
    """List the groups of the tenant's account."""
    found = await tenants.client(tenant).groups.list()
    return [{"id": group.id, "name": group.name} for group in found]


@router.post("/tenants/{tenant}/orders", status_code=202)
async def order_placed(tenant: Tenant, tenants: All, order: Order) -> dict[str, str]:
    """Take an order at checkout, which no trouble with CleverReach can delay or break."""
    tenants.pass_on(tenant, order)
    return {"order": "noted"}


async def explain(request: Request, error: Exception) -> Response:
    """Answer any error of the library, for all routes."""
    if isinstance(error, RateLimitError):
        wait = str(math.ceil(error.retry_after or 10))
        return JSONResponse({"error": "busy, try later"}, 503, headers={"Retry-After": wait})
    gone = isinstance(error, TokenError) and error.error in {"invalid_grant", "no_refresh_token"}
    if gone or isinstance(error, AuthenticationError):
        page = f"/tenants/{request.path_params['tenant']}/connect"
        return JSONResponse({"error": "connect CleverReach first", "connect": page}, 401)
    log.error("%s: %s", type(error).__name__, error)
    return JSONResponse({"error": "CleverReach cannot be used at the moment"}, 502)


def create_app(
    oauth_app: OAuthApp, *, store_for: Callable[[str], TokenStore], checkout_timeout: float = 2.0
) -> FastAPI:
    """Return the application; server and HTTP client are those of the OAuth app.

    Args:
        oauth_app: The app that tenants connect.
        store_for: Gives the store of a tenant's token.
        checkout_timeout: Seconds to try to pass an order on.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
        async with (
            # One client for all: tenants are siblings of it, over the same connections.
            CleverReach(
                oauth_app.client_credentials(),
                base_url=oauth_app.base_url,
                http_client=oauth_app.http_client,
                timeout=10.0,
                # Somebody waits for the page, so a long Retry-After is told, not sat out.
                retry=RetryPolicy(attempts=2, max_retry_after=2.0),
            ) as cr,
            anyio.create_task_group() as tasks,  # at the end it waits for the last orders
        ):
            app.state.tenants = Tenants(oauth_app, store_for, cr, tasks, checkout_timeout)
            yield

    app = FastAPI(lifespan=lifespan, exception_handlers={CleverReachError: explain})
    app.include_router(router)
    return app


def from_environment() -> FastAPI:
    """Return the application that the environment describes, with the tokens in a folder."""
    oauth_app = OAuthApp(
        os.environ["CLEVERREACH_CLIENT_ID"],
        os.environ["CLEVERREACH_CLIENT_SECRET"],
        redirect_uri=os.environ.get("CLEVERREACH_REDIRECT_URI", "http://localhost:8000/callback"),
        base_url=os.environ.get("CLEVERREACH_BASE_URL", "https://rest.cleverreach.com"),
    )
    folder = Path(os.environ.get("TOKEN_FOLDER", "tokens"))
    # The prefix keeps names such as "con" and "nul" from meaning a device on Windows.
    return create_app(oauth_app, store_for=lambda it: FileTokenStore(folder / f"tenant-{it}.json"))
