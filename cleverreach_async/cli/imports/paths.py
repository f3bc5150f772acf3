"""The files that an import writes, checked before anything is sent."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from cleverreach_async.bulk.journal.journal import is_journal
from cleverreach_async.cli.imports.arguments import Arguments
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.files import remove_if_empty

__all__ = [
    "check_files",
    "no_empty_rejects",
    "opt_in_list_path",
    "same_command",
    "unsent_mails_path",
]


_LONGEST_LINE: Final = 1 << 24


class _RejectsLine(msgspec.Struct):
    """What only the lines of a rejects file have."""

    row: int
    outcome: str
    code: str


def opt_in_list_path(rejects: Path) -> Path:
    """Return the path of the list of pending activation mails, beside the rejects file."""
    return rejects.with_name(f"{rejects.name.removesuffix('.jsonl')}.opt-in")


def unsent_mails_path(rejects: Path) -> Path:
    """Return the path of the file of activation mails that were not sent, for people to read."""
    return rejects.with_name(f"{rejects.name.removesuffix('.jsonl')}.opt-in.jsonl")


def check_files(arguments: Arguments) -> None:
    """Check that the files can be written and do not replace each other.

    Raises:
        ConfigurationError: They do not; the message names the option to change.
    """
    file, rejects, send = arguments.file, arguments.rejects, arguments.send
    journal, report = send.journal, send.report
    if send.new_receivers.form_id is not None:
        _check_mails(file, rejects)
    if _is_same(rejects, file):
        raise ConfigurationError(
            f"{rejects} is the file to import, and its rejects would replace it; choose another"
            " rejects file with --rejects"
        )
    _check_writable(rejects, "the rejects file")
    if journal is not None:
        if _is_same(journal, file) or _is_same(journal, rejects):
            raise ConfigurationError(
                f"{journal} is a file of the import itself; choose another with --journal"
            )
        _check_writable(journal, "the journal")
        _check_journal(journal, resume=send.resume)
    if not send.resume:
        _check_rejects(rejects, overwrite=send.dry_run or arguments.overwrite)
    if report is not None:
        from cleverreach_async.cli.report.page import check_report_path  # noqa: PLC0415

        check_report_path(report, others=filter(None, (file, rejects, journal)))


def _check_mails(file: Path, rejects: Path) -> None:
    """Check the files of the activation mails, which are beside the rejects file."""
    if rejects.exists() and not rejects.is_file():
        raise ConfigurationError(
            f"{rejects} is not a file, and the activation mails are kept in one beside it; choose a"
            " file with --rejects"
        )
    if any(
        _is_same(file, path) for path in (opt_in_list_path(rejects), unsent_mails_path(rejects))
    ):
        raise ConfigurationError(
            f"{file} is the file of the activation mails; rename it, or choose another rejects file"
            " with --rejects"
        )


@contextmanager
def no_empty_rejects(arguments: Arguments) -> Generator[None, None, None]:
    """Delete the rejects file after this block if it was created in it and has no rows."""
    rejects = arguments.rejects
    is_own = arguments.send.dry_run or arguments.overwrite or not rejects.exists()
    try:
        yield
    finally:
        if is_own:
            remove_if_empty(rejects)


def _is_same(path: Path, other: Path) -> bool:
    if path.resolve() == other.resolve():
        return True
    return path.exists() and other.exists() and path.samefile(other)


def same_command(arguments: Arguments) -> str:
    """Return how to name the command of an import that is to be run again, for a message."""
    must_replace = _has_rows(arguments.rejects) and not arguments.overwrite
    return "the same command" + (" and --overwrite" if must_replace else "")


def _has_rows(rejects: Path) -> bool:
    return rejects.is_file() and rejects.stat().st_size > 0


def _check_writable(path: Path, name: str) -> None:
    existing = path if path.exists() else path.parent
    if path.is_dir() or not os.access(existing, os.W_OK):
        raise ConfigurationError(f"{path}: cannot write {name} there")


def _check_rejects(rejects: Path, *, overwrite: bool) -> None:
    """Check that no row is lost that somebody has repaired, or has yet to, and no other file."""
    if not _has_rows(rejects):
        return
    if not _is_rejects_file(rejects):
        raise ConfigurationError(
            f"{rejects} is not a rejects file, and would be replaced; choose another with --rejects"
        )
    if not overwrite:
        raise ConfigurationError(
            f"{rejects} has the rejects of an earlier import, which may be repaired: send them with"
            " cleverreach retry-rejects, or move the file, choose another with --rejects, or"
            " replace it with --overwrite"
        )


def _is_rejects_file(path: Path) -> bool:
    """Whether the first line of a file is one of a rejects file."""
    try:
        with path.open("rb") as file:
            line = file.readline(_LONGEST_LINE)
        msgspec.json.decode(line, type=_RejectsLine)
    except (OSError, ValueError):
        return False
    return True


def _check_journal(journal: Path, *, resume: bool) -> None:
    """Check it early, before a group is created for an import that would be refused."""
    has_begun = journal.exists() and journal.stat().st_size > 0
    if has_begun and not is_journal(journal):
        raise ConfigurationError(
            f"{journal} is not the journal of an import; choose another with --journal"
        )
    if has_begun and not resume:
        raise ConfigurationError(
            f"{journal} exists already: add --resume to continue its import, or delete it to start"
            " again"
        )
    if resume and not has_begun:
        raise ConfigurationError(f"No journal to resume at {journal}; start without --resume")
