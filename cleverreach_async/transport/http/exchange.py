"""One exchange with an HTTP library: its deadline, its abort, and its errors as ours."""

import math
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import attrs

from cleverreach_async.errors import (
    APIConnectionError,
    APITimeoutError,
    CleverReachError,
    ClientClosedError,
    ConfigurationError,
)
from cleverreach_async.transport.redaction import drop_tracebacks, excerpt
from cleverreach_async.transport.stop import Stop
from cleverreach_async.transport.wire import Response

__all__ = ["Failures", "built", "check_open", "connect_seconds", "exchange", "timed_out"]

_CONNECT_TIMEOUT: Final = 10.0
_CONNECT_SHARE: Final = 0.9
_MAX_REASON: Final = 300


@attrs.frozen
class Failures:
    """The errors of an HTTP library.

    Attributes:
        not_connected: It could not connect, so that nothing was sent.
        not_connected_in_time: The same, because of a time limit.
        timeout: Any other time limit has passed.
    """

    not_connected: tuple[type[Exception], ...]
    not_connected_in_time: tuple[type[Exception], ...]
    timeout: type[Exception]


def check_open(*, is_closed: bool) -> None:
    """Check that the user's client can send.

    Raises:
        ClientClosedError: It is closed.
    """
    if is_closed:
        raise ClientClosedError("the http_client is closed; keep it open while this client is")


def connect_seconds(timeout: float | None) -> float:
    """Return the seconds that connecting may take.

    It gets less than the total, so that a request that was never sent can be recognised.
    """
    if timeout is None:
        return _CONNECT_TIMEOUT
    return min(timeout * _CONNECT_SHARE, _CONNECT_TIMEOUT)


def built(build: Callable[[], Any]) -> Any:
    """Return a request of the library.

    Raises:
        ConfigurationError: The library refuses its URL or headers.
    """
    try:
        return build()
    except Exception as error:  # noqa: BLE001 - whatever a library raises
        kind = type(error).__name__
    # Not raised while the other error is handled, because that may hold a header.
    raise ConfigurationError(
        f"the HTTP library refuses the URL or a header of the request ({kind}): check base_url and"
        " the token"
    )


async def exchange(
    send: Callable[[], Awaitable[Response]],
    failures: Failures,
    url: str,
    timeout: float | None,
    *,
    stop: Stop | None = None,
    on_scope: Callable[[anyio.CancelScope], None] | None = None,
) -> Response:
    """Send a request and read its response, shielded from the caller's cancellation.

    Args:
        send: Does both, with the library.
        failures: The errors of the library.
        url: Absolute URL.
        timeout: Seconds; ``None`` for no deadline.
        stop: Its abort cuts the exchange off.
        on_scope: Called with the scope that has the deadline.

    Raises:
        APITimeoutError: The deadline passed.
        APIConnectionError: There is no usable response.
    """
    seconds = math.inf if timeout is None else timeout
    handled = sys.exception()
    with anyio.CancelScope(deadline=anyio.current_time() + seconds, shield=True) as scope:
        if on_scope is not None:
            on_scope(scope)
        try:
            if stop is None:
                return await send()
            with stop.cutting(scope):
                return await send()
        except CleverReachError:
            raise
        except Exception as error:
            # Whatever a library raises.
            drop_tracebacks(error, handled=handled)
            raise _translated(error, failures, url, seconds) from error
    if stop is not None and stop.aborted:
        raise APIConnectionError(f"the request to {_host(url)} was aborted", sent=True)
    raise timed_out(url, seconds, sent=True)


def _translated(
    error: Exception, failures: Failures, url: str, seconds: float
) -> APIConnectionError:
    if isinstance(error, failures.not_connected_in_time):
        return timed_out(url, seconds, sent=False)
    if isinstance(error, failures.timeout):
        return timed_out(url, seconds, sent=True)
    reason = excerpt(str(error), _MAX_REASON) or type(error).__name__
    if isinstance(error, failures.not_connected):
        return APIConnectionError(f"cannot reach {_host(url)}: {reason}", sent=False)
    return APIConnectionError(f"the connection to {_host(url)} failed: {reason}", sent=True)


def timed_out(url: str, seconds: float, *, sent: bool) -> APITimeoutError:
    """Return the error of a deadline that passed."""
    stage = "no response from" if sent else "no connection to"
    return APITimeoutError(f"{stage} {_host(url)} within {seconds:g} s", sent=sent)


def _host(url: str) -> str:
    return urlsplit(url).netloc
