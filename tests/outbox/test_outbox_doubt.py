"""Orders in doubt: looked up before they are sent again, whatever the server does."""

from collections.abc import Callable
from typing import Any

import pytest
from support.outbox_server import ANN, GROUP, LAMP, OutboxServer, receiver
from support.virtual_time import VirtualClock

from cleverreach_async import Outbox
from cleverreach_async.outbox.database import OutboxDatabase

pytestmark = pytest.mark.anyio

SETTLE = 60.0


class Killed(BaseException):
    """Ends the tasks of a process before they can store anything."""


def first(answer: Any) -> Callable[[int], Any]:
    """Return a script whose first answer is special."""
    return lambda number: answer if number == 0 else "stored"


async def states(outbox: Outbox) -> list[tuple[str, bool]]:
    """Return state and doubt of all entries."""
    return [(it.state, it.doubtful) for it in await outbox.entries()]


@pytest.mark.parametrize("creates", [True, False], ids=["receiver", "order"])
@pytest.mark.parametrize(("answer", "writes"), [("lost", 1), ("cut", 2)])
async def test_a_lost_answer_is_looked_up(
    outbox: Outbox,
    server: OutboxServer,
    clock: VirtualClock,
    creates: bool,
    answer: str,
    writes: int,
) -> None:
    """Not before it has settled; then it is sent again only if the server does not have it."""
    server.script = first(answer)
    if creates:
        await outbox.put(receiver(), group_id=GROUP)
    else:
        await outbox.put_order(ANN, LAMP, group_id=GROUP)
    await server.send_due(outbox)
    clock.elapsed += SETTLE - 1
    await server.send_due(outbox)
    assert ([("sent", True)], 1, 0) == (await states(outbox), len(server.writes), len(server.reads))

    clock.elapsed += 2
    await server.send_due(outbox)
    assert [("done", False)] == await states(outbox)
    assert ([("17", "Lamp")], writes) == (server.orders(), len(server.writes))
    assert server.writes[0] == server.writes[-1]


async def test_a_dead_process_leaves_an_entry_in_doubt(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """It is committed as sent before the request, and looked up after lease and settling time."""
    await outbox.put(receiver(), group_id=GROUP)

    def die(number: int) -> str:
        server.lines[ANN] = [(0.0, LAMP)]
        raise Killed

    server.script = die
    with pytest.raises(BaseExceptionGroup) as caught:
        await server.send_due(outbox)
    assert caught.value.subgroup(Killed)
    assert [("sent", False)] == await states(outbox)

    server.script = lambda number: "stored"
    for elapsed, reads in ((170.0, 0), (11.0, 1)):
        clock.elapsed += elapsed
        await server.send_due(outbox)
        assert reads == len(server.reads)
    assert ([("done", False)], 1) == (await states(outbox), len(server.orders()))


async def test_orders_that_can_be_read_late(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """The settling time covers it."""
    server.script, server.delay = first("lost"), SETTLE - 1
    await outbox.put(receiver(), group_id=GROUP)
    for _ in range(3):
        await server.send_due(outbox)
        clock.elapsed += SETTLE + 1
    assert ([("17", "Lamp")], 1) == (server.orders(), len(server.writes))


SHOWN = [
    {"order_id": 17},
    {"order_id": 17.0},
    {"order_id": "17.00"},
    {"order_id": "017"},
    {"product": "lamp &amp; co"},
    {"product": ""},
]


@pytest.mark.parametrize("creates", [True, False], ids=["receiver", "order"])
@pytest.mark.parametrize("shown", SHOWN, ids=str)
async def test_orders_that_the_server_changes(
    outbox: Outbox,
    server: OutboxServer,
    clock: VirtualClock,
    shown: dict[str, Any],
    creates: bool,
) -> None:
    """They are found by their number, and stored once."""
    server.script, server.shown = first("lost"), lambda line: line | shown
    if creates:
        await outbox.put(receiver(), group_id=GROUP)
    else:
        await outbox.put_order(ANN, LAMP, group_id=GROUP)
    for _ in range(3):
        await server.send_due(outbox)
        clock.elapsed += SETTLE + 1
    assert [("done", False)] == await states(outbox)
    assert ([("17", "Lamp")], 1) == (server.orders(), len(server.writes))


async def test_a_later_line_of_an_order_may_stay_in_doubt(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """The lines that the server has under another text may all be from the first entry."""
    await outbox.put(receiver(), group_id=GROUP)
    await server.send_due(outbox)
    server.shown = lambda line: line | {"product": "?"}
    server.script = lambda number: "cut"
    await outbox.put(receiver(LAMP, LAMP | {"product": "Mug"}), group_id=GROUP)
    await server.send_due(outbox)
    clock.elapsed += SETTLE + 1
    await server.send_due(outbox)
    assert [("done", False), ("dead", True)] == await states(outbox)
    assert ["Mug"] == [it["product"] for it in server.writes[-1][0]["orders"]]
    assert 2 == len(server.writes)

    await outbox.retry()  # which looks again, and finds the same
    await server.send_due(outbox)
    assert ([("done", False), ("dead", True)], 2) == (await states(outbox), len(server.writes))


async def test_a_doubtful_entry_is_sent_without_a_look_up_only_if_the_user_says_so(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """The user has seen that the server does not have it."""
    server.script = first("omitted")
    await outbox.put(receiver(), group_id=GROUP)
    await server.send_due(outbox)
    [entry] = await outbox.entries()
    assert ("dead", True) == (entry.state, entry.doubtful)
    assert "does not show the receiver" in entry.reason

    assert 1 == await outbox.retry([entry.id], resend_doubtful=True)
    await server.send_due(outbox)
    assert ([("done", False)], 2, []) == (await states(outbox), len(server.writes), server.reads)


LONG = "1234567890123456"


@pytest.mark.parametrize(
    ("stored", "cut"),
    [("17", "17.0"), ("017", "17"), ("A-1", "a-1"), (LONG + "1", LONG + "2"), ("A1", "A-1")],
)
async def test_an_order_is_not_taken_for_another_one(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock, stored: str, cut: str
) -> None:
    """Of two numbers that are nearly the same one is stored: the other is never taken as done."""
    server.shown = lambda line: line | {"product": "?"}
    if stored == LONG + "1":
        server.shown = lambda line: line | {"order_id": float(line["order_id"])}
    await outbox.put(receiver(LAMP | {"order_id": stored}), group_id=GROUP)
    await server.send_due(outbox)
    server.script = lambda number: "cut"
    await outbox.put(receiver(LAMP | {"order_id": cut}), group_id=GROUP)
    await server.send_due(outbox)
    clock.elapsed += SETTLE + 1
    await server.send_due(outbox)
    first_entry, second_entry = await states(outbox)
    assert (("done", False), True) == (first_entry, second_entry[1])


async def test_an_entry_that_is_given_up_in_doubt_settles_before_it_is_tried_again(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """The last request may be under way on the server when the user tries it again by hand."""
    server.script, server.delay = first("lost"), SETTLE - 1
    await outbox.put(receiver(), group_id=GROUP)
    await server.send_due(outbox, give_up=0)
    assert [("dead", True)] == await states(outbox)
    await outbox.retry()
    await server.send_due(outbox)
    assert ([("sent", True)], []) == (await states(outbox), server.reads)
    clock.elapsed += SETTLE + 1
    await server.send_due(outbox)
    assert ([("done", False)], 1) == (await states(outbox), len(server.writes))


NO_ORDERS: list[Any] = []
UNDECIDED: list[tuple[Any, tuple[str, bool]]] = [
    ((503, {}), ("sent", True)),
    ((401, {"error": {"code": 401, "message": "no"}}), ("sent", True)),
    ((404, {"error": {"code": 404, "message": "invalid group"}}), ("dead", True)),
    ((200, [{"id": 2, "email": "other@example.org", "orders": NO_ORDERS}]), ("dead", True)),
    ((200, [{"id": 2, "email": ANN}]), ("dead", True)),
]


@pytest.mark.parametrize(
    ("answer", "expected"),
    UNDECIDED,
    ids=["503", "401", "404", "another receiver", "without orders"],
)
async def test_a_look_up_that_decides_nothing(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock, answer: Any, expected: Any
) -> None:
    """Nothing is sent. A failure that may pass is tried again, the others are listed."""
    server.script, server.look_up = first("lost"), answer
    await outbox.put(receiver(), group_id=GROUP)
    await server.send_due(outbox)
    clock.elapsed += SETTLE + 1
    await server.send_due(outbox)
    assert ([expected], 1) == (await states(outbox), len(server.writes))


async def test_a_page_of_a_proxy_is_no_look_up(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """The entry stays in doubt until the API responds again."""
    server.script, server.look_up = lambda number: "lost", (200, b"<html>")
    await outbox.put_order("bob@example.org", LAMP)
    await outbox.put(receiver(), group_id=GROUP)
    for _ in range(3):
        await server.send_due(outbox)
        clock.elapsed += 10 * SETTLE
    assert ([("sent", True)] * 2, 2) == (await states(outbox), len(server.writes))
    server.look_up = None
    await server.send_due(outbox)
    assert ([("done", False)] * 2, 2) == (await states(outbox), len(server.writes))


async def test_a_claim_that_was_taken_over_sends_nothing(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock, database: OutboxDatabase
) -> None:
    """A process that slept through its lease must not send: others have looked the entry up."""
    server.script = first("cut")
    await outbox.put(receiver(), group_id=GROUP)
    await server.send_due(outbox)
    clock.elapsed += SETTLE + 1

    def sleep_through_the_lease() -> None:
        database.transact(
            lambda execute: execute("UPDATE cleverreach_outbox SET owner = 'other'", ())
        )

    server.on_read = sleep_through_the_lease
    await server.send_due(outbox)
    assert (1, 1) == (len(server.writes), len(server.reads))
    assert [("sent", True)] == await states(outbox)


async def test_a_request_that_begins_too_late_is_not_sent(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """It could end after the lease, when another process may send the entry too."""
    await outbox.put(receiver(), group_id=GROUP)
    async with server.client() as cr:

        def after_a_long_sleep(account: str) -> Any:
            clock.elapsed += 91
            return cr

        await outbox.send_due(after_a_long_sleep, lease=120, timeout=30)
    [entry] = await outbox.entries()
    assert ("waiting", False, []) == (entry.state, entry.doubtful, server.writes)
    assert "before its lease ended" in entry.reason


HTML = (404, b"<html>nginx</html>")


NO_PROOF: list[tuple[Any, tuple[str, bool]]] = [
    (HTML, ("sent", True)),
    ((404, {"message": "no Route matched"}), ("sent", True)),
    ((200, False), ("dead", True)),
    ((200, None), ("dead", True)),
    ((200, {}), ("dead", True)),
    ((200, "none"), ("dead", True)),
]


@pytest.mark.parametrize(("answer", "expected"), NO_PROOF, ids=str)
async def test_a_response_that_does_not_list_orders_is_no_proof(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock, answer: Any, expected: Any
) -> None:
    """Only a list of orders, or the API's own 404, says that the server does not have it."""
    server.script, server.look_up = first("lost"), answer
    await outbox.put_order(ANN, LAMP)
    await server.send_due(outbox)
    clock.elapsed += SETTLE + 1
    await server.send_due(outbox)
    assert ([expected], 1) == (await states(outbox), len(server.writes))

    server.look_up = None
    await outbox.retry()
    clock.elapsed += SETTLE + 1
    await server.send_due(outbox)
    assert ([("done", False)], 1) == (await states(outbox), len(server.writes))


async def test_a_receiver_who_does_not_exist_has_no_orders(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock
) -> None:
    """The API says so, and the order is sent again."""
    server.script = first("cut")
    server.look_up = (404, {"error": {"code": 404, "message": "Not Found: invalid receiver"}})
    await outbox.put_order(ANN, LAMP)
    await server.send_due(outbox)
    clock.elapsed += SETTLE + 1
    await server.send_due(outbox)
    assert ([("done", False)], 2) == (await states(outbox), len(server.writes))


MUG = LAMP | {"product": "Mug"}


@pytest.mark.parametrize(
    ("listed", "stored", "expected"),
    [
        ([LAMP, MUG], [LAMP, MUG], ("done", False)),
        ([], [LAMP, MUG], ("done", False)),
        ([LAMP], [LAMP, MUG], ("done", False)),
        ([LAMP], [LAMP], ("dead", True)),
        ([LAMP | {"order_id": "16"}], [], ("done", False)),
    ],
    ids=["all", "none listed", "listed late", "one refused", "none stored"],
)
async def test_a_response_that_lists_other_orders_is_looked_up(
    outbox: Outbox,
    server: OutboxServer,
    clock: VirtualClock,
    listed: list[Any],
    stored: list[Any],
    expected: tuple[str, bool],
) -> None:
    """A receiver may be accepted, and a line of the order not."""

    def answer(number: int) -> Any:
        if number:
            return "stored"
        server.lines[ANN] = [(0.0, line) for line in stored]
        return 200, [{"id": 1, "email": ANN, "orders": listed}]

    server.script = answer
    await outbox.put(receiver(LAMP, MUG), group_id=GROUP)
    await server.send_due(outbox)
    clock.elapsed += SETTLE + 1
    await server.send_due(outbox)
    assert [expected] == await states(outbox)
    assert (len(stored) or 2) == len(server.orders())
