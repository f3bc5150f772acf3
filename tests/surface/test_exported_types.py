"""Users can import every type that a public signature names, to annotate their own code."""

import ast
import builtins
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import cleverreach_async
from cleverreach_async import types

PACKAGE = "cleverreach_async"
PUBLIC = {
    **dict.fromkeys(cleverreach_async.__all__, cleverreach_async),
    **dict.fromkeys(types.__all__, types),
}
NAMES = sorted(PUBLIC.keys() - {"__version__"})
MADE_BY_USERS = set(cleverreach_async.__all__) - {
    *(
        "Accounts",
        "BackgroundOrders",
        "Export",
        "OutboxEntry",
        "ImportRun",
        "Page",
        "Paginator",
        "ResultStream",
        "Rules",
    ),
}
"""Only their constructors are for users: what ``types`` has is made by the library."""

RAISES = re.compile(r"^Raises:\n((?: .*\n|\n)*)", re.MULTILINE)
ERROR = re.compile(r"^ {4}(\w+):", re.MULTILINE)

Place = tuple[str, str]
"""A module and a name in it."""


@cache
def body(module: str) -> dict[str, ast.stmt]:
    """The statements that define the names of a module, also those for type checkers."""
    found: dict[str, ast.stmt] = {}
    top = ast.parse(Path(str(import_module(module).__file__)).read_text("utf-8")).body
    for node in (it for one in top for it in (one.body if isinstance(one, ast.If) else [one])):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                found[node.name] = node
            case ast.ImportFrom():
                found |= {alias.asname or alias.name: node for alias in node.names}
            case ast.Assign():
                found |= {it.id: node for it in node.targets if isinstance(it, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = node
            case _:
                pass
    return found


def place_of(module: str, name: str) -> Place | None:
    """Where one of our names is defined; ``None`` for names of others."""
    node = body(module).get(name)
    if not isinstance(node, ast.ImportFrom):
        return None if node is None else (module, name)
    home = node.module or ""
    if home.partition(".")[0] != PACKAGE:
        return None
    [original] = [it.name for it in node.names if (it.asname or it.name) == name]
    return place_of(home, original) or (home, original)


def named_in(annotation: ast.AST | None) -> Iterator[str]:
    """The names in an annotation, also those in quotes."""
    for node in ast.walk(annotation) if annotation is not None else ():
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                yield from named_in(ast.parse(node.value, mode="eval").body)
            except SyntaxError:
                continue  # a word of a Literal


def named_by_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """The names in a signature."""
    takes = node.args
    for argument in (*takes.posonlyargs, *takes.args, *takes.kwonlyargs, takes.vararg, takes.kwarg):
        yield from named_in(argument and argument.annotation)
    yield from named_in(node.returns)


def is_shown(name: str, *, constructor: bool) -> bool:
    """Whether users call a method or read an attribute."""
    return not name.startswith("_") or (constructor and name == "__init__")


def named_by(node: ast.stmt, *, constructor: bool) -> Iterator[str]:
    """The names in the public signatures and attributes of a definition."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from named_by_function(node)
        case ast.ClassDef():
            for part in node.body:
                match part:
                    case ast.FunctionDef() | ast.AsyncFunctionDef():
                        if is_shown(part.name, constructor=constructor):
                            yield from named_by_function(part)
                    case ast.AnnAssign(target=ast.Name(id=name)):
                        if is_shown(name, constructor=False):
                            yield from named_in(part.annotation)
                    case _:
                        pass
        case ast.Assign() | ast.AnnAssign():
            yield from named_in(node.value)
        case _:
            pass


def definitions(name: str) -> Iterator[tuple[str, ast.stmt]]:
    """The module and the code of a public name, and of the classes that it inherits from."""
    value: Any = getattr(PUBLIC[name], name)
    ours = [it for it in getattr(value, "__mro__", ()) if it.__module__.startswith(PACKAGE)]
    if ours and ours[0].__name__ == name:
        yield from ((it.__module__, body(it.__module__)[it.__name__]) for it in ours)
        return
    place = place_of(PUBLIC[name].__name__, name)
    assert place is not None
    yield place[0], body(place[0])[place[1]]


def types_named_by(name: str) -> set[str]:
    """Our types that the signatures of a public name have."""
    found = set[str]()
    constructor = name in MADE_BY_USERS
    for module, node in definitions(name):
        for used in named_by(node, constructor=constructor):
            place = place_of(module, used)
            if place is not None and not isinstance(value_at(place), TypeVar):
                found.add(place[1])
        if "__init__" in {getattr(part, "name", "") for part in getattr(node, "body", [])}:
            constructor = False  # those of its bases are not called by users
    return found


def value_at(place: Place) -> Any:
    """What a name stands for."""
    return getattr(import_module(place[0]), place[1], None)


def test_the_types_of_signatures_are_public() -> None:
    """Those of parameters, results and attributes, from the package or its module of types."""
    missing = {name: types_named_by(name) - PUBLIC.keys() for name in NAMES}
    assert {} == {name: types for name, types in missing.items() if types}


def errors_named_by(node: ast.stmt) -> Iterator[str]:
    """The errors in the docstrings of a definition and of its public methods."""
    for part in ast.walk(node):
        if isinstance(part, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            raises = RAISES.search(f"{ast.get_docstring(part) or ''}\n")
            if raises and is_shown(part.name, constructor=True):
                yield from ERROR.findall(raises[1])


def test_the_errors_in_docstrings_are_public() -> None:
    """Whoever catches one can import it."""
    errors = {
        name: {error for _, node in definitions(name) for error in errors_named_by(node)}
        for name in NAMES
    }
    assert len(set[str]().union(*errors.values())) > 15
    known = PUBLIC.keys() | vars(builtins).keys()
    assert {} == {name: found - known for name, found in errors.items() if found - known}


def test_types_are_found() -> None:
    """The tests above would pass if no type were found."""
    assert {"ReceiverState", "Source", "StrategyName", "SyncReport"} <= types_named_by("Bulk")
    assert {"Auth", "Bulk", "Groups"} <= types_named_by("CleverReach")
    assert {"ImportProgress"} == types_named_by("OnProgress")


def test_a_type_is_loaded_from_where_it_is_defined() -> None:
    """When it is first used; the package itself has no further names."""
    assert sorted(types.__all__) == types.__all__
    for name in types.__all__:
        place = place_of(types.__name__, name)
        assert place is not None
        assert value_at(place) is getattr(types, name)
        assert name in dir(types)
        assert name not in vars(cleverreach_async)
