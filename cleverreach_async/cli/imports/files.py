"""The files of an import, looked at before anything is sent."""

import os
from pathlib import Path

from cleverreach_async.cli.imports.arguments import Arguments
from cleverreach_async.cli.imports.new_receivers import check_opt_in_files
from cleverreach_async.cli.report.page import check_report_path
from cleverreach_async.errors import ConfigurationError

__all__ = ["check_files"]


def check_files(options: Arguments) -> None:
    """Refuse files that would replace each other, or that cannot be written.

    Raises:
        ConfigurationError: They do; the message names the option to change.
    """
    file, rejects = options.file, options.rejects
    if options.send.new_receivers.form_id is not None:
        check_opt_in_files(file, rejects)
    journal, report = options.send.journal, options.send.report
    if _is_same(rejects, file):
        raise ConfigurationError(
            f"{rejects} is the file to import, and it would be replaced by its own rejects; name"
            " another with --rejects"
        )
    _check_place(rejects, "the rejects file")
    if journal is not None:
        if _is_same(journal, file) or _is_same(journal, rejects):
            raise ConfigurationError(
                f"{journal} is a file of the import itself; name another with --journal"
            )
        _check_place(journal, "the journal")
        _check_journal(journal, resume=options.send.resume)
    if report is not None:
        others = [file, rejects] if journal is None else [file, rejects, journal]
        check_report_path(report, others=others)


def _is_same(path: Path, other: Path) -> bool:
    if path.resolve() == other.resolve():
        return True
    return path.exists() and other.exists() and path.samefile(other)


def _check_place(path: Path, name: str) -> None:
    place = path if path.exists() else path.parent
    if path.is_dir() or not os.access(place, os.W_OK):
        raise ConfigurationError(f"{path}: cannot write {name} there")


def _check_journal(journal: Path, *, resume: bool) -> None:
    """Find out early, before a group is created for an import that is then refused."""
    is_begun = journal.exists() and journal.stat().st_size > 0
    if is_begun and not resume:
        raise ConfigurationError(
            f"{journal} exists already: go on with its import by --resume, or remove it to begin"
            " anew"
        )
    if resume and not is_begun:
        raise ConfigurationError(
            f"{journal}: there is nothing to resume; leave out --resume to begin"
        )
