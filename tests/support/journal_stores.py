"""Stores of journals: one in memory, and fixtures that open each kind."""

import secrets
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, Final

import anyio.lowlevel
import pytest

from cleverreach_async import JournalEntry, RedisJournal, SqlJournal
from support.mariadb import run_mariadb
from support.postgres import run_postgres

__all__ = [
    "KINDS",
    "MemoryJournal",
    "OpenStore",
    "mariadb_address",
    "open_store",
    "postgres_address",
]

_SERVERS: Final = {
    "postgresql": ("postgresql+psycopg://postgres@{}/", "postgres_address"),
    "async postgresql": ("postgresql+asyncpg://postgres@{}/", "postgres_address"),
    "mariadb": ("mysql+pymysql://root@{}/test", "mariadb_address"),
    "async mariadb": ("mysql+aiomysql://root@{}/test", "mariadb_address"),
}
KINDS: Final = ("memory", "redis", "async redis", "sqlite", *_SERVERS)

OpenStore = Callable[[], Any]


class MemoryJournal:
    """A store of one's own, which keeps everything in memory.

    Args:
        lease: Seconds of the lease.

    Attributes:
        entry: The entry.
        rejects: What was added to the rejects.
        failing: Calls that fail from now on.
        swaps: Texts of the entries, in order.
    """

    def __init__(self, lease: float = 30.0) -> None:
        self.name = "memory"
        self.lease = lease
        self.entry: JournalEntry | None = None
        self.rejects: list[str] = []
        self.failing = 0
        self.executes_failing = False
        self.swaps: list[JournalEntry] = []

    async def load(self) -> JournalEntry | None:
        """Return the entry."""
        await self._checkpoint()
        return self.entry

    async def swap(self, expected: str | None, entry: JournalEntry, rejects: str) -> bool:
        """Replace the entry."""
        if not self.executes_failing:
            await self._checkpoint()
        is_same = expected == (None if self.entry is None else self.entry.version)
        if is_same:
            self.entry = entry
            self.rejects += [rejects] if rejects else []
            self.swaps.append(entry)
        if self.executes_failing:
            await self._checkpoint()
        return is_same

    async def load_rejects(self) -> Sequence[str]:
        """Return the rejects."""
        await self._checkpoint()
        return self.rejects

    async def delete(self) -> None:
        """Delete everything."""
        self.entry, self.rejects = None, []

    async def _checkpoint(self) -> None:
        await anyio.lowlevel.checkpoint()
        if self.failing:
            self.failing -= 1
            raise ConnectionError("the store is down")


@pytest.fixture(scope="session")
def postgres_address() -> Generator[str]:
    """The address of a PostgreSQL server."""
    with run_postgres() as address:
        yield address


@pytest.fixture(scope="session")
def mariadb_address() -> Generator[str]:
    """The address of a MariaDB server."""
    with run_mariadb() as address:
        yield address


@pytest.fixture
def open_store(
    kind: str, anyio_backend_name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Generator[OpenStore]:
    """Return a function that opens the same journal again, as another process would."""
    if kind.startswith("async") and anyio_backend_name == "trio":
        pytest.skip("the client runs on asyncio")
    key = f"nightly/{secrets.token_hex(4)}"
    if kind == "memory":
        store = MemoryJournal()
        yield lambda: store
    elif kind == "async redis":
        open_redis: Callable[[], Any] = request.getfixturevalue("open_redis")
        yield lambda: RedisJournal(open_redis(), key)
    elif kind == "redis":
        yield from _with_redis(request.getfixturevalue("redis_port"), key)
    else:
        yield from _with_sql(kind, key, tmp_path, request)


def _with_redis(port: int, key: str) -> Generator[OpenStore]:
    from redis import Redis  # noqa: PLC0415 - an extra

    with Redis(host="127.0.0.1", port=port) as client:
        yield lambda: RedisJournal(client, key)


def _with_sql(
    kind: str, key: str, folder: Path, request: pytest.FixtureRequest
) -> Generator[OpenStore]:
    from sqlalchemy import create_engine  # noqa: PLC0415 - an extra
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - as above
    from sqlalchemy.pool import NullPool  # noqa: PLC0415 - as above

    if kind == "sqlite":
        address = f"sqlite:///{folder / 'journals.db'}"
    else:
        url, server = _SERVERS[kind]
        address = url.format(request.getfixturevalue(server))
    if kind.startswith("async"):
        engine: Any = create_async_engine(address, poolclass=NullPool)
        yield lambda: SqlJournal(engine, key)
        return
    engine = create_engine(address)
    yield lambda: SqlJournal(engine, key)
    engine.dispose()
