"""Options of a synchronisation."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, TypedDict

from cleverreach_async.bulk.sync.report import SyncReport
from cleverreach_async.errors import ConfigurationError

__all__ = ["Missing", "OnSyncProgress", "SyncOptions", "check_missing", "check_options"]

Missing = Literal["keep", "deactivate", "delete"]
OnSyncProgress = Callable[[SyncReport], None]


class SyncOptions(TypedDict, total=False):
    """Options that a synchronisation shares with imports; see :class:`ImportOptions`."""

    concurrency: int | Literal["auto"]
    max_rows_per_second: float | None
    batch_size: int
    max_reject_share: float
    max_rejects: int | None
    canary: bool
    inactive: bool
    not_subscribed: Literal["exclude", "deactivate"] | None
    attributes: Literal["check", "create", "ignore"]
    timeout: float
    max_outage: float
    settle: float
    drain: float


_REASONS: Final[Mapping[str, str]] = {
    "journal": "the state says what is done",
    "resume": "run it again with the same state",
    "reactivate": "it never makes anybody active again",
    "activate": "it never makes anybody active again",
    "relative": "a row would be added again whenever it changes",
}


def check_options(options: Iterable[str]) -> None:
    """Check that a synchronisation takes all options.

    Raises:
        ConfigurationError: One is unknown, or makes no sense here.
    """
    known = SyncOptions.__annotations__
    for name in options:
        if name not in known:
            reason = f": {_REASONS[name]}" if name in _REASONS else ""
            raise ConfigurationError(
                f"sync takes no {name}{reason}; its options are {', '.join(known)}"
            )


def check_missing(missing: object, max_missing_share: object) -> None:
    """Check what happens to receivers that the source no longer has.

    Raises:
        ConfigurationError: A value is unknown or out of range.
    """
    if missing not in {"keep", "deactivate", "delete"}:
        raise ConfigurationError(f"missing is {missing!r}; use 'keep', 'deactivate' or 'delete'")
    share = max_missing_share
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ConfigurationError(f"max_missing_share is {share!r}; use 0 to 1")
