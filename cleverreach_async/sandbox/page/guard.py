"""Who may see the page, and which requests come from it.

The API has tokens; the page has none. So it is for the computer that the sandbox runs on, unless a
server was told to listen elsewhere, and other sites can neither read it nor act through it.
"""

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import Request

from cleverreach_async.sandbox.page_access import PageAccess, is_this_computer

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';"
        " img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
"""The headers of all responses of the page: nothing foreign is loaded, and nobody may frame it."""

_SAFE_METHODS = frozenset({"GET", "HEAD"})


def refusal(request: Request, access: PageAccess) -> str | None:
    """Return why a request is refused, or None."""
    if not access.elsewhere and not _is_client_here(request):
        return (
            "This page is shown on the computer of the sandbox only."
            " cleverreach sandbox --host ADDRESS shows it to others too."
        )
    host, _ = _host_of(f"//{request.headers.get('host', '')}")
    if not _is_own_name(host, request, access):
        return (
            f"This page is not shown as {host or 'a site without a name'}."
            " Use localhost or the address that the sandbox listens on."
        )
    if request.method not in _SAFE_METHODS and not _is_from_the_page(request):
        return "This form is not from the page of the sandbox. Open the page, and use it there."
    return None


def _is_client_here(request: Request) -> bool:
    """Whether the client is on this computer; in process, a client has no address."""
    try:
        return request.client is None or ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return True


def _host_of(url: str) -> tuple[str, str]:
    """Return the host of a URL without and with its port; both are empty if it has none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.hostname or "", parts.netloc


def _is_own_name(host: str, request: Request, access: PageAccess) -> bool:
    """Whether the name in the browser's address is ours.

    A site whose name is pointed at this computer (DNS rebinding) is sent by the browser under its
    name; an address in place of a name cannot be pointed elsewhere.
    """
    if not host:
        return False
    if is_this_computer(host) or host in {it.lower() for it in access.hosts}:
        return True
    server: tuple[str, int | None] | None = request.scope.get("server")
    if server is not None and host == server[0].lower():
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_from_the_page(request: Request) -> bool:
    """Whether a form was sent by the page, or by no browser at all.

    Browsers say where a form comes from: in ``Sec-Fetch-Site``, older ones in ``Origin``. Other
    ports of the same name are other sites here.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is None or _host_of(origin)[1] == request.headers.get("host")
