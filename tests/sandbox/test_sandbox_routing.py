"""Paths and routes."""

import pytest

from cleverreach_async.sandbox.api import OPERATIONS
from cleverreach_async.sandbox.routing import encode_path, split_path


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
