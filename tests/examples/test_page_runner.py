"""The runner of the pages notices what is wrong on a page."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from support.pages import PageRun, blocks_of, missing_imports

Run = Iterator[PageRun]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A page without an account."""
    monkeypatch.chdir(tmp_path)
    with start_blocking_portal() as portal:
        yield PageRun(
            tmp_path / "page.md",
            portal,
            "http://127.0.0.1:1",
            {"given": 1},
            printed=lambda: capsys.readouterr().out,
            environ=monkeypatch.setenv,
            edit=Path.unlink,
        )


def page(*parts: tuple[str, str]) -> str:
    """Return a page with code blocks."""
    return "\n".join(f"```{language}\n{code}\n```\n" for language, code in parts)


@pytest.mark.parametrize(
    "parts",
    [
        [("python", "print(given)"), ("output", "1")],
        [("python", "print('a 17 b')"), ("output", "a … b")],
        [("python", "import anyio\n\nawait anyio.sleep(0)\nx = 2"), ("python", "assert x == 2")],
        [("python", "# one.py\nprint('one')"), ("console", "$ python one.py\none")],
        [("sh", "cleverreach sandbox --port 8800  # in a second terminal")],
        [("sh", "cleverreach import missing.csv --group A --sandbox  # status 1")],
        [("bash", "rm -rf everything")],
    ],
    ids=["output", "any text", "await", "file", "server", "status", "another language"],
)
def test_a_page_that_is_right(run: PageRun, parts: list[tuple[str, str]]) -> None:
    """It runs."""
    run.run(blocks_of(page(*parts)))


@pytest.mark.parametrize(
    "parts",
    [
        [("python", "print(given)"), ("output", "2")],
        [("python", "print(given)")],
        [("python", "pass"), ("output", "1")],
        [("python", "# one.py\nprint('one')"), ("console", "$ python one.py\ntwo")],
        [("sh", "cleverreach sandbox --prot 8800")],
        [("sh", "cleverreach import missing.csv --group A --sandbox")],
        [("sh", "rm -rf everything")],
    ],
    ids=["output", "no output", "nothing printed", "file", "option", "status", "unknown command"],
)
def test_a_page_that_is_wrong(run: PageRun, parts: list[tuple[str, str]]) -> None:
    """It fails, and the message names the line."""
    with pytest.raises((pytest.fail.Exception, AssertionError), match=r"line \d"):
        run.run(blocks_of(page(*parts)))


def test_imports_of_other_blocks_do_not_count() -> None:
    """Neither those of an earlier block, nor names of the package without any import."""
    text = page(
        ("python", "import json\n\nx = json.dumps(1)"),
        ("python", "y = json.dumps(x)\nz = ReceiverInput(y)"),
        ("python", "from cleverreach_async import Tag\n\nTag"),
    )
    assert ["ReceiverInput", "json"] == [name for _, name in missing_imports(blocks_of(text))]
