"""Sources that inspect a file before its first row, which takes a second per gigabyte.

Outside of an event loop that happens when the source is created. In a coroutine it would block the
event loop, so there it happens later: in a worker thread, when the source is used.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, cast

import anyio
import anyio.lowlevel

from cleverreach_async.sources.content import Content, FilePath, check_file
from cleverreach_async.sources.threads import ThreadedRows, run_in_worker

__all__ = ["InspectsLater", "inspect_source"]


class InspectsLater:
    """Base of the sources that inspect a file.

    Attributes:
        path: The file as the caller named it.
    """

    path: str
    _lock: threading.Lock
    _create: Callable[[], Self] | None = None
    """Inspects the file, and creates the source that this one becomes."""
    _is_ready: bool = False
    """Whether nothing that takes long is left to do before the next row."""

    @classmethod
    def of_file(cls, path: FilePath | Content, create: Callable[[], Self]) -> Self:
        """Return the source of a file, not inspected yet if an event loop runs in this thread.

        Args:
            path: The file.
            create: Inspects the file and creates the source.

        Raises:
            SourceError: The file cannot be opened, or, outside of an event loop, not be read.
        """
        if not _is_in_event_loop():
            return create()
        source = cls.__new__(cls)
        vars(source).update(path=check_file(path), _lock=threading.Lock(), _create=create)
        return source

    @property
    def is_inspected(self) -> bool:
        """Whether the file has been inspected; if not, whatever depends on it inspects it."""
        return self._create is None

    async def inspect(self) -> None:
        """Inspect the file in a worker thread, unless that has happened.

        An import does so before it reads rows. Await it before you use anything else of a source
        that was created in a coroutine, such as ``mapping``, which would inspect the file in place
        and block the event loop.

        Raises:
            ConfigurationError: The arguments do not fit the file.
            SourceError: The file cannot be read as rows.
        """
        if not self._is_ready:
            await run_in_worker(self._get_ready)

    def _get_ready(self) -> None:
        self._inspect()
        self._prepare()
        self._is_ready = True

    def _prepare(self) -> None:
        """Do what takes long and would else be done for the first row."""

    def _inspect(self) -> None:
        if self._create is None:
            return
        with self._lock:
            if self._create is not None:
                vars(self).update(vars(self._create()))
                self._create = None

    if not TYPE_CHECKING:  # a type checker would accept any name

        def __getattr__(self, name: str) -> Any:
            # Called for what the inspection has not set yet. Python looks for methods such as
            # __deepcopy__ on any object.
            if self._create is None or name.startswith("__"):
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
            self._inspect()
            return getattr(self, name)


async def inspect_source(source: object) -> None:
    """Inspect the file of a source, which may be read in a thread; see :class:`InspectsLater`.

    Raises:
        ConfigurationError: The arguments do not fit the file.
        SourceError: The file cannot be read as rows.
    """
    while isinstance(source, ThreadedRows):
        source = cast("ThreadedRows[object]", source).source
    if isinstance(source, InspectsLater):
        await source.inspect()


def _is_in_event_loop() -> bool:
    try:
        anyio.lowlevel.current_token()
    except anyio.NoEventLoopError:
        return False
    return True
