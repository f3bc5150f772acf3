"""What the server of the killed imports stores, and how often each row was stored."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

import msgspec

__all__ = ["Group"]

_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode
_encode = msgspec.json.Encoder(order="sorted").encode


class Group:
    """One group of receivers by address; a write is merged into the stored receiver.

    Attributes:
        posts: Number of batches stored.
        receivers: Stored receivers by address.
        writes: How often each row was stored, by the number in its attribute ``number``.
        creates: How often each address was created.
        refuses_look_ups: Whether to refuse look-ups of receivers.
    """

    def __init__(self) -> None:
        self.posts = 0
        self.receivers: dict[str, dict[str, Any]] = {}
        self.writes: Counter[int] = Counter()
        self.creates: Counter[str] = Counter()
        self.refuses_look_ups = False

    def store(self, mode: str, body: bytes) -> bytes:
        """Store a batch and return the response body of that call.

        Addresses that begin with ``refused`` are not stored: ``upsertplus`` leaves them out
        of its response, the other calls return an error message for them.
        """
        self.posts += 1
        rows = _decode(body)
        if mode == "upsertplus":
            stored = [row["email"] for row in rows if self._write(row)]
            return _encode([{"id": crc32(it.encode()) or 1, "email": it} for it in stored])
        return _encode([{"status": self._status(row, mode)} for row in rows])

    def _status(self, row: dict[str, Any], mode: str) -> str:
        email = row["email"]
        if mode == "insert" and email in self.receivers:
            return f"duplicate address '{email}'"
        return "insert success" if self._write(row) else f"invalid address '{email}'"

    def _write(self, row: dict[str, Any]) -> bool:
        email = row["email"]
        if email.startswith("refused"):
            return False
        self.writes[int(row["global_attributes"]["number"])] += 1
        receiver = self.receivers.get(email)
        if receiver is None:
            self.creates[email] += 1
            self.receivers[email] = row
            return True
        attributes = {**receiver["global_attributes"], **row["global_attributes"]}
        orders = [*receiver.get("orders", ()), *row.get("orders", ())]
        receiver.update(row)
        receiver["global_attributes"] = attributes
        if orders:
            receiver["orders"] = orders
        return True

    def look_up(self, emails: Iterable[str]) -> bytes:
        """Return the response body of a look-up of these addresses."""
        found = (self.receivers.get(email) for email in emails)
        return _encode([{"orders": [], **receiver} for receiver in found if receiver is not None])

    def state(self) -> Mapping[str, Any]:
        """Return the counts and the digest by which tests compare imports."""
        orders = Counter(
            (email, order["order_id"])
            for email, receiver in self.receivers.items()
            for order in receiver.get("orders", ())
        )
        return {
            "posts": self.posts,
            "receivers": len(self.receivers),
            "digest": hashlib.sha256(_encode(self.receivers)).hexdigest(),
            "rows": len(self.writes),
            "stored_twice": sorted(row for row, times in self.writes.items() if times > 1),
            "created_twice": sorted(e for e, times in self.creates.items() if times > 1),
            "ordered_twice": sorted(email for (email, _), times in orders.items() if times > 1),
            "orders": orders.total(),
        }
