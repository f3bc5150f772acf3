"""What the package says about itself: extras, versions of Python, addresses."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

from package import clean_install

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "installing.md").read_text("utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS: dict[str, list[str]] = {
    name: listed for name, listed in PROJECT["optional-dependencies"].items() if name != "all"
}
ENGINES = {"dlt", "ray", "spark"}
"""They are large, and tried by a session of their own."""


def library(requirement: str) -> str:
    """The name of the library of a requirement."""
    return re.split(r"[\[<>=!~;]", requirement)[0]


def test_the_page_lists_each_extra_and_what_it_installs() -> None:
    """An extra that includes another installs its libraries too."""
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", PAGE, re.MULTILINE)

    def libraries(listed: list[str]) -> set[str]:
        included = re.findall(rf"{PROJECT['name']}\[(\w+)\]", " ".join(listed))
        own = {it for it in map(library, listed) if it != PROJECT["name"]}
        return own.union(*(libraries(EXTRAS[name]) for name in included))

    expected = {name: libraries(listed) for name, listed in EXTRAS.items()}
    assert expected == {name: set(installed.split(", ")) for name, installed in rows}


def test_each_extra_is_tried_alone() -> None:
    """In a clean environment, by a function of its own."""
    assert {*EXTRAS} - ENGINES == {*clean_install.EXTRAS}
    names = (*clean_install.EXTRAS, "bare", "all")
    assert all(hasattr(clean_install, f"check_{name}") for name in names)


def test_all_has_every_extra_but_the_engines() -> None:
    """Nobody waits for a gigabyte who wants to try everything."""
    [included] = PROJECT["optional-dependencies"]["all"]
    assert f"{PROJECT['name']}[{','.join(sorted({*EXTRAS} - ENGINES))}]" == included


def versions_tried() -> tuple[str, ...]:
    """``PYTHONS`` of ``noxfile.py``, which is not imported, because nox may be missing."""
    for node in ast.parse((ROOT / "noxfile.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PYTHONS":
            versions: tuple[str, ...] = ast.literal_eval(node.value)
            return versions
    raise AssertionError("no PYTHONS")


def test_the_versions_of_python_agree() -> None:
    """Those that are named, those that are tried, and the oldest one."""
    prefix = "Programming Language :: Python :: 3."
    named = tuple(f"3.{it.removeprefix(prefix)}" for it in PROJECT["classifiers"] if prefix in it)
    assert named == versions_tried()
    assert f">={named[0]}" == PROJECT["requires-python"]
    assert f"Python {', '.join(named[:-1])} or {named[-1]} " in PAGE


def test_the_address_of_the_repository_stands_in_one_file() -> None:
    """It is in ``pyproject.toml``, so that it can be changed there."""
    address = PROJECT["urls"]["Homepage"].removeprefix("https://")
    files = [
        path
        for folder in ("cleverreach_async", "docs", "examples", ".github")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".html", ".md", ".py", ".yml"}
    ]
    assert [] == [path.name for path in files if address in path.read_text("utf-8")]
    assert all(url.startswith(f"https://{address}") for url in PROJECT["urls"].values())
