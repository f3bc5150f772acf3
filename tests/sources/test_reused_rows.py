"""Iterables that fill one object again and again."""

from collections.abc import AsyncIterator, Callable, Iterator
from copy import copy
from typing import Any

import pytest
from support.model_server import ModelServer, transport_to

from cleverreach_async import ImportFailedError, ImportReport, ReceiverInput, in_thread
from cleverreach_async.bulk.importer import Bulk

pytestmark = pytest.mark.anyio

ADDRESSES = [f"r{n}@example.org" for n in range(5)]


def one_mapping() -> Iterator[Any]:
    """Yield one mapping again and again."""
    row: dict[str, Any] = {}
    for email in ADDRESSES:
        row["email"] = email
        yield row


def one_receiver() -> Iterator[Any]:
    """Yield one receiver again and again."""
    row = ReceiverInput(ADDRESSES[0])
    for email in ADDRESSES:
        row.email = email
        yield row


async def later(rows: Iterator[Any]) -> AsyncIterator[Any]:
    """Yield rows asynchronously."""
    for row in rows:
        yield row


async def import_rows(rows: Any) -> ImportReport:
    """Import rows."""
    return await Bulk(transport_to(ModelServer())).upsert(rows, group_id=7)


ways = pytest.mark.parametrize("way", [iter, later, in_thread])
makers = pytest.mark.parametrize("make", [one_mapping, one_receiver])


@ways
@makers
async def test_rows_that_are_one_object_are_an_error(
    make: Callable[[], Iterator[Any]], way: Callable[[Iterator[Any]], Any]
) -> None:
    """All but the last of a slice would be lost as repeated addresses."""
    with pytest.raises(ImportFailedError, match="yield a new one for each row"):
        await import_rows(way(make()))


@ways
@makers
async def test_copies_are_rows_of_their_own(
    make: Callable[[], Iterator[Any]], way: Callable[[Iterator[Any]], Any]
) -> None:
    """As the error says."""
    report = await import_rows(way(map(copy, make())))
    assert (5, 5) == (report.accepted, report.read)


@ways
async def test_a_row_may_be_repeated(way: Callable[[Iterator[Any]], Any]) -> None:
    """A list may have an object twice; its content is the same."""
    report = await import_rows(way(iter([{"email": ADDRESSES[0]}] * 3)))
    assert 3 == report.read
