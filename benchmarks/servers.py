"""Servers in processes of their own, with and without TLS."""

import json
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Final

import trustme

from benchmarks.measure import Counters

__all__ = ["ROOT", "Server", "served"]

ROOT: Final = Path(__file__).resolve().parents[1]

_TRUSTED: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
"""The variables that name the certificates to trust: of most clients, and of ``requests``."""


class Server:
    """A running mock API.

    Attributes:
        url: Its root.
        kind: ``TLS`` or ``plain``.
        ssl_context: Trusts the server. All clients by hand share it.
    """

    def __init__(self, port: int, authority: Path | None) -> None:
        self.url = f"{'https' if authority else 'http'}://127.0.0.1:{port}"
        self.kind = "TLS" if authority else "plain"
        # One connection for all control requests, so that they cost and change little.
        self.ssl_context = ssl.create_default_context(cafile=authority)
        self._control = (
            HTTPSConnection("127.0.0.1", port, context=self.ssl_context)
            if authority
            else HTTPConnection("127.0.0.1", port)
        )

    def counters(self) -> Counters:
        """Return what the server has counted so far."""
        self._control.request("GET", "/__stats")
        return Counters(**json.loads(self._control.getresponse().read()))

    def close(self) -> None:
        """Close the control connection."""
        self._control.close()


@contextmanager
def served(
    *, latency: float = 0.0, tls: bool = False, receivers: int = 0
) -> Generator[Server, None, None]:
    """Start a server, and end it afterwards.

    Args:
        latency: Milliseconds that every request takes.
        receivers: Number of receivers of a group that can be listed.
        tls: Whether to serve https. Clients in this process trust its certificate.
    """
    with tempfile.TemporaryDirectory() as name, _trusted(Path(name), tls=tls) as authority:
        command = [sys.executable, "-m", "benchmarks.mock_api", "--port", "0"]
        command += ["--latency", str(latency), "--receivers", str(receivers)]
        command += ["--certificate", f"{name}/server.pem"] if tls else []
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            server = Server(int(process.stdout.readline()), authority)
            yield server
            server.close()
        finally:
            process.terminate()
            process.communicate()


@contextmanager
def _trusted(folder: Path, *, tls: bool) -> Generator[Path | None, None, None]:
    """Create certificates, and trust them in this process."""
    if not tls:
        yield None
        return
    authority, path = trustme.CA(), folder / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "server.pem")
    )
    before = dict(os.environ)
    os.environ.update(dict.fromkeys(_TRUSTED, str(path)))
    try:
        yield path
    finally:
        for name in _TRUSTED:
            os.environ.pop(name)
            os.environ.update({name: before[name]} if name in before else {})
