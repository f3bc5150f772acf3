"""A temporary MariaDB server on a free port."""

import os
import pwd
import shutil
import socket
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from subprocess import DEVNULL, PIPE, STDOUT, Popen, run

import pytest

__all__ = ["run_mariadb"]


@contextmanager
def run_mariadb() -> Generator[str]:
    """Start a server, and yield its address as ``HOST:PORT``; user ``root``, database ``test``.

    Where MariaDB is not installed, the test is skipped.
    """
    path = f"{os.environ['PATH']}:/usr/sbin"
    server, install = (shutil.which(it, path=path) for it in ("mariadbd", "mariadb-install-db"))
    if server is None or install is None:
        pytest.skip("MariaDB is not installed (Debian: apt-get install mariadb-server)")
    user = _user()
    with tempfile.TemporaryDirectory(prefix="mariadb-", ignore_cleanup_errors=True) as name:
        if user is not None:
            shutil.chown(name, user)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings = ["--no-defaults", f"--datadir={name}/data", f"--tmpdir={name}"]
        made = run(  # noqa: S603 - a program of the system
            [install, *settings, "--auth-root-authentication-method=normal"],
            user=user,
            cwd="/",
            stdout=PIPE,
            stderr=STDOUT,
            check=False,
            encoding="utf-8",
        )
        if made.returncode:
            pytest.fail(f"mariadb-install-db failed: {made.stdout}")
        with Popen(  # noqa: S603 - a program of the system
            [
                server,
                *settings,
                f"--socket={name}/socket",
                f"--pid-file={name}/pid",
                f"--port={port}",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",  # its users without a name are of other hosts
                "--innodb-flush-log-at-trx-commit=0",
            ],
            user=user,
            cwd="/",
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            encoding="utf-8",
        ) as process:
            try:
                _wait(process)
                yield f"127.0.0.1:{port}"
            finally:
                process.kill()
                process.communicate()


def _user() -> str | None:
    """Return the user to run as, because the server refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("mysql").pw_name
    except KeyError:
        pytest.skip("MariaDB does not run as root, and there is no user 'mysql'")


def _wait(process: Popen[str]) -> None:
    """Wait until the server accepts connections."""
    assert process.stderr is not None
    output: list[str] = []
    for line in process.stderr:
        output.append(line)
        if "ready for connections" in line:
            return
    pytest.fail(f"MariaDB did not start: {''.join(output)}")
