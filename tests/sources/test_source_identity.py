"""The identity of a file shows whether two runs would read the same rows."""

import io
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cleverreach_async.sources import FileSource, read_csv, read_json_lines
from cleverreach_async.sources.resumable import fingerprint, zone_name

TEXT = b"email;Vorname;Tag\nann@example.org;Ann;1.2.2024\n"
MIB = 1 << 20


class _UnnamedZone(tzinfo):
    """A zone of another library: its ``repr`` contains an address in memory."""

    def utcoffset(self, dt: datetime | None, /) -> timedelta:
        return timedelta(hours=2 if dt is not None and dt.month == 7 else 1)

    def dst(self, _: datetime | None, /) -> timedelta:
        return timedelta()

    def tzname(self, _: datetime | None, /) -> str:
        return repr(self)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of one row."""
    path = tmp_path / "customers.csv"
    path.write_bytes(TEXT)
    return path


def test_the_identity_is_json(file: Path) -> None:
    """A journal stores it and shows differences; the file's name is not part of it."""
    identity = read_csv(file, date_attributes=["attributes.tag"], mapping={"Tag": "attributes.tag"})
    found = dict(identity.identity())
    assert found == json.loads(json.dumps(found))
    assert len(found.pop("sha256")) == 64
    found.pop("timezone")
    assert found == {
        "kind": "csv",
        "size": len(TEXT),
        "encoding": "utf-8",
        "delimiter": ";",
        "columns": {"email": "email", "Vorname": "firstname", "Tag": "attributes.tag"},
        "types": {"attributes.tag": "date"},
        "relative": False,
        "strict": False,
    }


def test_a_copy_is_the_same(file: Path, tmp_path: Path) -> None:
    """So is a file that was renamed or has another date."""
    before = read_csv(file).identity()
    copy = tmp_path / "copy.csv"
    shutil.copyfile(file, copy)
    os.utime(copy, (0, 0))
    assert before == read_csv(copy).identity()
    file.rename(tmp_path / "renamed.csv")
    assert before == read_csv(tmp_path / "renamed.csv").identity()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(TEXT.replace(b"ann@", b"bea@"), id="changed"),
        pytest.param(TEXT + b"bea@example.org;;\n", id="appended"),
        pytest.param(TEXT[:-1], id="cut"),
        pytest.param(b"\xef\xbb\xbf" + TEXT, id="marked"),
        pytest.param(b"email\ncem@example.org\n", id="replaced"),
    ],
)
def test_another_content_is_another(file: Path, content: bytes) -> None:
    """Its rows must not be skipped by the count of other rows."""
    before = read_csv(file).identity()
    file.write_bytes(content)
    assert before["sha256"] != read_csv(file).identity()["sha256"]


@pytest.mark.parametrize("size", [1, 1000, MIB - 1, MIB, MIB + 1, 2 * MIB + 1, 5 * MIB])
def test_every_byte_counts(size: int) -> None:
    """Also between the first and the last MiB, and if the size stays the same."""
    content = bytearray(b"x" * size)
    whole = fingerprint(io.BytesIO(content))
    for place in {0, size // 2, size - 1}:
        content[place] ^= 1
        assert whole != fingerprint(io.BytesIO(content))
        content[place] ^= 1
    assert whole == fingerprint(io.BytesIO(content))
    assert whole != fingerprint(io.BytesIO(content + b"x"))


@pytest.mark.parametrize(
    "options",
    [
        {"encoding": "cp1252"},
        {"delimiter": ","},
        {"mapping": {"Vorname": "lastname"}},
        {"mapping": {"Vorname": "-"}},
        {"mapping": {"Tag": "attributes.tag"}},
        {"mapping": {"Tag": "tag"}},
    ],
)
def test_the_options_count(file: Path, options: dict[str, Any]) -> None:
    """With other options the same bytes are other rows."""
    file.write_bytes(TEXT.replace(b";", b",") if "delimiter" in options else TEXT)
    before = read_csv(file, mapping={"Tag": "-"}) if "mapping" in options else read_csv(file)
    if "delimiter" in options:
        file.write_bytes(TEXT)
        before = read_csv(file)
        # All names in one column, which then holds the address.
        options = {**options, "mapping": {"email;Vorname;Tag": "email"}}
    assert before.identity() != read_csv(file, **options).identity()
    assert before.identity()["sha256"] == read_csv(file, **options).identity()["sha256"]


@pytest.mark.parametrize("target", ["tag", "attributes.tag"])
def test_dates_count(file: Path, target: str) -> None:
    """An attribute that holds a day is sent in another format."""
    plain = read_csv(file, mapping={"Tag": target}).identity()
    days = read_csv(file, mapping={"Tag": target}, date_attributes=[target]).identity()
    assert {**plain, "types": {target: "date"}} == days
    assert plain["types"] == {}


def test_whether_values_may_be_left_out_counts(file: Path) -> None:
    """A strict import rejects other rows."""
    assert {**read_csv(file).identity(), "strict": True} == read_csv(file, strict=True).identity()


@pytest.mark.parametrize("read", [read_csv, read_json_lines])
def test_the_time_zone_counts(file: Path, read: Callable[..., FileSource]) -> None:
    """A date without an offset is another time."""
    berlin = read(file).identity()
    assert berlin["timezone"] == "Europe/Berlin"
    assert {**berlin, "timezone": "UTC"} == read(file, timezone="UTC").identity()


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        (ZoneInfo("Asia/Kathmandu"), "Asia/Kathmandu"),
        (UTC, "UTC 0:00:00"),
        (timezone(timedelta(hours=1), "Home"), "UTC 1:00:00"),
        (timezone(timedelta(hours=2), "Home"), "UTC 2:00:00"),
        (_UnnamedZone(), "UTC 1:00:00 and UTC 2:00:00"),
    ],
)
def test_zones_have_stable_names(zone: tzinfo, name: str) -> None:
    """The next process must get the same name."""
    assert name == zone_name(zone)


def test_the_identity_is_that_of_the_inspected_file(file: Path) -> None:
    """Encoding and columns were detected then, so a file that was replaced later is another."""
    source = read_csv(file)
    before = dict(source.identity())
    file.write_bytes(TEXT.replace(b"ann@", b"bea@"))
    assert before == source.identity()
    assert before != read_csv(file).identity()


def test_json_lines_have_an_identity(tmp_path: Path) -> None:
    """It has no columns, and is different from that of any CSV file."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"email": "ann@example.org"}\n')
    found = dict(read_json_lines(path).identity())
    assert found["kind"] == "json lines"
    assert found == json.loads(json.dumps(found))
    assert set(found) == {"kind", "size", "sha256", "encoding", "timezone"}
