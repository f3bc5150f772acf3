"""The code of the pages passes mypy, as the reader's own copy of it would."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from support.pages import DOCS, Block, blocks_of, pages_with_code

ROOT: Final = DOCS.parent

TYPES: Final = {
    "cleverreach": "cleverreach_async.CleverReach",
    "cleverreach_sandbox": "cleverreach_async.sandbox.Sandbox",
    "client_id": "str",
    "client_secret": "str",
    "cr": "cleverreach_async.CleverReach",
    "form_id": "int",
    "group_id": "int",
    "redis_url": "str",
    "request": "typing.Any",
    "rows_of": "typing.Any",
    "sandbox": "cleverreach_async.sandbox.Sandbox",
}
"""What the pages take for granted, and what their functions get without saying its type."""

IMPORTS: Final = "import typing; import cleverreach_async; import cleverreach_async.sandbox"
GIVEN: Final = ", ".join(f"{name}: {type_}" for name, type_ in TYPES.items())
HEAD: Final = (IMPORTS, f"async def page({GIVEN}) -> None:", " pass")
"""Each page becomes a function that begins in its first lines, above its first block of code."""

OPTIONS: Final = (
    *("--config-file=", "--explicit-package-bases", "--ignore-missing-imports"),
    *("--follow-imports=silent", "--check-untyped-defs", "--no-error-summary"),
    # The blocks of a page are in one function, and use a variable more than once.
    *("--allow-redefinition-new", "--local-partial-types"),
    # The type of an empty list is the reader's.
    "--disable-error-code=var-annotated",
)


def with_types(code: str) -> str:
    """Return the code with the types of the parameters that are known by their names."""
    found = [
        it
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for it in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        if it.annotation is None and it.arg in TYPES
    ]
    lines = code.splitlines(keepends=True)
    for it in sorted(found, key=lambda it: it.col_offset, reverse=True):
        line, end = lines[it.lineno - 1], it.end_col_offset
        lines[it.lineno - 1] = f"{line[:end]}: {TYPES[it.arg]}{line[end:]}"
    return "".join(lines)


def in_package(code: str, files: set[str]) -> str:
    """Return the code with relative imports of the other files of its page."""
    names = "|".join(files) or "(?!)"
    code = re.sub(rf"^( *from )({names}) ", r"\1.\2 ", code, flags=re.MULTILINE)
    return re.sub(rf"^( *)import ({names})$", r"\1from . import \2", code, flags=re.MULTILINE)


def write_modules(blocks: list[Block], folder: Path) -> None:
    """Write the Python of a page as modules of a package, each line where it is on the page."""
    folder.mkdir()
    (folder / "__init__.py").touch()
    blocks = [it for it in blocks if it.language == "python"]
    files = {it.file.removesuffix(".py") for it in blocks if it.file}
    page = [*HEAD]
    for block in blocks:
        code = in_package(with_types(block.code), files)
        if block.file:
            padding = "\n" * (block.line - 1)
            (folder / block.file).write_text(f"{IMPORTS}{padding}{code}", "utf-8")
        else:
            page += [""] * (block.line - 1 - len(page))
            page += [f" {line}" if line else "" for line in code.splitlines()]
    (folder / "page.py").write_text("\n".join(page), "utf-8")


def mypy(folder: Path) -> str:
    """Return what mypy has to say about all modules in the folder."""
    command = [sys.executable, "-m", "mypy", *OPTIONS, f"--cache-dir={folder}-cache", str(folder)]
    environ = os.environ | {"MYPYPATH": os.pathsep.join([str(ROOT), str(folder)])}
    done = subprocess.run(  # noqa: S603 - our own words
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def package_of(page: Path) -> str:
    """Return the name of the package of a page."""
    return re.sub(r"\W", "_", page.relative_to(ROOT).with_suffix("").as_posix())


MISTAKES: Final = """\
A page.



```python
from cleverreach_async import OrderInput

cr.groups.create(name="Newsletter")
await cr.orders.create(1, OrderInput("A-1", product="Mug", price="49.90"))
```

```python
# shop.py
async def cloned(cr):
    return (await cr.receivers.clone(1, "ben@example.org")).id
```

```python
import shop

await shop.copied(cr, await cr.groups.lst())
```
"""
"""A page with mistakes of the kinds that must show."""

FOUND: Final = [
    ("mistakes/page.py", 8, "unused-coroutine"),
    ("mistakes/page.py", 9, "arg-type"),
    ("mistakes/page.py", 21, "attr-defined"),
    ("mistakes/page.py", 21, "attr-defined"),
    ("mistakes/shop.py", 15, "union-attr"),
]


def test_the_code_of_the_pages_has_the_right_types(tmp_path: Path) -> None:
    """Arguments, attributes, missing awaits, and values that may be None."""
    folder = tmp_path / "typed"
    folder.mkdir()
    for page in [ROOT / "README.md", *(DOCS / it for it in pages_with_code())]:
        write_modules(blocks_of(page.read_text("utf-8")), folder / package_of(page))
    write_modules(blocks_of(MISTAKES), folder / "mistakes")
    said = mypy(folder)
    errors = re.findall(r"^(.+):(\d+): error: .*\[(.+)\]$", said, re.MULTILINE)
    found = sorted((Path(file).as_posix(), int(line), code) for file, line, code in errors)
    assert FOUND == found, said
