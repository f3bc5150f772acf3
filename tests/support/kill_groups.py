"""What the server of the killed imports stores, and how often it was told to."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

__all__ = ["Group"]

_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode
_encode = msgspec.json.Encoder(order="sorted").encode


class Group:
    """One group of receivers, each by its address; a write adds to what is there.

    Attributes:
        posts: Batches stored.
        people: Receivers as they are.
        writes: How often each row was stored; rows tell their number in an attribute.
        creates: How often each address was created.
        denies_lookups: Whether to refuse questions for receivers.
    """

    def __init__(self) -> None:
        self.posts = 0
        self.people: dict[str, dict[str, Any]] = {}
        self.writes: Counter[int] = Counter()
        self.creates: Counter[str] = Counter()
        self.denies_lookups = False

    def store(self, mode: str, body: bytes) -> bytes:
        """Store a batch and return the answer, in the shape of that call.

        Addresses that begin with ``refused`` are not stored: one call leaves them out of its
        answer, the others tell so in words.
        """
        self.posts += 1
        rows = _decode(body)
        if mode == "upsertplus":
            stored = [row["email"] for row in rows if self._write(row)]
            return b"[" + b",".join(b'{"email":"%s"}' % email.encode() for email in stored) + b"]"
        return _encode([{"status": self._status(row, mode)} for row in rows])

    def _status(self, row: dict[str, Any], mode: str) -> str:
        email = row["email"]
        if mode == "insert" and email in self.people:
            return f"duplicate address '{email}'"
        return "insert success" if self._write(row) else f"invalid address '{email}'"

    def _write(self, row: dict[str, Any]) -> bool:
        email = row["email"]
        if email.startswith("refused"):
            return False
        self.writes[int(row["global_attributes"]["number"])] += 1
        person = self.people.get(email)
        if person is None:
            self.creates[email] += 1
            self.people[email] = row
            return True
        attributes = {**person["global_attributes"], **row["global_attributes"]}
        orders = [*person.get("orders", ()), *row.get("orders", ())]
        person.update(row)
        person["global_attributes"] = attributes
        if orders:
            person["orders"] = orders
        return True

    def look_up(self, emails: Iterable[str]) -> bytes:
        """Return the receivers of some addresses, as a list of them is answered."""
        found = (self.people.get(email) for email in emails)
        return _encode([{"orders": [], **person} for person in found if person is not None])

    def state(self) -> Mapping[str, Any]:
        """Return what tells one course of events from another."""
        orders = Counter(
            (email, order["order_id"])
            for email, person in self.people.items()
            for order in person.get("orders", ())
        )
        return {
            "posts": self.posts,
            "people": len(self.people),
            "digest": hashlib.sha256(_encode(self.people)).hexdigest(),
            "rows": len(self.writes),
            "twice": sorted(row for row, times in self.writes.items() if times > 1),
            "created_twice": sorted(e for e, times in self.creates.items() if times > 1),
            "ordered_twice": sorted(email for (email, _), times in orders.items() if times > 1),
            "orders": orders.total(),
        }
