"""A Django project in one file: visitors sign up, and one client serves all requests.

    uv run --extra all --group tests uvicorn examples.django_app:application

The credentials are read from the environment, as ``CleverReach.from_env()`` says; ``GROUP_ID`` and
``FORM_ID`` name where people sign up. A project has its settings in a module; here they fit into
one file.
"""

import os
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from cleverreach_async import (
    APIConnectionError,
    BadRequestError,
    CleverReach,
    RateLimitError,
    ReceiverInput,
)

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["localhost", "127.0.0.1", "shop.example"],
        MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
        ROOT_URLCONF=__name__,
        SECRET_KEY=os.environ.get("SECRET_KEY", "only for this example"),
    )

clients: list[CleverReach] = []
"""The client, while the server runs."""


@csrf_exempt  # your form has a CSRF token
@require_POST
async def subscribe(request: HttpRequest) -> JsonResponse:
    """Start a double opt-in. Everybody gets the same answer, so nobody learns who is subscribed."""
    [cr] = clients
    try:
        await cr.receivers.sign_up(
            ReceiverInput(request.POST.get("email", "")),
            group_id=int(os.environ["GROUP_ID"]),
            form_id=int(os.environ["FORM_ID"]),
            user_ip=request.META["REMOTE_ADDR"],  # behind a proxy: as your proxy passes it
            referer=request.headers.get("referer") or request.build_absolute_uri(),
            user_agent=request.headers.get("user-agent", "unknown"),
        )
    except (APIConnectionError, RateLimitError):
        return JsonResponse({"message": "please try again later"}, status=503)
    except (BadRequestError, ValueError):
        return JsonResponse({"message": "is this your address?"}, status=400)
    return JsonResponse({"message": "please look into your mailbox"})


urlpatterns = [path("subscribe", subscribe)]
django_app = get_asgi_application()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Open the client when the server starts, and close it when it ends."""
    if scope["type"] != "lifespan":
        await django_app(scope, receive, send)
        return
    await receive()
    async with CleverReach.from_env(timeout=10) as cr:
        clients.append(cr)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        clients.clear()
    await send({"type": "lifespan.shutdown.complete"})
