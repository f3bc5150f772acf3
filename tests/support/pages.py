"""The pages of the documentation: their code blocks, and how to run them one after the other.

| block | what happens |
| --- | --- |
| ``python`` | runs in this process, with the names of the blocks above it; ``await`` is allowed |
| ``python``, first line ``# NAME.py`` | is written to that file |
| ``sh`` | each line is a command, and runs in this process |
| ``console`` | the same for lines that begin with ``$``; the lines below are its output |
| ``csv`` | is written to the file that the text above it names last |
| ``output`` | what the block of Python above it prints |

In outputs ``…`` stands for any text. A command that ends with another status than 0 says so in a
comment: ``# status 2``. What begins with one of ``NOT_RUN`` is for the reader's own machine.
"""

import ast
import importlib
import inspect
import re
import runpy
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Final

import attrs
import pytest
from anyio.from_thread import BlockingPortal
from typer.testing import CliRunner

import cleverreach_async
from cleverreach_async.cli.app import app

__all__ = ["DOCS", "Block", "PageRun", "blocks_of", "missing_imports", "pages_with_code"]

DOCS: Final = Path(__file__).parents[2] / "docs"
PRINTED_URL: Final = "http://127.0.0.1:8800"
"""The address of the sandbox on the pages; in the tests it listens on another port."""
NOT_RUN: Final = frozenset({"celery", "crontab", "mkdir", "pip", "python3", "uv"})
RUN: Final = frozenset({"python", "sh", "console", "csv", "output"})
PYTEST_OPTIONS: Final = (
    *("-q", "--import-mode=importlib", "-pno:cacheprovider", "-pno:randomly"),
    *("-o", "asyncio_default_fixture_loop_scope=function"),
)

_FENCE: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE: Final = re.compile(r"# (\w+\.py)\n")
_CSV: Final = re.compile(r"`([\w-]+\.csv)`")
_STATUS: Final = re.compile(r"# status (\d+)")


@attrs.frozen
class Block:
    """One code block.

    Attributes:
        language: What stands beside the fence.
        code: The text.
        file: The file that it is written to instead of being run, or an empty text.
        line: The number of the first line of the text.
    """

    language: str
    code: str
    file: str
    line: int


def blocks_of(text: str) -> list[Block]:
    """Return the code blocks of a page that run or say what is printed."""
    return [
        Block(found[1], found[2], _file_of(text, found), text.count("\n", 0, found.start(2)) + 1)
        for found in _FENCE.finditer(text)
        if found[1] in RUN
    ]


def _file_of(text: str, found: re.Match[str]) -> str:
    if found[1] == "csv":
        return [*_CSV.finditer(text, 0, found.start())][-1][1]
    named = _FILE.match(found[2]) if found[1] == "python" else None
    return named[1] if named else ""


def pages_with_code() -> list[str]:
    """Return the paths of all pages that have code, below ``docs``."""
    pages = sorted(DOCS.rglob("*.md"))
    return [it.relative_to(DOCS).as_posix() for it in pages if blocks_of(it.read_text("utf-8"))]


def missing_imports(blocks: list[Block]) -> list[tuple[int, str]]:
    """Return the names that a block uses, and only an earlier block imports, or none at all.

    Names of modules and of this package are imported in each block that uses them, so that a block
    works when it is copied alone.
    """
    imported_before = set(cleverreach_async.__all__)
    missing: list[tuple[int, str]] = []
    for block in blocks:
        if block.language != "python":
            continue
        nodes = list(ast.walk(ast.parse(block.code)))
        names = [it for it in nodes if isinstance(it, ast.Name)]
        aliases = [it for node in nodes if isinstance(node, _IMPORTS) for it in node.names]
        imports = {(it.asname or it.name).partition(".")[0] for it in aliases}
        own = {it.id for it in names if isinstance(it.ctx, ast.Store)} | imports
        own |= {it.arg for it in nodes if isinstance(it, ast.arg)}
        own |= {it.name for it in nodes if isinstance(it, _DEFINITIONS)}
        used = {it.id for it in names if isinstance(it.ctx, ast.Load)}
        missing += [(block.line, it) for it in sorted((used & imported_before) - own)]
        imported_before |= imports
    return missing


_IMPORTS: Final = (ast.Import, ast.ImportFrom)
_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@attrs.define
class PageRun:
    """Runs the blocks of one page.

    Attributes:
        page: The path of the page, for tracebacks.
        portal: Runs what awaits.
        url: The root of the sandbox.
        given: The names that every block may use, whatever the blocks above it did with them.
        printed: Returns what was printed since the last call.
        environ: Sets a variable of the environment.
        edit: Changes a file as somebody with an editor.
        names: The names that the blocks have defined.
    """

    page: Path
    portal: BlockingPortal
    url: str
    given: Mapping[str, Any]
    printed: Callable[[], str]
    environ: Callable[[str, str], None]
    edit: Callable[[Path], None]
    names: dict[str, Any] = attrs.field(factory=dict[str, Any])

    def run(self, blocks: list[Block]) -> None:
        """Run all blocks; what one prints has to be in the block after it."""
        following = [*blocks[1:], None][: len(blocks)]
        for block, after in zip(blocks, following, strict=True):
            if block.file:
                Path(block.file).write_text(block.code.replace(PRINTED_URL, self.url), "utf-8")
                importlib.invalidate_caches()
            elif block.language == "python":
                self._python(block)
                expected = after.code if after and after.language == "output" else ""
                self._compare(block, expected, self.printed())
            elif block.language == "sh":
                for command in _commands(block.code):
                    self._command(block, command, expected=None)
            elif block.language == "console":
                for command, output in _conversation(block.code):
                    self._command(block, command, expected=output)

    def _python(self, block: Block) -> None:
        code = block.code.replace(PRINTED_URL, self.url)
        padded = "\n" * (block.line - 1) + code
        made: CodeType = compile(padded, str(self.page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        self.names.update(self.given)
        function = FunctionType(made, self.names)
        if made.co_flags & inspect.CO_COROUTINE:
            self.portal.call(function)
        else:
            function()

    def _command(self, block: Block, line: str, *, expected: str | None) -> None:
        words = shlex.split(line.replace(PRINTED_URL, self.url), comments=True)
        match words:
            case []:
                pass
            case [word, *_] if word in NOT_RUN:
                pass
            case ["export", *variables]:
                self._export(variables)
            case ["$EDITOR", name]:
                self.edit(Path(name))
            case ["cleverreach", *rest]:
                # A sandbox would serve for ever, and one is running: only its options are read.
                rest += ["--help"] if rest[0] == "sandbox" else []
                status = int(found[1]) if (found := _STATUS.search(line)) else 0
                result = CliRunner().invoke(app, rest, catch_exceptions=False)
                assert status == result.exit_code, f"line {block.line}: {line}\n{result.output}"
                if expected is not None and rest[0] != "sandbox":
                    self._compare(block, expected, result.output)
            case ["python", name]:
                runpy.run_path(name, run_name="__main__")
                self._compare(block, expected or "", self.printed())
            case ["pytest", *rest]:
                assert 0 == pytest.main([*PYTEST_OPTIONS, *rest]), self.printed()
                self.printed()
            case _:
                pytest.fail(f"line {block.line}: nobody knows how to run {words[0]}")

    def _export(self, variables: list[str]) -> None:
        for variable in variables:
            name, _, value = variable.partition("=")
            if "…" not in value:
                self.environ(name, value)

    def _compare(self, block: Block, expected: str, actual: str) -> None:
        """Compare line by line, without blanks at the ends and in rows."""
        wanted, got = _normal(expected.replace(PRINTED_URL, self.url)), _normal(actual)
        pattern = ".*".join(re.escape(it) for it in wanted.split("…"))
        if not re.fullmatch(pattern, got, re.DOTALL):
            name = self.page.name
            pytest.fail(f"{name}, line {block.line}: expected\n{wanted}\nbut got\n{got}")


def _normal(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines() if line.strip())


def _commands(text: str) -> Iterator[str]:
    yield from text.replace("\\\n", " ").splitlines()


def _conversation(text: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", text.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output
