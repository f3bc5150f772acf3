"""The rejects file when it cannot be written, is no file, or is used twice; see ``test_report``."""

import errno
import json
import os
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.model_server import ModelServer, Reply, transport_to

from cleverreach_async import ImportFailedError, ImportReport
from cleverreach_async.bulk.importer import Bulk
from cleverreach_async.bulk.outcomes.rejects import RejectsFile
from cleverreach_async.bulk.rows import Outcome, RowResult
from cleverreach_async.errors import CleverReachError, ConfigurationError

pytestmark = pytest.mark.anyio

posix = pytest.mark.skipif(sys.platform == "win32", reason="devices, pipes and limits of POSIX")


def result(row: int, message: str = "refused") -> RowResult:
    """A rejected row."""
    return RowResult(row, row, Outcome.REJECTED, "x", message)


def refused(count: int) -> list[str]:
    """Rows that are no addresses, one of them after each good one."""
    return [row for n in range(count) for row in (f"good{n}@example.org", f"bad{n}")]


async def load(rows: list[str], server: ModelServer | None = None, **options: Any) -> ImportReport:
    """Import rows, whatever share of them is rejected."""
    options = {"group_id": 7, "batch_size": 10, "max_reject_share": 1} | options
    return await Bulk(transport_to(server or ModelServer())).upsert(rows, **options)


@contextmanager
def room_for(size: int) -> Generator[None]:
    """Let files of this process have no more than some bytes, as on a disk that gets full."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - POSIX only

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


LINE = len(b'{"row":1,"line":1,"outcome":"rejected","code":"x","message":"refused"}\n')


@posix
@pytest.mark.parametrize(
    ("room", "fitting"), [(0, 0), (1, 0), (LINE - 1, 0), (LINE, 1), (LINE + 1, 1), (2 * LINE, 2)]
)
def test_no_line_is_written_in_part(tmp_path: Path, room: int, fitting: int) -> None:
    """The lines that fit are kept, and the next rows follow when there is room again."""
    path = tmp_path / "r.jsonl"
    with RejectsFile(path) as rejects:
        rejects.write([result(1)])
        with room_for(LINE + room), pytest.raises(CleverReachError) as caught:
            rejects.write([result(2), result(3), result(4)])
        assert (LINE * (1 + fitting), 3 - fitting) == (rejects.size, rejects.unwritten)
        rejects.write([result(5)])

    assert f"{path}: cannot write the rejects file: File too large" == str(caught.value)
    rows = [json.loads(line)["row"] for line in path.read_bytes().splitlines()]
    assert [1, *range(2, 2 + fitting), 5] == rows
    assert rejects.size == path.stat().st_size


@posix
async def test_a_full_disk_ends_an_import_with_its_report(tmp_path: Path) -> None:
    """The counters say how many rows were rejected and are in no file."""
    path = tmp_path / "r.jsonl"
    with room_for(20_000), pytest.raises(ImportFailedError, match="cannot write the rej") as caught:
        await load(refused(500), rejects=path)

    report = caught.value.report
    report.assert_balanced()
    assert (report.rejected, True) == (
        report.unwritten + len(path.read_bytes().splitlines()),
        report.unwritten > 0,
    )
    assert path.read_bytes().endswith(b"\n")
    assert isinstance(caught.value.__cause__, CleverReachError)


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("has_journal", [True, False])
async def test_a_full_device_ends_an_import_with_its_report(
    tmp_path: Path, *, has_journal: bool
) -> None:
    """With a journal a later run writes the rows, so they are not counted as lost."""
    with pytest.raises(ImportFailedError, match="No space left on device") as caught:
        await load(
            refused(50), rejects="/dev/full", journal=tmp_path / "j" if has_journal else None
        )

    caught.value.report.assert_balanced()
    assert has_journal == (caught.value.report.unwritten == 0)


async def test_a_disk_that_fails_at_the_end_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some systems say only then that what was written is lost."""

    def lose(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("os.fsync", lose)
    with pytest.raises(ImportFailedError, match="cannot write the rejects file: Input/output"):
        await load(refused(5), rejects=tmp_path / "r")


@posix
async def test_a_device_takes_the_rows_of_an_import_with_a_journal(tmp_path: Path) -> None:
    """Nothing of it is kept, so a resumed import asks nothing of it either."""
    server = ModelServer()
    refusing = ModelServer(lambda number, _: Reply(403, executed=False) if number > 2 else None)
    options = {"rejects": os.devnull, "journal": tmp_path / "j"}

    with pytest.raises(ImportFailedError, match="403"):
        await load(refused(50), refusing, canary=False, **options)
    again = await load(refused(50), server, resume=True, **options)

    assert again.earlier["rejected"] > 0
    assert (50, 50) == (
        again.rejected + again.earlier["rejected"],
        again.accepted + again.earlier["accepted"],
    )


@posix
async def test_a_pipe_takes_the_rows_of_an_import_with_a_journal(tmp_path: Path) -> None:
    """As a file does, if somebody reads it."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    handle = os.open(path, os.O_WRONLY)  # so that the reader does not end before the import
    try:
        report = await load(refused(50), rejects=path, journal=tmp_path / "j")
    finally:
        os.close(handle)
        reader.join(30)

    assert (50, 50) == (report.rejected, len(read[0].splitlines()))


@posix
def test_a_pipe_that_nobody_reads_is_refused(tmp_path: Path) -> None:
    """Instead of waiting for ever."""
    os.mkfifo(tmp_path / "pipe")

    with (
        pytest.raises(ConfigurationError, match="it is a pipe that nobody reads"),
        RejectsFile(tmp_path / "pipe"),
    ):
        pass


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("keep", [None, 0])
def test_two_imports_never_write_to_one_file(
    tmp_path: Path, keep: int | None, *, overwrite: bool
) -> None:
    """Not even before the first has rejects, and not if the second may replace a file."""
    path = tmp_path / "r.jsonl"
    with RejectsFile(path) as first:
        with (
            pytest.raises(ConfigurationError, match="being written by another import"),
            RejectsFile(path, keep=keep, overwrite=overwrite),
        ):
            pass
        first.write([result(1)])

    assert 1 == len(path.read_bytes().splitlines())
    with RejectsFile(path, overwrite=True) as second:
        second.write([result(2), result(3)])
    assert 2 == len(path.read_bytes().splitlines())
