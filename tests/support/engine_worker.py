"""The functions that workers of an engine call in tests: they write requests down, and may die.

Each attempt of a partition has a file in the folder ``ENGINE_ATTEMPTS``, named after the partition
and the process, with a line for each batch that was answered: when it was sent, and the status; and
one when the import has ended.
"""

import os
import re
import signal
import time
import uuid
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine

from cleverreach_async import CleverReach, RequestEvent, SqlJournal

__all__ = ["make_client", "open_journal"]

LEASE: Final = 3.0
_key: ContextVar[str] = ContextVar("_key", default="none")
_attempt: ContextVar[Path | None] = ContextVar("_attempt", default=None)


class MortalClient(CleverReach):
    """A client that kills its process when an import has ended, once per job."""

    async def __aexit__(self, *exc_info: object) -> None:
        """Close the client, and die where the test wants that."""
        await super().__aexit__(*exc_info)
        if (path := _attempt.get()) is not None:
            with path.open("a", encoding="utf-8") as file:
                file.write("ended\n")
        if _key.get() != "none" and exc_info[0] is None:
            die_once(_key.get())


def die_once(key: str) -> None:
    """Kill this process if the test wants that, and no other process has died."""
    mark = Path(os.environ.get("ENGINE_DIES_AFTER_IMPORT") or os.devnull)
    try:
        file = mark.open("x", encoding="utf-8")
    except FileExistsError:
        return
    with file:
        file.write(key)
    os.kill(os.getpid(), signal.SIGKILL)


def make_client() -> CleverReach:
    """Return a client that writes its batches down, under the key opened last in this task."""
    if _key.get() == "none":
        return CleverReach.from_env()
    folder = Path(os.environ["ENGINE_ATTEMPTS"])
    name = re.sub(r"\W+", "-", _key.get())
    path = folder / f"{name}~{os.getpid()}~{uuid.uuid4().hex[:6]}"
    path.touch()
    _attempt.set(path)

    def write(event: RequestEvent) -> None:
        if event.path.endswith(("/upsertplus", "/insert")):
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{time.monotonic() - event.elapsed:.3f} {event.status_code}\n")

    return MortalClient.from_env(on_event=write)


def open_journal(key: str) -> SqlJournal:
    """Return the journal with a key, whose lease is short."""
    _key.set(key)
    return SqlJournal(_engine(), key, lease=LEASE)


@cache
def _engine() -> Any:
    return create_engine(os.environ["JOURNALS"])
