"""What a cron job does every night: send the customers of a shop who are new or changed.

    uv run --extra all python examples/nightly_sync.py shop.db

The credentials are read from the environment. ``shop.db`` is the shop's SQLite database with a
table ``customers``; it is created with three customers if it does not exist. Exit status: 0 done,
2 some rows were refused, 3 stopped before the end, in which case the next run goes on.
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio

from cleverreach_async import CleverReach, ReceiverInput, SyncFailedError

TABLE = """
CREATE TABLE customers (email TEXT PRIMARY KEY, firstname TEXT, city TEXT, registered INTEGER);
INSERT INTO customers VALUES
    ('ann@example.org', 'Ann', 'Kiel', 1764547200),
    ('ben@example.org', 'Ben', 'Ulm', 1764633600),
    ('cleo@example.org', 'Cleo', 'Bonn', 1764720000);
"""


def customers(database: Path) -> Iterator[ReceiverInput]:
    """Read the customers one by one, in an order that is the same every night."""
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT email, firstname, city, registered FROM customers ORDER BY email"
        for email, firstname, city, registered in connection.execute(query):
            values = {"firstname": firstname, "city": city}
            yield ReceiverInput(email, registered=registered, global_attributes=values)


def create(database: Path) -> None:
    """Create the database, unless there is one."""
    if not database.exists():
        with closing(sqlite3.connect(database)) as connection:
            connection.executescript(TABLE)


async def main(database: Path) -> int:
    """Synchronise; returns the exit status."""
    create(database)
    async with CleverReach.from_env() as cr:
        await cr.attributes.ensure({"firstname": "text", "city": "text"})
        group = await cr.groups.ensure(name="Customers")
        try:
            report = await cr.bulk.sync(
                customers(database),
                group_id=group.id,
                state=database.with_suffix(".sync"),
                missing="deactivate",  # at most a tenth of them, or the run stops
                rejects=database.with_suffix(".rejects.jsonl"),
            )
        except SyncFailedError as error:
            print(error, file=sys.stderr)
            return 3
    print(
        f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged,"
        f" {report.removed} deactivated, {report.rejected} refused"
    )
    return 2 if report.rejected or report.unknown else 0


if __name__ == "__main__":
    sys.exit(anyio.run(main, Path(sys.argv[1])))
