"""The functions that workers of an engine call in tests: they write requests down, and may die.

In the folder ``ENGINE_RUN``, ``attempts`` has a file for each attempt of a partition, named after
the partition and the process, with a line for each batch that was answered: when it was sent, and
the status. ``planned`` has a file for each signal that a worker shall send itself; it is moved to
``signalled`` when a worker does.
"""

import os
import re
import signal
import time
import uuid
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from threading import Timer
from typing import Any, Final

from sqlalchemy import create_engine

from cleverreach_async import CleverReach, RequestEvent, SqlJournal

__all__ = ["make_client", "open_journal"]

LEASE: Final = 3.0
_key: ContextVar[str] = ContextVar("_key", default="none")


class MortalClient(CleverReach):
    """A client that kills its process when an import has ended, once per job."""

    async def __aexit__(self, *exc_info: object) -> None:
        """Close the client, and die where the test wants that."""
        await super().__aexit__(*exc_info)
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


def signal_as_planned(key: str, batches: int) -> None:
    """Send this process its signal, if one is planned after so many batches of a partition."""
    signalled = _folder() / "signalled"
    if any(signalled.glob(f"*~{os.getpid()}")):
        return
    for path in sorted((_folder() / "planned").iterdir()):
        number, wanted, seconds, _ = path.name.split("~")
        if batches < int(wanted):
            continue
        try:
            path.rename(signalled / f"{key}~{os.getpid()}")
        except FileNotFoundError:  # another worker was faster
            continue
        if float(seconds):
            Timer(float(seconds), os.kill, (os.getpid(), int(number))).start()
        else:
            os.kill(os.getpid(), int(number))
        return


def make_client() -> CleverReach:
    """Return a client that writes its batches down, under the key opened last in this task."""
    if _key.get() == "none":
        return CleverReach.from_env()
    key = re.sub(r"\W+", "-", _key.get())
    path = _folder() / "attempts" / f"{key}~{os.getpid()}~{uuid.uuid4().hex[:6]}"
    path.touch()
    batches = 0

    def write(event: RequestEvent) -> None:
        nonlocal batches
        if event.path.endswith(("/upsertplus", "/insert")):
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{time.monotonic() - event.elapsed:.3f} {event.status_code}\n")
            batches += 1
            signal_as_planned(key, batches)

    return MortalClient.from_env(on_event=write)


def open_journal(key: str) -> SqlJournal:
    """Return the journal with a key, whose lease is short."""
    _key.set(key)
    return SqlJournal(_engine(), key, lease=LEASE)


def _folder() -> Path:
    return Path(os.environ["ENGINE_RUN"])


@cache
def _engine() -> Any:
    return create_engine(os.environ["JOURNALS"])
