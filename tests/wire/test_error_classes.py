"""The exceptions: one tree, plain values, complete after pickle and copy."""

import copy
import pickle
from collections.abc import Callable, Iterator

import pytest

from cleverreach_async import errors
from cleverreach_async.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    CleverReachError,
    ClientClosedError,
    ConfigurationError,
    ConflictError,
    DuplicateReceiverError,
    ImportFailedError,
    InternalServerError,
    JournalError,
    NotFoundError,
    OutboxError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    ResponseDecodeError,
    SourceError,
    SyncFailedError,
    SyncStateError,
    TokenError,
    TokenStoreError,
    TooManyRejectsError,
    UnprocessableEntityError,
    status_error,
)


def full_error(kind: type[APIStatusError], status_code: int) -> APIStatusError:
    """An error with every field set."""
    return kind(
        "no",
        status_code=status_code,
        code=7,
        method="GET",
        path="/groups/{group_id}",
        headers={"x-request-id": "r1"},
        body='{"error": "no"}',
        retry_after=1.5,
    )


SAMPLES: dict[type[CleverReachError], CleverReachError] = {
    type(error): error
    for error in (
        CleverReachError("plain"),
        ConfigurationError("name is empty"),
        SourceError("no column", path="new.csv", line=3),
        ClientClosedError("closed"),
        TokenError("invalid_client", "no such client", status_code=401),
        TokenStoreError("Redis key shop-42: cannot save the token: ConnectionError"),
        APIConnectionError("reset", sent=True, method="GET", path="/groups"),
        APITimeoutError("deadline", sent=False),
        ResponseDecodeError(["$.id", "$.name"], method="GET", path="/groups"),
        ImportFailedError("2 rows rejected", {"rejected": 2}),
        TooManyRejectsError("too many rows are rejected", {"rejected": 2}),
        JournalError("import.journal is in use"),
        SyncFailedError("3 rows pending", {"pending": 3}),
        OutboxError("orders.db is on a network drive"),
        SyncStateError("customers.sync is in use"),
        full_error(APIStatusError, 418),
        full_error(BadRequestError, 400),
        full_error(DuplicateReceiverError, 400),
        full_error(AuthenticationError, 401),
        full_error(PermissionDeniedError, 403),
        full_error(NotFoundError, 404),
        full_error(ConflictError, 409),
        full_error(PayloadTooLargeError, 413),
        full_error(UnprocessableEntityError, 422),
        full_error(RateLimitError, 429),
        full_error(InternalServerError, 503),
    )
}


def tree(kind: type[CleverReachError]) -> Iterator[type[CleverReachError]]:
    """A class of this module and all its subclasses."""
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def test_every_class_has_a_sample() -> None:
    """So that new classes are tested too."""
    assert set(tree(CleverReachError)) == set(SAMPLES)


def test_every_exception_is_in_the_tree_and_public() -> None:
    """``except CleverReachError`` catches all, and each can be imported by name."""
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    expected = {kind.__name__ for kind in tree(CleverReachError)}
    assert expected == classes
    assert {*expected, "status_error"} == set(errors.__all__)


def by_pickle(error: CleverReachError) -> CleverReachError:
    """Pickle an error and unpickle it."""
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert isinstance(twin, CleverReachError)
    return twin


WAYS: dict[str, Callable[[CleverReachError], CleverReachError]] = {
    "pickle": by_pickle,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("error", SAMPLES.values(), ids=lambda it: type(it).__name__)
def test_error_survives(
    error: CleverReachError, way: Callable[[CleverReachError], CleverReachError]
) -> None:
    """Class, text, arguments, every field and every note are kept."""
    noted = copy.deepcopy(error)
    noted.add_note("attempt 1: 503")
    twin = way(noted)
    assert (type(noted), str(noted), repr(noted)) == (type(twin), str(twin), repr(twin))
    assert (noted.args, vars(noted)) == (twin.args, vars(twin))
    assert twin is not noted


TEXTS: dict[str, tuple[CleverReachError, str]] = {
    "status": (
        APIStatusError("no", status_code=418, method="GET", path="/groups"),
        "GET /groups: 418 no",
    ),
    "source": (SAMPLES[SourceError], "new.csv, line 3: no column"),
    "source without a line": (SourceError("empty", path="new.csv"), "new.csv: empty"),
    "token": (
        SAMPLES[TokenError],
        "the token endpoint refused: invalid_client (no such client)",
    ),
    "token, short": (TokenError("denied"), "the token endpoint refused: denied"),
    "sent": (
        SAMPLES[APIConnectionError],
        "GET /groups: reset (the server may have executed the request)",
    ),
    "not sent": (SAMPLES[APITimeoutError], "deadline"),
    "decode": (
        SAMPLES[ResponseDecodeError],
        "GET /groups: unexpected response: $.id; $.name",
    ),
}


@pytest.mark.parametrize(("error", "expected"), TEXTS.values(), ids=TEXTS.keys())
def test_error_texts(error: CleverReachError, expected: str) -> None:
    """The text names the call and the failure."""
    assert expected == str(error)


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (ConfigurationError, ValueError),
        (SourceError, ValueError),
        (ClientClosedError, RuntimeError),
    ],
)
def test_errors_that_are_builtin_errors_too(
    kind: type[CleverReachError], builtin: type[Exception]
) -> None:
    """Python's own classes for misuse catch them."""
    assert issubclass(kind, builtin)


@pytest.mark.parametrize("kind", SAMPLES, ids=lambda it: it.__name__)
def test_no_error_is_an_os_error(kind: type[CleverReachError]) -> None:
    """OSError changes its arguments, and retry helpers would repeat it."""
    assert not issubclass(kind, OSError)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (402, APIStatusError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (405, APIStatusError),
        (409, ConflictError),
        (413, PayloadTooLargeError),
        (422, UnprocessableEntityError),
        (429, RateLimitError),
        (499, APIStatusError),
        (500, InternalServerError),
        (502, InternalServerError),
        (599, InternalServerError),
        (302, APIStatusError),
    ],
)
def test_class_of_a_status(status: int, expected: type[APIStatusError]) -> None:
    """Every status has a class. Unknown ones have that of their family."""
    assert expected is status_error(status)


def test_headers_are_copied() -> None:
    """Later changes by the caller do not change the error."""
    headers = {"a": "1"}
    error = APIStatusError("no", status_code=400, headers=headers)
    headers["a"] = "2"
    expected = {"a": "1"}
    assert expected == error.headers
