"""Files for the tests that kill imports; the same seed gives the same rows."""

import random
from pathlib import Path
from typing import Final

__all__ = ["write_customers"]

_BAD: Final = (
    ",Bruce,,",  # no address
    "no address,Bruce,Gotham,",
    "bruce@wayne.example,Bruce,Gotham,31.02.2025",
    "bruce@wayne.example,Bruce,Gotham,,one too many,{number}",
)


def write_customers(path: Path, rows: int, *, seed: int = 1, partial: bool = True) -> Path:
    """Write a CSV file of customers.

    1 % of the rows are invalid, the server refuses about 0.1 %, and some addresses are repeated,
    3 % of the rows soon and 2 % much later.

    Args:
        path: The file.
        rows: Number of rows.
        seed: Seed of the random values.
        partial: Whether rows have empty cells, so that a receiver has values from several rows.
    """
    rng = random.Random(seed)
    lines = ["email,firstname,city,registered,number"]
    for number in range(1, rows + 1):
        chance = rng.random()
        person = number
        if chance < 0.01:
            bad = _BAD[number % len(_BAD)].format(number=number)
            lines.append(f"{bad},{number}")
            continue
        if chance < 0.04:
            person = max(1, number - rng.randrange(1, 60))
        elif chance < 0.06:
            person = max(1, number - rng.randrange(200, 5000))
        name = "refused" if person % 997 == 0 else "person"
        city = "" if partial and rng.random() < 0.4 else f"City {rng.randrange(100)}"
        first = "" if partial and rng.random() < 0.3 else f"Name {number}"
        lines.append(f"{name}{person}@shop.example,{first},{city},01.12.2025,{number}")
    # Without a final line end, as some programs write it.
    path.write_text("\n".join(lines))
    return path
