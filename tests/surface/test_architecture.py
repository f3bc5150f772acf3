"""The shape of the code: arrows between layers, one home for each library, sizes."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import cleverreach_async

ROOT = Path(cleverreach_async.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
LAYERS: tuple[str, ...] = (
    "version",
    "errors",
    "files",
    "transport",
    "auth",
    "resources",
    "sources",
    "bulk",
    "client",
    "cli",
)
"""Each may import itself and those before it."""

ONLY_HERE = {
    "httpx": {"transport/http.py"},
    "httpx2": set[str](),
    "httpcore": set[str](),
    "requests": set[str](),
    "asyncio": {"cli/"},
    "time": {"cli/", "transport/clock.py", "sandbox/app.py"},
    "trio": set[str](),
    "sniffio": set[str](),
    "random": {"transport/clock.py", "sandbox/"},
    "typer": {"cli/"},
    "rich": {"cli/"},
    "starlette": {"sandbox/"},
    "tempfile": set[str](),  # files.py replaces files
    "uvicorn": {"sandbox/", "cli/"},
}
"""Libraries and the places that may import them; a folder ends with a slash."""

MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 40


def name_of(path: Path) -> str:
    """The path below the package, as in ``transport/http.py``."""
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, with their full names, at any depth of its code."""
    package = ("cleverreach_async", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def layer(module: str) -> str | None:
    """The layer of one of our modules, ``None`` for the package itself and for others."""
    package, _, rest = module.partition(".")
    first = rest.partition(".")[0]
    return first if package == "cleverreach_async" and first else None


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_arrows_point_one_way(path: Path) -> None:
    """A layer imports itself and lower ones; the sandbox imports none but itself."""
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if own in {"__init__", "testing"}:
        return
    allowed = {"sandbox"} if own == "sandbox" else set(LAYERS[: LAYERS.index(own) + 1])
    if own == "cli":
        allowed.add("sandbox")
    if own == "cli":
        allowed.add("__version__")
    found = {layer(module) for module in imports(path)} - {None}
    assert set() == found - allowed


def test_nothing_imports_the_package_from_below() -> None:
    """Only the command and the test plugin stand above the package's public names."""
    importers = {name_of(path) for path in FILES if "cleverreach_async" in imports(path)}
    below = {name for name in importers if not name.startswith(("cli/", "testing.py"))}
    assert set() == below


@pytest.mark.parametrize("library", ONLY_HERE)
def test_a_library_has_one_home(library: str) -> None:
    """What is known in one place can be replaced in one place."""
    homes = tuple(ONLY_HERE[library])
    users = {
        name_of(path)
        for path in FILES
        if any(module.partition(".")[0] == library for module in imports(path))
    }
    assert set() == {user for user in users if not (homes and user.startswith(homes))}


def test_the_http_library_is_used_where_it_should_be() -> None:
    """The test above would pass if nothing were found at all."""
    assert "httpx" in set(imports(ROOT / "transport/http.py"))
    assert "cleverreach_async.transport.retry" in set(imports(ROOT / "transport/transport.py"))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_stay_small(path: Path) -> None:
    """A noun that outgrows its file becomes two nouns."""
    assert len(path.read_text("utf-8").splitlines()) <= MOST_LINES


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function's body, its docstring not counted."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_functions_stay_small(path: Path) -> None:
    """One that does not fit on a screen does more than one thing."""
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = {it.name: lines_of(it) for it in functions}
    assert {} == {name: n for name, n in long.items() if n > MOST_LINES_OF_A_FUNCTION}
