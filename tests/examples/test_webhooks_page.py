"""The code of ``docs/webhooks.md`` runs, from top to bottom, and does what the page says."""

import ast
import inspect
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import httpx
import pytest

from cleverreach_async import CleverReach, WebhookEndpoint
from cleverreach_async.sandbox import Sandbox

PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"
TEXT = PAGE.read_text("utf-8")


def blocks() -> list[str]:
    """The Python code of the page."""
    parts = TEXT.split("```python\n")[1:]
    return [part.partition("```\n")[0] for part in parts]


async def run(code: str, names: dict[str, Any]) -> None:
    """Run code that may await, with names that it may use and define."""
    made: CodeType = compile(code, str(PAGE), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = FunctionType(made, names)()
    if inspect.iscoroutine(result):
        await result


@pytest.mark.anyio
async def test_the_code_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """With a client and a sandbox, which the page takes for granted."""
    code = blocks()
    assert 7 == len(code)
    with Sandbox() as sandbox:
        transport = httpx.ASGITransport(app=sandbox.app)
        async with (
            httpx.AsyncClient(transport=transport) as http_client,
            CleverReach(sandbox.add_token(), http_client=http_client) as cr,
        ):
            group_id = (await cr.groups.create(name="Newsletter")).id
            names: dict[str, Any] = {"cr": cr, "group_id": group_id, "sandbox": sandbox}
            for block in code:
                await run(block, names)
            printed = capsys.readouterr().out.splitlines()
            assert sorted(
                f"receiver.{event} 200"
                for event in ["created", "subscribed", "unsubscribed"]
                for _ in range(2)
            ) == sorted(printed)
            await cr.receivers.delete("bruce@wayne.example", group_id=group_id)
            await sandbox.deliver_webhooks()
            assert {} == names["consent"]
        assert 1 == len(names["urlpatterns"])


def test_the_page_names_the_defaults() -> None:
    """Its numbers are those of the code."""
    defaults = {
        name: it.default for name, it in inspect.signature(WebhookEndpoint).parameters.items()
    }
    assert (10.0, 60.0, 65_536) == (defaults["window"], defaults["lease"], defaults["max_body"])
    for text in ("`window` seconds (10 by default)", "`lease` seconds (60 by default)", "65,536"):
        assert text in TEXT.replace("\n", " ")
