"""Options of an import, with defaults and limits."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Literal, TypedDict

import attrs

from cleverreach_async.bulk.attributes.account import AttributeMode
from cleverreach_async.bulk.attributes.known import KnownAttributes
from cleverreach_async.bulk.intake.preparation import Preparation
from cleverreach_async.bulk.journal.opening import JournalPlace, Resume, check_place
from cleverreach_async.bulk.outcomes.checkpoint import OnAccepted, noop
from cleverreach_async.bulk.report import OnProgress
from cleverreach_async.bulk.rows import MAX_ROWS
from cleverreach_async.bulk.run import ImportRun
from cleverreach_async.bulk.strategies import Strategy
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.arguments import check_plain_functions
from cleverreach_async.transport.numbers import check_number

__all__ = ["AUTO_CONCURRENCY", "MAX_CONCURRENCY", "ImportOptions", "Settings", "check_names"]

MAX_CONCURRENCY: Final = 32
AUTO_CONCURRENCY: Final = 8

_OTHER_NAMES: Final = {
    **dict.fromkeys(("workers", "max_workers", "threads", "parallel", "jobs"), "concurrency"),
    **dict.fromkeys(("chunk_size", "chunksize", "size", "batch"), "batch_size"),
    **dict.fromkeys(("rate", "rate_limit"), "max_rows_per_second"),
    **dict.fromkeys(("state", "checkpoint"), "journal"),
    **dict.fromkeys(("errors", "failures", "failed"), "rejects"),
    **dict.fromkeys(("callback", "progress"), "on_progress"),
}


class ImportOptions(TypedDict, total=False):
    """Options of every import.

    Attributes:
        concurrency: Requests in flight at a time, 1 to 32; or ``"auto"``, the default, which
            searches how many the server can handle, up to 8.
        max_rows_per_second: Limit of rows per second.
        batch_size: Most rows per request, at most 1000.
        rejects: File for the rows that were not accepted, as JSON Lines. One that is not empty is
            refused, unless the import is resumed.
        overwrite: Whether an older rejects file is replaced.
        journal: What makes the import resumable, also after a crash: a file; or a
            :class:`JournalStore` such as :class:`RedisJournal` or :class:`SqlJournal`, if another
            machine may have to go on.
        resume: Resume the import of that journal. The source has to be the same. ``"auto"`` resumes
            it or begins it; if it is complete, the source is compared, nothing is sent, and the
            result is the report of the run that completed it.
        on_start: Called with the :class:`ImportRun` before the first row is read; its ``stop()``
            ends the import in order.
        on_accepted: Called with the addresses, in lower case, of rows that the server has stored,
            before the journal says so; after a crash some may be reported again.
        on_progress: Called with an :class:`ImportProgress` after each batch, and when the account's
            calls pause and go on.
        max_reject_share: Share of rejected rows among the last 5000 at which the import stops
            itself, 0 to 1; 1 never stops it. More than 0.5 of the first 100 rows stops it too.
        max_rejects: Most rejected rows; with more the import stops.
        canary: Whether the first 100 rows are sent alone, to detect a mistake in all rows.
        inactive: Whether receivers are created as not yet confirmed, for double opt-in; with
            ``insert`` only, since existing receivers must not be set inactive.
        activate: Whether ``update`` sends ``activated``, which it otherwise never does.
        not_subscribed: What happens to rows of a source that say that the person is not
            subscribed: ``"exclude"`` leaves them out, ``"deactivate"`` sends them as unsubscribed.
            By default ``update`` deactivates, and the other calls exclude.
        reactivate: Whether ``deactivated`` 0 is sent, which can make people active who
            unsubscribed; otherwise it never is.
        attributes: What happens to attributes that the account lacks, whose values the server would
            silently drop. ``"check"``, the default, stops the import before the first row that has
            one; ``"create"`` creates them; ``"ignore"`` sends the rows all the same.
        relative: Whether numbers with a sign in columns are sent, so that the server adds ``+1`` to
            the stored number and subtracts ``-1``. By default such a row is rejected.
        timeout: Seconds that one request may take.
        max_outage: Seconds that one batch may fail before the import stops.
        settle: Seconds to wait before rows are resent after a response was lost.
        drain: Seconds that a stop leaves to requests in flight.
    """

    concurrency: int | Literal["auto"]
    max_rows_per_second: float | None
    batch_size: int
    rejects: str | Path | None
    overwrite: bool
    journal: JournalPlace | None
    resume: Resume
    on_start: Callable[[ImportRun], None] | None
    on_accepted: OnAccepted
    on_progress: OnProgress | None
    max_reject_share: float
    max_rejects: int | None
    canary: bool
    inactive: bool
    activate: bool
    not_subscribed: Literal["exclude", "deactivate"] | None
    reactivate: bool
    attributes: AttributeMode
    relative: bool
    timeout: float
    max_outage: float
    settle: float
    drain: float


@attrs.frozen(kw_only=True)
class Settings:
    """Options with their defaults, checked."""

    concurrency: int | Literal["auto"] = "auto"
    max_rows_per_second: float | None = None
    batch_size: int = MAX_ROWS
    rejects: str | Path | None = None
    overwrite: bool = False
    journal: JournalPlace | None = None
    resume: Resume = False
    on_start: Callable[[ImportRun], None] | None = None
    on_accepted: OnAccepted = noop
    on_progress: OnProgress | None = None
    max_reject_share: float = 0.1
    max_rejects: int | None = None
    canary: bool = True
    inactive: bool = False
    activate: bool = False
    not_subscribed: Literal["exclude", "deactivate"] | None = None
    reactivate: bool = False
    attributes: AttributeMode = "check"
    relative: bool = False
    timeout: float = 120.0
    max_outage: float = 1800.0
    settle: float = 5.0
    drain: float = 30.0

    def check(self, strategy: Strategy) -> None:
        """Check the options.

        Raises:
            ConfigurationError: An argument is out of range, or does not fit another.
        """
        if self.concurrency != "auto":
            check_number("concurrency", self.concurrency, least=1, most=MAX_CONCURRENCY)
        check_number("batch_size", self.batch_size, least=1, most=MAX_ROWS)
        check_number("max_reject_share", self.max_reject_share, most=1, whole=False)
        for name in ("timeout", "max_outage", "settle", "drain"):
            check_number(name, getattr(self, name), whole=False)
        check_plain_functions(
            on_start=self.on_start, on_accepted=self.on_accepted, on_progress=self.on_progress
        )
        if self.not_subscribed not in {None, "exclude", "deactivate"}:
            raise ConfigurationError(
                f"not_subscribed is {self.not_subscribed!r}; use 'exclude' or 'deactivate'"
            )
        if self.attributes not in {"check", "create", "ignore"}:
            raise ConfigurationError(
                f"attributes is {self.attributes!r}; use 'check', 'create' or 'ignore'"
            )
        if self.resume not in {False, True, "auto"}:
            raise ConfigurationError(f"resume is {self.resume!r}; use True, False or 'auto'")
        if self.resume and self.journal is None:
            raise ConfigurationError("resume needs a journal; pass it as journal=")
        if self.journal is not None:
            check_place(self.journal)
        if self.inactive and strategy.name != "insert":
            raise ConfigurationError(
                "inactive creates receivers that have yet to confirm; with"
                f" {strategy.name} it would set existing ones inactive: use insert"
            )

    def deactivates(self, strategy: Strategy) -> bool:
        """Whether rows that say that the person is not subscribed are sent, as unsubscribed."""
        default = "deactivate" if strategy.name == "update" else "exclude"
        return (self.not_subscribed or default) == "deactivate"

    def preparation(
        self, strategy: Strategy, *, now: int, attributes: KnownAttributes | None = None
    ) -> Preparation:
        """Return what is sent of a receiver.

        Args:
            strategy: The batch call.
            now: Unix seconds of the import.
            attributes: The attributes of the account; ``None`` if those of rows are not checked.
        """
        return Preparation(
            strategy=strategy,
            now=now,
            activate=self.activate,
            inactive=self.inactive,
            deactivates=self.deactivates(strategy),
            reactivate=self.reactivate,
            attributes=attributes,
        )

    @property
    def most_in_flight(self) -> int:
        """Most requests in flight."""
        return AUTO_CONCURRENCY if self.concurrency == "auto" else self.concurrency


def check_names(options: Iterable[str]) -> None:
    """Check that all options are known.

    Raises:
        ConfigurationError: One is not; the message names the one that is probably meant.
    """
    known = ImportOptions.__annotations__
    for name in options:
        if name in known:
            continue
        close = _OTHER_NAMES.get(name) or next(iter(get_close_matches(name, known, n=1)), "")
        hint = f"did you mean {close}? The" if close else "the"
        raise ConfigurationError(f"unknown option {name}: {hint} options are {', '.join(known)}")
