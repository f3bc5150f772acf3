"""What a sink asks before it imports a partition that its engine may run again."""

from collections.abc import Iterable
from typing import Any

import pytest
from support.journal_stores import MemoryJournal

from cleverreach_async import ConfigurationError, OrderInput, ReceiverInput, SourceRow
from cleverreach_async.bulk.journal.repeats import check_repeated

PLAIN: list[Any] = [ReceiverInput("a@example.org"), {"email": "b@example.org"}, "c@example.org"]
ORDER = OrderInput("A-1", "Lamp")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"strategy": "insert"}, "insert rejects what an earlier attempt has inserted"),
        ({"relative": True}, "relative numbers would be added twice"),
    ],
)
@pytest.mark.parametrize("journal", [None, "import.journal"])
def test_what_must_not_be_repeated_needs_a_shared_journal(
    options: dict[str, Any], reason: str, journal: Any
) -> None:
    """A file is not one: the next attempt may run on another machine."""
    options = {"strategy": "upsertplus", **options}
    with pytest.raises(ConfigurationError, match=f"{reason}; .* RedisJournal"):
        check_repeated(PLAIN, journal=journal, **options)
    assert PLAIN == check_repeated(PLAIN, journal=MemoryJournal(), **options)


@pytest.mark.parametrize(
    "row",
    [
        ReceiverInput("d@example.org", orders=[ORDER]),
        SourceRow(receiver=ReceiverInput("d@example.org", orders=[ORDER]), line=4),
        {"email": "d@example.org", "orders": [{"order_id": "A-1"}]},
    ],
)
def test_rows_with_orders_need_a_shared_journal(row: Any) -> None:
    """The rows before it are passed on, and the error names the row but not its address."""
    rows: Iterable[Any] = check_repeated([*PLAIN, row], strategy="upsertplus", journal=None)
    read: list[Any] = []
    with pytest.raises(ConfigurationError, match="row 4 has orders, to be stored once") as caught:
        read.extend(rows)
    assert "d@example.org" not in str(caught.value)
    assert PLAIN == read
    with_journal = check_repeated([row], strategy="upsertplus", journal=MemoryJournal())
    assert [row] == list(with_journal)


def test_plain_rows_can_be_repeated() -> None:
    """Sent twice, they are stored as if they were sent once."""
    assert PLAIN == list(check_repeated(PLAIN, strategy="upsertplus", journal=None))
