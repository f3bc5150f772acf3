"""A temporary PostgreSQL server on a free port."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["run_postgres"]

TIMEOUT = 60
"""Maximum seconds to start or stop the server."""


@contextmanager
def run_postgres() -> Generator[str]:
    """Start a server, and yield its address as ``HOST:PORT``; user and database are ``postgres``.

    Where PostgreSQL is not installed, the test is skipped.
    """
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    user = _user()
    # Not pytest's folder: other users cannot read it, and the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as name:
        data = Path(name) / "data"
        if user is not None:
            shutil.chown(name, user)
        initdb = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N"]
        _run([*initdb, "-E", "UTF8", "--locale=C"], user)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        options = f"-p {port} -k {name} -c listen_addresses=127.0.0.1 -c fsync=off"
        control = [programs / "pg_ctl", "-D", data, "-w", "-t", TIMEOUT]
        _run([*control, "-l", Path(name) / "log", "-o", options, "start"], user)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            _run([*control, "-m", "immediate", "stop"], user)


def _programs() -> Path | None:
    """Find the folder of the server's programs, which Debian does not add to PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "pg_ctl").exists()), None)


def _user() -> str | None:
    """Return the user to run as, because the server refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user 'postgres'")


def _run(command: list[object], user: str | None) -> None:
    done = subprocess.run(  # noqa: S603 - programs of the system
        [str(word) for word in command],
        cwd="/",
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=2 * TIMEOUT,
        check=False,
        encoding="utf-8",
    )
    if done.returncode:
        pytest.fail(f"{command[0]} failed: {done.stdout}")
