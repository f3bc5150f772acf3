"""The statistics of the benchmarks, and the order of their pieces."""

from collections import Counter

import anyio
import pytest

from benchmarks.measure import (
    Comparison,
    Counters,
    Ratio,
    alternate,
    order,
    percentile,
    quartiles,
    ratio,
    rounded,
)


class CountingServer:
    """Counts what the works below tell it."""

    def __init__(self) -> None:
        self.rows = 0

    def counters(self) -> Counters:
        """See ``MeasuredServer``."""
        return Counters(self.rows, 0, 0, 0.0)


def test_two_cases_alternate_forth_and_back() -> None:
    """A B B A, then B A A B."""
    assert list("ABBABAAB") == order(["A", "B"], 2)


def test_every_case_runs_twice_a_round_and_takes_every_place() -> None:
    """No case is always the first or the last."""
    pieces = order(["A", "B", "C"], 3)

    assert {"A": 6, "B": 6, "C": 6} == Counter(pieces)
    assert {"A", "B", "C"} == set(pieces[::3])


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.5, 2.0), (0.99, 4.0), (1.0, 4.0)])
def test_percentile_is_the_nearest_rank(share: float, expected: float) -> None:
    """The value is one of those measured, whatever their order."""
    assert expected == percentile([4.0, 1.0, 3.0, 2.0], share)


def test_quartiles_of_one_value() -> None:
    """One piece is its own median and quartiles."""
    assert (7.0, 7.0, 7.0) == quartiles([7.0])


def test_ratio_compares_medians_and_takes_quartiles_from_pairs() -> None:
    """A pass in which the machine was slow changes both sides of its pair."""
    assert Ratio(0.5, 0.5, 0.5) == ratio([1.0, 10.0, 2.0], [2.0, 20.0, 4.0])
    assert Ratio(1.0, 0.5, 2.0) == ratio([1.0, 2.0, 2.0], [2.0, 1.0, 2.0])


def test_a_comparison_divides_by_the_count_of_each_piece() -> None:
    """Pieces of different sizes can be compared; the unit is a microsecond."""
    comparison = Comparison(
        suite="calls",
        title="plain",
        unit="request",
        baseline="a",
        samples={
            "a": {"cpu": [2.0, 2.0], "count": [2, 2]},
            "b": {"cpu": [2.0, 2.0], "count": [4, 4]},
        },
    )

    assert [1e6, 1e6] == comparison.each("a", "cpu")
    assert Ratio(0.5, 0.5, 0.5) == comparison.ratio("b")


def test_samples_keep_five_digits() -> None:
    """The file of figures stays small."""
    assert {"cpu": [0.12346, 12346.0]} == rounded({"cpu": [0.123456789, 12345.678]})


def test_works_run_in_the_given_order_after_a_warm_up() -> None:
    """What a case does only once, such as connecting, is not measured."""
    ran: list[str] = []
    server = CountingServer()

    async def work(name: str) -> dict[str, float]:
        ran.append(name)
        server.rows += 5
        return {"count": 5, "p99": 1.5}

    works = {"A": lambda: work("A"), "B": lambda: work("B")}
    samples = anyio.run(lambda: alternate(works, server, rounds=1))

    assert list("ABABBA") == ran
    assert {"cpu", "wall", "server_cpu", "connections", "count", "p99"} == set(samples["A"])
    assert [1.5, 1.5] == samples["B"]["p99"]


def test_a_count_that_the_server_does_not_confirm_ends_the_benchmark() -> None:
    """A fast case that loses rows is no fast case."""
    server = CountingServer()

    async def work() -> dict[str, float]:
        server.rows += 4
        return {"count": 5}

    with pytest.raises(SystemExit, match=r"^lossy: 5 rows by the client.* 4 by the server"):
        anyio.run(lambda: alternate({"lossy": work}, server, rounds=1))
