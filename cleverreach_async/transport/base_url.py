"""Read the server's root as the user wrote it."""

import re
from ipaddress import IPv6Address, ip_address
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.redaction import Masked
from cleverreach_async.transport.wire import DEFAULT_BASE_URL

__all__ = ["server_root", "stays_in_process"]

_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_SEGMENT: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})+")
_INVISIBLE: Final = re.compile(r"[\x00-\x20\x7f]")  # some of which urlsplit() removes
_IN_PROCESS: Final = frozenset({"MockTransport", "ASGITransport"})
_OF_THE_API: Final = frozenset({"v3", "oauth", "hooks"})


def server_root(base_url: str, *, allow_http: bool = False) -> str:
    """Return a server's root in one spelling, without a trailing slash or ``/v3``.

    Args:
        base_url: The root as the user wrote it. It may have a path, for a proxy.
        allow_http: Whether ``http://`` may leave this computer.

    Raises:
        ConfigurationError: It is not the root of an HTTP server, or the credentials would travel
            in clear.
    """
    _check_text(base_url)
    # No frame shows it, because it may hold a password or a token.
    base_url = text = Masked(base_url.strip())
    if "@" in text:
        raise ConfigurationError("base_url contains a user or password; pass the server's root")
    if "?" in text or "#" in text:
        raise ConfigurationError(
            f"base_url has a query or fragment; pass the server's root, such as {DEFAULT_BASE_URL}"
        )
    shown = repr(str(text))
    if _INVISIBLE.search(text):
        raise ConfigurationError(f"base_url is {shown}: it contains a blank or a line break")
    try:
        parts = urlsplit(text)
        host, port, path = _host(parts), parts.port, _path(parts)
    except ValueError as error:
        raise ConfigurationError(
            f"base_url is {shown}: {_reason(error)}; pass the server's root, such as"
            f" {DEFAULT_BASE_URL}"
        ) from None
    scheme = parts.scheme
    if port == _DEFAULT_PORTS[scheme]:
        port = None
    if scheme == "http" and not allow_http and not _stays_here(host):
        raise ConfigurationError(
            f"base_url is {shown}: secrets and tokens would be readable on the way; use https://,"
            " or allow it with allow_http=True (for the command and from_env(), with"
            " CLEVERREACH_ALLOW_HTTP=1 in the environment)"
        )
    return f"{scheme}://{host}{'' if port is None else f':{port}'}{path}"


def _check_text(base_url: object) -> None:
    if not isinstance(base_url, str):
        raise ConfigurationError(f"base_url is of type {type(base_url).__name__}; pass a text")


def _reason(error: ValueError) -> str:
    return str(error) if isinstance(error, _NoRootError) else "it is not a valid URL"


class _NoRootError(ValueError):
    """Its text says what is wrong, and what to write instead."""


def _host(parts: SplitResult) -> str:
    """Return the host in lower case, an IPv6 address in brackets."""
    if parts.scheme not in _DEFAULT_PORTS:
        raise _NoRootError("it does not begin with https://")
    host = parts.hostname or ""
    if "[" in parts.netloc and "%" not in host:
        return f"[{IPv6Address(host)}]"
    if not host:
        raise _NoRootError("the name of the server is missing")
    if not host.isascii():
        raise _NoRootError("write the name of the server in ASCII (xn--…)")
    if not _NAME.fullmatch(host):
        raise _NoRootError("the name of the server is invalid")
    if parts.port == 0:
        raise _NoRootError("the port is invalid")
    return host


def _path(parts: SplitResult) -> str:
    path = parts.path.rstrip("/").removesuffix("/v3")
    segments = path.split("/")[1:]
    if any(segment in {".", ".."} or not _SEGMENT.fullmatch(segment) for segment in segments):
        raise _NoRootError("the path is invalid")
    if not _OF_THE_API.isdisjoint(segments):
        raise _NoRootError("it has a path of the API")
    return path


def _stays_here(host: str) -> bool:
    """Whether what is sent to a host does not leave this computer."""
    name = host.removesuffix(".")
    if name == "localhost":
        return True
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return False
    # Systems connect to the unspecified address, which servers print, on the loopback interface.
    return address.is_loopback or address.is_unspecified


def stays_in_process(http_client: Any) -> bool:
    """Whether nothing that a client of httpx or httpx2 sends leaves this process, as in tests."""
    transports = getattr(http_client, "_transport", None), *_mounts_of(http_client)
    return all(
        type(it).__name__ in _IN_PROCESS and type(it).__module__.startswith("httpx")
        for it in transports
    )


def _mounts_of(http_client: Any) -> list[Any]:
    mounts: dict[Any, Any] = getattr(http_client, "_mounts", {})
    return list(mounts.values())
