"""A page says how to install what its code needs, beyond the package itself."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from typing import Final

import pytest
from support.pages import DOCS, Block, blocks_of, pages_with_code

EXTRA_OF: Final = {
    "FileTokenStore": "files",
    "PostgresOutbox": "postgres",
    "RedisAccount": "redis",
    "RedisJournal": "redis",
    "RedisTokenStore": "redis",
    "SqlJournal": "sql",
    "WebhookKeys": "webhooks",
    "cleverreach_sandbox": "sandbox",
    "read_arrow": "arrow",
    "read_excel": "excel",
    "read_parquet": "arrow",
}
"""What needs an extra, by its name in the code."""

EXTRA_WITH: Final = {
    "aiohttp": "aiohttp",
    "psycopg": "postgres",
    "redis": "redis",
    "sqlalchemy": "sql",
}
"""The extra that a module comes with."""

READERS_OWN: Final = {"shop"}
"""Modules in folders of the reader, of which a page shows a part."""


def modules_of_the_package() -> set[str]:
    """Return the modules that are installed with the package, without an extra."""
    needed = [it for it in requires("cleverreach-async") or [] if "extra ==" not in it]
    names = {re.split(r"[^\w-]", it, maxsplit=1)[0] for it in needed}
    return {it for it, found in packages_distributions().items() if names & {*found}}


def imported(block: Block) -> Iterator[str]:
    """Yield the packages that a block imports."""
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.Import):
            yield from (it.name.partition(".")[0] for it in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def names_in(block: Block) -> Iterator[str]:
    """Yield the names and parameters of a block."""
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg


def not_installed(text: str) -> set[str]:
    """Return the extras and packages that the code of a page needs and the page does not name."""
    blocks = [it for it in blocks_of(text) if it.language == "python"]
    files = {it.file.removesuffix(".py") for it in blocks}
    given = {*sys.stdlib_module_names, *modules_of_the_package(), "cleverreach_async"}
    packages = {it for block in blocks for it in imported(block)} - given - files - READERS_OWN
    names = {it for block in blocks for it in names_in(block)}
    extras = {EXTRA_OF[it] for it in names if it in EXTRA_OF}
    extras |= {EXTRA_WITH[it] for it in packages if it in EXTRA_WITH}
    lines = re.findall(r"pip install ([^\n`]+)", text)
    installed = {word for line in lines for word in line.split()}
    named = re.findall(r"cleverreach-async\[([\w,]+)\]", text)
    return {
        *extras.difference(*(it.split(",") for it in named)),
        *(it for it in packages - {*EXTRA_WITH} if not any(w.startswith(it) for w in installed)),
    }


@pytest.mark.parametrize("page", pages_with_code())
def test_the_page_says_what_to_install(page: str) -> None:
    """The extras and packages that its code needs."""
    assert set() == not_installed((DOCS / page).read_text("utf-8"))


def test_what_is_not_named_is_found() -> None:
    """An extra by the name of a class, by a module, and a package of others."""
    code = "import flask, redis, anyio\nread_parquet\ndef test(cleverreach_sandbox): ..."
    assert {"arrow", "flask", "redis", "sandbox"} == not_installed(f"```python\n{code}\n```\n")
    line = "pip install 'cleverreach-async[arrow,redis,sandbox]' flask"
    assert set() == not_installed(f"{line}\n\n```python\n{code}\n```\n")
