"""The last requests, and the stream of those that follow."""

import json
from collections.abc import AsyncGenerator
from urllib.parse import urlencode

import anyio

from cleverreach_async.sandbox.page_access import PageAccess
from cleverreach_async.sandbox.recording import RecordedRequest, RequestLog

from .markup import Html, table, tag
from .view import PageView

SHOWN = 50
"""The most requests that the page shows."""

_HEADS = ("Request", "Status", "Took", "Account", "Fault or limit")
_POLL_SECONDS = 0.25
_POLLS_PER_COMMENT = 40


def requests(view: PageView) -> Html:
    """Return the section of the last requests, newest first."""
    number, found = since(view.log, 0, view.account.name)
    rows = [cells(it) for it in reversed(found)]
    query = urlencode({"account": view.account.name, "after": number})
    box = tag("input", type="checkbox", id="live", checked=True)
    control = tag(
        "p",
        tag("label", box, " Show new requests as they come."),
        tag("span", "", id="live-state", role="status"),
        id="live-control",
        hidden=True,
    )
    note = tag("noscript", tag("p", "Load the page again to see new requests."))
    empty = tag("p", "No request yet.", id="no-requests", hidden=bool(rows))
    last = tag(
        "div",
        table("The last requests", _HEADS, rows, body_id="request-rows"),
        id="request-table",
        data_source=f"{view.root}sandbox/requests?{query}",
        data_shown=SHOWN,
        hidden=not rows,
    )
    return view.section("requests", "Requests, newest first", control, note, empty, last)


def cells(request: RecordedRequest) -> tuple[str, ...]:
    """Return the cells of a request."""
    return (
        f"{request.method} {request.path}",
        str(request.status_code or "no response"),
        f"{request.milliseconds:.1f} ms",
        request.account or "none",
        request.fault or "-",
    )


def since(log: RequestLog, number: int, account: str) -> tuple[int, list[RecordedRequest]]:
    """Return the number of completed requests, and the last of those after a number.

    They are those of one account, and those without a valid token.
    """
    completed, found = log.since(number)
    return completed, [it for it in found if it.account in {None, account}][-SHOWN:]


async def stream(
    log: RequestLog, access: PageAccess, *, after: int, account: str
) -> AsyncGenerator[str, None]:
    """Yield the requests after a number as server-sent events, until a server ends."""
    yield "retry: 1000\n\n"
    quiet, ended = 0, access.ended
    while access.ended == ended:
        after, found = since(log, after, account)
        quiet = 0 if found else quiet + 1
        if found:
            rows = json.dumps([cells(it) for it in found])
            yield f"id: {after}\ndata: {rows}\n\n"
        elif quiet % _POLLS_PER_COMMENT == 0:
            yield ": still here\n\n"  # so that a connection that is gone is noticed
        await anyio.sleep(_POLL_SECONDS)
