"""The rows that every case sends: the same receivers as dicts, objects or a CSV file."""

import csv
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from cleverreach_async import OrderInput, ReceiverInput

__all__ = ["csv_rows", "dicts", "receivers", "write_csv"]

Row = dict[str, Any]

_PATTERNS: Final = 1000
_ZONE: Final = ZoneInfo("Europe/Berlin")
_SIGNED_UP: Final = 1_600_000_000
_ATTRIBUTES: Final = (
    *("firstname", "lastname", "salutation", "company", "street", "zip"),
    *("city", "country", "customer_number"),
)
_COLUMNS: Final = ("email", "registered", "source", "tags", *_ATTRIBUTES)
_FIRST_NAMES: Final = ("Bruce", "Jörg", "Änne", "Clara", "Dietmar", "Selina", "Uğur", "Zoë")
_LAST_NAMES: Final = ("Wayne", "Müller", "Schmidt-Größe", "Kyle", "Öztürk", "Gordon", "Weiß")
_CITIES: Final = ("Frankfurt am Main", "Köln", "Rastede", "Gotham", "München", "Wien")


def _email(number: int) -> str:
    return f"receiver.{number:08}@shop{number % 97}.example"


def _pattern(index: int) -> Row:
    """Return a receiver without its address: 30 % have tags, 20 % one to three orders."""
    values = (
        _FIRST_NAMES[index % 8],
        _LAST_NAMES[index % 7],
        "Frau" if index % 2 else "Herr",
        f"Firma {index} GmbH",
        f"Hauptstraße {index}",
        f"{10000 + index}",
        _CITIES[index % 6],
        "DE",
        f"00{index:06}",
    )
    row: Row = {"registered": _SIGNED_UP + index * 3600, "source": "shop"}
    row["global_attributes"] = dict(zip(_ATTRIBUTES, values, strict=True))
    if index % 10 < 3:  # noqa: PLR2004
        row["tags"] = ["customer", f"shop.segment_{index % 5}"]
    if index % 5 == 0:
        row["orders"] = [
            {"order_id": f"A-{index}", "product": f"Lamp {line}", "price": 49.9, "quantity": line}
            for line in range(1, 2 + index // 5 % 3)
        ]
    return row


def _unix_seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=_ZONE).timestamp())


def _patterns(*, orders: bool) -> list[Row]:
    patterns = [_pattern(index) for index in range(_PATTERNS)]
    if not orders:
        for pattern in patterns:
            pattern.pop("orders", None)
    return patterns


def dicts(count: int, *, orders: bool = True) -> Iterator[Row]:
    """Yield rows as a script would create them: dicts, ready for JSON."""
    patterns = _patterns(orders=orders)
    for number in range(count):
        yield {"email": _email(number), **patterns[number % _PATTERNS]}


def receivers(count: int, *, orders: bool = True) -> Iterator[ReceiverInput]:
    """Yield the same rows as receivers."""
    patterns = _patterns(orders=orders)
    for pattern in patterns:
        if "orders" in pattern:
            pattern["orders"] = [OrderInput(**order) for order in pattern["orders"]]
    for number in range(count):
        yield ReceiverInput(_email(number), **patterns[number % _PATTERNS])


def write_csv(path: Path, count: int) -> None:
    """Write the same rows without orders, because a spreadsheet has none."""
    patterns = [_pattern(index) for index in range(_PATTERNS)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for number in range(count):
            row = patterns[number % _PATTERNS]
            # Almost no two receivers sign up in the same second.
            registered = datetime.fromtimestamp(_SIGNED_UP + number * 61, _ZONE)
            head = (_email(number), f"{registered:%Y-%m-%d %H:%M:%S}", row["source"])
            tags = ",".join(row.get("tags", ()))
            writer.writerow((*head, tags, *row["global_attributes"].values()))


def csv_rows(path: Path) -> Iterator[Row]:
    """Read the file as a script would: with ``csv.DictReader``, one dict per row."""
    with path.open(newline="", encoding="utf-8") as file:
        for record in csv.DictReader(file):
            row: Row = {
                "email": record["email"],
                "registered": _unix_seconds(record["registered"]),
                "source": record["source"],
                "global_attributes": {name: record[name] for name in _ATTRIBUTES},
            }
            if record["tags"]:
                row["tags"] = record["tags"].split(",")
            yield row
