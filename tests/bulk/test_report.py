"""The report of an import, and the rejects file."""

import json
import os
import pickle
import stat
from pathlib import Path

import pytest

from cleverreach_async import (
    ConfigurationError,
    ImportFailedError,
    ImportReport,
    Outcome,
    RowResult,
    SyncReport,
)
from cleverreach_async.bulk.outcomes.rejects import RejectsFile
from cleverreach_async.sources.rows import Remark


def result(number: int, outcome: Outcome = Outcome.REJECTED) -> RowResult:
    """Return a result with a reason and a receiver."""
    return RowResult(
        number, number + 1, outcome, "refused", "no", receiver=b'{"email":"a@b.example"}'
    )


def test_a_report_that_does_not_add_up_is_an_error() -> None:
    """It is a bug of the library."""
    report = ImportReport(read=3, accepted=2)

    with pytest.raises(AssertionError, match="3 rows were read, but 2"):
        report.assert_balanced()

    report.count([result(3, Outcome.UNKNOWN)])
    report.assert_balanced()


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.UNKNOWN, Outcome.PENDING])
def test_raise_for_failures(outcome: Outcome) -> None:
    """Raises an error with the report if rows are rejected, unknown or pending."""
    report = ImportReport(read=1)
    report.count([result(1, outcome)])

    with pytest.raises(ImportFailedError) as caught:
        report.raise_for_failures()

    assert report == caught.value.report
    assert report == pickle.loads(pickle.dumps(caught.value)).report  # noqa: S301 - our own bytes


def test_superseded_rows_are_not_failures() -> None:
    """Nor are they samples."""
    report = ImportReport(read=2, accepted=1)
    report.count([result(1, Outcome.SUPERSEDED)])
    report.raise_for_failures()

    assert (1, []) == (report.superseded, report.samples)


def test_samples_are_few_and_without_data() -> None:
    """However many rows are rejected, the report has a few of each code, and no address."""
    report = ImportReport(read=1000)
    report.count([result(number) for number in range(1000)])

    assert (1000, 5) == (report.rejected, len(report.samples))
    assert {"refused": 1000} == report.reasons
    assert {b""} == {sample.receiver for sample in report.samples}


def test_a_report_is_one_line_of_text() -> None:
    """It counts all runs with the journal, and says why rows were not accepted."""
    report = ImportReport(
        read=1200,
        skipped=1000,
        accepted=198,
        rejected=2,
        earlier={"accepted": 999, "rejected": 1},
        reasons={"invalid_email": 2},
        stopped="too many rows are rejected",
    )
    expected = "1,200 rows: 1,197 accepted, 3 rejected; reasons: 2 invalid_email; stopped: too many"
    assert f"{expected} rows are rejected" == str(report)
    assert "1 row: 1 accepted" == str(ImportReport(read=1, accepted=1))
    assert "0 rows: none" == str(ImportReport())


def test_the_report_of_a_synchronisation_is_one_line_of_text() -> None:
    """It says who is missing too."""
    report = SyncReport(read=3, unchanged=2, added=1, missing=4, removed=0)
    assert "3 rows: 2 unchanged, 1 added; 4 missing, 0 removed" == str(report)
    assert "0 rows: none; stopped: it was asked to" == str(SyncReport(stopped="it was asked to"))


def test_progress_has_rows_per_second() -> None:
    """Rows that have a result count."""
    report = ImportReport(read=100, accepted=30, rejected=10)

    assert 20.0 == report.progress(2.0).rows_per_second
    assert 0.0 == report.progress(0.0).rows_per_second


@pytest.mark.parametrize("old", [None, "", "old\n"])
def test_the_rejects_file_is_for_its_owner_only(tmp_path: Path, old: str | None) -> None:
    """An older one is replaced on request; a file that its owner has created empty stays theirs."""
    path = tmp_path / "rejects.jsonl"
    if old is not None:
        path.write_text(old)
    with RejectsFile(path, overwrite=bool(old)) as rejects:
        rejects.write([result(1), result(2, Outcome.SUPERSEDED), result(3, Outcome.UNKNOWN)])

    entries = [json.loads(line) for line in path.read_bytes().splitlines()]

    assert [(1, "rejected"), (3, "unknown")] == [(e["row"], e["outcome"]) for e in entries]
    assert {"email": "a@b.example"} == entries[0]["receiver"]

    if os.name == "posix" and old != "":
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_an_older_rejects_file_is_refused(tmp_path: Path) -> None:
    """Its rows may have been repaired; the message has the choices."""
    path = tmp_path / "rejects.jsonl"
    path.write_text("repaired\n")

    with (
        pytest.raises(
            ConfigurationError, match=r"another with .*rejects=, move it, .*overwrite=True"
        ),
        RejectsFile(path),
    ):
        pass
    assert "repaired\n" == path.read_text()


OPEN, DONE = '{"row":9}\n', '{"row":1}\n'


@pytest.mark.parametrize(
    ("before", "keep", "after"),
    [
        pytest.param("", 0, "", id="empty"),
        pytest.param(OPEN, 0, "", id="not committed"),
        pytest.param('{"r', 0, "", id="cut"),
        pytest.param(DONE + OPEN, len(DONE), DONE, id="one committed"),
        pytest.param(DONE + '{"row":9', len(DONE), DONE, id="the next one cut"),
        pytest.param('{"row":1,"a":1}\n', len(DONE), '{"row":1,"a":1}\n', id="repaired"),
        pytest.param('{"row":1,"a":1}', len(DONE), '{"row":1,"a":1}\n', id="repaired, no end"),
        pytest.param(DONE + "mine\n", len(DONE), DONE + "mine\n", id="a line added"),
    ],
)
def test_a_resumed_import_removes_only_its_own_lines(
    tmp_path: Path, before: str, keep: int, after: str
) -> None:
    """Rows that were repaired meanwhile are kept, and new ones follow them."""
    path = tmp_path / "rejects.jsonl"
    path.write_text(before, newline="")

    with RejectsFile(path, keep=keep, has_done=lambda row: row == 1) as rejects:
        assert (after, len(after)) == (path.read_text(), rejects.size)
        rejects.write([result(3)])

    [line] = path.read_text().removeprefix(after).splitlines()
    assert (3, rejects.size) == (json.loads(line)["row"], path.stat().st_size)


@pytest.mark.parametrize("before", [DONE, "notes\n", "notes"])
def test_the_file_of_something_else_is_not_continued(tmp_path: Path, before: str) -> None:
    """If the import had no rejects so far, what is there is not from it."""
    path = tmp_path / "rejects.jsonl"
    path.write_text(before)

    with (
        pytest.raises(ConfigurationError, match="not from the import that is resumed"),
        RejectsFile(path, keep=0, has_done=lambda row: row == 1),
    ):
        pass
    assert before == path.read_text()


def test_rejects_are_written_before_the_import_ends(tmp_path: Path) -> None:
    """If the process dies, no rejects that were counted are lost."""
    path = tmp_path / "rejects.jsonl"
    with RejectsFile(path) as rejects:
        rejects.write([result(1)])

        assert 1 == len(path.read_bytes().splitlines())


def test_without_a_path_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The rejects file is optional: no file appears, under no name, and nothing is printed."""
    monkeypatch.chdir(tmp_path)
    with RejectsFile(None) as rejects:
        rejects.write([result(1)])
        during = [*tmp_path.iterdir()]
    assert ([], [], ("", "")) == (during, [*tmp_path.iterdir()], capfd.readouterr())


def test_a_file_that_cannot_be_opened_is_a_configuration_error(tmp_path: Path) -> None:
    """The message names the path and the system's reason."""
    with (
        pytest.raises(ConfigurationError, match="cannot write the rejects file: Is a directory"),
        RejectsFile(tmp_path),
    ):
        pass


def test_excluded_rows_are_no_failure() -> None:
    """They are counted by code, apart from the rows that were not accepted."""
    report = ImportReport(read=2, accepted=1)
    report.count([RowResult(2, 3, Outcome.EXCLUDED, "unsubscribed", "the row says so")])

    report.assert_balanced()
    report.raise_for_failures()
    assert (1, {"unsubscribed": 1}, {}) == (report.excluded, report.exclusions, report.reasons)
    assert [3] == [sample.line for sample in report.samples]


def test_remarks_are_counted_with_their_first_rows() -> None:
    """One entry for each text."""
    report = ImportReport()
    for row in range(1, 8):
        report.remark([Remark("dropped", "column 'a': left out")], row)
    report.remark([Remark("changed", "column 'b': unwrapped")], 9)

    dropped, changed = report.remarks.values()
    assert (7, 1) == (report.dropped_values, report.changed_values)
    assert (7, [1, 2, 3, 4, 5]) == (dropped.count, dropped.rows)
    assert ("changed", 1, [9]) == (changed.kind, changed.count, changed.rows)
