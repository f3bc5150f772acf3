"""Several processes of one account: how much of its limits they use, and how often they exceed it.

``python -m benchmarks.shared_account`` runs all cases, ``--tiny`` small ones in a few seconds. Each
worker is a process that imports rows; the server and Redis are processes too. It ends with an error
if a row is missing or a goal is missed.
"""

import argparse
import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.rows import receivers
from cleverreach_async import UNSET, CleverReach, ReceiverInput, RedisAccount

__all__ = ["main"]

ROOT: Final = Path(__file__).resolve().parents[1]
BATCH: Final = 20
LATENCY: Final = 0.1
_GOALS: Final = {
    "four in flight": ("≤ 0.5 % refused, ≥ 70 % of 40/s", 0.005, 28.0),
    "20 per second": ("none refused, ≥ 85 % of 20/s", 0.0, 17.0),
}
"""Of a case: its goals in words, the most that may be refused, the least requests per second."""
_MOST_INTO_OUTAGE: Final = 10
_MOST_SECONDS: Final = 15.0
_CHUNK: Final = 2**20


@attrs.frozen(kw_only=True)
class Size:
    """How much is measured.

    Attributes:
        workers: Number of processes.
        batches: Batches of each process.
        outage: Seconds of an outage of the server or of Redis.
        kill: Whether a process that holds a permit is killed.
    """

    workers: int
    batches: int
    outage: float
    kill: bool


FULL: Final = Size(workers=8, batches=60, outage=20.0, kill=True)
TINY: Final = Size(workers=2, batches=12, outage=3.0, kill=False)


@attrs.frozen(kw_only=True)
class Figures:
    """What one case has measured.

    Attributes:
        case: Its name.
        accepted: Rows that the workers report as accepted.
        rows: Rows that they read.
        counted: The server's counters.
        per_second: Requests per second that succeeded.
        errors: Errors of workers.
        seconds: What the case itself has measured, if anything.
    """

    case: str
    accepted: int
    rows: int
    counted: dict[str, Any]
    per_second: float
    errors: list[str]
    seconds: float = 0.0

    @property
    def refused_share(self) -> float:
        """Share of the requests that were answered 429."""
        refused, accepted = int(self.counted["refused"]), int(self.counted["accepted"])
        return refused / max(1, refused + accepted)


async def _work(options: argparse.Namespace) -> None:
    """Import rows when the parent says so; the last line of the output is a report."""
    from redis.asyncio import Redis  # noqa: PLC0415 - an extra

    async with Redis(port=options.redis) as redis:
        shared = None
        if options.redis:
            shared = RedisAccount(
                redis,
                "benchmark",
                max_in_flight=options.permits or None,
                requests_per_second=options.per_second or None,
            )
        url = f"http://127.0.0.1:{options.port}"
        async with CleverReach("mock", base_url=url, shared=shared) as cr:
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            report = await cr.bulk.upsert(
                _rows(options.batches * BATCH), group_id=1, batch_size=BATCH, canary=False
            )
    print(json.dumps({"accepted": report.accepted, "read": report.read}), flush=True)


def _rows(count: int) -> Iterator[ReceiverInput]:
    for receiver in receivers(count):
        receiver.orders = UNSET
        yield receiver


@attrs.define
class Stage:
    """The processes of one case.

    Attributes:
        port: Port of the server.
        redis: Port of Redis.
        workers: The workers.
        redis_process: Redis.
    """

    port: int
    redis: int
    workers: list[asyncio.subprocess.Process]
    redis_process: asyncio.subprocess.Process

    def get(self, path: str) -> Any:
        """Ask the server."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def begin(self) -> None:
        """Let all workers begin."""
        for worker in self.workers:
            assert worker.stdin is not None  # noqa: S101 - a pipe was asked for
            worker.stdin.write(b"go\n")

    async def figures(self, case: str, *, seconds: float = 0.0) -> Figures:
        """Wait for the workers and return what was counted."""
        accepted, read, errors = 0, 0, list[str]()
        for worker in self.workers:
            output, error = await worker.communicate()
            if worker.returncode:
                errors.append(error.decode().strip().rpartition("\n")[2])
                continue
            report = json.loads(output.splitlines()[-1])
            accepted, read = accepted + report["accepted"], read + report["read"]
        counted = self.get("/__limits")
        elapsed = counted["last"] - counted["first"]
        return Figures(
            case=case,
            accepted=accepted,
            rows=read,
            counted=counted,
            per_second=counted["accepted"] / max(elapsed, 1e-9),
            errors=errors,
            seconds=seconds,
        )


async def _start(*words: str, cwd: Path = ROOT) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *words, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        limit=_CHUNK,
    )  # fmt: skip


async def _first_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    return (await process.stdout.readline()).decode().strip()


async def _start_redis(port: int, folder: Path) -> asyncio.subprocess.Process:
    binary = shutil.which("redis-server") or "redis-server"
    words = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder))
    process = await asyncio.create_subprocess_exec(
        binary, *words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            await asyncio.sleep(0.02)
        else:
            return process


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@asynccontextmanager
async def _stage(
    size: Size, *, permits: int, told: float, server: tuple[str, ...], shares: bool = True
) -> AsyncGenerator[Stage, None]:
    me, module = sys.executable, "benchmarks.shared_account"
    api = await _start(me, "-m", "benchmarks.limited_api", "--port", "0", *server)
    with tempfile.TemporaryDirectory() as folder:
        redis_port = _free_port()
        redis = await _start_redis(redis_port, Path(folder))
        port = int(await _first_line(api))
        words = [me, "-m", module, "--worker", "--port", str(port), "--batches", str(size.batches)]
        words += ["--permits", str(permits), "--per-second", str(told)]
        words += ["--redis", str(redis_port if shares else 0)]
        workers = [await _start(*words) for _ in range(size.workers)]
        stage = Stage(port, redis_port, workers, redis)
        try:
            for worker in workers:
                await _first_line(worker)
            yield stage
        finally:
            for process in (*workers, api, stage.redis_process):
                if process.returncode is None:
                    process.kill()
                await process.wait()


async def in_flight(size: Size, *, shares: bool = True) -> Figures:
    """The server takes four requests at a time."""
    server = ("--max-in-flight", "4", "--latency", str(1000 * LATENCY))
    async with _stage(size, permits=4, told=0.0, server=server, shares=shares) as stage:
        stage.begin()
        return await stage.figures("four in flight" + ("" if shares else ", not shared"))


async def rate(size: Size, *, shares: bool = True) -> Figures:
    """The server takes twenty requests per second."""
    server = ("--rate", "20", "--latency", str(1000 * LATENCY))
    async with _stage(size, permits=8, told=20.0, server=server, shares=shares) as stage:
        stage.begin()
        return await stage.figures("20 per second" + ("" if shares else ", not shared"))


async def outage(size: Size, *, shares: bool = True) -> Figures:
    """The server answers 503 for a while."""
    server = ("--outage", str(size.outage), "--latency", str(1000 * LATENCY))
    async with _stage(size, permits=4, told=0.0, server=server, shares=shares) as stage:
        stage.begin()
        await asyncio.sleep(2.0 if size is FULL else 0.5)
        stage.get("/__outage")
        return await stage.figures(f"{size.outage:g} s outage" + ("" if shares else ", not shared"))


async def redis_gone(size: Size) -> Figures:
    """Redis is stopped for a while, and comes back without its data."""
    server = ("--max-in-flight", "4", "--latency", str(1000 * LATENCY))
    async with _stage(size, permits=4, told=0.0, server=server) as stage:
        stage.begin()
        await asyncio.sleep(2.0 if size is FULL else 0.5)
        stage.redis_process.kill()
        await stage.redis_process.wait()
        await asyncio.sleep(size.outage / 2)
        with tempfile.TemporaryDirectory() as folder:
            stage.redis_process = await _start_redis(stage.redis, Path(folder))
            return await stage.figures(f"Redis stopped for {size.outage / 2:g} s")


async def _until_started(stage: Stage, requests: int) -> None:
    """Wait until the server has let some requests in."""
    while stage.get("/__limits")["started"] < requests:  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.05)


async def killed(size: Size) -> Figures:
    """The only permit belongs to a process that is killed."""
    server = ("--max-in-flight", "1", "--latency", "3000")
    few = attrs.evolve(size, workers=2, batches=2)
    async with _stage(few, permits=1, told=0.0, server=server) as stage:
        first, second = stage.workers
        stage.workers = [first]
        stage.begin()
        await _until_started(stage, 1)
        first.kill()
        await first.wait()
        killed_at = time.monotonic()
        stage.workers = [second]
        stage.begin()
        await _until_started(stage, 2)
        seconds = time.monotonic() - killed_at
        return await stage.figures("permit holder killed", seconds=seconds)


def _problems(figures: Figures, size: Size) -> list[str]:
    """Return the goals that were missed."""
    found = list(figures.errors)
    if figures.accepted != figures.rows:
        found.append(f"{figures.rows - figures.accepted} rows are missing")
    if size is not FULL:
        return found
    words, most_refused, least = _GOALS.get(figures.case, ("", 1.0, 0.0))
    if figures.refused_share > most_refused or figures.per_second < least:
        found.append(f"goal missed: {words}")
    if figures.case.endswith("outage") and figures.counted["failed"] > _MOST_INTO_OUTAGE:
        found.append(f"goal missed: ≤ {_MOST_INTO_OUTAGE} requests")
    if figures.seconds > _MOST_SECONDS:
        found.append(f"goal missed: within {_MOST_SECONDS:g} s")
    return found


def _line(figures: Figures) -> str:
    counted = figures.counted
    return (
        f"| {figures.case} | {figures.accepted} of {figures.rows} | {counted['accepted']} "
        f"| {figures.per_second:.1f} | {figures.refused_share:.2%} | {counted['failed']} "
        f"| {figures.seconds:.1f} |"
    )


async def _measure(options: argparse.Namespace) -> tuple[list[Figures], list[str]]:
    size = TINY if options.tiny else FULL
    cases = [in_flight, rate, outage, redis_gone, *([killed] if size.kill else [])]
    chosen = [case for case in cases if not options.only or case.__name__ in options.only]
    results, problems = list[Figures](), list[str]()
    print("| case | rows | requests | per second | 429 | 503 | seconds |\n" + "| --- " * 7 + "|")
    runs: list[Callable[[], Awaitable[Figures]]] = []
    for case in chosen:
        runs.append(partial(case, size))
        if options.compare and case in {in_flight, rate, outage}:
            runs.append(partial(case, size, shares=False))
    for run in runs * options.rounds:
        figures = await run()
        results.append(figures)
        print(_line(figures), flush=True)
        problems += [f"{figures.case}: {it}" for it in _problems(figures, size)]
    return results, problems


def main() -> None:
    """Run the cases, or one worker of them."""
    parser = argparse.ArgumentParser(description="Several processes of one account.")
    parser.add_argument("--tiny", action="store_true", help="a few seconds, without goals")
    parser.add_argument("--compare", action="store_true", help="also without a shared account")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="in_flight, rate, outage, redis_gone, killed")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all figures there")
    for name in ("port", "redis", "batches", "permits"):
        parser.add_argument(f"--{name}", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--per-second", type=float, default=0.0, help=argparse.SUPPRESS)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        asyncio.run(_work(options))
        return
    results, problems = asyncio.run(_measure(options))
    if options.json is not None:
        options.json.write_text(json.dumps([attrs.asdict(it) for it in results]), "utf-8")
    if problems:
        raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main()
