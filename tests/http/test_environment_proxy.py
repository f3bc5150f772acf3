"""Proxies of the environment, and the servers that are exempt from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cleverreach_async.transport.http.pooled_sender import PooledSender

if TYPE_CHECKING:
    from http.conftest import RawServer

pytestmark = [pytest.mark.anyio, pytest.mark.socket]


async def fetch(base_url: str) -> int:
    """Send one request over a new pool in the current environment."""
    sender = PooledSender(base_url=base_url)
    try:
        url = f"{base_url}/v3/groups"
        answer = await sender.send("GET", url, headers=[], content=b"", timeout=5.0)
    finally:
        await sender.aclose()
    return answer.status_code


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_the_environments_proxy_is_used(
    server: RawServer, monkeypatch: pytest.MonkeyPatch, name: str, scheme: str
) -> None:
    """The proxy gets the whole URL, and the server's name is not resolved."""
    monkeypatch.setenv(name, f"{scheme}127.0.0.1:{server.port}")
    assert 200 == await fetch("http://api.example.invalid")
    [request] = server.requests
    assert request.startswith(b"GET http://api.example.invalid/v3/groups HTTP/1.1\r\n")


async def test_a_proxys_credentials_go_to_the_proxy(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """User and password in its URL are sent as a header."""
    monkeypatch.setenv("HTTP_PROXY", f"http://user:pass@127.0.0.1:{server.port}")
    assert 200 == await fetch("http://api.example.invalid")
    [request] = server.requests
    assert b"proxy-authorization: basic dxnlcjpwyxnz" in request.lower()


@pytest.mark.parametrize("exempt", ["127.0.0.1", "*", "localhost,127.0.0.1"])
async def test_no_proxy_is_honoured(
    server: RawServer, monkeypatch: pytest.MonkeyPatch, exempt: str
) -> None:
    """An exempt server is called directly."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example.invalid:3128")
    monkeypatch.setenv("NO_PROXY", exempt)
    assert 200 == await fetch(server.url)
    assert server.requests[0].startswith(b"GET /v3/groups HTTP/1.1\r\n")


async def test_a_proxy_for_another_scheme_is_not_used(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy for https is not used for http."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.invalid:3128")
    assert 200 == await fetch(server.url)
