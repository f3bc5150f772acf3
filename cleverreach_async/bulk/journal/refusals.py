"""Why a journal is refused, in the same words for a file and for a shared store."""

from collections.abc import Sequence

from cleverreach_async.errors import ConfigurationError, JournalError
from cleverreach_async.transport.redaction import excerpt

__all__ = [
    "AnotherImportError",
    "StoreRefusedError",
    "exists_already",
    "is_another",
    "is_complete",
    "is_gone",
    "no_journal",
    "reason_of",
    "taken_over",
]


def exists_already(place: object) -> ConfigurationError:
    """Return the error for a new import whose journal exists."""
    return ConfigurationError(
        f"{place} already contains a journal: resume it, or delete it to start again"
    )


def no_journal(place: object) -> ConfigurationError:
    """Return the error for an import to resume that has no journal."""
    return ConfigurationError(f"No journal to resume at {place}; start without resume")


def is_complete(place: object) -> ConfigurationError:
    """Return the error for an import to resume that is complete."""
    return ConfigurationError(
        f"the import of {place} is complete; nothing to resume: delete it to start again"
    )


class AnotherImportError(ConfigurationError):
    """The journal belongs to another import, or to other rows."""


def is_another(place: object, found: Sequence[str]) -> AnotherImportError:
    """Return the error for the journal of another import.

    Args:
        place: The journal.
        found: The differences.
    """
    return AnotherImportError(
        f"the journal belongs to another import: {'; '.join(found)}; "
        f"use the original or delete {place} to start again"
    )


def taken_over(place: object) -> JournalError:
    """Return the error for an attempt whose journal another one has."""
    return JournalError(
        f"{place}: another attempt of this import has taken it over and goes on; this one stops"
    )


def is_gone(place: object) -> JournalError:
    """Return the error for an attempt whose journal does not exist any more."""
    return JournalError(
        f"{place}: the journal was deleted, or its store has lost it, and another attempt may have"
        " begun; this one stops. Begin the import again only if its rows may be sent twice:"
        " orders would be stored twice"
    )


class StoreRefusedError(JournalError):
    """The store answers, but refuses what it is asked. Waiting does not help.

    Args:
        place: The journal.
        error: The error of the store.
        remedy: What to do.
    """

    def __init__(self, place: object, error: Exception, remedy: str) -> None:
        super().__init__(
            f"{place} cannot be used: {reason_of(error)}: {remedy}, and run the import again"
        )


def reason_of(error: Exception) -> str:
    """Return the type of an error, and the first line of its message; SQL follows in others."""
    [first, *_] = str(getattr(error, "orig", error)).splitlines() or [""]
    text = excerpt(first, 200).rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
