"""The file of figures: every sample of every suite, with the machine and the versions."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from os import cpu_count
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from benchmarks.measure import Comparison

__all__ = ["Machine", "SuiteResult", "describe_machine", "read", "write"]

_PACKAGES: Final = (
    *("aiohttp", "anyio", "attrs", "cattrs", "httpcore", "httptools", "httpx", "httpx2"),
    *("msgspec", "orjson", "requests", "uvicorn"),
)


@attrs.frozen(kw_only=True)
class Machine:
    """Where a suite ran.

    Attributes:
        date: When, in UTC.
        system: Operating system.
        cpu: Model of the processor.
        cores: Number of cores.
        load: Load average over one minute at the start: what else the machine was doing.
        python: Implementation and version.
        packages: Versions.
    """

    date: str
    system: str
    cpu: str
    cores: int
    load: float
    python: str
    packages: dict[str, str]


@attrs.define(kw_only=True)
class SuiteResult:
    """What a suite has measured.

    Attributes:
        machine: Where.
        seconds: How long it took.
        settings: Sizes and repetitions.
        comparisons: The samples, for suites of this package.
        text: What was printed, for the others.
        data: Their own figures.
    """

    machine: Machine
    seconds: float
    settings: dict[str, Any]
    comparisons: list[Comparison] = attrs.field(factory=list[Comparison])
    text: str = ""
    data: Any = None


def describe_machine(load: float = 0.0) -> Machine:
    """Describe the machine.

    Args:
        load: Load average at the start.
    """
    cpuinfo = Path("/proc/cpuinfo")
    names = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in names if line.startswith("model name")]
    return Machine(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        system=f"{platform.system()} {platform.machine()}",
        cpu=models[0] if models else platform.processor(),
        cores=cpu_count() or 1,
        load=load,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages={name: version(name) for name in _PACKAGES},
    )


def read(path: Path) -> dict[str, SuiteResult]:
    """Return the results by suite; none if there is no such file."""
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, SuiteResult])


def write(path: Path, results: dict[str, SuiteResult]) -> None:
    """Write the results, one comparison a line."""
    lines: list[str] = []
    for suite, result in results.items():
        head = msgspec.json.encode(attrs.evolve(result, comparisons=[])).decode()
        comparisons = ",\n".join(
            msgspec.json.encode(comparison).decode() for comparison in result.comparisons
        )
        lines.append(
            f'"{suite}": ' + head.replace('"comparisons":[]', f'"comparisons":[\n{comparisons}]')
        )
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
