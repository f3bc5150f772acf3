"""``docs/reliability.md`` lists every failure of the catalogue, and only tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reliability.md"
FAMILIES: Final = {"L": 20, "D": 15, "M": 6, "H": 12, "R": 9, "S": 8, "A": 7, "T": 6}
IDS: Final = [f"{family}{n}" for family, last in FAMILIES.items() for n in range(1, last + 1)]


def rows() -> list[list[str]]:
    """Return the cells of every row that starts with an id."""
    return [
        [cell.strip() for cell in line.strip("|").split(" |")]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if re.match(r"\| [A-Z]\d+ \|", line)
    ]


def named(cell: str) -> list[tuple[str, str]]:
    """Return the files and tests named in a cell."""
    return re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", cell)


@cache
def defined_in(path: str) -> frozenset[str]:
    """Return the names of a file's tests."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


def test_every_failure_has_one_row() -> None:
    """The ids of the page are those of the catalogue, each once and in order."""
    assert IDS == [cells[0] for cells in rows()]


def test_every_row_has_a_description_a_test_and_a_result() -> None:
    """No cell is empty."""
    for number, words, tests, result in rows():
        assert words, number
        assert named(tests), number
        assert result.startswith("holds"), number


def test_every_named_test_exists() -> None:
    """A test cannot be renamed without the page."""
    missing = [
        f"{number}: {path}::{name}"
        for number, _, tests, _ in rows()
        for path, name in named(tests)
        if not (ROOT / path).exists() or name not in defined_in(path)
    ]
    assert [] == missing


def test_every_test_of_the_catalogue_is_named() -> None:
    """A test with an id in its name is named on the page."""
    text = PAGE.read_text(encoding="utf-8")
    unnamed = [
        name
        for path in Path(__file__).parent.glob("test_catalogue_*.py")
        for name in defined_in(f"tests/catalogue/{path.name}")
        if re.match(r"test_[a-z]\d+_", name) and name not in text
    ]
    assert [] == unnamed
