"""Files that are created or replaced in one step."""

# pyright: reportPrivateUsage=false

import os
import stat
import subprocess
import sys
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cleverreach_async import files
from cleverreach_async.files import (
    check_replaceable,
    create_empty,
    open_locked,
    remove_if_empty,
    replace_file,
)

on_posix = pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with content, alone in its folder."""
    file = tmp_path / "state.json"
    file.write_bytes(b"old")
    return file


@contextmanager
def umask(mask: int) -> Generator[None]:
    """Set the umask of the process for a block."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(path: Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def assert_alone(path: Path, content: bytes) -> None:
    """Check the content of a file and that its folder holds nothing else."""
    assert content == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


def write_new(path: Path) -> None:
    """Replace the content of a file."""
    replace_file(path, [b"new"])


def leave_draft(path: Path, name: str, *, hours: float) -> Path:
    """Write a draft as a process leaves it that was killed some hours ago."""
    draft = path.with_name(name)
    draft.write_bytes(b"half")
    written = path.stat().st_mtime - hours * 3600
    os.utime(draft, (written, written))
    return draft


def test_content_is_replaced(path: Path) -> None:
    """Pieces are joined, an old file is not needed, and nothing else is left in the folder."""
    replace_file(path, [b"new ", b"content"])
    assert_alone(path, b"new content")
    path.unlink()
    replace_file(path, [])
    assert_alone(path, b"")


@on_posix
def test_only_the_owner_can_read_it_from_the_start(path: Path) -> None:
    """Whatever the umask and the permissions of the old file are."""
    path.chmod(0o644)
    modes: list[int] = []

    def pieces() -> Iterator[bytes]:
        modes.extend(mode_of(file) for file in path.parent.iterdir() if file != path)
        yield b"new"

    with umask(0):
        replace_file(path, pieces())
    assert [0o600, 0o600] == [*modes, mode_of(path)]


@on_posix
def test_other_permissions_follow_the_umask(path: Path) -> None:
    """As with any file that a program creates."""
    with umask(0o027):
        replace_file(path, [b"new"], mode=0o666)
    assert 0o640 == mode_of(path)


def fail(*_: Any, **__: Any) -> Any:
    """Stand in for a step that fails."""
    raise OSError(28, "No space left on device")


def failing_pieces() -> Iterator[bytes]:
    """Content that ends with an error."""
    yield b"half"
    fail()


@pytest.mark.parametrize("step", ["open", "write", "fsync", "replace"])
def test_a_failed_step_keeps_the_old_content(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """And removes the draft."""
    content = failing_pieces() if step == "write" else iter([b"new"])
    if step in {"open", "fsync"}:
        monkeypatch.setattr(os, step, fail)
    elif step == "replace":
        monkeypatch.setattr(Path, step, fail)

    with pytest.raises(OSError, match="No space left"):
        replace_file(path, content)

    monkeypatch.undo()
    assert_alone(path, b"old")


@on_posix
def test_a_failed_sync_of_the_folder_is_raised(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new content is in place, but may not survive a power loss."""
    monkeypatch.setattr(files, "_sync_folder", fail)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, [b"new"])
    assert_alone(path, b"new")


def test_a_link_is_replaced_and_its_target_left_alone(path: Path) -> None:
    """Somebody else may have made the link, to have us overwrite the target."""
    link = path.with_name("link.json")
    try:
        link.symlink_to(path)
    except OSError:
        pytest.skip("links are not allowed here")
    replace_file(link, [b"new"])
    assert (False, b"new", b"old") == (link.is_symlink(), link.read_bytes(), path.read_bytes())


def test_concurrent_writers_do_not_mix(path: Path) -> None:
    """A reader sees the content of one of them, whole, at any time."""
    contents = [bytes([65 + number]) * 50_000 for number in range(8)]
    seen: list[bytes] = []

    def write(content: bytes) -> None:
        for _ in range(10):
            replace_file(path, [content[:20_000], content[20_000:]])
            seen.append(path.read_bytes())

    with ThreadPoolExecutor(len(contents)) as pool:
        list(pool.map(write, contents))
    assert set() == set(seen) - set(contents)
    assert_alone(path, path.read_bytes())


DIE_BEFORE_RENAME = """
import os, sys
from pathlib import Path
from cleverreach_async.files import replace_file
Path.replace = lambda *_: os._exit(9)
replace_file(Path(sys.argv[1]), [b"new"])
"""


def test_the_draft_of_a_killed_process_is_removed_later(path: Path) -> None:
    """The old content stays; a later call removes the draft, once it is old enough."""
    subprocess.run([sys.executable, "-c", DIE_BEFORE_RENAME, path], check=False)  # noqa: S603
    [draft] = set(path.parent.iterdir()) - {path}
    assert (b"old", b"new") == (path.read_bytes(), draft.read_bytes())

    replace_file(path, [b"newer"])
    assert draft.exists(), "a process could still be writing to it"
    long_ago = path.stat().st_mtime - 2 * 3600
    os.utime(draft, (long_ago, long_ago))
    replace_file(path, [b"newest"])

    assert_alone(path, b"newest")


def test_other_files_are_not_taken_for_drafts(path: Path) -> None:
    """However old they are."""
    others = {
        leave_draft(path, name, hours=1000)
        for name in (
            "state.json.0a0a0a0a.new",
            ".state.json.0a0a0a0a",
            ".other.json.0a0a0a0a.new",
            ".state.json.backup.new",
            ".state.json.0a.new",
            ".state.json",
        )
    }
    young = leave_draft(path, ".state.json.0b0b0b0b.new", hours=0.9)
    leave_draft(path, ".state.json.0c0c0c0c.new", hours=1.1)

    replace_file(path, [b"new"])

    assert {path, young, *others} == set(path.parent.iterdir())


@pytest.mark.parametrize("use", [create_empty, check_replaceable, write_new])
def test_a_missing_folder_is_named_with_the_remedy(tmp_path: Path, use: Any) -> None:
    """The folder is not created: its name may be mistyped."""
    with pytest.raises(FileNotFoundError) as caught:
        use(tmp_path / "missing" / "state.json")
    assert (
        f"the folder {tmp_path / 'missing'} does not exist; create it or choose another"
        == caught.value.strerror
    )
    assert [] == list(tmp_path.iterdir())


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="needs a user with limited permissions"
)
@pytest.mark.parametrize("use", [check_replaceable, write_new])
def test_a_folder_without_write_permission(path: Path, use: Any) -> None:
    """The error of the system is raised, and the old content stays."""
    path.parent.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            use(path)
    finally:
        path.parent.chmod(0o700)
    assert_alone(path, b"old")


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    """It fails at the last step, and the draft is removed."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="folder"):
        replace_file(folder, [b"new"])
    assert [folder] == list(tmp_path.iterdir())


def test_a_check_changes_nothing(path: Path) -> None:
    """Whether there is a file or not."""
    before = path.stat()
    check_replaceable(path)
    check_replaceable(path.with_name("new.json"))
    assert_alone(path, b"old")
    assert before.st_mtime_ns == path.stat().st_mtime_ns


@on_posix
def test_an_empty_file_is_for_its_owner(tmp_path: Path) -> None:
    """Whatever the umask is."""
    with umask(0):
        create_empty(tmp_path / "new")
    assert (b"", 0o600) == ((tmp_path / "new").read_bytes(), mode_of(tmp_path / "new"))


def test_an_existing_file_is_not_touched(path: Path) -> None:
    """It is not even opened, since SQLite drops the locks of a file that is closed."""
    before = path.stat()
    create_empty(path)
    assert before == path.stat()
    assert_alone(path, b"old")


def test_a_file_has_one_writer_at_a_time(path: Path) -> None:
    """The lock ends with the file, and the next writer appends."""
    with open_locked(path) or pytest.fail("it is locked") as file:
        assert open_locked(path) is None
        file.write(b" and")
    with open_locked(path) or pytest.fail("it is locked") as file:
        file.write(b" new")

    assert_alone(path, b"old and new")


def test_a_file_that_was_removed_meanwhile_is_created_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer before removes an empty file; what is written to it then would be lost."""
    lock = vars(files)["_lock"]
    left = [1]

    def remove_and_lock(handle: int) -> bool:
        if left:
            path.unlink()
            left.clear()
        return bool(lock(handle))

    monkeypatch.setattr(files, "_lock", remove_and_lock)
    with open_locked(path) or pytest.fail("it is locked") as file:
        file.write(b"new")

    assert_alone(path, b"new")


def test_only_an_empty_file_that_nobody_writes_is_removed(path: Path) -> None:
    """Nor is anything created, or a device removed."""
    remove_if_empty(path)
    assert_alone(path, b"old")

    path.write_bytes(b"")
    with open_locked(path) or pytest.fail("it is locked"):
        remove_if_empty(path)
    assert_alone(path, b"")

    remove_if_empty(path)
    remove_if_empty(path)
    remove_if_empty(Path(os.devnull))
    assert (False, True) == (path.exists(), Path(os.devnull).exists())
