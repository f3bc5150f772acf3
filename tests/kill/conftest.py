"""Fixtures of the tests that kill imports: a server in another process, and files."""

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any, Protocol

import pytest
from support.kill_files import write_customers
from support.kill_imports import Import, Server, Workers, running

ROWS = 4000
OPTIONS = {"batch_size": 100, "concurrency": 4}

if sys.platform == "win32":  # it has no fork
    collect_ignore_glob = ["test_*.py"]


class Prepare(Protocol):
    """Creates an import that has not started."""

    def __call__(self, **changes: Any) -> Import:
        """Create an import into a new group."""
        ...


@pytest.fixture(scope="session")
def processes() -> Generator[tuple[Server, Workers]]:
    """The server, and the process that forks importing processes."""
    with running() as processes:
        yield processes


@pytest.fixture(scope="session")
def server(processes: tuple[Server, Workers]) -> Server:
    """The server."""
    return processes[0]


@pytest.fixture(scope="session")
def customers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with rows of all kinds; a receiver is the sum of its rows."""
    return write_customers(tmp_path_factory.mktemp("files") / "customers.csv", ROWS)


@pytest.fixture(scope="session")
def prepare_in(processes: tuple[Server, Workers], customers: Path) -> Any:
    """Return a function that creates imports in any folder."""
    server, workers = processes

    def prepare(folder: Path, **changes: Any) -> Import:
        values: dict[str, Any] = {"file": customers, "options": OPTIONS, "folder": folder}
        return Import(server=server, workers=workers, **{**values, **changes})

    return prepare


@pytest.fixture
def prepare(prepare_in: Any, server: Server, tmp_path: Path) -> Generator[Prepare]:
    """Return a function that creates imports; the server is reset after the test."""

    def prepare(**changes: Any) -> Import:
        made: Import = prepare_in(tmp_path, **changes)
        return made

    yield prepare
    server.control("plan", posts=0, phase="")
    server.control("hold", hold=False)
    server.control("tokens")


@pytest.fixture(scope="session")
def reference(prepare_in: Any, tmp_path_factory: pytest.TempPathFactory) -> Import:
    """An import of the same file that is not killed."""
    whole: Import = prepare_in(tmp_path_factory.mktemp("reference"))
    whole.finish()
    return whole
