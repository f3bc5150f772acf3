"""An outbox behind PgBouncer: each transaction may get another connection of the server."""

from collections.abc import Iterator
from secrets import token_hex

import anyio
import psycopg
import pytest
from support.clocks import FakeClock
from support.outbox_server import GROUP, LAMP, OutboxServer, receiver
from support.pgbouncer import run_pgbouncer
from support.postgres import run_postgres

from cleverreach_async import OutboxError, PostgresOutbox

pytestmark = [pytest.mark.anyio, pytest.mark.socket]


@pytest.fixture(scope="module")
def server_address() -> Iterator[str]:
    """The address of a PostgreSQL server."""
    with run_postgres() as address:
        yield address


async def test_processes_share_the_connections_of_a_pooler(server_address: str) -> None:
    """Without prepared statements and settings that another process would meet."""
    with run_pgbouncer(server_address, "transaction") as address:
        url = f"postgresql://postgres@{address}/postgres"
        server, run = OutboxServer(FakeClock()), token_hex(4)
        outboxes = [PostgresOutbox(url) for _ in range(6)]

        async def put(number: int) -> None:
            for place in range(5):
                order = LAMP | {"order_id": f"{run}-{number}-{place}"}
                await outboxes[number].put(receiver(order), group_id=GROUP)

        async with anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(put, number)
        async with anyio.create_task_group() as tasks:
            for outbox in outboxes:
                tasks.start_soon(server.send_due, outbox)
        expected = sorted(f"{run}-{number}-{place}" for number in range(6) for place in range(5))
        assert expected == sorted(order for order, _ in server.orders())
        for outbox in outboxes:
            outbox.close()
        with psycopg.connect(url, prepare_threshold=None) as other:
            assert [("0",)] == other.execute("SHOW statement_timeout").fetchall()


async def test_pooling_by_statement_is_refused_with_the_reason(server_address: str) -> None:
    """It has no transactions."""
    with run_pgbouncer(server_address, "statement") as address:
        outbox = PostgresOutbox(f"postgresql://postgres@{address}/postgres")
        with pytest.raises(OutboxError, match="pool_mode = transaction, or session"):
            await outbox.put(receiver(), group_id=GROUP)
        outbox.close()
