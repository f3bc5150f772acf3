"""What the pages name exists: calls, arguments, defaults, options, variables, files and layers."""

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

import cleverreach_async
from cleverreach_async import (
    CleverReach,
    ExportReport,
    ImportReport,
    SyncReport,
    VerifyReport,
    sandbox,
    types,
)
from cleverreach_async.cli.app import app
from cleverreach_async.outbox.settings import SendingSettings
from cleverreach_async.resources.live_orders import LiveOrders

PACKAGE: Final = Path(cleverreach_async.__file__).parent
ROOT: Final = PACKAGE.parent
PAGES: Final = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

OBJECTS: Final[dict[str, list[Any]]] = {
    "cr": [CleverReach],
    "report": [ExportReport, ImportReport, SyncReport, VerifyReport],
    "sandbox": [sandbox.Sandbox],
}
"""What names mean on every page."""

OF_OTHERS: Final = {"check_same_thread", "connect_args", "schedule_source"}
"""Arguments of other libraries."""

OF_THE_READER: Final = {
    *("dlt_load.py", "first.py", "manage.py", "ray_load.py", "spark_load.py", "test_first.py"),
    *("urls.py",),
}
"""Files that a page tells the reader to write, or that are there already."""

OTHER_COMMANDS: Final = re.compile(r"(uv|uvicorn|pytest|celery|pip|python) ")

DEFAULTS: Final[dict[str, Any]] = {
    "live-orders.md": LiveOrders.background,
    "outbox.md": SendingSettings,
    "sandbox.md": sandbox.Behaviour,
    "shared-account.md": cleverreach_async.RedisAccount,
}
"""What a page lists the options of, with their defaults."""

STATED: Final = (
    r"^\| `(\w+)` \| .*\| (?=[`\d])`?(\w+)`? \|$",
    r"^\| `(\w+)=(\w+)` \|",
    r"^\| `(\w+)` \| (?:[^`|]*: )?(?:an? )?`(\w+)`",
)
"""How a page states a default: in the last column, in the first, or as the first of the values."""


def as_stated(default: object) -> str:
    """Return a default as a page has it."""
    if isinstance(default, bool):
        return "yes" if default else "no"
    return f"{default:g}" if isinstance(default, float) else str(default)


@cache
def text_of(page: Path) -> str:
    """Return the text of a page, unless it says that it is about what was before."""
    text = page.read_text("utf-8")
    return "" if "\nReplaced by [decision" in text else text


def spans() -> Iterator[tuple[str, str]]:
    """Yield where something is in code type inside of sentences and tables, and what."""
    for page in PAGES:
        text = re.sub(r"^```.*?^```$", _empty, text_of(page), flags=re.MULTILINE | re.DOTALL)
        for found in re.finditer(r"`([^`]+)`", text):
            yield _place(page, text, found), " ".join(found[1].split())


def _empty(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")


def _place(page: Path, text: str, found: re.Match[str]) -> str:
    return f"{page.relative_to(ROOT).as_posix()}:{text.count(chr(10), 0, found.start()) + 1}"


def commands() -> Iterator[tuple[str, str]]:
    """Yield where a command of ours or an option is, in a block or in code type, and what."""
    for page in PAGES:
        text = text_of(page).replace("\\\n", "  ")
        for found in re.finditer(r"^(?:\$ )?(cleverreach [^#\n]*)", text, re.MULTILINE):
            yield _place(page, text, found), found[1]
    yield from ((place, it) for place, it in spans() if not OTHER_COMMANDS.match(it))


@cache
def source() -> str:
    """Return the code of the package."""
    return "\n".join(it.read_text("utf-8") for it in sorted(PACKAGE.rglob("*.py")))


@cache
def parameters() -> set[str]:
    """Return the names of all parameters and fields in the package."""
    nodes = [*ast.walk(ast.parse(source().replace("from __future__", "from future")))]
    fields = [it.target for it in nodes if isinstance(it, ast.AnnAssign)]
    return {it.arg for it in nodes if isinstance(it, ast.arg)} | {
        it.id for it in fields if isinstance(it, ast.Name)
    }


def meant(name: str) -> list[Any]:
    """Return the classes that a name may stand for, or nothing."""
    modules = (cleverreach_async, types, sandbox)
    found = [getattr(it, name) for it in modules if name in it.__all__ and name[0].isupper()]
    return OBJECTS.get(name) or [it for it in found if inspect.isclass(it)][:1]


def has(owner: type, name: str) -> bool:
    """Return whether objects of a class have the attribute."""
    ours = [it for it in owner.__mro__ if it.__module__.startswith("cleverreach_async")]
    return hasattr(owner, name) or any(
        re.search(rf"self\.{name}(: .*)? = ", inspect.getsource(it)) for it in ours
    )


def noun(name: str) -> list[Any]:
    """Return the class of a noun of the client, or nothing."""
    found = inspect.getattr_static(CleverReach, name, None)
    if not isinstance(found, cached_property):
        return []
    return [getattr(types, found.func.__annotations__["return"])]


def missing_attributes(text: str) -> Iterator[str]:
    """Yield the attributes in a text that their classes do not have."""
    for first, rest in re.findall(r"(?<![\w./$>-])([A-Za-z]\w*)((?:\.(?!py)[a-z_]\w*)+)", text):
        owners = meant(first)
        for name in rest[1:].split("."):
            if owners and not any(has(it, name) for it in owners):
                yield f"{first}.{name}"
            owners = noun(name) if owners == [CleverReach] else []


@cache
def options() -> dict[str, str]:
    """Return the help of each command, by its words."""
    runner = CliRunner(env={"COLUMNS": "200"})
    found = dict[str, str]()
    waiting: list[list[str]] = [[]]
    while waiting:
        words = waiting.pop()
        text = runner.invoke(app, [*words, "--help"]).output
        found[" ".join(words)] = text
        inner = re.findall(r"^  ([a-z-]+)  ", text.partition("\nCommands:")[2], re.MULTILINE)
        waiting += [[*words, it] for it in inner]
    return found | {"": "\n".join(found.values())}


def unknown_options(text: str) -> Iterator[str]:
    """Yield the options in a text that its command does not have, or no command."""
    words = text.removeprefix("cleverreach ").split()
    named = [" ".join(words[:2]), *words[:1], ""]
    known = next(options()[it] for it in named if it in options())
    for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text):
        if not re.search(rf"{option}(?![\w-])", known):
            yield option


def files(text: str) -> Iterator[str]:
    """Yield what in a text is the path of a file of the project."""
    for path in re.findall(r"(?<![\w./{}-])[\w./-]+\.(?:py|toml|yml|md)(?![\w])", text):
        if path not in OF_THE_READER:
            yield path


@cache
def exists(path: str) -> bool:
    """Return whether there is such a file, in the project or in a folder of the package."""
    return (ROOT / path).exists() or any(
        f"/{it.relative_to(ROOT).as_posix()}".endswith(f"/{path}")
        for folder in ("cleverreach_async", "docs", "tests", ".github")
        for it in (ROOT / folder).rglob("*.*")
    )


def test_every_attribute_and_call_exists() -> None:
    """``cr.noun.method`` and ``Class.attribute``."""
    assert [] == [(place, it) for place, text in spans() for it in missing_attributes(text)]


def test_every_argument_exists() -> None:
    """``name=`` in sentences is a parameter or a field of something."""
    found = [
        (place, name)
        for place, text in spans()
        for name in re.findall(r"(?<![\w\"'&?;{/%-])([a-z_]{2,})=", text)
    ]
    assert [] == [it for it in found if it[1] not in parameters() | OF_OTHERS]


def test_every_option_exists() -> None:
    """At the command that the page calls, or at any one."""
    assert [] == [(place, it) for place, text in commands() for it in unknown_options(text)]


def test_the_variables_of_the_environment_are_those_that_are_read() -> None:
    """No page names another one, and the page about the configuration names all."""
    read = {*re.findall(r'"(CLEVERREACH_[A-Z_]+[A-Z])"', source())}
    named = {it for page in PAGES for it in re.findall(r"CLEVERREACH_[A-Z_]+", text_of(page))}
    page = text_of(ROOT / "docs" / "how-to" / "configuration.md")
    assert (read, read) == (named, {*re.findall(r"CLEVERREACH_[A-Z_]+", page)})


def test_every_file_exists() -> None:
    """By its path from the root, or the end of it."""
    named = [(place, it) for place, text in spans() for it in files(text)]
    assert [] == [it for it in named if not exists(it[1])]


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_defaults_of_options_are_those_of_the_code(name: str) -> None:
    """In tables that list options, where the default is a number or a word."""
    of_code = inspect.signature(DEFAULTS[name]).parameters
    text = (ROOT / "docs" / name).read_text("utf-8")
    stated = dict(it for rule in STATED for it in re.findall(rule, text, re.MULTILINE))
    defaults = {key: as_stated(of_code[key].default) for key in stated}
    assert (True, stated) == (bool(stated), defaults)


def test_what_does_not_exist_is_found() -> None:
    """One of each kind."""
    text = "cr.groups.lst(…), `cr.grps`, `report.sent_rows`, `RetryPolicy.tries`, `cr.bulk.sync`"
    found = ["cr.lst", "cr.grps", "report.sent_rows", "RetryPolicy.tries"]
    assert found == [*missing_attributes(text)]
    assert ["--dry"] == [*unknown_options("cleverreach import customers.csv --group N --dry")]
    assert ["--strict"] == [*unknown_options("cleverreach outbox list --strict")]
    assert ["--no-such"] == [*unknown_options("--strict, --no-such")]
    assert [True, False] == [exists(it) for it in files("`transport/gate.py`, `bulk/gate.py`")]


@pytest.mark.parametrize("name", ["reliability.md", "decisions/0005-three-outcomes.md"])
def test_the_sum_of_a_report_has_all_of_its_counters(name: str) -> None:
    """The counters that ``assert_balanced`` adds up."""
    text = " ".join((ROOT / "docs" / name).read_text("utf-8").split())
    found = re.search(r"read = (\w+(?: \+ \w+)+)", text)
    code = inspect.getsource(ImportReport.settled.fget)  # type: ignore[attr-defined]
    assert found
    assert set(re.findall(r"self\.(\w+)", code)) == set(found[1].split(" + "))
