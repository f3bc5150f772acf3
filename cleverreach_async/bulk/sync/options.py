"""Options of a synchronisation."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self, TypedDict

import attrs

from cleverreach_async.bulk.options import ImportOptions, Settings
from cleverreach_async.bulk.strategies import find_strategy
from cleverreach_async.bulk.sync.report import SyncReport
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.arguments import check_plain_functions
from cleverreach_async.transport.numbers import check_number

__all__ = ["SyncOptions", "SyncSettings"]

_REASONS: Final[Mapping[str, str]] = {
    "journal": "the state says what is done",
    "resume": "run it again with the same state",
    "reactivate": "it never makes anybody active again",
    "activate": "it never makes anybody active again",
    "relative": "a row would be added again whenever it changes",
}


class SyncOptions(TypedDict, total=False):
    """Options of a synchronisation. Those not described here are as in :class:`ImportOptions`.

    Attributes:
        missing: What happens to receivers of earlier runs that the source no longer has:
            ``"keep"``, the default, ``"deactivate"`` or ``"delete"``. Others in the group are left
            alone.
        max_missing_share: Share of them, 0 to 1, above which nobody is removed, since the source
            may be incomplete; 0.1 by default.
        before_removal: Called with the number of receivers that the source no longer has, before
            any is removed; if it returns false, nobody is.
        rejects: File for the rows that were not accepted, as JSON Lines.
        overwrite: Whether an older rejects file is replaced.
        on_progress: Called with the :class:`SyncReport` after every 1000 rows.
        concurrency: Requests in flight at a time, of each of the two calls.
        max_rows_per_second: Limit of rows per second, of each of the two calls.
    """

    missing: Literal["keep", "deactivate", "delete"]
    max_missing_share: float
    before_removal: Callable[[int], bool] | None
    rejects: str | Path | None
    overwrite: bool
    on_progress: Callable[[SyncReport], None] | None
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


@attrs.frozen(kw_only=True)
class SyncSettings:
    """Options with their defaults, checked.

    Attributes:
        imports: Those of the imports.
    """

    missing: Literal["keep", "deactivate", "delete"] = "keep"
    max_missing_share: float = 0.1
    before_removal: Callable[[int], bool] | None = None
    rejects: str | Path | None = None
    overwrite: bool = False
    on_progress: Callable[[SyncReport], None] | None = None
    imports: ImportOptions = attrs.field(factory=ImportOptions)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Read options.

        Raises:
            ConfigurationError: One is unknown, makes no sense here, or is out of range.
        """
        known = SyncOptions.__annotations__
        for name in options:
            if name not in known:
                reason = f": {_REASONS[name]}" if name in _REASONS else ""
                raise ConfigurationError(
                    f"sync takes no {name}{reason}; its options are {', '.join(known)}"
                )
        own = {name: value for name, value in options.items() if name in attrs.fields_dict(cls)}
        imports: Any = {name: value for name, value in options.items() if name not in own}
        settings = cls(**own, imports=imports)
        settings._check()
        return settings

    @property
    def of_changes(self) -> Mapping[str, Any]:
        """The options of the import of changed rows."""
        return {name: value for name, value in self.imports.items() if name != "inactive"}

    def _check(self) -> None:
        Settings(**self.imports).check(find_strategy("insert"))
        if self.missing not in {"keep", "deactivate", "delete"}:
            raise ConfigurationError(
                f"missing is {self.missing!r}; use 'keep', 'deactivate' or 'delete'"
            )
        check_plain_functions(before_removal=self.before_removal, on_progress=self.on_progress)
        check_number("max_missing_share", self.max_missing_share, most=1, whole=False)
