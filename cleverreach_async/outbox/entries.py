"""What the outbox has: an entry as users see it, and one that a sender has claimed."""

from datetime import UTC, datetime
from typing import Final, Literal, get_args

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.outbox.parcels import Parcel

__all__ = [
    "ENTRY_STATES",
    "Claimed",
    "EntryState",
    "OutboxEntry",
    "Verdict",
    "checked_state",
    "moment",
]

EntryState = Literal["waiting", "sent", "done", "dead"]
ENTRY_STATES: Final[tuple[EntryState, ...]] = get_args(EntryState)


def checked_state(state: str | None) -> EntryState | None:
    """Return a state.

    Raises:
        ConfigurationError: There is no such state.
    """
    for known in ENTRY_STATES:
        if known == state:
            return known
    if state is None:
        return None
    raise ConfigurationError(f"state is {state!r}; use one of {', '.join(ENTRY_STATES)}")


@attrs.frozen(kw_only=True)
class OutboxEntry:
    """Orders in the outbox that are sent in one request. It has no address.

    Attributes:
        id: Number of the entry, for ``retry()`` and ``drop()``.
        account: Name of the account.
        group_id: The group; ``None`` for the whole account.
        state: ``waiting`` to be sent; ``sent``, perhaps, with no answer yet; ``done``, stored by
            the server; ``dead``, given up.
        doubtful: Whether the server may have stored it although it is not done. Such an entry is
            looked up before it is sent again.
        order_ids: The shop's order numbers.
        attempts: How often a sender took it.
        reason: Why the last attempt did not succeed; without the address.
        created: When it was put.
        changed: When it last changed.
    """

    id: int
    account: str
    group_id: int | None
    state: EntryState
    doubtful: bool
    order_ids: tuple[str, ...]
    attempts: int
    reason: str
    created: datetime
    changed: datetime


@attrs.frozen(kw_only=True)
class Claimed:
    """An entry that a sender has claimed: it is stored as ``sent``, and nobody else takes it.

    Attributes:
        id: Number of the entry.
        parcel: What is sent.
        doubtful: Whether an earlier attempt may have been stored, so that it is looked up first.
        is_whole: Whether it is doubtful, and no other entry has lines of the same orders.
        attempts: How often it was taken, this time included.
        since: Unix time at which it was taken first, or first after it was tried again by hand.
        owner: The mark of this claim; a later claim has another one.
    """

    id: int
    parcel: Parcel
    doubtful: bool
    is_whole: bool
    attempts: int
    since: float
    owner: str


@attrs.frozen(kw_only=True)
class Verdict:
    """What becomes of an entry after an attempt.

    Attributes:
        state: Its new state. ``sent`` is looked up when it is due.
        reason: Why it is not done.
        doubtful: Whether the server may have stored it.
        wait: Seconds until it is due again.
    """

    state: EntryState
    reason: str = ""
    doubtful: bool = False
    wait: float = 0.0


def moment(seconds: float) -> datetime:
    """Return a Unix time as an aware time."""
    return datetime.fromtimestamp(seconds, UTC)
