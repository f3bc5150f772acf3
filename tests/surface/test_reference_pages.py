"""The reference of the documentation names every public name, on exactly one page."""

import re
import sys
from collections import Counter
from functools import cached_property
from pathlib import Path

import cleverreach_async
from cleverreach_async import errors, sandbox
from cleverreach_async.nouns import Nouns

DOCS = Path(__file__).parents[2] / "docs"
DIRECTIVE = re.compile(r"^\.\. (?:auto(?:class|exception|function|data)|(currentmodule)):: (\S+)")

BESIDE = {
    "cleverreach_async.bulk.report.RemarkCount",
    "cleverreach_async.resources.background_orders.BackgroundOptions",
    "cleverreach_async.resources.drafts.MailingSettings",
    "cleverreach_async.resources.mailing_models.MailingGroups",
    "cleverreach_async.resources.mailing_models.MailingLink",
    "cleverreach_async.resources.reports.ReportCounters",
    "cleverreach_async.sandbox.server.running",
    "cleverreach_async.sandbox.server.serve",
    "cleverreach_async.sources.column_options.ColumnParameters",
    "cleverreach_async.sources.file_source.FileSource",
}
"""Options and parts of public classes, which users meet but need not import."""


def names_on(page: Path) -> list[str]:
    """Return the full names that a page documents."""
    names: list[str] = []
    module = ""
    for line in page.read_text("utf-8").splitlines():
        if found := DIRECTIVE.match(line):
            current, name = found.groups()
            if current:
                module = name
            else:
                names.append(name if name.startswith("cleverreach_async.") else f"{module}.{name}")
    return names


def class_of(noun: str) -> str:
    """Return the full name of the class behind ``cr.NOUN``, which is imported when it is used."""
    source = Path(sys.modules[Nouns.__module__].__file__ or "").read_text("utf-8")
    found = re.search(rf'def {noun}\(self\) -> "(\w+)"', source)
    assert found
    home = re.search(rf"from (\S+) import {found[1]}$", source, re.MULTILINE)
    assert home
    return f"{home[1]}.{found[1]}"


def fixtures() -> list[str]:
    """Return the names of the fixtures; pytest wants to be the first to import their module."""
    source = Path(cleverreach_async.__file__).with_name("testing.py").read_text("utf-8")
    return re.findall(r"^@pytest\.fixture\ndef (\w+)", source, re.MULTILINE)


def public_names() -> list[str]:
    """Return the full names of everything that a user may import, and of the nouns of a client."""
    nouns = [name for name, it in vars(Nouns).items() if isinstance(it, cached_property)]
    return [
        *(f"cleverreach_async.{it}" for it in cleverreach_async.__all__),
        *(f"cleverreach_async.sandbox.{it}" for it in sandbox.__all__),
        *(f"cleverreach_async.testing.{it}" for it in fixtures()),
        *(class_of(it) for it in nouns),
    ]


def test_every_public_name_is_on_one_page() -> None:
    """Neither missing nor repeated."""
    found = Counter(name for page in (DOCS / "reference").glob("*.md") for name in names_on(page))
    expected = Counter(public_names())
    assert ({}, BESIDE) == (dict(expected - found), set(found - expected))


def test_every_error_is_explained() -> None:
    """The page about errors says when it is raised, and what to do."""
    text = (DOCS / "errors.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert sorted(it for it in errors.__all__ if it[0].isupper()) == sorted(rows)
