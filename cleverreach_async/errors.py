"""Every exception of the library.

::

    CleverReachError
    ├── ConfigurationError        (also ValueError)    wrong arguments, detected before any request
    ├── SourceError               (also ValueError)    an input file that cannot be read as rows
    ├── ClientClosedError         (also RuntimeError)  used after close, or in another event loop
    ├── TokenStoreError           a store of tokens failed: no token can be read, saved or locked
    ├── TokenError                the token endpoint refused: .error .description
    ├── APIConnectionError        no usable response: .sent is whether the server may have got it
    │   └── APITimeoutError       the deadline passed
    ├── ResponseDecodeError       a 2xx response that does not fit the model: .problems
    ├── APIStatusError            .status_code .code .message .headers .body .method .path
    │   ├── BadRequestError           400
    │   │   └── DuplicateReceiverError    the group has a receiver with this address
    │   ├── AuthenticationError       401
    │   ├── PermissionDeniedError     403
    │   ├── NotFoundError             404
    │   ├── ConflictError             409
    │   ├── PayloadTooLargeError      413
    │   ├── UnprocessableEntityError  422
    │   ├── RateLimitError            429 (.retry_after)
    │   └── InternalServerError       5xx
    ├── JournalError              the journal of an import cannot be opened or written
    ├── OutboxError               the database of an outbox cannot be opened or written
    ├── SyncStateError            the state of a synchronisation cannot be opened or written
    ├── SyncFailedError           a synchronisation is not complete: .report
    └── ImportFailedError         an import is not complete: .report
        └── TooManyRejectsError       it stopped because too many rows were rejected

All hold plain values, can be pickled and copied, and never hold an object of the HTTP library.
``path`` is always the template (``/groups/{group_id}/receivers``), because a path with its values
may contain an e-mail address.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "CleverReachError",
    "ClientClosedError",
    "ConfigurationError",
    "ConflictError",
    "DuplicateReceiverError",
    "ImportFailedError",
    "InternalServerError",
    "JournalError",
    "NotFoundError",
    "OutboxError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "RateLimitError",
    "ResponseDecodeError",
    "SourceError",
    "SyncFailedError",
    "SyncStateError",
    "TokenError",
    "TokenStoreError",
    "TooManyRejectsError",
    "UnprocessableEntityError",
    "status_error",
]


class CleverReachError(Exception):
    """Base class of every error that this library raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls cls(*args), which fails for constructors with keyword-only arguments.
        return _restore, (type(self), self.args, self.__dict__.copy())


def _restore(
    cls: type[CleverReachError], args: tuple[Any, ...], state: dict[str, Any]
) -> CleverReachError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(CleverReachError, ValueError):
    """Wrong arguments, detected before any request. Fix the call; retrying does not help."""


class SourceError(CleverReachError, ValueError):
    """An input file that cannot be read as rows. The message names file, line and remedy.

    Attributes:
        path: The file as the caller named it.
        line: One-based line in the file, or ``None`` where it is unknown.
    """

    def __init__(self, message: str, *, path: str, line: int | None = None) -> None:
        place = path if line is None else f"{path}, line {line}"
        super().__init__(f"{place}: {message}")
        self.path = path
        self.line = line


class ClientClosedError(CleverReachError, RuntimeError):
    """The client was used after it was closed, or in another event loop than before."""


class TokenError(CleverReachError):
    """The token endpoint refused. Check the client id and secret, or authorise again.

    Attributes:
        error: The OAuth error code (RFC 6749 §5.2), such as ``invalid_client``.
        description: The server's explanation, or an empty string.
        status_code: HTTP status of the response.
    """

    def __init__(self, error: str, description: str = "", *, status_code: int = 400) -> None:
        super().__init__(
            f"the token endpoint refused: {error}" + (f" ({description})" if description else "")
        )
        self.error = error
        self.description = description
        self.status_code = status_code


class TokenStoreError(CleverReachError):
    """A token store failed, yours too: its token cannot be read, saved or locked.

    The message names the store and the kind of the error, which is the ``__cause__``. A new token
    that could not be saved is kept, and the next call saves it first.
    """


class APIConnectionError(CleverReachError):
    """There is no usable response.

    Attributes:
        message: The reason.
        sent: ``False`` when the request certainly did not reach the server, ``True`` when the
            server may have executed it.
        method: HTTP method.
        path: Path template.
    """

    def __init__(self, message: str, *, sent: bool, method: str = "", path: str = "") -> None:
        place = f"{method} {path}: " if method else ""
        hint = " (the server may have executed the request)" if sent else ""
        super().__init__(f"{place}{message}{hint}")
        self.message = message
        self.sent = sent
        self.method = method
        self.path = path


class APITimeoutError(APIConnectionError):
    """The deadline passed. Allow more seconds with ``client.with_options(timeout=…)``."""


class ResponseDecodeError(CleverReachError):
    """A successful response that does not fit the model.

    Attributes:
        problems: One line per problem, such as ``required field missing @ $.id``.
        method: HTTP method.
        path: Path template.
    """

    def __init__(self, problems: Sequence[str], *, method: str, path: str) -> None:
        super().__init__(f"{method} {path}: unexpected response: {'; '.join(problems)}")
        self.problems: tuple[str, ...] = tuple(problems)
        self.method = method
        self.path = path


class APIStatusError(CleverReachError):
    """The server responded with an error.

    Attributes:
        status_code: HTTP status; for an error body with HTTP 200, the code in the body.
        code: The vendor's code in the error body, if there is one.
        message: The vendor's sentence, at most 2000 characters, with e-mail addresses masked.
        method: HTTP method.
        path: Path template.
        headers: Response headers with lower-case names, without credentials.
        body: The text of the response, at most 65,536 characters, with e-mail addresses masked.
        retry_after: Seconds that the server asked to wait, or ``None``.
    """

    _advice = ""

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        code: int | None = None,
        method: str = "",
        path: str = "",
        headers: Mapping[str, str] | None = None,
        body: str = "",
        retry_after: float | None = None,
    ) -> None:
        place = f"{method} {path}: " if method else ""
        advice = f"; {self._advice}" if self._advice else ""
        super().__init__(f"{place}{status_code} {message}".strip() + advice)
        self.status_code = status_code
        self.code = code
        self.message = message
        self.method = method
        self.path = path
        self.headers: dict[str, str] = dict(headers or {})
        self.body = body
        self.retry_after = retry_after

    @property
    def request_id(self) -> str | None:
        """The id that the server gave to the request (``X-Cr-I``), for the vendor's support."""
        return self.headers.get("x-cr-i")


class BadRequestError(APIStatusError):
    """400: the server rejected the input. The message names the field."""


class DuplicateReceiverError(BadRequestError):
    """The group has a receiver with this address, who may be active, inactive or unsubscribed.

    ``cr.receivers.get()`` tells which; ``cr.receivers.upsert()`` changes receivers that exist.
    """

    _advice = (
        "the group has a receiver with this address: look with receivers.get() whether they are"
        " active, and change them with receivers.upsert()"
    )


class AuthenticationError(APIStatusError):
    """401: the token is missing, expired or revoked, and a refresh did not help."""

    _advice = "check the token or the client id and secret, and whether they have expired"


class PermissionDeniedError(APIStatusError):
    """403: a missing permission, an exhausted contact licence, or a suspicious address."""


class NotFoundError(APIStatusError):
    """404: it does not exist. A new receiver may not be found for a moment."""


class ConflictError(APIStatusError):
    """409: it exists already, or is locked."""


class PayloadTooLargeError(APIStatusError):
    """413: too many rows or bytes in one call. Send smaller batches."""


class UnprocessableEntityError(APIStatusError):
    """422: the input is well-formed, but the server refused it."""


class RateLimitError(APIStatusError):
    """429: too many requests. ``retry_after`` holds the seconds that the server asked to wait."""


class InternalServerError(APIStatusError):
    """5xx: the server failed. It is unknown whether it executed the request."""


class ImportFailedError(CleverReachError):
    """An import is not complete: rows were rejected, are unknown, or are still pending.

    Attributes:
        report: The :class:`~cleverreach_async.ImportReport` with counts and samples.
    """

    def __init__(self, message: str, report: Any) -> None:
        super().__init__(message)
        self.report = report


class JournalError(CleverReachError):
    """The journal of an import cannot be opened or written. The message names file and remedy."""


class OutboxError(CleverReachError):
    """The database of an outbox cannot be opened or written. The message names the remedy."""


class SyncFailedError(CleverReachError):
    """A synchronisation is not complete. The next run sends what is left.

    Attributes:
        report: The :class:`~cleverreach_async.SyncReport` with counts and samples.
    """

    def __init__(self, message: str, report: Any) -> None:
        super().__init__(message)
        self.report = report


class SyncStateError(CleverReachError):
    """The state of a synchronisation cannot be opened or written. The message names the remedy."""


class TooManyRejectsError(ImportFailedError):
    """An import stopped because too many rows were rejected.

    Look at the reasons in the message or in ``report.samples``, correct the rows or the mapping,
    and resume; or allow more rejects with ``max_reject_share`` and ``max_rejects``.
    """


_BY_STATUS: Final[Mapping[int, type[APIStatusError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: PayloadTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def status_error(status_code: int) -> type[APIStatusError]:
    """Return the exception class for an HTTP status."""
    if status_code >= 500:  # noqa: PLR2004 - the family is the number
        return InternalServerError
    return _BY_STATUS.get(status_code, APIStatusError)
