"""Files that are compressed or not on the disk."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cleverreach_async import SourceError, SourceRow
from cleverreach_async.sources import read_csv, read_json_lines, read_rows
from cleverreach_async.sources.content import Spool, open_content, spool, suffix_of

TEXT = "E-Mail;Vorname\r\n" + "".join(f"n{i}@example.org;Jörg{i}\r\n" for i in range(3000))


def addresses(source: Any) -> list[str]:
    """The addresses of the rows."""
    return [row.receiver.email for row in source if isinstance(row, SourceRow)]


def test_a_compressed_file_is_read_as_the_file_itself(tmp_path: Path) -> None:
    """With the same identity and positions, so an import can be resumed with either."""
    plain, packed = tmp_path / "a.csv", tmp_path / "a.csv.gz"
    plain.write_bytes(TEXT.encode("cp1252"))
    packed.write_bytes(gzip.compress(TEXT.encode("cp1252")))
    source, same = read_csv(plain), read_csv(packed)
    assert source.identity() == same.identity()
    assert (same.encoding, same.path, same.size) == ("cp1252", str(packed), plain.stat().st_size)
    rows = iter(source)
    for _ in range(1234):
        next(rows)
    same.seek(source.tell())
    assert addresses(same) == addresses(read_csv(plain))[1234:]
    assert same.bytes_read == same.size


def test_two_loops_over_a_spool_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Each has a position of its own."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(TEXT.encode()))
    source = read_csv(path)
    pairs = list(zip(iter(source), iter(read_csv(path)), strict=True))
    assert all(one == other for one, other in pairs)
    assert len(pairs) == 3000


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.csv.gz", "email\nann@example.org\n", "csv"),
        ("a.JSONL.GZ", '{"email": "ann@example.org"}\n', "json lines"),
        ("a.json.gz", '[{"email": "ann@example.org"}]', "json list"),
        ("a.gz", '{"email": "ann@example.org"}\n', "json lines"),
        ("a", "email\nann@example.org\n", "csv"),
        ("a.csv", "email\nann@example.org\n", "csv"),
    ],
)
def test_the_format_is_that_of_the_content(
    tmp_path: Path, name: str, content: str, kind: str
) -> None:
    """By the suffix before .gz, or the first character; gzip itself by its first bytes."""
    path = tmp_path / name
    path.write_bytes(gzip.compress(content.encode()))
    source = read_rows(path)
    assert (source.kind, addresses(source)) == (kind, ["ann@example.org"])


def test_several_members_are_one_file(tmp_path: Path) -> None:
    """Programs that append to a compressed file write so."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"email\na@x.example\n") + gzip.compress(b"b@x.example\n"))
    assert addresses(read_csv(path)) == ["a@x.example", "b@x.example"]


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """Cut anywhere, changed, or with the first bytes only."""
    path = tmp_path / "a.csv.gz"
    content = gzip.compress(TEXT.encode())
    for damaged in (
        *(content[:end] for end in range(2, len(content), 997)),
        content[:500] + b"xxxx" + content[504:],
        content[:-8] + bytes(8),
    ):
        path.write_bytes(damaged)
        with pytest.raises(SourceError, match="the compressed file is damaged or cut"):
            read_csv(path)


def test_parquet_is_read_from_a_file_only(tmp_path: Path) -> None:
    """With the remedy."""
    path = tmp_path / "a.parquet.gz"
    path.write_bytes(gzip.compress(b"PAR1"))
    with pytest.raises(SourceError, match="not compressed; save it as one"):
        read_rows(path)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is nearly full; a small content is written even then."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"email\n" + bytes(3 << 20)))
    monkeypatch.setattr("cleverreach_async.sources.content._FREE", 1 << 20)

    class Usage:
        free = 0

    def usage(_: str) -> type[Usage]:
        return Usage

    monkeypatch.setattr("shutil.disk_usage", usage)
    with pytest.raises(SourceError, match=r"there is no room for its content.*TMPDIR"):
        read_csv(path)
    path.write_bytes(gzip.compress(b"email\na@x.example\n"))
    assert addresses(read_csv(path)) == ["a@x.example"]


def test_a_full_disk_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the folder and the remedy."""

    class Full:
        def write(self, _: bytes) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            pass

    def full(*_: object, **__: object) -> Full:
        return Full()

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(SourceError, match=r"No space left on device.*TMPDIR"):
        spool([b"x"], "file")


def test_a_spool_is_closed_if_its_content_fails() -> None:
    """The error is that of the content."""

    def broken() -> Iterator[bytes]:
        yield b"x"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        spool(broken(), "file")


def test_a_spool_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds personal data."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    content = spool([b"email\n", b"ann@example.org\n"], "standard input")
    assert isinstance(open_content(content), Spool)
    assert [] == list(tmp_path.iterdir())
    assert addresses(read_rows(content)) == ["ann@example.org"]
    lines = spool([json.dumps({"email": "ben@example.org"}).encode()], "standard input")
    assert addresses(read_json_lines(lines)) == ["ben@example.org"]


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.CSV", ".csv"),
        ("a.csv.gz", ".csv"),
        ("a.gz", ""),
        ("standard input", ""),
        ("a.b.c", ".c"),
    ],
)
def test_suffixes(name: str, suffix: str) -> None:
    """In lower case, without that of gzip."""
    assert suffix == suffix_of(name)
