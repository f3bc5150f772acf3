"""Which rows are sent together, and which have to wait."""

from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.bulk.intake.batching import KeyQueue, Window
from cleverreach_async.bulk.journal.rowset import RowSet
from cleverreach_async.bulk.rows import EncodedRow


def row(key: str, number: int, size: int = 10) -> EncodedRow:
    """Return a row of ``size`` bytes that supersedes any other of its address."""
    return EncodedRow(key, b'"' * size, number, None, repeatable=True)


def with_source(key: str, number: int) -> EncodedRow:
    """Return a row that only one with a source supersedes."""
    return EncodedRow(key, b'{"source":"x"}', number, None, repeatable=True)


def without_source(key: str, number: int) -> EncodedRow:
    """Return a row that does not supersede one with a source."""
    return EncodedRow(key, b"{}", number, None, repeatable=True)


def numbers(rows: list[EncodedRow]) -> list[int]:
    """Return the numbers of rows."""
    return [item.number for item in rows]


def test_a_window_drops_a_row_whose_fields_a_later_one_fills() -> None:
    """The earlier row is returned as superseded; the later one replaces it."""
    window = Window(max_rows=10, max_bytes=1000)
    taken, superseded = window.extend([row("a", 1), row("b", 2), row("a", 3)])

    assert 3 == taken
    assert [(1, 3)] == [(earlier.number, later.number) for earlier, later in superseded]
    assert {"b": 2, "a": 3} == {item.key: item.number for item in window.take()}


def test_a_window_keeps_a_row_with_other_fields() -> None:
    """Both are returned, in the order of the source."""
    window = Window(max_rows=10, max_bytes=1000)
    rows = [with_source("a", 1), row("b", 2), without_source("a", 3), without_source("a", 4)]
    taken, superseded = window.extend(rows)

    assert (4, 3) == (taken, len(window))
    assert [(3, 4)] == [(earlier.number, later.number) for earlier, later in superseded]
    assert [1, 4] == [number for number in numbers(window.take()) if number != 2]
    assert 0 == len(window)


def test_one_row_may_supersede_several() -> None:
    """It fills the fields of all of them."""
    window = Window(max_rows=3, max_bytes=1000)
    window.extend([with_source("a", 1), without_source("a", 2), row("b", 3)])
    taken, superseded = window.extend([with_source("a", 4)])

    assert (1, 2) == (taken, len(window))
    assert [2, 1] == [earlier.number for earlier, _ in superseded]
    assert [3, 4] == sorted(numbers(window.take()))


def test_a_row_that_is_kept_protects_those_before_it() -> None:
    """What an earlier row does to a receiver may decide what that row does."""
    window = Window(max_rows=10, max_bytes=1000, lasting=RowSet([2]))
    _, superseded = window.extend([row("a", 1), row("a", 2), row("a", 3)])

    assert [(1, 2)] == [(earlier.number, later.number) for earlier, later in superseded]
    assert [2, 3] == numbers(window.take())


def test_kept_rows_of_one_address_count_for_the_size_of_a_window() -> None:
    """The next one waits for the next window."""
    rows = [with_source("a", 1), without_source("a", 2), without_source("b", 3)]

    assert 2 == Window(max_rows=2, max_bytes=1000).extend(rows)[0]
    assert 2 == Window(max_rows=10, max_bytes=20).extend(rows)[0]


def test_a_window_is_limited_by_rows() -> None:
    """A row of a new address waits for the next window; one of a known address replaces a row."""
    window = Window(max_rows=2, max_bytes=1000)
    rows = [row("a", 1), row("b", 2), row("a", 3), row("c", 4), row("b", 5)]

    assert 3 == window.extend(rows)[0]
    assert ["b", "a"] == [item.key for item in window.take()]
    assert 5 == window.extend(rows, 3)[0]
    assert ["c", "b"] == [item.key for item in window.take()]


def test_a_window_is_limited_by_bytes() -> None:
    """The limit of bytes may close a window before it has all its rows."""
    window = Window(max_rows=100, max_bytes=25)

    assert 2 == window.extend([row("a", 1), row("b", 2), row("c", 3)])[0]


def test_an_oversized_row_is_a_window_on_its_own() -> None:
    """A row above the limit is sent alone."""
    window = Window(max_rows=100, max_bytes=25)

    assert 1 == window.extend([row("a", 1, size=500), row("b", 2)])[0]
    assert 1 == len(window)


def test_bytes_of_a_superseded_row_do_not_count() -> None:
    """Only rows that are sent count."""
    window = Window(max_rows=100, max_bytes=25)

    assert 4 == window.extend([row("a", 1), row("a", 2), row("a", 3), row("b", 4)])[0]


def test_taking_a_window_starts_a_new_one() -> None:
    """Rows and bytes of the taken window do not count for the next."""
    window = Window(max_rows=2, max_bytes=25)
    window.extend([row("a", 1), row("b", 2)])
    window.take()

    assert 0 == len(window)
    assert 2 == window.extend([row("c", 3), row("d", 4)])[0]


def test_a_row_waits_while_its_address_is_in_flight() -> None:
    """The second row of an address is sent only after the first has a result."""
    queue = KeyQueue()
    first = queue.admit([row("a", 1), row("b", 2)])
    second = queue.admit([row("a", 3), row("c", 4)])

    assert [1, 2] == [item.number for item in first]
    assert [4] == [item.number for item in second]
    assert 1 == queue.waiting
    assert [] == queue.take_ready(max_rows=10, max_bytes=1000)

    queue.release(["a", "b"])

    assert [3] == [item.number for item in queue.take_ready(max_rows=10, max_bytes=1000)]
    assert 0 == queue.waiting


def test_waiting_rows_of_one_address_are_sent_one_at_a_time_and_in_order() -> None:
    """Three rows are sent in the order of the source, each after the one before it has a result."""
    queue = KeyQueue()
    queue.admit([row("a", 1)])
    queue.admit([row("a", 2)])
    queue.admit([row("a", 3)])

    seen: list[int] = []
    while queue.waiting:
        queue.release(["a"])
        ready = queue.take_ready(max_rows=10, max_bytes=1000)
        seen += [item.number for item in ready]
        assert 1 == len(ready)

    assert [2, 3] == seen


def test_a_later_row_is_not_sent_before_one_that_is_ready() -> None:
    """A row that may be sent, but has not been taken yet, still blocks its address."""
    queue = KeyQueue()
    queue.admit([row("a", 1)])
    queue.admit([row("a", 2)])
    queue.release(["a"])

    assert [] == queue.admit([row("a", 3)])
    assert [2] == [item.number for item in queue.take_ready(max_rows=10, max_bytes=1000)]


def test_ready_rows_respect_the_limits() -> None:
    """Rows and bytes limit what is taken; the rest stays ready."""
    queue = KeyQueue()
    queue.admit([row(key, n) for n, key in enumerate("abc")])
    queue.admit([row(key, n + 10) for n, key in enumerate("abc")])
    queue.release("abc")

    assert 2 == len(queue.take_ready(max_rows=2, max_bytes=1000))
    assert 1 == len(queue.take_ready(max_rows=2, max_bytes=5))
    assert 0 == queue.waiting


def test_draining_returns_every_waiting_row() -> None:
    """So they can be counted when an import stops."""
    queue = KeyQueue()
    queue.admit([row("a", 1)])
    queue.admit([row("a", 2)])
    queue.admit([row("a", 3)])

    assert [2, 3] == [item.number for item in queue.drain()]
    assert 0 == queue.waiting


@given(st.lists(st.sampled_from("abcde"), max_size=60), st.data())
def test_no_row_is_lost_reordered_or_sent_twice(keys: list[str], data: st.DataObject) -> None:
    """Every row is sent once; rows of one address are sent in order and one at a time."""
    queue = KeyQueue()
    sent: list[EncodedRow] = []
    in_flight: set[str] = set()

    def send(rows: list[EncodedRow]) -> None:
        for item in rows:
            assert item.key not in in_flight
            in_flight.add(item.key)
            sent.append(item)

    for number, key in enumerate(keys):
        send(queue.admit([row(key, number)]))
        has_results: bool = data.draw(st.booleans())
        if in_flight and has_results:
            done: set[str] = data.draw(st.sets(st.sampled_from(sorted(in_flight))))
            in_flight -= done
            queue.release(done)
            send(queue.take_ready(max_rows=3, max_bytes=1000))
    while queue.waiting:
        done, in_flight = in_flight, set()
        queue.release(done)
        send(queue.take_ready(max_rows=3, max_bytes=1000))

    assert list(range(len(keys))) == sorted(item.number for item in sent)
    for key in set(keys):
        numbers = [item.number for item in sent if item.key == key]
        assert sorted(numbers) == numbers
