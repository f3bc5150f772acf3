"""A web application with many tenants, each with their own CleverReach account.

    uv run --extra all --group tests uvicorn examples.fastapi_app:from_environment --factory

It reads CLEVERREACH_CLIENT_ID, CLEVERREACH_CLIENT_SECRET, CLEVERREACH_REDIRECT_URI (by default
http://localhost:8000/callback; it must be registered in the app's settings), CLEVERREACH_BASE_URL
and TOKEN_FOLDER. Start at http://localhost:8000/tenants/my-shop/connect. To try it without an
account, run `cleverreach sandbox`.

Your own login is missing here: `known_tenant` must check that the user may act for the tenant.
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
from anyio.abc import TaskGroup, TaskStatus
from fastapi import APIRouter, Cookie, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel

from cleverreach_async import (
    Accounts,
    AuthenticationError,
    BackgroundOrders,
    CleverReach,
    CleverReachError,
    ConfigurationError,
    FileTokenStore,
    OAuthApp,
    OrderInput,
    OrderResult,
    RateLimitError,
    ReceiverInput,
    RetryPolicy,
    TokenError,
    TokenStore,
    new_state,
)

log = logging.getLogger(__name__)

# It is part of a file name. No capitals: on some systems Acme.json and acme.json are one file.
TENANT = re.compile(r"[a-z0-9-]{1,64}")


@attrs.define
class Tenants:
    """What the application keeps for all tenants."""

    oauth_app: OAuthApp
    store_for: Callable[[str], TokenStore]
    clients: Accounts[CleverReach]  # one per tenant, with its token and its rate limiting
    tasks: TaskGroup
    max_wait: float
    orders: dict[str, BackgroundOrders] = attrs.field(factory=dict[str, BackgroundOrders])
    ends: dict[str, anyio.Event] = attrs.field(factory=dict[str, anyio.Event])

    async def connect(self, tenant: str, code: str) -> None:
        """Store the token of a tenant who has connected an account."""
        token = await self.oauth_app.exchange_code(code)  # at once: it is valid for seconds
        store = self.store_for(tenant)
        async with store.lock():  # otherwise a renewal in another task could restore the old token
            await store.save(token)
        self.clients.forget(tenant)  # the account may have changed
        self.end_orders(tenant)

    async def send_order(self, tenant: str, order: "Order") -> None:
        """Send an order in the background. It does not wait for CleverReach and does not raise."""
        if tenant not in self.orders:
            await self.tasks.start(self._deliver_orders, tenant)
        line = OrderInput(order.order_id, order.product, price=order.price, currency=order.currency)
        self.orders[tenant].send(order.email, line)

    async def _deliver_orders(self, tenant: str, *, task_status: TaskStatus[None]) -> None:
        """Deliver the orders of a tenant until `end_orders` is called."""

        def on_error(failed: OrderResult) -> None:
            # A shop would keep the order, and send it again later if its status is "failed".
            order = failed.order_id, failed.status, failed.reason
            log.warning("tenant %s: order %s %s: %s", tenant, *order)

        cr = self.clients[tenant]
        async with cr.orders.background(
            on_error=on_error, limit=100, max_wait=self.max_wait
        ) as orders:
            self.orders[tenant], end = orders, anyio.Event()
            self.ends[tenant] = end
            task_status.started()
            await end.wait()

    def end_orders(self, tenant: str) -> None:
        """Let the orders of a tenant end, once those that are pending are delivered."""
        self.orders.pop(tenant, None)
        if tenant in self.ends:
            self.ends.pop(tenant).set()


class Visitor(BaseModel):
    """Somebody who wants the newsletter."""

    email: str
    firstname: str = ""


class Order(BaseModel):
    """An order from the checkout."""

    email: str
    order_id: str
    product: str
    price: Decimal
    currency: str = "EUR"


def all_tenants(request: Request) -> Tenants:
    """Return the tenants that the lifespan created."""
    tenants: Tenants = request.app.state.tenants
    return tenants


def known_tenant(tenant: str) -> str:
    """Return the tenant in the path. Check here that the user may act for it."""
    if not TENANT.fullmatch(tenant):
        raise HTTPException(404, "unknown tenant")
    return tenant


All = Annotated[Tenants, Depends(all_tenants)]
Tenant = Annotated[str, Depends(known_tenant)]
router = APIRouter()


@router.get("/tenants/{tenant}/connect")
async def connect(tenant: Tenant, tenants: All) -> Response:
    """Send the user to CleverReach. A cookie that scripts cannot read keeps the state."""
    state = new_state()
    response = RedirectResponse(tenants.oauth_app.authorization_url(state=state), 303)
    response.set_cookie(
        "connecting",
        f"{tenant}.{state}",
        max_age=600,
        path="/callback",
        secure=(tenants.oauth_app.redirect_uri or "").startswith("https:"),
        httponly=True,
        samesite="lax",  # CleverReach redirects the user to the callback, which needs the cookie
    )
    return response


@router.get("/callback")
async def callback(
    request: Request, tenants: All, connecting: Annotated[str, Cookie()] = ""
) -> Response:
    """Handle the redirect from CleverReach, with a code or an error."""
    tenant, _, state = connecting.partition(".")
    try:
        code = tenants.oauth_app.read_callback(request.query_params, state=state)
        await tenants.connect(known_tenant(tenant), code)
    except CleverReachError as error:
        log.warning("tenant %r was not connected: %s", tenant, error)
        status = 400 if isinstance(error, TokenError) else 502
        reason = escape(error.error if isinstance(error, TokenError) else "no response")
        page = f"<h1>CleverReach is not connected</h1><p>Please try again. Reason: {reason}</p>"
        response: Response = HTMLResponse(page, status)
    else:
        response = RedirectResponse(f"/tenants/{tenant}/groups", 303)
    response.delete_cookie("connecting", path="/callback")
    return response


@router.get("/tenants/{tenant}/groups")
async def groups(tenant: Tenant, tenants: All) -> list[dict[str, Any]]:
    """List the groups of the tenant's account."""
    found = await tenants.clients[tenant].groups.list()
    return [{"id": group.id, "name": group.name} for group in found]


@router.post("/tenants/{tenant}/orders", status_code=202)
async def order_placed(tenant: Tenant, tenants: All, order: Order) -> dict[str, str]:
    """Accept an order. Failures of CleverReach neither delay nor break the checkout."""
    await tenants.send_order(tenant, order)
    return {"order": "accepted"}


@router.post("/tenants/{tenant}/forms/{form_id}/sign-ups", status_code=202)
async def sign_up(
    tenant: Tenant, tenants: All, form_id: int, visitor: Visitor, request: Request
) -> dict[str, str]:
    """Sign a visitor up with double opt-in."""
    cr = tenants.clients[tenant]
    form = await cr.forms.get(form_id)  # it knows its group
    done = await cr.receivers.sign_up(
        ReceiverInput(visitor.email, global_attributes={"firstname": visitor.firstname}),
        group_id=form.group_id,
        form_id=form_id,
        # The proof of consent. Behind a proxy let uvicorn read the visitor's address from it.
        user_ip=request.client.host if request.client else "unknown",
        referer=request.headers.get("referer", str(request.url)),
        user_agent=request.headers.get("user-agent", "unknown"),
    )
    log.info("tenant %s: sign-up %s", tenant, done.outcome)
    # The same for everybody, or anybody could find out who is in the group.
    return {"sign_up": "please confirm it in the e-mail that we have sent"}


async def explain(request: Request, error: Exception) -> Response:
    """Turn errors of the library into responses, for all routes."""
    if isinstance(error, RateLimitError):
        wait = str(math.ceil(error.retry_after or 10))
        return JSONResponse({"error": "busy, try later"}, 503, headers={"Retry-After": wait})
    is_lost = isinstance(error, TokenError) and error.error in {"invalid_grant", "no_refresh_token"}
    if is_lost or isinstance(error, AuthenticationError):
        page = f"/tenants/{request.path_params['tenant']}/connect"
        return JSONResponse({"error": "connect CleverReach first", "connect": page}, 401)
    if isinstance(error, ConfigurationError):
        return JSONResponse({"error": "something in the request is invalid"}, 422)
    log.error("%s: %s", type(error).__name__, error)
    return JSONResponse({"error": "CleverReach cannot be used at the moment"}, 502)


def create_app(
    oauth_app: OAuthApp, *, store_for: Callable[[str], TokenStore], max_wait: float = 60.0
) -> FastAPI:
    """Return the application. It uses the server and the HTTP client of the OAuth app.

    Args:
        oauth_app: The OAuth app that tenants connect.
        store_for: Returns the token store of a tenant.
        max_wait: Seconds after which an order that cannot be delivered is given up.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
        async with (
            # The clients of all tenants share the connections of this one.
            CleverReach(
                oauth_app.client_credentials(),
                http_client=oauth_app.http_client,
                timeout=10.0,
                # A user waits for the page, so a long Retry-After is reported instead.
                retry=RetryPolicy(attempts=2, max_retry_after=2.0),
            ) as cr,
            anyio.create_task_group() as tasks,  # waits for the last orders on shutdown
        ):
            clients = cr.accounts(lambda tenant: oauth_app.user(store=store_for(tenant)))
            app.state.tenants = tenants = Tenants(oauth_app, store_for, clients, tasks, max_wait)
            yield
            for tenant in list(tenants.orders):
                tenants.end_orders(tenant)

    app = FastAPI(lifespan=lifespan, exception_handlers={CleverReachError: explain})
    app.include_router(router)
    return app


def from_environment() -> FastAPI:
    """Return the application, configured by environment variables, with tokens in a folder."""
    oauth_app = OAuthApp(
        os.environ["CLEVERREACH_CLIENT_ID"],
        os.environ["CLEVERREACH_CLIENT_SECRET"],
        redirect_uri=os.environ.get("CLEVERREACH_REDIRECT_URI", "http://localhost:8000/callback"),
        base_url=os.environ.get("CLEVERREACH_BASE_URL", "https://rest.cleverreach.com"),
    )
    folder = Path(os.environ.get("TOKEN_FOLDER", "tokens"))
    # Without the prefix, names such as "con" and "nul" would be devices on Windows.
    return create_app(oauth_app, store_for=lambda it: FileTokenStore(folder / f"tenant-{it}.json"))
