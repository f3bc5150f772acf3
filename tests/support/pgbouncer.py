"""A temporary PgBouncer on a free port, in front of a PostgreSQL server."""

import os
import pwd
import shutil
import socket
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen

import pytest

__all__ = ["run_pgbouncer"]

_SETTINGS = """
[databases]
* = host={host} port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = {mode}
default_pool_size = 3
"""


@contextmanager
def run_pgbouncer(server: str, mode: str) -> Generator[str]:
    """Start it, and yield its address as ``HOST:PORT``. Where it is not installed, skip the test.

    Args:
        server: Address of the PostgreSQL server.
        mode: How it pools: ``transaction`` or ``statement``.
    """
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed (Debian: apt-get install pgbouncer)")
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    host, _, server_port = server.partition(":")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        users, settings = Path(name) / "users", Path(name) / "settings.ini"
        users.write_text('"postgres" ""\n')
        settings.write_text(
            _SETTINGS.format(host=host, server_port=server_port, port=port, users=users, mode=mode)
        )
        if user is not None:
            owner = pwd.getpwnam(user).pw_uid
            for path in (name, users, settings):
                os.chown(path, owner, -1)
        with Popen(  # noqa: S603 - a program of the system
            [program, str(settings)],
            user=user,
            cwd="/",
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            encoding="utf-8",
        ) as process:
            try:
                assert process.stdout is not None
                output: list[str] = []
                for line in process.stdout:
                    output.append(line)
                    if "process up" in line:
                        break
                else:
                    pytest.fail(f"pgbouncer did not start: {''.join(output)}")
                yield f"127.0.0.1:{port}"
            finally:
                process.terminate()
                process.communicate()
