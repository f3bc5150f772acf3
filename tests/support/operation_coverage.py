"""Write ``docs/coverage.md``: each operation of the API, and where it is called, served and tested.

``python tests/support/operation_coverage.py`` writes the page anew. Nothing in it is written by
hand:

* ``operations.txt`` beside this file is the list of operations.
* A method of the client names its operations in its docstring, at the beginning of a line.
* The routes of the sandbox name theirs.
* The tables of ``tests/resources`` (``ROWS``, or another name that ends with it) have the method
  and the target of each request.
"""

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final

import attrs

import cleverreach_async
from cleverreach_async.nouns import Nouns
from cleverreach_async.sandbox.api import OPERATIONS as ROUTES
from cleverreach_async.sandbox.routing import Endpoint

TESTS: Final = Path(__file__).parents[1]
PAGE: Final = TESTS.parent / "docs" / "coverage.md"
LIST: Final = Path(__file__).with_name("operations.txt")
PARTS: Final = ("client", "sandbox", "test")

TESTED_ELSEWHERE: Final = {
    "GET /debug/exchange": "tests/auth/test_exchange.py",
    "DELETE /oauth/token": "tests/auth/test_revoke.py",
    "GET /oauth/authorize.php": "tests/auth/test_oauth_app.py",
    "POST /oauth/token.php": "tests/auth/test_exchange.py",
    "POST /oauth/finish": "tests/resources/test_small_nouns.py",
    "POST /oauth/settings": "tests/resources/test_small_nouns.py",
}
"""Tests of what is no plain call of a resource; each file has the path."""

METHODS: Final = ("GET", "POST", "PUT", "DELETE")

_HEAD: Final = """# Operations

Each operation of the API that is known, with its method in the client, its route in the sandbox and
its test. † marks operations that the vendor's current description does not list, but that clients
use in production.

This page is generated from the code, and a test compares both. Write it anew with
`uv run --extra all python tests/support/operation_coverage.py`.
"""
_PLACEHOLDER: Final = re.compile(r"\{[^}]*\}")
_NAMED: Final = re.compile(r"``([A-Z]+) (/[^`\s]*)``")
_CLAIM: Final = re.compile(r"(?:``[A-Z]+ /[^`\s]*``(?:, | and )?)+")


@attrs.frozen(kw_only=True)
class Operation:
    """An operation of the API.

    Attributes:
        method: HTTP method.
        path: Path with placeholders, without ``/v3``.
        area: Heading of the list.
        is_listed: Whether the vendor's description lists it.
        client: Methods of the client that call it.
        sandbox: Functions of the sandbox that serve it.
        test: Tests of its request and response.
    """

    method: str
    path: str
    area: str
    is_listed: bool
    client: dict[str, None] = attrs.field(factory=dict[str, None])
    sandbox: dict[str, None] = attrs.field(factory=dict[str, None])
    test: dict[str, None] = attrs.field(factory=dict[str, None])

    @property
    def name(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"

    @property
    def missing(self) -> list[str]:
        """The parts that it does not have."""
        return [part for part in PARTS if not getattr(self, part)]

    def takes(self, method: str, path: str) -> bool:
        """Whether a request, or a path with placeholders, is one of this operation."""
        return method == self.method and fits(self.path, path)


def fits(template: str, path: str) -> bool:
    """Whether a path is one of a template."""
    pattern = "[^/]+".join(map(re.escape, _PLACEHOLDER.split(template)))
    return bool(re.fullmatch(pattern, path))


def read_list(text: str) -> list[Operation]:
    """Read the list of operations."""
    found: list[Operation] = []
    area = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("## "):
            area = line.removeprefix("## ")
        elif not line.startswith("#"):
            method, path, *mark = line.split()
            found.append(Operation(method=method, path=path, area=area, is_listed=not mark))
    return found


def find(operations: Iterable[Operation], method: str, path: str) -> list[Operation]:
    """Return the operations of a path: usually one, that with the fewest placeholders.

    A path may have a placeholder where several operations have words, as
    ``/mailings/templates/{owner}`` has.
    """
    known = list(operations)
    bare = path.removeprefix("/v3").partition("?")[0]
    filled = _PLACEHOLDER.sub("{}", bare)
    found = [it for it in known if it.takes(method, bare)]
    same = [it for it in found if _PLACEHOLDER.sub("{}", it.path) == filled]
    if found:
        return same or [min(found, key=lambda it: it.path.count("{"))]
    return [it for it in known if it.method == method and fits(bare, it.path)]


# The client.


def paths_in(docstring: str) -> list[tuple[str, str]]:
    """Return the operations that a docstring names at the beginning of a line."""
    claims = [_CLAIM.match(line.strip()) for line in docstring.splitlines()]
    return [
        (found[1], found[2]) for claim in claims if claim for found in _NAMED.finditer(claim[0])
    ]


def public_methods() -> Iterator[tuple[str, Any]]:
    """Return the public functions and methods with the names that users type."""
    client = cleverreach_async.CleverReach("token")
    for noun in (it for it in vars(Nouns) if not it.startswith("_")):
        kind: type[Any] = getattr(client, noun).__class__
        yield from methods_of(f"cr.{noun}", kind)
    for name in cleverreach_async.__all__:
        value: Any = getattr(cleverreach_async, name)
        if inspect.isclass(value):
            yield from methods_of("cr" if name == "CleverReach" else name, value)
        elif inspect.isfunction(value):
            yield name, value


def methods_of(owner: str, kind: type[Any]) -> Iterator[tuple[str, Any]]:
    """Return the public methods of a class."""
    for name, value in inspect.getmembers(kind, inspect.isroutine):
        if not name.startswith("_"):
            yield f"{owner}.{name}", value


def documented_paths() -> Iterator[tuple[str, str, str]]:
    """Return name, HTTP method and path of what docstrings of the client name."""
    for name, value in public_methods():
        for method, path in paths_in(inspect.getdoc(value) or ""):
            yield name, method, path


# The sandbox.


def served_paths() -> Iterator[tuple[str, str, str]]:
    """Return name, HTTP method and path of the sandbox's routes."""
    for route in ROUTES:
        endpoint: Any = route.endpoint
        assert isinstance(endpoint, Endpoint)
        operation: Any = getattr(endpoint.operation, "func", endpoint.operation)
        file = operation.__module__.rpartition(".")[2]
        for method in route.methods or ():
            yield f"{file}.py: {operation.__name__}", method, route.path_format


# The tests.


def tables() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the tables of requests in ``tests/resources`` with the names of their files."""
    for path in sorted((TESTS / "resources").glob("test_*.py")):
        spec = spec_from_file_location(f"coverage_of_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        for name, value in vars(module).items():
            if name.endswith("ROWS") and isinstance(value, dict):
                yield path.name, value


def paths_in_tables() -> Iterator[tuple[str, str, str]]:
    """Return name, HTTP method and target of the requests in tables."""
    for file, table in tables():
        for name, row in table.items():
            texts = [it for it in row if isinstance(it, str)]
            method = next((it for it in texts if it in METHODS), "GET")
            target = next((it for it in texts if it.startswith("/")), None)
            if target is not None:
                yield f"{file}: {name}", method, target


# The page.


def operations() -> list[Operation]:
    """Return all operations with what was found for them."""
    found = read_list(LIST.read_text("utf-8"))
    for part, paths in (
        ("client", documented_paths()),
        ("sandbox", served_paths()),
        ("test", paths_in_tables()),
    ):
        for name, method, path in paths:
            for operation in find(found, method, path):
                getattr(operation, part)[name] = None
    for it in found:
        if it.name in TESTED_ELSEWHERE:
            it.test[TESTED_ELSEWHERE[it.name].rpartition("/")[2]] = None
    return found


def page(found: Iterable[Operation]) -> str:
    """Return the page."""
    lines = [_HEAD]
    area = ""
    for it in found:
        if it.area != area:
            area = it.area
            lines += [f"\n## {area.capitalize()}\n", "| operation | client | sandbox | test |"]
            lines.append("| --- | --- | --- | --- |")
        mark = "" if it.is_listed else " †"
        client = ", ".join(f"`{name}`" for name in it.client) or "missing"
        sandbox = next(iter(it.sandbox), "missing")
        test = next(iter(it.test), "missing")
        lines.append(f"| `{it.name}`{mark} | {client} | {sandbox} | {test} |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    PAGE.write_text(page(operations()), "utf-8")
