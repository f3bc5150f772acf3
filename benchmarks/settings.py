"""How much the suites measure."""

from typing import Final

import attrs

__all__ = ["FULL", "QUICK", "TINY", "Settings"]


@attrs.frozen(kw_only=True)
class Settings:
    """Sizes and repetitions; each round runs every case twice.

    Attributes:
        calls: Calls of one piece.
        call_rounds: Rounds of ``calls``.
        pool_calls: Calls of each task of ``pool``, in one piece.
        pool_tasks: Number of those tasks.
        pool_latency: Milliseconds of the server of ``pool``.
        pool_rounds: Rounds of ``pool``.
        rows: Rows of one piece of ``bulk``.
        bulk_rounds: Rounds of ``bulk``.
        latency: Milliseconds of the server of ``latency``.
        latency_rows: Rows of the imports of ``latency``.
        latency_rounds: Rounds of ``latency``.
        lag_rows: Rows of the imports of ``lag``.
        idle_seconds: How long ``lag`` watches the idle loop before each import.
        lag_rounds: Rounds of ``lag``.
        memory_rows: Rows of the imports of ``memory``.
        memory_rounds: Rounds of ``memory``.
        start_rounds: Processes of each case of ``start``.
        sandbox_rounds: Sandboxes of each case of ``sandbox``.
        receivers: Receivers of the group that ``export`` reads.
        export_rounds: Rounds of ``export``.
    """

    calls: int
    call_rounds: int
    pool_calls: int
    pool_tasks: int = 100
    pool_latency: float = 50.0
    pool_rounds: int
    rows: int
    bulk_rounds: int
    latency: float = 200.0
    latency_rows: tuple[int, ...]
    latency_rounds: int
    lag_rows: int
    idle_seconds: float = 0.3
    lag_rounds: int
    memory_rows: tuple[int, ...]
    memory_rounds: int
    start_rounds: int = 10
    sandbox_rounds: int = 2
    receivers: int = 10_000
    export_rounds: int


FULL: Final = Settings(
    calls=200,
    call_rounds=10,
    pool_calls=6,
    pool_rounds=2,
    rows=50_000,
    bulk_rounds=3,
    latency_rows=(200_000, 1_000_000),
    latency_rounds=1,
    lag_rows=200_000,
    lag_rounds=1,
    memory_rows=(100_000, 2_000_000),
    memory_rounds=2,
    export_rounds=6,
)
QUICK: Final = attrs.evolve(
    FULL,
    calls=100,
    call_rounds=4,
    pool_calls=3,
    pool_rounds=1,
    rows=20_000,
    bulk_rounds=1,
    latency_rows=(200_000,),
    lag_rows=100_000,
    memory_rows=(100_000, 500_000),
    memory_rounds=1,
    start_rounds=3,
    sandbox_rounds=1,
    export_rounds=2,
)
TINY: Final = Settings(
    calls=2,
    call_rounds=1,
    pool_calls=1,
    pool_tasks=4,
    pool_latency=1.0,
    pool_rounds=1,
    rows=300,
    bulk_rounds=1,
    latency=1.0,
    latency_rows=(300,),
    latency_rounds=1,
    lag_rows=300,
    idle_seconds=0.01,
    lag_rounds=1,
    memory_rows=(300,),
    memory_rounds=1,
    start_rounds=2,
    sandbox_rounds=1,
    receivers=1200,
    export_rounds=1,
)
"""For tests of the suites; the figures mean nothing."""
