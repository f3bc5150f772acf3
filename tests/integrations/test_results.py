"""Results of partitions: the sum balances, and rejected rows come back as data."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cleverreach_async import ConfigurationError, ImportReport, Outcome, RowResult
from cleverreach_async.integrations.results import PartitionResult, ResultFolder, add_reports

pa: Any = import_module("pyarrow")  # brings no types

ORDERS = [None, [{"order_id": "A"}], None]
TABLE = pa.table({"email": ["a@example.org", "b", "c"], "orders": ORDERS})
LINES = [
    RowResult(2, None, Outcome.REJECTED, "invalid_email", "no address"),
    RowResult(3, None, Outcome.UNKNOWN, "unknown_outcome", "no answer"),
]


def result(partition: int | str, *, rejects: bool = True) -> PartitionResult:
    """A result of three rows."""
    report = ImportReport(read=3, accepted=3, requests=2, elapsed=4.0)
    if rejects:
        report = ImportReport(read=3, accepted=1, rejected=1, unknown=1, requests=1, elapsed=1.0)
        report.reasons = {"invalid_email": 1, "unknown_outcome": 1}
    return PartitionResult.of(partition, report, TABLE, LINES if rejects else [])


def test_the_sum_has_all_rows() -> None:
    """Rows and requests are added; the longest partition determines the time."""
    total = add_reports([result(0).report, result(1, rejects=False).report, result(2).report])
    assert (9, 5, 2, 2) == (total.read, total.accepted, total.rejected, total.unknown)
    assert (4, 4.0) == (total.requests, total.elapsed)
    assert {"invalid_email": 2, "unknown_outcome": 2} == total.reasons


def test_a_sum_that_does_not_balance_is_an_error() -> None:
    """A row must not get lost between a worker and the driver."""
    with pytest.raises(AssertionError, match="4 rows were read, but 3"):
        add_reports([ImportReport(read=4, accepted=3)])


@pytest.mark.parametrize("job", ["nightly", "nightly/2026 äß"])
def test_a_folder_returns_reports_and_rejects(tmp_path: Path, job: str) -> None:
    """What a repeated partition writes replaces what it wrote before."""
    folder = ResultFolder(tmp_path / "results", job)
    for partition in ("0", "1/x"):
        folder.write(result(partition))
    folder.write(result("1/x"))
    folder.write(result("2", rejects=False))

    assert (9, 5) == (folder.report().read, folder.report().accepted)
    rejects = folder.rejects().to_pylist()
    assert [("rejected", "b"), ("unknown", "c")] * 2 == [
        (it["reject_outcome"], it["email"]) for it in rejects
    ]
    assert [[{"order_id": "A"}], None] * 2 == [it["orders"] for it in rejects]
    assert 1 == len([*(tmp_path / "results").iterdir()])


def test_an_address_of_a_folder_may_be_a_url(tmp_path: Path) -> None:
    """Whatever pyarrow opens, such as a bucket."""
    ResultFolder(f"file://{tmp_path}/results", "nightly").write(result(0))
    assert 3 == ResultFolder(tmp_path / "results", "nightly").report().read


def test_a_folder_without_results_is_an_error(tmp_path: Path) -> None:
    """A report of no rows would look like success."""
    with pytest.raises(ConfigurationError, match="has no results of nightly"):
        ResultFolder(tmp_path, "nightly").report()
    with pytest.raises(ConfigurationError, match="pass a folder that all workers reach"):
        ResultFolder("", "nightly")


def test_rejects_of_an_earlier_attempt_do_not_stay(tmp_path: Path) -> None:
    """Its rows may have been accepted since."""
    folder = ResultFolder(tmp_path, "nightly")
    folder.write(result(0))
    folder.write(result(0, rejects=False))
    assert (0, None) == (folder.report().rejected, folder.rejects())


def test_rejected_rows_that_are_loaded_again_keep_one_reason(tmp_path: Path) -> None:
    """Their table has the reasons of the first job already."""
    again = PartitionResult.of(1, ImportReport(), result(0).rejects, [LINES[0]])
    folder = ResultFolder(tmp_path, "nightly")
    folder.write(result(0))
    folder.write(again)
    assert result(0).rejects.column_names == again.rejects.column_names
    assert 3 == folder.rejects().num_rows


@pytest.mark.parametrize("name", [".", "..", "...", "a/../b"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """Neither that of a job nor that of a partition."""
    folder = ResultFolder(tmp_path / "results", name)
    folder.write(result(name))
    assert 3 == folder.report().read
    assert [tmp_path / "results"] == [*tmp_path.iterdir()]
    [inner] = (tmp_path / "results").iterdir()
    assert 2 == len([*inner.iterdir()])


@pytest.mark.parametrize(("end", "read"), [("json", "report"), ("parquet", "rejects")])
def test_a_damaged_result_is_an_error_that_says_what_to_do(
    tmp_path: Path, end: str, read: str
) -> None:
    """As after a worker that died while it wrote."""
    folder = ResultFolder(tmp_path, "nightly")
    folder.write(result(0))
    path = tmp_path / "nightly" / f"0.{end}"
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ConfigurationError, match=rf"0\.{end} is damaged .* repeat its partition"):
        getattr(folder, read)()


@pytest.mark.parametrize("address", ["moon://x", "file://host/x", "http://shop.example/x"])
def test_an_address_that_pyarrow_does_not_open_is_refused(address: str) -> None:
    """When the folder is named, before a partition is loaded."""
    with pytest.raises(ConfigurationError, match=f"results='{address}' cannot be opened"):
        ResultFolder(address, "nightly")


@pytest.mark.parametrize("address", ["s3://bucket/x", "hdfs://host/x"])
def test_a_server_is_not_asked_before_a_partition_is_loaded(address: str) -> None:
    """It may be one that only the workers reach."""
    assert address == ResultFolder(address, "nightly").folder
