"""Doubt is never lost: whatever is raised after a request was sent, a resumed import knows it."""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

import anyio
import attrs
import pytest
from support.model_server import ModelServer, Reply, Row, transport_to
from support.virtual_time import write_in_the_loop

import cleverreach_async.bulk.delivery as delivery_package
import cleverreach_async.bulk.outcomes as outcomes_package
from cleverreach_async import ConfigurationError, ImportFailedError, OrderInput, ReceiverInput
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.transport import json_text, wire

pytestmark = pytest.mark.anyio

ROWS: Final = 12
INJECTIONS: Final = 20
WATCHED: Final = (
    *(str(Path(str(package.__file__)).parent) for package in (delivery_package, outcomes_package)),
    str(json_text.__file__),
    str(wire.__file__),
)
ERRORS: Final[tuple[type[BaseException], ...]] = (
    RuntimeError,
    MemoryError,
    RecursionError,
    asyncio.CancelledError,
)
Place = tuple[str, int]


def source() -> list[ReceiverInput]:
    """Return rows with and without orders; one is refused."""
    rows = [
        ReceiverInput(f"p{n}@example.org", orders=[OrderInput(f"A-{n}", "Lamp")])
        if n % 3
        else ReceiverInput(f"p{n}@example.org", source="shop")
        for n in range(ROWS)
    ]
    rows[5] = ReceiverInput("refuse@example.org", source="shop")
    return rows


def replies(number: int, rows: list[Row]) -> Reply | None:
    """Lose an answer, leave rows out of another, refuse a batch, and answer with a web page."""
    del rows
    return {
        1: Reply(None),
        2: Reply(reshape=lambda items: items[1:]),
        4: Reply(429, executed=False),
        6: Reply(content=b"<html>"),
        7: Reply(500),
    }.get(number)


@attrs.define
class Injection:
    """Raises an error at one line of the watched modules, after the first request was sent.

    Attributes:
        server: The server; lines count from its first request on.
        error: The class of the error.
        at: Number of the line, from 1, in the order in which lines are executed; 0 for none.
        lines: Lines executed so far.
        place: File and line at which the error was raised.
    """

    server: ModelServer
    error: type[BaseException] = RuntimeError
    at: int = 0
    lines: int = 0
    place: Place | None = None
    places: list[Place] = attrs.field(factory=list[Place])

    @contextmanager
    def watching(self) -> Generator[None, None, None]:
        """Watch the lines that are executed in the block."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
        del event, arg
        return self._trace if frame.f_code.co_filename.startswith(WATCHED) else None

    def _trace(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        del arg
        if event == "line" and self.server.requests and self.place is None:
            self.lines += 1
            place = (frame.f_code.co_filename, frame.f_lineno)
            self.places.append(place)
            if self.lines == self.at:
                self.place = place
                raise self.error
        return self._trace


async def load(server: ModelServer, folder: Path, *, resume: bool) -> Any:
    """Import the rows into group 7."""
    return await Bulk(transport_to(server)).upsert(
        source(),
        group_id=7,
        batch_size=4,
        concurrency=2,
        canary=False,
        max_reject_share=1,
        journal=folder / "journal",
        rejects=folder / "rejects",
        resume=resume,
    )


async def interrupted(server: ModelServer, injection: Injection, folder: Path) -> None:
    """Import the rows with the injected error, and resume the import."""
    # An error between the lines of a worker arrives as it is, or in a group.
    expected = (ImportFailedError, BaseExceptionGroup, injection.error)
    with anyio.fail_after(30), suppress(*expected), injection.watching():
        await load(server, folder, resume=False)
    if injection.place is not None:
        with suppress(ConfigurationError):  # the error came after the last row
            await load(server, folder, resume=True)


def make_folder(path: Path) -> Path:
    """Create a folder, and return it."""
    path.mkdir()
    return path


def rejected_rows(folder: Path) -> list[int]:
    """Return the numbers of the rows in the rejects file."""
    lines = (folder / "rejects").read_bytes().splitlines()
    return [json.loads(line)["row"] for line in lines]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_an_error_at_any_line_stores_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a resume each order is stored once, and each row has one outcome."""
    write_in_the_loop(monkeypatch)
    first = Injection(ModelServer(replies))
    await interrupted(first.server, first, make_folder(tmp_path / "undisturbed"))
    assert [f"A-{n}" for n in range(ROWS) if n % 3 and n != 5] == sorted(
        first.server.order_ids, key=lambda it: int(it[2:])
    )
    rng = random.Random(INJECTIONS)
    last = {place: number for number, place in enumerate(first.places, 1)}
    chosen = rng.sample(sorted(last.values()), min(INJECTIONS, len(last)))
    chosen += rng.sample(range(1, first.lines + 1), INJECTIONS)
    for count, number in enumerate(chosen):
        server, folder = ModelServer(replies), make_folder(tmp_path / f"{count}")
        injection = Injection(server, error=ERRORS[count % len(ERRORS)], at=number)
        await interrupted(server, injection, folder)
        _check(server, injection, folder)


def _check(server: ModelServer, injection: Injection, folder: Path) -> None:
    label = f"{injection.error.__name__} at {injection.place}, line number {injection.at}"
    twice = [order for order, times in Counter(server.order_ids).items() if times > 1]
    assert (label, []) == (label, twice)
    rejects = rejected_rows(folder)
    assert (label, len(set(rejects))) == (label, len(rejects))
    stored = {key for key in server.stored if key.startswith("p")}
    missing = [
        number
        for number, row in enumerate(source(), 1)
        if row.email not in stored and number not in rejects
    ]
    assert (label, []) == (label, missing)
