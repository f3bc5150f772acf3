"""The endpoint as a view of Django, behind its middleware."""

import subprocess
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import httpx
import pytest
from support.django_project import configured_settings

from cleverreach_async import ConfigurationError, django_webhook

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),  # as Django
]

BODY = {"event": "receiver.updated", "condition": "5", "payload": {"pool_id": "7"}}


def django_app(view: Any) -> Any:
    """An ASGI application of Django with one view, and its check of CSRF tokens."""
    settings = configured_settings()
    urls: Any = ModuleType("urls")
    paths: Any = import_module("django.urls")
    urls.urlpatterns = [paths.path("hook", view), paths.path("form", plain_view)]
    sys.modules["urls"] = urls
    settings.ROOT_URLCONF = "urls"
    paths.clear_url_caches()
    handlers: Any = import_module("django.core.handlers.asgi")
    return handlers.ASGIHandler()


async def plain_view(_request: Any) -> Any:
    """A view that is not exempt."""
    pytest.fail("called")


async def test_a_view(deliveries: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verification, a delivery without a CSRF token, and refusals."""
    monkeypatch.setitem(sys.modules, "urls", ModuleType("urls"))
    app = django_app(django_webhook(deliveries.endpoint))
    token = deliveries.endpoint._keys[0].calltoken.reveal()  # pyright: ignore[reportPrivateUsage]
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://shop.example") as vendor:
        assert 403 == (await vendor.post("/form", json=BODY)).status_code
        answer = await vendor.get("/hook", params={"secret": "s-4711"})
        assert (200, "shop-webhook-verify s-4711") == (answer.status_code, answer.text)
        assert "text/plain" == answer.headers["content-type"]
        headers = {"X-CR-Calltoken": token}
        assert 200 == (await vendor.post("/hook", json=BODY, headers=headers)).status_code
        repeat = await vendor.post("/hook", json=BODY, headers=headers)
        assert (429, "10") == (repeat.status_code, repeat.headers["retry-after"])
        assert 401 == (await vendor.post("/hook", json=BODY)).status_code
        assert 405 == (await vendor.put("/hook", json=BODY)).status_code
        long = await vendor.post("/hook", content=b"x" * 65_537, headers=headers)
        assert 413 == long.status_code
        types = headers | {"content-type": "multipart/form-data; boundary=x"}
        assert 415 == (await vendor.post("/hook", content=b"{}", headers=types)).status_code
    assert [7] == [event.pool_id for event in deliveries.events]


async def test_without_django(deliveries: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the remedy."""
    monkeypatch.setitem(sys.modules, "django.http", None)
    with pytest.raises(ConfigurationError, match="pip install django"):
        django_webhook(deliveries.endpoint)


async def test_nothing_heavy_is_loaded_by_the_import() -> None:
    """Neither an HTTP library, nor a framework, nor the library that decrypts."""
    code = (
        "import sys\nfrom cleverreach_async import WebhookApp, WebhookEndpoint, django_webhook\n"
        "from cleverreach_async import RedisRepeatStore\n"
        "heavy = {'cattrs', 'cryptography', 'django', 'httpcore', 'httpx', 'msgspec', 'redis',"
        " 'ssl', 'starlette'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(  # noqa: S603, ASYNC221 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, check=False, text=True
    )
    assert (0, "") == (done.returncode, done.stderr)
