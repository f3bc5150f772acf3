"""Check what is in a wheel and in a source archive: ``python tests/package/archives.py dist``.

It needs nothing but Python, because it runs before anything is installed.
"""

import sys
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = (".ci", "benchmarks", "cleverreach_async", "docs", "examples", "tests")
FILES = (
    *("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md", "noxfile.py"),
    "pyproject.toml",
)
OF_THE_BUILD = {".gitignore", "PKG-INFO"}
LEFT_OUT = {"__pycache__", ".hypothesis"}
URLS = {"Homepage", "Documentation", "Changelog", "Issues"}


def files_below(*folders: str) -> set[str]:
    """The files of the repository in some folders."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in found if not LEFT_OUT & {*path.parts}}


def check_wheel(path: Path) -> None:
    """The wheel holds the package and its metadata, and nothing else."""
    with zipfile.ZipFile(path) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        [metadata] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        fields = message_from_bytes(archive.read(metadata))
    assert names == files_below("cleverreach_async"), names ^ files_below("cleverreach_async")
    assert "cleverreach_async/py.typed" in names
    check_metadata(fields)


def check_metadata(fields: Message) -> None:
    """Who made it, where it comes from, and what it says on its page."""
    links = {link.partition(",")[0] for link in fields.get_all("Project-URL", [])}
    assert links == URLS, links
    assert fields["Author"], "no author"
    assert fields["License-Expression"] == "MIT"
    assert str(fields.get_payload()).startswith("# cleverreach_async")


def check_source(path: Path) -> None:
    """The source archive holds all that its tests need, the documentation, and no more."""
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    expected = files_below(*FOLDERS) | {*FILES} | OF_THE_BUILD
    assert names == expected, names ^ expected


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    [wheel], [source] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    check_wheel(wheel)
    check_source(source)
    sys.stdout.write(f"{wheel.name} and {source.name} hold what they should\n")
