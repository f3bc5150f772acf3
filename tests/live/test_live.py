"""Round trips and open questions, against a real account if its token is given."""

import pytest
from live.probes import PROBES, Group

from cleverreach_async import CleverReach, NotFoundError, OrderInput, ReceiverInput

pytestmark = pytest.mark.anyio


async def test_a_receiver_can_be_written_and_read(cr: CleverReach, group_id: int) -> None:
    """By each call for one receiver."""
    email = Group(cr, group_id).email
    created = await cr.receivers.create(ReceiverInput(email, source="live"), group_id=group_id)
    await cr.receivers.upsert(ReceiverInput(email, tags=["live.test"]), group_id=group_id)
    found = await cr.receivers.get(email, group_id=group_id)
    assert (created.id, email, "live") == (found.id, found.email, found.source)
    assert [email] == [it.email async for it in cr.receivers.list(group_id=group_id)]

    await cr.receivers.deactivate(email, group_id=group_id)
    assert not (await cr.receivers.get(email, group_id=group_id)).active
    await cr.receivers.delete(email, group_id=group_id)
    with pytest.raises(NotFoundError):
        await cr.receivers.get(email, group_id=group_id)


async def test_an_order_can_be_written_and_read(cr: CleverReach, group_id: int) -> None:
    """It hangs on the receiver."""
    email = Group(cr, group_id).email
    await cr.receivers.create(ReceiverInput(email), group_id=group_id)
    await cr.orders.create(email, OrderInput("L-1", "Lamp"), group_id=group_id)

    assert ["L-1"] == [it.order_id for it in await cr.orders.list(email, group_id=group_id)]


async def test_an_import_is_stored(cr: CleverReach, group_id: int) -> None:
    """250 rows: the first batch of 100, and the rest."""
    emails = [f"{number}-{Group(cr, group_id).email}" for number in range(250)]
    report = await cr.bulk.upsert(map(ReceiverInput, emails), group_id=group_id)

    assert 250 == report.accepted
    assert sorted(emails) == sorted([it.email async for it in cr.receivers.list(group_id=group_id)])


@pytest.mark.parametrize("question", PROBES)
async def test_question(
    cr: CleverReach, group_id: int, learned: dict[str, str], question: str
) -> None:
    """The answer is printed; nothing is expected of it."""
    learned[question] = await PROBES[question](Group(cr, group_id))
