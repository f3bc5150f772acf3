"""The code of ``docs/pipelines.md``: what is small runs; that of large packages is compiled."""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import httpx
import pytest

from cleverreach_async import CleverReach, OAuthApp
from cleverreach_async.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pipelines.md").read_text("utf-8")
BLOCKS = re.findall(r"```python( \w+)?\n(.*?)```", PAGE, re.DOTALL)
ROWS = [f"c{number}@shop.example" for number in range(3)]


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of these packages."""
    return "asyncio"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An account with a group."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def page(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the page defines above the recipes."""

    def from_env(**options: Any) -> CleverReach:
        http_client = httpx.AsyncClient(transport=httpx.ASGITransport(app=sandbox.app))
        auth = OAuthApp("sandbox", "sandbox-secret").client_credentials()
        return CleverReach(auth, http_client=http_client, **options)

    monkeypatch.setattr(CleverReach, "from_env", from_env)
    monkeypatch.setenv("JOURNALS", f"sqlite:///{tmp_path / 'journals.db'}")
    monkeypatch.chdir(tmp_path)

    async def create_group() -> int:
        async with from_env() as cr:
            return (await cr.groups.create(name="Customers")).id

    group_id = anyio.run(create_group)
    module = ModuleType("shop_cr")  # taskiq looks a task's function up in its module
    monkeypatch.setitem(sys.modules, module.__name__, module)
    space = vars(module)
    space |= {"group_id": group_id, "rows_of": rows_of}
    for kind, code in BLOCKS:
        if not kind and "taskiq" not in code and "celery" not in code:
            exec(code, space)  # noqa: S102 - our own page
    return space


def rows_of(day: str, number: int) -> list[str]:
    """The rows of a partition."""
    return ROWS


def recipe(name: str, page: dict[str, Any], stack: ExitStack) -> dict[str, Any]:
    """Run the block of a package; skipped if that is not installed."""
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    [code] = [code for kind, code in BLOCKS if not kind and f"from {name} import" in code]
    exec(code, page)  # noqa: S102 - our own page
    stack.callback(page["database"]().dispose)
    return page


def posts(sandbox: Sandbox) -> int:
    """Batches that the sandbox has received."""
    return sum("/receivers/" in it.path and it.method == "POST" for it in sandbox.requests)


@pytest.mark.anyio
async def test_a_task_that_is_repeated_sends_nothing(
    sandbox: Sandbox, page: dict[str, Any]
) -> None:
    """It returns what it returned the first time."""
    assert 3 == await page["load"]("2026-11-28", 0) == await page["load"]("2026-11-28", 0)
    assert 1 == posts(sandbox)
    assert ROWS == sandbox.store.emails(page["group_id"])
    page["database"]().dispose()


@pytest.mark.anyio
async def test_taskiq(sandbox: Sandbox, page: dict[str, Any]) -> None:
    """The recipe runs in memory."""
    with ExitStack() as stack:
        space = recipe("taskiq", page, stack)
        await space["broker"].startup()
        for _ in range(2):
            task = await space["load_partition"].kiq("2026-11-28", 1)
            result = await task.wait_result(timeout=5)
            assert 3 == result.return_value
        await space["broker"].shutdown()
    assert 1 == posts(sandbox)


def test_celery(sandbox: Sandbox, page: dict[str, Any]) -> None:
    """The recipe runs in memory."""
    with ExitStack() as stack:
        space = recipe("celery", page, stack)
        task = space["load_in_celery"]
        assert task.acks_late
        for _ in range(2):
            assert 3 == task.apply(args=("2026-11-28", 2)).get()
    assert 1 == posts(sandbox)


def test_all_code_compiles() -> None:
    """Also that of engines and schedulers, which are too large to install for a test."""
    kinds = [kind.strip() for kind, _ in BLOCKS]
    assert {"engine": 3, "text": 2} == {kind: kinds.count(kind) for kind in ("engine", "text")}
    for _, code in BLOCKS:
        ast.parse(code)


def test_the_sinks_take_the_arguments_of_the_page() -> None:
    """Names of arguments are those of the code, where an engine cannot run it."""
    partition = import_module("cleverreach_async.integrations.partition")
    known = {*inspect.signature(partition.PartitionJob.of).parameters, "results"}
    known |= {*partition.SinkOptions.__annotations__}
    used: set[str] = set()
    for kind, code in BLOCKS:
        for node in ast.walk(ast.parse(code)):
            if kind == " engine" and isinstance(node, ast.Call):
                name = ast.unparse(node.func).rpartition(".")[2]
                if name in {"options", "cleverreach", "CleverReachSink"}:
                    used |= {keyword.arg or "" for keyword in node.keywords}
    assert {"connect", "journal", "group_id", "job", "results"} <= used <= known


@pytest.mark.parametrize("name", ["dlt_load", "ray_load", "spark_load", "shop", "options"])
def test_examples_compile(name: str) -> None:
    """``nox -s engines`` runs them."""
    ast.parse((ROOT / "examples" / "engines" / f"{name}.py").read_text("utf-8"))
