"""Which rows travel together, and which wait."""

from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.bulk.intake.batching import KeyQueue, Window
from cleverreach_async.bulk.rows import EncodedRow


def row(key: str, number: int, size: int = 10) -> EncodedRow:
    """Return a row of ``size`` bytes."""
    return EncodedRow(key, b"x" * size, number, None, repeatable=True)


def test_a_window_keeps_the_last_row_of_an_address() -> None:
    """The earlier row is handed back as superseded; the later takes its place."""
    window = Window(max_rows=10, max_bytes=1000)
    taken, superseded = window.extend([row("a", 1), row("b", 2), row("a", 3)])

    assert 3 == taken
    assert [(1, 3)] == [(earlier.number, later.number) for earlier, later in superseded]
    assert {"b": 2, "a": 3} == {item.key: item.number for item in window.take()}


def test_a_window_is_full_by_rows() -> None:
    """A row of a new address has to wait for the next window; a repeated one replaces."""
    window = Window(max_rows=2, max_bytes=1000)
    rows = [row("a", 1), row("b", 2), row("a", 3), row("c", 4), row("b", 5)]

    assert 3 == window.extend(rows)[0]
    assert ["b", "a"] == [item.key for item in window.take()]
    assert 5 == window.extend(rows, 3)[0]
    assert ["c", "b"] == [item.key for item in window.take()]


def test_a_window_is_full_by_bytes() -> None:
    """The byte ceiling closes a window early."""
    window = Window(max_rows=100, max_bytes=25)

    assert 2 == window.extend([row("a", 1), row("b", 2), row("c", 3)])[0]


def test_an_oversize_row_makes_a_window_of_its_own() -> None:
    """A row above the ceiling is sent alone rather than never."""
    window = Window(max_rows=100, max_bytes=25)

    assert 1 == window.extend([row("a", 1, size=500), row("b", 2)])[0]
    assert 1 == len(window)


def test_a_superseded_row_gives_its_bytes_back() -> None:
    """What is not sent does not count for the ceiling."""
    window = Window(max_rows=100, max_bytes=25)

    assert 4 == window.extend([row("a", 1), row("a", 2), row("a", 3), row("b", 4)])[0]


def test_taking_a_window_starts_anew() -> None:
    """Rows and bytes of the taken window do not count for the next."""
    window = Window(max_rows=2, max_bytes=25)
    window.extend([row("a", 1), row("b", 2)])
    window.take()

    assert 0 == len(window)
    assert 2 == window.extend([row("c", 3), row("d", 4)])[0]


def test_a_row_waits_while_its_address_is_on_its_way() -> None:
    """The second row of an address goes only after the first has arrived."""
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


def test_waiting_rows_of_one_address_go_one_at_a_time_and_in_order() -> None:
    """A line of three leaves in the order of the source, each after the one before it."""
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


def test_a_newer_row_does_not_overtake_one_that_is_ready() -> None:
    """A row whose turn has come but which is not sent yet still blocks its address."""
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


def test_draining_gives_up_every_waiting_row() -> None:
    """When an import stops, waiting rows are accounted for."""
    queue = KeyQueue()
    queue.admit([row("a", 1)])
    queue.admit([row("a", 2)])
    queue.admit([row("a", 3)])

    assert [2, 3] == [item.number for item in queue.drain()]
    assert 0 == queue.waiting


@given(st.lists(st.sampled_from("abcde"), max_size=60), st.data())
def test_no_row_is_lost_overtaken_or_doubled(keys: list[str], data: st.DataObject) -> None:
    """Whatever arrives when: every row leaves once, in order per address, one at a time."""
    queue = KeyQueue()
    sent: list[EncodedRow] = []
    flying: set[str] = set()

    def send(rows: list[EncodedRow]) -> None:
        for item in rows:
            assert item.key not in flying
            flying.add(item.key)
            sent.append(item)

    for number, key in enumerate(keys):
        send(queue.admit([row(key, number)]))
        arrive: bool = data.draw(st.booleans())
        if flying and arrive:
            gone: set[str] = data.draw(st.sets(st.sampled_from(sorted(flying))))
            flying -= gone
            queue.release(gone)
            send(queue.take_ready(max_rows=3, max_bytes=1000))
    while queue.waiting:
        gone, flying = flying, set()
        queue.release(gone)
        send(queue.take_ready(max_rows=3, max_bytes=1000))

    assert list(range(len(keys))) == sorted(item.number for item in sent)
    for key in set(keys):
        numbers = [item.number for item in sent if item.key == key]
        assert sorted(numbers) == numbers
