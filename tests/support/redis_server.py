"""Fixtures: a Redis server, and clients of it."""

import shutil
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Generator[int]:
    """The port of a Redis server that is stopped after the tests."""
    with run_redis(tmp_path_factory.mktemp("redis")) as port:
        yield port


@contextmanager
def run_redis(folder: Path) -> Generator[int]:
    """Run a Redis server without persistence; returns its port."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
    with Popen(command, stdout=PIPE, encoding="utf-8") as process:  # noqa: S603 - from PATH
        try:
            assert process.stdout is not None
            output: list[str] = []
            for line in process.stdout:
                output.append(line)
                if "ready to accept connections" in line.lower():
                    break
            else:
                pytest.fail(f"redis-server did not start: {''.join(output)}")
            yield port
        finally:
            process.terminate()
            process.communicate()


@pytest.fixture
async def open_redis(redis_port: int) -> AsyncGenerator[Callable[..., Any]]:
    """Return a function that creates Redis clients. All are closed afterwards."""
    from redis.asyncio import Redis  # noqa: PLC0415 - an extra

    clients: list[Any] = []

    def make(**options: Any) -> Any:
        clients.append(Redis(host="127.0.0.1", port=redis_port, **options))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()
