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
from cleverreach_async import sources

FRONT = ast.parse(Path(cleverreach_async.__file__).read_text("utf-8"))
FRONT_OF_SOURCES = ast.parse(Path(sources.__file__).read_text("utf-8"))
NAMES = [name for name in cleverreach_async.__all__ if name != "__version__"]
NOUNS = (
    *("attributes", "blacklist", "bounces", "bulk", "clients", "debug", "filters", "flows"),
    *("forms", "groups", "mailings", "my_content", "oauth", "orders"),
    *("receivers", "reports", "tags"),
    *("automation", "channels", "events", "templates", "webhooks"),
)
HEAVY = ("anyio", "attrs", "cattrs", "httpx", "msgspec", "rich", "ssl", "starlette", "typer")


def table(front: ast.Module = FRONT) -> dict[str, str]:
    """The table of lazy imports, read from the source: modules by name."""
    for node in front.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_HOMES":
            homes: dict[str, tuple[str, ...]] = ast.literal_eval(ast.unparse(node.value or node))
            return {name: home for home, names in homes.items() for name in names}
    pytest.fail("no table")


def for_type_checkers(front: ast.Module = FRONT, package: str = "") -> dict[str, str]:
    """The imports for type checkers: modules by name."""
    [block] = [node for node in front.body if isinstance(node, ast.If)]
    return {
        alias.name: (node.module or "").removeprefix(f"cleverreach_async.{package}")
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
import socket
import sys
from threading import Thread

import anyio
from cleverreach_async import CleverReach

def answer():
    connection, _ = listener.accept()
    connection.recv(65536)
    body = b'[{"id": "7", "name": "Newsletter", "stamp": 1700000000}]'
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%b" % (len(body), body))
    connection.recv(1)

async def call():
    async with CleverReach("token", base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as cr:
        made = set(sys.modules)
        groups = cr.groups
        found = set(sys.modules)
        [group] = await groups.list()
        print(group.id, *sorted(found - made), "|", *sorted(set(sys.modules) - found))

listener = socket.create_server(("127.0.0.1", 0))
Thread(target=answer, daemon=True).start()
anyio.run(call)
"""


@pytest.mark.socket
def test_the_first_call_loads_nothing() -> None:
    """Loading would block the event loop. A noun is loaded when it is named, the rest before."""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", FIRST_CALL], check=True, capture_output=True, text=True
    )
    group_id, *loaded = done.stdout.split()
    assert "7" == group_id
    assert ["cleverreach_async.resources.groups", "|"] == loaded


def modules_after(code: str) -> set[str]:
    """The modules of this package and the heavy ones, loaded after some code."""
    show = "print(*sys.modules)"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", f"import sys\n{code}\n{show}"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(done.stdout.split())


def test_the_client_class_loads_neither_nouns_nor_importer() -> None:
    """Their models and readers would take most of the time of the import."""
    loaded = modules_after("from cleverreach_async import CleverReach")
    layers = {name.split(".")[1] for name in loaded if name.startswith("cleverreach_async.")}
    assert set() == {"bulk", "sources", "sandbox", "cli"} & layers
    nouns = {"base", "converter", "groups", "receivers", "orders", "mailings", "receiver_models"}
    assert set() == {f"cleverreach_async.resources.{noun}" for noun in nouns} & loaded
    assert set() == {"cattrs", "csv", "sqlite3", "zoneinfo"} & loaded


def test_a_receiver_to_write_loads_no_transport() -> None:
    """A program that only prepares rows needs no HTTP library and no decoder of responses."""
    loaded = modules_after("from cleverreach_async import ReceiverInput, OrderInput, UNSET")
    assert set() == {"anyio", "cattrs", "h11", "httpcore", "httpx", "ssl"} & loaded
    sends = {"connections", "gate", "http", "transport"}
    assert set() == {f"cleverreach_async.transport.{name}" for name in sends} & loaded


@pytest.mark.parametrize("noun", NOUNS)
def test_a_noun_is_made_once_and_listed(noun: str) -> None:
    """Completion shows it before it is loaded, and it stays the same object."""
    client = cleverreach_async.CleverReach("token")
    assert noun in dir(client)
    assert getattr(client, noun) is getattr(client, noun)


def test_a_sibling_has_nouns_of_its_own() -> None:
    """They belong to the other account."""
    client = cleverreach_async.CleverReach("token")
    groups = client.groups
    assert client.with_auth("other").groups is not groups
    assert client.with_options(timeout=1).groups is not groups


def test_the_lists_of_sources_agree() -> None:
    """Each name is loaded from where it is defined, when it is first used."""
    homes = table(FRONT_OF_SOURCES)
    assert set(sources.__all__) == set(homes)
    assert homes == for_type_checkers(FRONT_OF_SOURCES, "sources.")
    for name, home in homes.items():
        assert name in dir(sources)
        value: Any = getattr(sources, name)
        assert value is getattr(sys.modules[f"cleverreach_async.sources.{home}"], name)


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_the_help_of_the_command_loads_no_command(word: str) -> None:
    """Neither the client nor the importer, and no formatter of Markdown."""
    loaded = modules_after(
        f"sys.argv = ['cleverreach', {word!r}]\n"
        "from cleverreach_async.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code"
    )
    heavy = {"anyio", "attrs", "cattrs", "httpcore", "httpx", "markdown_it", "msgspec", "pydantic"}
    assert set() == (heavy | {"rich", "sqlite3", "ssl"}) & loaded
    own = {name for name in loaded if name.startswith("cleverreach_async.")}
    allowed = {"app", "commands", "exit_statuses", "loading", "verbosity"}
    allowed = {f"cleverreach_async.cli.{name}" for name in allowed}
    assert {"cli", "lazy_names", "version"} == {it.split(".")[1] for it in own - allowed}


def test_an_import_without_a_terminal_loads_no_screen(tmp_path: Path) -> None:
    """A job at night has neither colours nor live lines, and no page of a report."""
    rows = tmp_path / "rows.csv"
    rows.write_text("email\nbruce@wayne.example\n", "utf-8")
    loaded = modules_after(
        f"sys.argv = ['cleverreach', 'import', {str(rows)!r}, '--group', '7', '--dry-run']\n"
        "from cleverreach_async.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code"
    )
    assert "cleverreach_async.cli.imports.command" in loaded
    own = {"cli.imports.screen", "cli.imports.html_report", "cli.report.page"}
    assert set() == {f"cleverreach_async.{name}" for name in own} & loaded


def test_the_importer_loads_neither_sync_nor_verify_nor_export() -> None:
    """Few imports need them, and they have as many modules as the importer itself."""
    loaded = modules_after("from cleverreach_async.bulk.importer import Bulk")
    parts = {name.split(".")[2] for name in loaded if name.startswith("cleverreach_async.bulk.")}
    assert "delivery" in parts
    assert set() == {"export", "sync", "verify"} & parts
