"""The check of the built site finds links to nothing, and what is loaded from elsewhere."""

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "check_site.py"


@pytest.fixture(scope="module")
def problems_of() -> Callable[[Path], Iterator[str]]:
    """The function of the script."""
    function: Callable[[Path], Iterator[str]] = runpy.run_path(str(SCRIPT))["problems_of"]
    return function


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        ('<a href="other.html#here">x</a> <a href="#top">x</a>', []),
        ('<a href="https://example.org/">x</a> <a href="mailto:a@example.org">x</a>', []),
        ('<a href="missing.html">x</a>', ["index.html: there is no missing.html"]),
        ('<a href="other.html#there">x</a>', ["index.html: there is no other.html#there"]),
        ('<a href="#there">x</a>', ["index.html: there is no #there"]),
        ('<img src="plot.svg">', ["index.html: there is no plot.svg"]),
        (
            '<script src="https://cdn.example/x.js"></script>',
            ["index.html: loads https://cdn.example/x.js from elsewhere"],
        ),
    ],
    ids=["inside", "outside", "page", "anchor", "own anchor", "picture", "script"],
)
def test_links(
    problems_of: Callable[[Path], Iterator[str]], tmp_path: Path, body: str, problems: list[str]
) -> None:
    """Links to other sites are not followed."""
    (tmp_path / "index.html").write_text(f'<h1 id="top">A</h1>{body}', "utf-8")
    (tmp_path / "other.html").write_text('<h1 id="here">B</h1>', "utf-8")
    assert problems == [*problems_of(tmp_path)]


def test_styles(problems_of: Callable[[Path], Iterator[str]], tmp_path: Path) -> None:
    """Fonts and pictures of styles are local too."""
    (tmp_path / "index.html").write_text("", "utf-8")
    (tmp_path / "site.css").write_text("p { background: url(https://cdn.example/x.png) }", "utf-8")
    assert ["site.css: loads something from elsewhere"] == [*problems_of(tmp_path)]


def test_an_empty_site(problems_of: Callable[[Path], Iterator[str]], tmp_path: Path) -> None:
    """A build that wrote nothing is no success."""
    assert [f"{tmp_path} has no pages"] == [*problems_of(tmp_path)]
