"""Paths and routes."""

import pytest
from starlette.routing import Match, Route
from starlette.types import Scope

from cleverreach_async.sandbox.api import OPERATIONS
from cleverreach_async.sandbox.routing import (
    OperationRoutes,
    clean_path,
    encode_path,
    split_path,
)


@pytest.mark.parametrize(
    ("raw", "segments"),
    [
        ("/v3/groups.json/12/stats", ["v3", "groups", "12", "stats"]),
        ("/v3/receivers/a%2Fb%40x.example", ["v3", "receivers", "a/b@x.example"]),
        ("/v3/receivers/ann@shop.json", ["v3", "receivers", "ann@shop.json"]),
        ("/v3/groups//receivers/", ["v3", "groups", "", "receivers"]),
        ("/oauth/token.php", ["oauth", "token.php"]),
    ],
)
def test_split_path(raw: str, segments: list[str]) -> None:
    """The legacy ending is removed; addresses, encoded slashes and empty ids are kept."""
    assert split_path(raw) == segments
    assert split_path(encode_path(segments)) == segments


def test_no_operation_is_listed_twice() -> None:
    """Each method and path has one operation."""
    keys = [(route.methods, route.path) for route in OPERATIONS]
    assert all(keys.count(key) == 1 for key in keys)


def test_a_literal_wins_over_a_variable() -> None:
    """No route matches the path of a later route of the same method."""
    for number, route in enumerate(OPERATIONS):
        earlier = [r for r in OPERATIONS[:number] if r.methods == route.methods]
        assert [] == [r.path for r in earlier if r.path_regex.match(route.path_format)]


@pytest.mark.parametrize("root_path", ["", "/sandbox"])
def test_a_request_is_compared_with_few_routes(
    monkeypatch: pytest.MonkeyPatch, root_path: str
) -> None:
    """Each operation is found, also below a prefix, without trying all the others."""
    tried: list[Route] = []
    matches = Route.matches

    def matches_and_note(route: Route, scope: Scope) -> tuple[Match, Scope]:
        """Note the route."""
        tried.append(route)
        return matches(route, scope)

    monkeypatch.setattr(Route, "matches", matches_and_note)
    routes = OperationRoutes(OPERATIONS)
    for operation in OPERATIONS:
        tried.clear()
        method = next(iter(operation.methods or ""))
        path = root_path + operation.path.replace(":segment", "")
        scope: Scope = {"type": "http", "method": method, "path": path, "root_path": root_path}
        match, child_scope = routes.matches(scope)
        assert (Match.FULL, operation.endpoint) == (match, child_scope["endpoint"])
        assert len(tried) <= 6


@pytest.mark.parametrize("path", ["", "/", "/v3", "/v3/", "/v3/nothing", "/v3/groups/1/2/3/4/5/6"])
def test_an_unknown_path_matches_no_operation(path: str) -> None:
    """Short and long paths are no error."""
    scope: Scope = {"type": "http", "method": "GET", "path": path}
    assert (Match.NONE, {}) == OperationRoutes(OPERATIONS).matches(scope)


def test_clean_path() -> None:
    """The recorded path is decoded, the other one is what the routes match."""
    raw = b"/v3/receivers/a%2fb%40x.example/groups.json/"
    expected = "/v3/receivers/a/b@x.example/groups", "/v3/receivers/a%2Fb%40x.example/groups"
    assert expected == clean_path(raw)
