"""Order lines that are put again."""

import logging
from decimal import Decimal
from typing import Any

import pytest
from support.outbox_server import ANN, GROUP, LAMP, OutboxServer, receiver
from support.virtual_time import VirtualClock

from cleverreach_async import Outbox
from cleverreach_async.outbox.parcels import receiver_parcel
from cleverreach_async.outbox.statements import insertion

pytestmark = pytest.mark.anyio

WORDS = "is in the outbox already, with other values"
MUG = LAMP | {"product": "Mug"}
SMALL, LARGE = LAMP | {"product_id": "S"}, LAMP | {"product_id": "L"}
HUGE = LAMP | {"price": Decimal("1e400")}


@pytest.mark.parametrize(
    ("first", "second", "warns"),
    [
        ([LAMP], [LAMP], False),
        ([LAMP], [LAMP | {"price": Decimal("49.90")}], False),
        ([LAMP], [LAMP, MUG], False),
        ([LAMP, MUG], [MUG], False),
        ([LAMP], [LAMP | {"order_id": 17}], False),
        ([SMALL, LARGE], [LARGE, SMALL], False),
        ([HUGE], [HUGE], False),
        ([LAMP], [LAMP | {"price": 1}], True),
        ([SMALL], [LARGE], True),
        ([LAMP], [LAMP | {"stamp": 1767225600}], False),
        ([LAMP, MUG], [LAMP, MUG | {"quantity": 2}], True),
    ],
)
@pytest.mark.parametrize("one_by_one", [False, True])
async def test_other_values_of_a_known_line_are_not_dropped_in_silence(
    outbox: Outbox,
    clock: VirtualClock,
    caplog: pytest.LogCaptureFixture,
    first: list[Any],
    second: list[Any],
    warns: bool,
    one_by_one: bool,
) -> None:
    """The log says so, without the address; what was put first is sent."""
    if one_by_one and first == [SMALL, LARGE]:
        warns = True  # the second one was taken for the first
    for orders in (first, second):
        clock.elapsed += 60
        if one_by_one:
            for order in orders:
                await outbox.put_order(ANN, order)
        else:
            await outbox.put(receiver(*orders), group_id=GROUP)
    assert warns == (WORDS in caplog.text)
    assert ANN not in caplog.text


async def test_values_that_were_removed_are_not_compared(
    outbox: Outbox, server: OutboxServer, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody knows them any more."""
    await outbox.put(receiver(), group_id=GROUP)
    await server.send_due(outbox)
    clock.elapsed += 10
    await server.send_due(outbox, keep=1)
    with caplog.at_level(logging.DEBUG):
        assert 0 == await outbox.put(receiver(LAMP | {"price": 1}), group_id=GROUP)
    assert WORDS not in caplog.text


async def test_an_order_of_many_lines(outbox: Outbox) -> None:
    """Databases take some ten thousand values in a statement, and asyncpg 32767."""
    many = [LAMP | {"product": str(number)} for number in range(6000)]
    steps = insertion(
        receiver_parcel(receiver(*many), account="default", group_id=GROUP, now=0), 0.0
    )
    next(steps)
    assert 10_000 > len(steps.send([(1,)])[1])
    assert [6000, 0] == [await outbox.put(receiver(*many), group_id=GROUP) for _ in range(2)]


def test_lines_are_stored_in_one_sequence() -> None:
    """Two checkouts of the same order in another sequence would wait for each other."""
    found: list[Any] = []
    for orders in ([LAMP, MUG], [MUG, LAMP]):
        parcel = receiver_parcel(receiver(*orders), account="default", group_id=GROUP, now=0)
        steps = insertion(parcel, 0.0)
        next(steps)
        found.append(steps.send([(1,)]))
    assert found[0] == found[1]
