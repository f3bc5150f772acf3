"""Read the responses of calls that write or delete several receivers."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from cleverreach_async.errors import UnprocessableEntityError
from cleverreach_async.resources.success import failure_in
from cleverreach_async.transport.error_bodies import MAX_MESSAGE, refusal
from cleverreach_async.transport.redaction import excerpt
from cleverreach_async.transport.wire import Request, Response, as_list, as_object, is_numbered

__all__ = ["all_are_gone", "is_profile", "items_of", "raise_first_failure"]

_OF_A_ROW: Final = frozenset({"email", "status"})
_GONE: Final = ("not found", "invalid receiver", "not exist", "unknown receiver")


def items_of(value: Any, response: Response, request: Request) -> Sequence[Any]:
    """Return the items of a response, which may be one item instead of a list.

    Raises:
        APIStatusError: The response is about the whole call, and shows that it failed.
    """
    if value is None:
        return []
    is_row = not _OF_A_ROW.isdisjoint(as_object(value)) or isinstance(value, str)
    if isinstance(value, list) or is_numbered(value) or is_row:
        return as_list(value)
    failure = failure_in(value)
    if failure is None:
        return [value]
    try:
        raise refusal(response, request, value, failure)
    finally:
        del value, failure  # An error report of this frame shows its variables.


def is_profile(item: Any) -> bool:
    """Whether an item is a stored receiver, rather than one that was refused."""
    fields = as_object(item)
    # Without an id it is reported as a response that cannot be read, not left out.
    return bool(fields.get("email")) and failure_in({"id": 1, **fields}) is None


def raise_first_failure(items: Iterable[Any], response: Response, method: str, path: str) -> None:
    """Raise why rows were refused, if a response says so.

    Raises:
        UnprocessableEntityError: It does.
    """
    failure = next(filter(None, map(failure_in, items)), None)
    if failure is None:
        return
    words = excerpt(failure, MAX_MESSAGE, secrets=response.secrets)
    del items, failure  # An error report of this frame shows its variables.
    raise UnprocessableEntityError(words, status_code=422, method=method, path=path)


def all_are_gone(value: Any) -> bool:
    """Whether the response to a deletion says that each receiver is deleted, or was not there."""
    if not isinstance(value, list) and not is_numbered(value):
        return False
    failures = filter(None, map(failure_in, as_list(value)))
    return all(any(words in failure.lower() for words in _GONE) for failure in failures)
