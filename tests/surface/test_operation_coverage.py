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

MISSING: set[str] = {
    "GET /receivers/bounced: client",
    "GET /receivers/bounced: test",
    "POST /groups/{group_id}/get_receivers: client",
    "POST /groups/{group_id}/get_receivers: test",
    "PUT /groups/{group_id}/receivers/{pool_id}/attributes/{id}: client",
    "PUT /groups/{group_id}/receivers/{pool_id}/attributes/{id}: test",
    "GET /groups/{group_id}/receivers/{pool_id}/events: client",
    "GET /groups/{group_id}/receivers/{pool_id}/events: test",
    "POST /groups/{group_id}/receivers/{pool_id}/events: client",
    "POST /groups/{group_id}/receivers/{pool_id}/events: test",
    "GET /receivers/{id}/attributes: client",
    "GET /receivers/{id}/attributes: test",
    "PUT /receivers/{pool_id}/attributes/{id}: client",
    "PUT /receivers/{pool_id}/attributes/{id}: test",
    "GET /receivers/{id}/groups: client",
    "GET /receivers/{id}/groups: test",
    "GET /receivers/{pool_id}/events: client",
    "GET /receivers/{pool_id}/events: test",
    "POST /receivers/{pool_id}/events: client",
    "POST /receivers/{pool_id}/events: test",
    "POST /receivers/{id}/clone: client",
    "POST /receivers/{id}/clone: test",
    "PUT /receivers/{id}/email: client",
    "PUT /receivers/{id}/email: test",
    "POST /receivers/isvalid: client",
    "POST /receivers/isvalid: test",
    "POST /receivers/filter: client",
    "POST /receivers/filter: test",
    "GET /receivers/{id}/tags: client",
    "GET /receivers/{id}/tags: test",
    "GET /mailings/channel: client",
    "GET /mailings/channel: sandbox",
    "GET /mailings/channel: test",
    "GET /mailings/channel/{id}: client",
    "GET /mailings/channel/{id}: sandbox",
    "GET /mailings/channel/{id}: test",
    "DELETE /mailings/channel/{id}: client",
    "DELETE /mailings/channel/{id}: sandbox",
    "DELETE /mailings/channel/{id}: test",
    "POST /mailings/template: client",
    "POST /mailings/template: sandbox",
    "POST /mailings/template: test",
    "GET /mailings/templates/agency: client",
    "GET /mailings/templates/agency: sandbox",
    "GET /mailings/templates/agency: test",
    "GET /mailings/templates/user: client",
    "GET /mailings/templates/user: sandbox",
    "GET /mailings/templates/user: test",
    "GET /mailings/{id}/links: sandbox",
    "GET /mailings/{id}/orders: sandbox",
    "GET /mailings/{id}/randomreceiver: client",
    "GET /mailings/{id}/randomreceiver: sandbox",
    "GET /mailings/{id}/randomreceiver: test",
    "POST /mailings/{id}/sendpreview: sandbox",
    "POST /mailings/{id}/release: sandbox",
    "POST /mailings/{id}/stop: sandbox",
    "POST /gomailer/preview: client",
    "POST /gomailer/preview: sandbox",
    "POST /gomailer/preview: test",
    "GET /reports/{id}/receivers/{state}: sandbox",
    "GET /reports/{id}/stats/{mode}: sandbox",
    "POST /oauth/finish: client",
    "POST /oauth/finish: sandbox",
    "POST /oauth/finish: test",
    "POST /oauth/settings: client",
    "POST /oauth/settings: sandbox",
    "POST /oauth/settings: test",
    "POST /hooks/eventhook: client",
    "POST /hooks/eventhook: sandbox",
    "POST /hooks/eventhook: test",
    "GET /hooks/eventhook: client",
    "GET /hooks/eventhook: sandbox",
    "GET /hooks/eventhook: test",
    "DELETE /hooks/eventhook/{event}: client",
    "DELETE /hooks/eventhook/{event}: sandbox",
    "DELETE /hooks/eventhook/{event}: test",
    "POST /automation/createfromtemplate/abandonedcart: client",
    "POST /automation/createfromtemplate/abandonedcart: sandbox",
    "POST /automation/createfromtemplate/abandonedcart: test",
    "POST /trigger/abandonedcart: client",
    "POST /trigger/abandonedcart: sandbox",
    "POST /trigger/abandonedcart: test",
}
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
