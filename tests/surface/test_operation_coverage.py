"""Every known operation of the API has a method, a route in the sandbox and a test."""

import functools
from pathlib import Path

import pytest
from support.operation_coverage import (
    LIST,
    PAGE,
    TESTED_ELSEWHERE,
    Operation,
    documented_paths,
    find,
    operations,
    page,
    paths_in,
    paths_in_tables,
    read_list,
    served_paths,
)

MISSING: set[str] = set()
"""What operations still lack. Remove what you add; new entries are not allowed."""


@functools.cache
def found() -> list[Operation]:
    """All operations, read once."""
    return operations()


def test_the_page_is_that_of_the_code() -> None:
    """If it is not, write it anew as its head says."""
    assert page(found()) == PAGE.read_text("utf-8")


def test_every_operation_has_a_method_a_route_and_a_test() -> None:
    """Except for those that are still listed above."""
    assert MISSING == {f"{it.name}: {part}" for it in found() for part in it.missing}


def test_every_path_in_a_docstring_is_an_operation() -> None:
    """A mistyped path would not be in the table."""
    unknown = [(name, path) for name, method, path in documented_paths() if not known(method, path)]
    assert [] == unknown


def known(method: str, path: str) -> list[str]:
    """Return the names of the operations of a path."""
    return [it.name for it in find(found(), method, path)]


def test_no_operation_is_listed_twice() -> None:
    """Whatever its placeholders are called."""
    listed = read_list(LIST.read_text("utf-8"))
    for it in listed:
        assert [it] == [other for other in listed if other.name == it.name]
        assert [it] == find(listed, it.method, it.path)


@pytest.mark.parametrize(("name", "file"), TESTED_ELSEWHERE.items(), ids=TESTED_ELSEWHERE.keys())
def test_tests_elsewhere_have_the_path(name: str, file: str) -> None:
    """A file that was renamed or emptied is no test."""
    root = Path(__file__).parents[2]
    assert name.partition(" ")[2] in (root / file).read_text("utf-8")


def test_something_is_found() -> None:
    """The tests above would pass if the list were empty."""
    names = {it.name for it in found()}
    assert {"GET /groups", "POST /receivers/filter", "GET /mailings/channel"} <= names
    assert ("cr.groups.get", "GET", "/groups/{id}") in [*documented_paths()]
    assert ("groups.py: get_group", "GET", "/v3/groups/{group}") in [*served_paths()]
    assert ("test_groups.py: get", "GET", "/v3/groups/540001") in [*paths_in_tables()]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v3/groups/7", "GET /groups/{id}"),
        ("GET", "/v3/mailings/channel", "GET /mailings/channel"),
        ("GET", "/v3/mailings/7?a=/x", "GET /mailings/{id}"),
        ("GET", "/receivers/{pool_id}", "GET /receivers/{id}"),
        ("GET", "/v3/receivers/bounced", "GET /receivers/bounced"),
        ("POST", "/forms/{id}/send/activate", "POST /forms/{form_id}/send/{type}"),
        ("GET", "/flow/flow", "GET /flow/flow"),
    ],
)
def test_paths_are_recognised(method: str, path: str, expected: str) -> None:
    """Literal segments win over placeholders, and the query does not count."""
    assert [expected] == known(method, path)


def test_paths_of_several_operations_and_of_none() -> None:
    """A route may serve several that differ in a word."""
    templates = ["GET /mailings/templates/agency", "GET /mailings/templates/user"]
    assert templates == known("GET", "/v3/mailings/templates/{owner}")
    assert [] == known("GET", "/v3/groups/7/nothing")
    assert [] == known("PATCH", "/v3/groups/7")


def test_paths_in_docstrings() -> None:
    """A path within a sentence is no claim, and words after a claim do not matter."""
    claims = "``GET /b``, ``GET /b/{id}``\n    ``PUT /c`` and ``PUT /d``, unlike ``GET /e``"
    docstring = f"Like ``POST /a``.\n\n    {claims}"
    expected = [("GET", "/b"), ("GET", "/b/{id}"), ("PUT", "/c"), ("PUT", "/d")]
    assert expected == paths_in(docstring)
