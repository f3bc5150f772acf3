"""The public names: complete, sorted, importable, and loaded when they are used."""

import ast
import inspect
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import cleverreach_async

FRONT = ast.parse(Path(cleverreach_async.__file__).read_text("utf-8"))
NAMES = [name for name in cleverreach_async.__all__ if name != "__version__"]
HEAVY = ("anyio", "attrs", "cattrs", "httpx", "msgspec", "rich", "ssl", "starlette", "typer")


def table() -> dict[str, str]:
    """The table of lazy imports, read from the source: modules by name."""
    for node in FRONT.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_HOMES":
            homes: dict[str, tuple[str, ...]] = ast.literal_eval(ast.unparse(node.value or node))
            return {name: home for home, names in homes.items() for name in names}
    pytest.fail("no table")


def for_type_checkers() -> dict[str, str]:
    """The imports for type checkers: modules by name."""
    [block] = [node for node in FRONT.body if isinstance(node, ast.If)]
    return {
        alias.name: (node.module or "").removeprefix("cleverreach_async.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_all_is_sorted_and_without_repeats() -> None:
    """In the order of isort: constants, classes, the rest."""

    def rank(name: str) -> tuple[int, str]:
        return (0 if name.isupper() else 1 if name[0].isupper() else 2), name

    assert sorted(set(cleverreach_async.__all__), key=rank) == cleverreach_async.__all__


def test_the_three_lists_of_names_agree() -> None:
    """``__all__``, the table of lazy imports and the imports for type checkers."""
    assert set(NAMES) == set(table())
    assert table() == for_type_checkers()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_can_be_imported(name: str) -> None:
    """From the package, as the same object as in its module, and it is documented."""
    value: Any = getattr(cleverreach_async, name)
    home = sys.modules[f"cleverreach_async.{table()[name]}"]
    assert value is getattr(home, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert inspect.getdoc(value)
        assert value.__module__.startswith(("cleverreach_async.", "msgspec"))


def test_dir_lists_every_name() -> None:
    """Before they were loaded too, for completion."""
    assert set(dir(cleverreach_async)) >= set(cleverreach_async.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """The message has the names of the module and of the attribute."""
    with pytest.raises(AttributeError, match=r"'cleverreach_async' has no attribute 'Klient'"):
        _ = cleverreach_async.Klient


def test_the_version_is_that_of_the_distribution() -> None:
    """It is defined in one place."""
    assert metadata.version("cleverreach-async") == cleverreach_async.__version__


def loaded_by(code: str) -> set[str]:
    """The heavy modules that a new interpreter has loaded after some code."""
    show = f"import sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "error", "-c", f"{code}\n{show}"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_no_heavy_module() -> None:
    """Each is loaded when it is first used."""
    assert set() == loaded_by("import cleverreach_async")


def test_errors_and_secrets_need_no_http_library() -> None:
    """A worker that only unpickles an error loads no client."""
    assert set() == loaded_by("from cleverreach_async import NotFoundError, Secret")


def test_the_client_loads_neither_command_nor_sandbox() -> None:
    """The client does not need the modules of the extras."""
    unwanted = {"typer", "starlette", "uvicorn", "cleverreach_async.sandbox"}
    assert set() == loaded_by("from cleverreach_async import CleverReach") & unwanted


FIRST_CALL = """
import sys
import anyio
from cleverreach_async import CleverReach, CleverReachError, RetryPolicy

async def call():
    cr = CleverReach("token", base_url="http://127.0.0.1:1", retry=RetryPolicy(attempts=1))
    before = set(sys.modules)
    try:
        await cr.groups.list()
    except CleverReachError:
        print(len(before) > 0, *sorted(set(sys.modules) - before))
    await cr.aclose()

anyio.run(call)
"""


def test_the_first_call_loads_no_library() -> None:
    """Loading one would block the event loop. Each has been loaded with the client."""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", FIRST_CALL], check=True, capture_output=True, text=True
    )
    was_run, *loaded = done.stdout.split()
    assert "True" == was_run
    assert [] == [name for name in loaded if not name.startswith(("anyio.", "encodings."))]
