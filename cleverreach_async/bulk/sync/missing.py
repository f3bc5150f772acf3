"""Receivers that the source no longer has: counted, and deactivated or deleted if asked for."""

from collections.abc import Callable, Container, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final, Literal

import attrs

from cleverreach_async.bulk.rows import Outcome, email_key
from cleverreach_async.bulk.run import ImportRun
from cleverreach_async.bulk.sync.selection import Bits
from cleverreach_async.bulk.sync.state import Entry, SyncState
from cleverreach_async.bulk.threads import to_end_in_thread
from cleverreach_async.resources.receiver_models import Receiver, ReceiverInput
from cleverreach_async.resources.receivers import Receivers

__all__ = ["count_missing", "remove_missing"]

_PAGE: Final = 1000


def count_missing(state: SyncState, seen: Bits) -> int:
    """Count receivers that were not seen; call it in a worker thread.

    Later rows that the source no longer has are forgotten, unless it lacks the address altogether,
    and the first row of the address counts as changed: the server has the values of the row that is
    gone.

    Args:
        state: The state.
        seen: Numbers of the entries that the source has.
    """
    missing = 0
    for part in state.entries():
        gone = [(address, entry) for address, entry in part if entry.id not in seen]
        missing += sum(_is_receiver(entry) for _, entry in gone)
        later = [(address, entry.first) for address, entry in gone if entry.first is not None]
        firsts = state.find([first for _, first in later])
        stay = {first for first, entry in firsts.items() if entry.id in seen}
        state.send_again(stay)
        state.remove([address for address, first in later if first in stay])
    return missing


@attrs.frozen(kw_only=True, eq=False)
class _Missed:
    """A receiver of the group that the source no longer has."""

    receiver: Receiver
    address: bytes


async def remove_missing(
    state: SyncState,
    seen: Bits,
    receivers: Receivers,
    run: Callable[[], AbstractAsyncContextManager[ImportRun]],
    *,
    group_id: int,
    missing: Literal["deactivate", "delete"],
    now: int,
) -> int:
    """Deactivate or delete receivers that were not seen; returns how many.

    The state has no addresses, so the receivers of the group are listed to find them.

    Args:
        state: The state; whoever was removed, or is no longer in the group, is forgotten. Whoever
            the server did not remove is not, so that the next run tries again.
        seen: Numbers of the entries that the source has.
        receivers: The calls.
        run: Opens an import that updates or deletes.
        group_id: The group.
        missing: What to do.
        now: Unix time in seconds.
    """
    removed = 0
    kept: set[bytes] = set()
    while True:
        # A deletion moves the others to earlier pages, so those left out are found in a next pass.
        done = await _remove_once(
            state, seen, receivers, run, kept, group_id=group_id, missing=missing, now=now
        )
        removed += done
        if not done or missing == "deactivate":
            break
    await to_end_in_thread(partial(_forget, state, seen, kept))
    return removed


async def _remove_once(
    state: SyncState,
    seen: Bits,
    receivers: Receivers,
    run: Callable[[], AbstractAsyncContextManager[ImportRun]],
    kept: set[bytes],
    *,
    group_id: int,
    missing: Literal["deactivate", "delete"],
    now: int,
) -> int:
    """Remove those who are found in one pass; ``kept`` gets those whom the server did not remove.

    Returns how many were removed.
    """
    removed = 0
    pages = receivers.list(group_id=group_id, page_size=_PAGE).pages()
    async for page in pages:
        found = await to_end_in_thread(partial(_find, state, seen, page))
        if missing == "deactivate":
            found = [it for it in found if it.receiver.deactivated is None]
        if not found:
            continue
        async with run() as removal:
            for it in found:
                email = it.receiver.email
                row = email if missing == "delete" else ReceiverInput(email, deactivated=now)
                await removal.put(row)
            results = [result async for result in removal.results()]
        done = [found[it.row - 1].address for it in results if it.outcome is Outcome.ACCEPTED]
        gone = [found[it.row - 1].address for it in results if it.code == "not_found"]
        kept.update(it.address for it in found)
        kept.difference_update(done, gone)
        await to_end_in_thread(partial(state.remove, done))
        removed += len(done)
    return removed


def _find(state: SyncState, seen: Bits, receivers: Sequence[Receiver]) -> list[_Missed]:
    addresses = state.fingerprints.of_addresses([email_key(it.email) for it in receivers])
    entries = state.find(addresses)
    return [
        _Missed(receiver=receiver, address=address)
        for receiver, address in zip(receivers, addresses, strict=True)
        if address in entries and entries[address].id not in seen and _is_receiver(entries[address])
    ]


def _forget(state: SyncState, seen: Bits, kept: Container[bytes]) -> None:
    """Forget who was not seen, and is not in the group, or inactive there already."""
    for part in state.entries():
        state.remove(
            [
                address
                for address, entry in part
                if entry.id not in seen and (entry.first or address) not in kept
            ]
        )


def _is_receiver(entry: Entry) -> bool:
    """Whether an entry is that of a receiver whom the server has accepted."""
    return entry.first is None and entry.content is not None
