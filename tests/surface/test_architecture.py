"""The structure of the code: imports between layers and rooms, libraries, names, sizes."""

import ast
import re
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import cleverreach_async

ROOT = Path(cleverreach_async.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
LAYERS: tuple[str, ...] = (
    "version",
    "lazy_names",
    "errors",
    "files",
    "transport",
    "auth",
    "webhooks",
    "resources",
    "sources",
    "bulk",
    "nouns",
    "accounts",
    "client",
    "outbox",
    "integrations",
    "types",
    "cli",
    "__main__",
)
"""Each may import itself and those before it."""

LAYERS_WITH_ROOMS = (
    *("transport", "auth", "webhooks", "resources", "sources", "bulk", "outbox", "cli", "sandbox"),
    "integrations",
)

ONLY_HERE = {
    "aiohttp": {"transport/http/"},
    "certifi": {"transport/http/"},
    "httpx": {"transport/http/"},
    "httpx2": set[str](),
    "httpcore": {"transport/http/"},
    "requests": set[str](),
    "asyncio": {"cli/", "transport/http/aiohttp_sender.py"},
    "cryptography": {"sandbox/hook_secrets.py"},  # the client loads it by name
    "django": set[str](),  # loaded by name
    "dlt": set[str](),  # the engines too
    "time": {"cli/", "transport/clock.py", "sandbox/app.py"},
    "trio": set[str](),
    "pyspark": set[str](),
    "ray": set[str](),
    "sniffio": set[str](),
    "random": {"transport/clock.py", "sandbox/"},
    "typer": {"cli/"},
    "rich": {"cli/"},
    "redis": set[str](),  # the user passes a client
    "sqlalchemy": set[str](),  # loaded by name
    "starlette": {"sandbox/"},
    "tempfile": {"sources/content.py"},  # files.py replaces files
    "uvicorn": {"sandbox/", "cli/"},
}
"""Libraries and the places that may import them; a folder ends with a slash."""

ONE_NAME_TWICE = {"Fault": ["sandbox/faults.py", "transport/retry.py"]}
"""Both are public: a fault that the sandbox injects, and a kind of temporary failure."""

MAX_LINES_OF_A_FILE = 400
MAX_LINES_OF_A_FUNCTION = 60
"""Signature, decorators and docstring included, which take up to half of a public method."""


def name_of(path: Path) -> str:
    """The path below the package, as in ``transport/gate.py``."""
    return path.relative_to(ROOT).as_posix()


@cache
def nodes(path: Path) -> list[ast.AST]:
    """The parts of a file's code, at any depth."""
    return list(ast.walk(ast.parse(path.read_text("utf-8"))))


@cache
def imports(path: Path) -> list[str]:
    """The modules that a file imports, with their full names, at any depth of its code."""
    package = ("cleverreach_async", *path.relative_to(ROOT).parent.parts)
    found: list[str] = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            found += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return found


def layer(module: str) -> str | None:
    """The layer of one of our modules, ``None`` for the package itself and for others."""
    package, _, rest = module.partition(".")
    first = rest.partition(".")[0]
    return first if package == "cleverreach_async" and first else None


def allowed_layers(own: str) -> set[str | None]:
    """The layers that a layer may import."""
    if own == "sandbox":
        return {"sandbox"}
    more = {"sandbox", "__version__"} if own == "cli" else set[str]()
    return {*LAYERS[: LAYERS.index(own) + 1], *more}


def test_the_pages_name_all_layers_in_their_order() -> None:
    """In the table of `docs/architecture.md`."""
    text = (ROOT.parent / "docs" / "architecture.md").read_text("utf-8")
    table = text.partition("| layer |")[2].partition("\n\n")[0]
    cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    named = [it for cell in cells for it in re.findall(r"`(\w+)(?:\.py|/)`", cell)]
    assert list(LAYERS) == named


def test_imports_point_one_way() -> None:
    """A layer imports itself and lower layers; the sandbox imports only itself."""
    forbidden: dict[str, set[str | None]] = {}
    for path in FILES:
        own = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if own not in {"__init__", "testing"}:
            found = {layer(module) for module in imports(path)} - {None}
            forbidden[name_of(path)] = found - allowed_layers(own)
    assert {} == {name: layers for name, layers in forbidden.items() if layers}


def room(path: Path) -> str:
    """The room of a file within its layer: the folder, or the file itself."""
    return path.relative_to(ROOT).parts[1].removesuffix(".py")


def rooms_of(name: str) -> dict[str, set[str]]:
    """The rooms of a layer, and the rooms of the same layer that each imports."""
    files = [path for path in FILES if path.is_relative_to(ROOT / name)]
    rooms: dict[str, set[str]] = {room(path): set() for path in files}
    prefix = f"cleverreach_async.{name}."
    for path in files:
        modules = [it.removeprefix(prefix) for it in imports(path) if it.startswith(prefix)]
        imported = {module.partition(".")[0] for module in modules}
        rooms[room(path)] |= (imported & rooms.keys()) - {room(path)}
    return rooms


@pytest.mark.parametrize("name", LAYERS_WITH_ROOMS)
def test_rooms_do_not_import_each_other_in_a_circle(name: str) -> None:
    """The folders and files of a layer can be read one after the other."""
    rooms = rooms_of(name)
    assert len(rooms) > 1
    try:
        TopologicalSorter(rooms).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(reversed(error.args[1])))


def test_rooms_are_found() -> None:
    """The test above would pass if no import were found."""
    assert "delivery" in rooms_of("bulk")["run"] | rooms_of("bulk")["assembly"]
    assert "transport" not in rooms_of("transport")["wire"]


def test_only_the_command_and_the_plugin_import_the_package() -> None:
    """All other modules are below the package's public names."""
    importers = {name_of(path) for path in FILES if "cleverreach_async" in imports(path)}
    below = {name for name in importers if not name.startswith(("cli/", "testing.py"))}
    assert set() == below


def test_class_names_are_unique() -> None:
    """One name has one meaning in the whole package, with or without a leading underscore."""
    files: defaultdict[str, list[str]] = defaultdict(list)
    for path in FILES:
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                files[node.name.lstrip("_")].append(name_of(path))
    assert ONE_NAME_TWICE == {name: found for name, found in files.items() if len(found) > 1}


@pytest.mark.parametrize("library", ONLY_HERE)
def test_a_library_is_imported_in_one_place(library: str) -> None:
    """What is used in one place can be replaced in one place."""
    homes = tuple(ONLY_HERE[library])
    users = {
        name_of(path)
        for path in FILES
        if any(module.partition(".")[0] == library for module in imports(path))
    }
    assert set() == {user for user in users if not (homes and user.startswith(homes))}


def test_imports_are_found() -> None:
    """The tests above would pass if no import were found."""
    assert "httpcore" in set(imports(ROOT / "transport/http/library.py"))
    assert "cleverreach_async.transport.retry" in set(imports(ROOT / "transport/transport.py"))


def test_files_stay_small() -> None:
    """All lines count. A longer file has more than one subject."""
    lines = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert {} == {name: count for name, count in lines.items() if count > MAX_LINES_OF_A_FILE}


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function, from its first decorator to its end."""
    first, *_ = [*function.decorator_list, function]
    return (function.end_lineno or 0) - first.lineno + 1


def test_functions_stay_small() -> None:
    """All lines count. A longer function does more than one thing."""
    lines = [
        (f"{name_of(path)}: {node.name}", lines_of(node))
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert len(lines) > len(FILES)
    assert [] == [(name, count) for name, count in lines if count > MAX_LINES_OF_A_FUNCTION]
