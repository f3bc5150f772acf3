"""The examples of Django, of a nightly job and of a data frame run on a sandbox."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.django_project import configured_settings

from cleverreach_async import CleverReach, ReceiverInput
from cleverreach_async.sandbox import Sandbox
from cleverreach_async.sandbox.server import running

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.socket,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """An account on a port, and its credentials in the environment."""
    with Sandbox() as sandbox, running(sandbox) as url:
        monkeypatch.setenv("CLEVERREACH_BASE_URL", url)
        monkeypatch.setenv("CLEVERREACH_CLIENT_ID", "sandbox")
        monkeypatch.setenv("CLEVERREACH_CLIENT_SECRET", "sandbox-secret")
        yield sandbox


async def test_the_nightly_job_sends_what_changed(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first run adds everybody, the second one nobody."""
    from examples.nightly_sync import main  # noqa: PLC0415

    statuses = [await main(tmp_path / "shop.db") for _ in range(2)]

    assert [0, 0] == statuses
    assert [
        "3 added, 0 changed, 0 unchanged, 0 deactivated, 0 refused",
        "0 added, 0 changed, 3 unchanged, 0 deactivated, 0 refused",
    ] == capsys.readouterr().out.splitlines()
    group_id = sandbox.store.group_id("Customers") or 0
    assert {"firstname": "Ann", "city": "Kiel"} == (
        sandbox.store.receiver(group_id, "ann@example.org") or {}
    )["global_attributes"]


@pytest.mark.usefixtures("sandbox")
async def test_the_notebook_counts_receivers(capsys: pytest.CaptureFixture[str]) -> None:
    """By city, the largest first."""
    from examples.export_to_polars import main  # noqa: PLC0415

    async with CleverReach.from_env() as cr:
        await cr.attributes.ensure({"city": "text"})
        group = await cr.groups.ensure(name="Newsletter")
        cities = ["Ulm", "Kiel", "Kiel"]
        rows = [
            ReceiverInput(f"p{number}@example.org", global_attributes={"city": city})
            for number, city in enumerate(cities)
        ]
        await cr.receivers.upsert_many(rows, group_id=group.id)
    await main("Newsletter")

    assert ["     2  Kiel", "     1  Ulm"] == capsys.readouterr().out.splitlines()


async def test_visitors_sign_up_in_django(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice for one visitor, with the same answer; nobody learns who is subscribed."""
    configured_settings()
    requests: Any = import_module("django.test").AsyncRequestFactory()
    django_app: Any = import_module("examples.django_app")
    async with CleverReach.from_env() as cr:
        group = await cr.groups.ensure(name="Newsletter")
        form_id = await cr.forms.create_from_template(group.id, name="Sign-up")
    monkeypatch.setenv("GROUP_ID", str(group.id))
    monkeypatch.setenv("FORM_ID", str(form_id))
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        if sent:
            for email in ("ann@example.org", "ann@example.org", "nobody"):
                headers = {"referer": "https://shop.example/"}
                form = requests.post("/subscribe", {"email": email}, headers=headers)
                answers.append((await django_app.subscribe(form)).status_code)
        return {"type": "lifespan.shutdown" if sent else "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message["type"].partition(".")[2])

    answers: list[int] = []
    await django_app.application({"type": "lifespan"}, receive, send)

    assert ["startup.complete", "shutdown.complete"] == sent
    assert ([200, 200, 400], []) == (answers, django_app.clients)
    assert ["ann@example.org"] * 2 == [mail.email for mail in sandbox.mails]


async def test_django_serves_only_posts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that somebody follows subscribes nobody."""
    configured_settings()
    django_app: Any = import_module("examples.django_app")
    monkeypatch.setattr(django_app.settings, "ROOT_URLCONF", "examples.django_app", raising=False)
    transport = httpx.ASGITransport(app=django_app.application)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as browser:
        assert 405 == (await browser.get("/subscribe")).status_code
