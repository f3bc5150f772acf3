"""TLS: certificates are verified, and no setting turns that off."""

import inspect
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from cleverreach_async import APIConnectionError, CleverReach, ConfigurationError
from cleverreach_async.transport.http import tls
from cleverreach_async.transport.http.pooled_sender import PooledSender

pytestmark = [pytest.mark.anyio, pytest.mark.socket]

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]"


@pytest.fixture(autouse=True)
def _no_old_certificates() -> None:
    """Forget those of other tests: some versions of pytest use the path of a folder again."""
    vars(tls)["_context"].cache_clear()


@pytest.fixture
def authority() -> trustme.CA:
    """A certificate authority that is not trusted by default."""
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[str]:
    """A TLS server on the loopback, in a thread. Its certificate is for ``localhost``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=respond_to_all, args=(listener, context))
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def respond_to_all(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Respond to one request per connection until the listener is shut down."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.settimeout(5)
        with (
            connection,
            suppress(OSError),
            context.wrap_socket(connection, server_side=True) as encrypted,
        ):
            encrypted.recv(65536)
            encrypted.sendall(ANSWER)


async def get(url: str) -> int:
    """Send one request over the sender's own pool."""
    sender = PooledSender(base_url=url)
    try:
        return (await sender.send("GET", url, headers=[], content=b"", timeout=5)).status_code
    finally:
        await sender.aclose()


async def test_an_unknown_authority_is_refused(server: str) -> None:
    """There is no connection, so nothing is sent."""
    with pytest.raises(APIConnectionError) as caught:
        await get(server)
    assert not caught.value.sent


async def test_a_private_authority_is_trusted_by_the_environment(
    server: str, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``SSL_CERT_FILE`` names it, as for any other program."""
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    assert 200 == await get(server)


async def test_a_certificate_of_another_host_is_refused(
    server: str, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has to be for this host, even if its authority is trusted."""
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with pytest.raises(APIConnectionError) as caught:
        await get(server.replace("localhost", "127.0.0.1"))
    assert not caught.value.sent


async def test_there_is_no_switch() -> None:
    """The only way is a client of the user's own."""
    options = set(inspect.signature(CleverReach).parameters)
    assert set() == {"verify", "ssl", "cert", "trust_env", "proxy", "proxies", "http2"} & options


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_certificates_are_loaded_in_a_thread_once(
    server: str,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    """It takes 20 ms or more, which would block the event loop. All clients share them."""
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv(variable, str(bundle if variable == "SSL_CERT_FILE" else tmp_path))
    threads: list[int] = []
    create = ssl.create_default_context

    def create_and_record(**options: Any) -> ssl.SSLContext:
        threads.append(threading.get_ident())
        return create(**options)

    monkeypatch.setattr(ssl, "create_default_context", create_and_record)
    for _ in range(2):
        with suppress(APIConnectionError):  # a folder needs names made of hashes
            await get(server)
    assert 1 == len(threads)
    assert threading.get_ident() not in threads


async def test_a_missing_file_of_certificates_is_named(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable has to be corrected."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        await get(server)
