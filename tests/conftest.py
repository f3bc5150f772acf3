"""Settings and fixtures of all tests: hypothesis profiles, event loops, and short runs."""

import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import coverage
import pytest
from hypothesis import settings
from support.event_loops import anyio_backend
from support.real_time import MOST_SECONDS, RealTime

import cleverreach_async
from cleverreach_async import ConfigurationError

__all__ = ["anyio_backend"]

# Without a deadline per example, because a test that is slow on a busy machine is not wrong. Every
# run tries other examples, on continuous integration too, so that many runs find what one misses.
EXAMPLES = 30
settings.register_profile("usual", deadline=None, derandomize=False, max_examples=EXAMPLES)
settings.register_profile("hunt", deadline=None, derandomize=False, max_examples=1000)
settings.load_profile("usual")

IN_MEMORY = Path("/dev/shm")  # noqa: S108 - each run creates a folder of its own in it
ENOUGH_MEMORY = 2 * 1024**3
REPEATING_FOLDERS = ("chaos", "kill")
"""They break what other folders test, or run in processes that are not measured."""


def pytest_configure() -> None:
    """Keep files in memory: journals wait for the disk after every batch; and heed Ctrl-C."""
    if (
        "TMPDIR" not in os.environ
        and os.access(IN_MEMORY, os.W_OK)
        and shutil.disk_usage(IN_MEMORY).free > ENOUGH_MEMORY
    ):
        os.environ["TMPDIR"] = str(IN_MEMORY)
        tempfile.tempdir = None  # read the variable again
    # A run in the background of a shell, or by nohup, ignores these, and so would the commands that
    # tests start. A handler of Python's is not passed on.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _do_nothing)


def _do_nothing(*_: object) -> None:
    """Ignore a signal, but only in this process."""


@pytest.fixture(autouse=True)
def _long_keep_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep unused connections open: the usual seconds may pass on a busy machine."""
    monkeypatch.setattr("cleverreach_async.transport.http.pooled_sender._KEEP_ALIVE", 600.0)


@pytest.fixture(autouse=True)
def _no_long_wait(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Generator[None]:
    """Retries and outages are tested with other clocks than the system's."""
    is_random = request.node.get_closest_marker("hypothesis") is not None
    times = settings.default.max_examples / EXAMPLES if is_random and settings.default else 1
    waits = RealTime(monkeypatch, most=MOST_SECONDS * times)
    yield
    waits.check()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names that differ between processes, which cannot run the tests together then."""
    if unstable := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"give the parameters of {unstable[0]} ids without addresses")


def pytest_collection_finish() -> None:
    """Load what tests load later, if it is measured; then spare the garbage collector all of it."""
    if coverage.Coverage.current() is not None:
        load_every_module()
    gc.collect()
    gc.freeze()


def load_every_module() -> None:
    """Run the lines outside of functions: the test that loads a module may not be measured."""
    for module in walk_packages(cleverreach_async.__path__, "cleverreach_async."):
        if not module.name.endswith("__main__"):
            # The engines of pipelines are not installed here.
            with suppress(ConfigurationError):
                import_module(module.name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure no coverage where it adds nothing: measuring takes longer than the test itself."""
    measurement = None if is_measured(item) else coverage.Coverage.current()
    if measurement is None:
        return (yield)
    measurement.stop()
    try:
        return (yield)
    finally:
        measurement.start()


def is_measured(item: pytest.Item) -> bool:
    """Whether a test counts for the coverage.

    On trio it runs the lines that it runs on asyncio, and what random examples reach is chance.
    """
    folder = item.path.relative_to(item.config.rootpath / "tests").parts[0]
    call = getattr(item, "callspec", None)
    on_trio = call is not None and call.params.get("anyio_backend") == "trio"
    is_random = item.get_closest_marker("hypothesis") is not None
    return not (on_trio or is_random or folder in REPEATING_FOLDERS)
