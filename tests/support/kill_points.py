"""Steps of an import at which its process can be killed, on the n-th occurrence.

The steps are public methods of the library, of anyio and of the HTTP library. They are wrapped in
the process that is to be killed; the library itself has no code for it.
"""

import functools
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from anyio.streams.memory import MemoryObjectSendStream

from cleverreach_async.auth.file_store import FileTokenStore
from cleverreach_async.bulk.delivery import delivery
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.journal.journal import Journal
from cleverreach_async.bulk.outcomes.checkpoint import Checkpoint
from cleverreach_async.bulk.outcomes.rejects import RejectsFile
from cleverreach_async.sources.file_source import FileSource
from cleverreach_async.transport.http.network import NetworkStream

__all__ = ["POINTS", "install"]

_KILL_AFTER: Final = re.compile(rb"x-kill-after: (\d+)\r\n")


def kill_process() -> None:
    """Kill this process, as ``kill -9`` does."""
    os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    """Counts the occurrences of a step.

    Args:
        occurrences: Number of the one at which to kill the process.
    """

    def __init__(self, occurrences: int) -> None:
        self._left = occurrences

    def is_last(self) -> bool:
        """Count one; return whether it is the last one."""
        self._left -= 1
        return not self._left

    def count_and_kill(self) -> None:
        """Count one; kill the process on the last one."""
        if self.is_last():
            kill_process()


def _method(owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
    """Replace a public method; the wrapper gets the original as its first argument."""
    assert name.startswith("__") or not name.startswith("_"), "a private method may be renamed"
    original = getattr(owner, name)

    @functools.wraps(original)
    def method(*args: Any, **options: Any) -> Any:
        return wrapper(original, *args, **options)

    setattr(owner, name, method)


def source_opened(countdown: Countdown) -> None:
    """The source is open; the import has not started."""

    def run(original: Any, *args: Any, **options: Any) -> Any:
        countdown.count_and_kill()
        return original(*args, **options)

    for call in ("upsert", "insert", "update", "delete"):
        _method(Bulk, call, run)


def journal_opened(countdown: Countdown) -> None:
    """The journal is open; no row was read."""

    def open_journal(original: Any, *args: Any, **options: Any) -> Any:
        journal = original(*args, **options)
        countdown.count_and_kill()
        return journal

    for name in ("create", "resume"):
        _method(Journal, name, open_journal)


def row_read(countdown: Countdown) -> None:
    """A row was read and is only in memory."""

    def rows(original: Any, *args: Any) -> Iterator[Any]:
        for row in original(*args):
            countdown.count_and_kill()
            yield row

    _method(FileSource, "__iter__", rows)


def batch_sealed(countdown: Countdown) -> None:
    """A batch is about to be passed to a worker."""

    async def send(original: Any, stream: Any, item: Any) -> None:
        if isinstance(item, list):
            countdown.count_and_kill()
        await original(stream, item)

    _method(MemoryObjectSendStream, "send", send)


def _at_save(countdown: Countdown, step: str, *, before: bool) -> None:
    """Kill the process before or after the transaction that saves a batch."""
    marked: list[int] = []

    async def save_batch(original: Any, checkpoint: Any, batch: Any, *args: Any) -> None:
        if countdown.is_last():
            marked.append(batch[-1].number)
        await original(checkpoint, batch, *args)

    def save(original: Any, journal: Any, state: Any, *, now: float) -> None:
        [row] = marked or [0]
        is_done = row < state.next_row or row in state.done
        is_reached = bool(row) and (row in state.sent if step == "record_sending" else is_done)
        if is_reached and before:
            kill_process()
        original(journal, state, now=now)
        if is_reached:
            kill_process()

    _method(Checkpoint, step, save_batch)
    _method(Journal, "save", save)


def _at_end(_: Countdown, *, before: bool) -> None:
    """Kill the process before or after the transaction that finishes the import."""

    def save(original: Any, journal: Any, state: Any, *, now: float) -> None:
        if state.finished and before:
            kill_process()
        original(journal, state, now=now)
        if state.finished:
            kill_process()

    _method(Journal, "save", save)


def _at_write(countdown: Countdown, share: float) -> None:
    """Kill the process when a share of a request's body was written."""

    async def write(
        original: Any, stream: Any, buffer: bytes, timeout: float | None = None
    ) -> None:
        is_reached = buffer.startswith(b"[") and countdown.is_last()
        await original(
            stream, buffer[: int(len(buffer) * share)] if is_reached else buffer, timeout
        )
        if is_reached:
            kill_process()

    _method(NetworkStream, "write", write)


def _at_read(_: Countdown) -> None:
    """Kill the process after the number of bytes that the server names in a header."""
    read_so_far: dict[int, bytes] = {}

    async def read(
        original: Any, stream: Any, max_bytes: int, timeout: float | None = None
    ) -> bytes:
        data: bytes = await original(stream, max_bytes, timeout)
        text = read_so_far.pop(id(stream), b"") + data
        if found := _KILL_AFTER.search(text):
            if len(text.partition(b"\r\n\r\n")[2]) >= int(found[1]):
                kill_process()
            read_so_far[id(stream)] = text
        return data

    _method(NetworkStream, "read", read)


def response_matched(countdown: Countdown) -> None:
    """The outcomes of a batch are known, and only in memory."""

    def match_rows(original: Any, *args: Any, **options: Any) -> Any:
        matched = original(*args, **options)
        countdown.count_and_kill()
        return matched

    _method(delivery, "match_rows", match_rows)


def rejects_appended(countdown: Countdown) -> None:
    """Rejects are on the disk, but not yet counted in the journal."""

    def write(original: Any, rejects: Any, *args: Any, **options: Any) -> None:
        before = rejects.size
        original(rejects, *args, **options)
        if rejects.size > before:
            countdown.count_and_kill()

    _method(RejectsFile, "write", write)


class _TornWriteFile:
    """A file that can write half of the data and kill the process.

    Attributes:
        tears_next: Whether to do so on the next write.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.tears_next = False

    def write(self, data: bytes) -> int:
        """Write the data, or half of it and kill the process."""
        if not self.tears_next:
            return int(self._file.write(data))
        self._file.write(data[: len(data) // 2])
        self._file.flush()
        kill_process()
        return 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def rejects_torn(countdown: Countdown) -> None:
    """A part of a line was written to the rejects file."""
    files: list[_TornWriteFile] = []

    def open_file(original: Any, path: Path, *args: Any, **options: Any) -> Any:
        file = original(path, *args, **options)
        if path.suffix == ".jsonl":
            file = _TornWriteFile(file)
            files.append(file)
        return file

    def write(original: Any, rejects: Any, results: Any, **options: Any) -> None:
        if results and countdown.is_last():
            # Superseded rows are not written, so a later write may be torn.
            files[-1].tears_next = True
        original(rejects, results, **options)

    _method(Path, "open", open_file)
    _method(RejectsFile, "write", write)


def token_refreshed(countdown: Countdown) -> None:
    """The token endpoint has responded; the token is only in memory."""

    def save(original: Any, *args: Any) -> Any:
        countdown.count_and_kill()
        return original(*args)

    _method(FileTokenStore, "save", save)


def token_written(countdown: Countdown) -> None:
    """The new token is in a temporary file, not yet in that of the store."""

    def replace(original: Any, path: Path, target: Any) -> Any:
        if path.name.startswith(".token.json."):
            countdown.count_and_kill()
        return original(path, target)

    _method(Path, "replace", replace)


POINTS: Final[dict[str, Callable[[Countdown], None]]] = {
    "source opened": source_opened,
    "journal opened": journal_opened,
    "row read": row_read,
    "batch sealed": batch_sealed,
    "sent, before commit": functools.partial(_at_save, step="record_sending", before=True),
    "sent, after commit": functools.partial(_at_save, step="record_sending", before=False),
    "half of the body written": functools.partial(_at_write, share=0.5),
    "body written": functools.partial(_at_write, share=1.0),
    "headers received": _at_read,
    "half of the response": _at_read,
    "response matched": response_matched,
    "rejects appended": rejects_appended,
    "rejects torn": rejects_torn,
    "done, before commit": functools.partial(_at_save, step="record", before=True),
    "done, after commit": functools.partial(_at_save, step="record", before=False),
    "end, before commit": functools.partial(_at_end, before=True),
    "end, after commit": functools.partial(_at_end, before=False),
    "token refreshed": token_refreshed,
    "token written": token_written,
}
"""The function that installs each step, by name."""


def install(point: str, occurrence: int) -> None:
    """Have this process killed at an occurrence of a step."""
    POINTS[point](Countdown(occurrence))
