"""The state of a group after rows were written one by one, as a reference for imports."""

from collections.abc import Iterable, Sequence
from itertools import chain, combinations
from typing import Any, Final

import msgspec

from cleverreach_async import ReceiverInput
from cleverreach_async.bulk.intake.encoding import Encoder
from cleverreach_async.bulk.intake.preparation import Preparation
from cleverreach_async.bulk.rows import EncodedRow
from cleverreach_async.bulk.strategies import StrategyName, find_strategy
from cleverreach_async.sandbox import Behaviour, Sandbox
from cleverreach_async.sandbox.batch import write
from cleverreach_async.sandbox.call import Call
from cleverreach_async.sandbox.members import find_member, leave_group

__all__ = ["NOW", "OneByOne", "new_sandbox", "state_of"]

NOW: Final = 1_767_225_600
_TYPES: Final = {"firstname": "text", "ordercount": "number"}
_COMPARED: Final = ("registered", "activated", "deactivated", "source")


def new_sandbox(behaviour: Behaviour, existing: Iterable[str] = ()) -> tuple[Sandbox, int]:
    """Return a sandbox whose time stands still, with attributes and one group of receivers."""
    sandbox = Sandbox(behaviour=behaviour, now=lambda: NOW)
    store = sandbox.store
    store.run("INSERT INTO recipient_groups VALUES (7, 'N', 0, 0, '', 0, 0, 0)")
    group_id = 7
    for owner in (0, group_id):
        for name, kind in _TYPES.items():
            store.run(
                "INSERT INTO attributes (group_id, name, type, description, preview_value, tag)"
                " VALUES (?, ?, ?, '', '', '')",
                owner,
                name,
                kind,
            )
    old = {"registered": 1, "activated": 2, "deactivated": 3, "source": "old", "tags": ["x", "o.z"]}
    values = {"firstname": "Old", "ordercount": 10}
    rows = [
        {"email": email, **old, "attributes": values, "global_attributes": values}
        for email in existing
    ]
    _write_rows(sandbox, group_id, "upsertplus", msgspec.json.encode(rows))
    return sandbox, group_id


def _write_rows(sandbox: Sandbox, group_id: int, strategy: StrategyName, body: bytes) -> None:
    """Write a list of rows as the sandbox does for a batch call."""
    mode: Any = "upsert" if strategy == "upsertplus" else strategy
    call = Call(sandbox.account, {"group": str(group_id)}, {}, {}, body)
    write(call, mode, plus=strategy == "upsertplus")


def state_of(sandbox: Sandbox, group_id: int, email: str) -> dict[str, Any] | None:
    """Return what a group has of a receiver, except the spelling of the address."""
    found = sandbox.store.receiver(group_id, email)
    if found is None:
        return None
    return {
        **{name: found[name] for name in _COMPARED},
        "attributes": found["attributes"],
        "global_attributes": found["global_attributes"],
        "tags": sorted(found["tags"]),
        "orders": [order["order_id"] for order in found["orders"]],
    }


class OneByOne:
    """Writes rows one by one.

    Args:
        strategy: The batch call.
        behaviour: How the sandbox acts.
        existing: Addresses that are in the group before.
        reactivate: Whether ``deactivated`` 0 is sent.
    """

    def __init__(
        self,
        strategy: StrategyName,
        behaviour: Behaviour,
        existing: Iterable[str] = (),
        *,
        reactivate: bool = False,
    ) -> None:
        self._reactivate = reactivate
        self._strategy = find_strategy(strategy)
        self._behaviour = behaviour
        self._existing = list(existing)

    def encode(self, receivers: Sequence[ReceiverInput]) -> list[EncodedRow]:
        """Return the rows as an import sends them."""
        preparation = Preparation(strategy=self._strategy, now=NOW, reactivate=self._reactivate)
        encoder = Encoder(preparation)
        rows, rejected = encoder.encode(receivers, range(1, len(receivers) + 1))
        assert [] == rejected
        return rows

    def state(self, rows: Iterable[EncodedRow], email: str) -> dict[str, Any] | None:
        """Return the state of a receiver after its rows were written one by one."""
        sandbox, group_id = new_sandbox(self._behaviour, self._existing)
        with sandbox:
            for row in rows:
                if row.key == email:
                    self._write(sandbox, group_id, row)
            return state_of(sandbox, group_id, email)

    def states(
        self, rows: Sequence[EncodedRow], unsure: set[int], email: str
    ) -> list[dict[str, Any] | None]:
        """Return the possible states if some rows, by number, may be stored or not."""
        mine = [row for row in rows if row.key == email]
        open_rows = [row.number for row in mine if row.number in unsure]
        subsets = chain.from_iterable(
            combinations(open_rows, size) for size in range(len(open_rows) + 1)
        )
        return [
            self.state([row for row in mine if row.number not in set(left_out)], email)
            for left_out in subsets
        ]

    def _write(self, sandbox: Sandbox, group_id: int, row: EncodedRow) -> None:
        if self._strategy.only_address:
            member = find_member(sandbox.store, group_id, row.key)
            if member is not None:
                leave_group(sandbox.store, member)
            return
        _write_rows(sandbox, group_id, self._strategy.name, b"[%b]" % row.body)
