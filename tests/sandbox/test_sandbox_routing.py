"""Finding the operation for a path."""

import pytest

from cleverreach_async.sandbox.app import ROUTES
from cleverreach_async.sandbox.call import Call
from cleverreach_async.sandbox.routing import Route, Router, split_path


def answer(_call: Call) -> None:
    """An operation that does nothing."""


@pytest.mark.parametrize("reverse", [True, False])
def test_a_literal_wins_over_a_variable(reverse: bool) -> None:
    """Whatever the order of the table, the more literal template is found."""
    templates = sorted(["/r/{id}", "/r/filter", "/{any}/filter"], reverse=reverse)
    router = Router(Route("GET", template, answer) for template in templates)
    for path, template in (
        ("/r/filter", "/r/filter"),
        ("/r/7", "/r/{id}"),
        ("/x/filter", "/{any}/filter"),
    ):
        found = router.find("GET", split_path(path))
        assert found is not None
        assert found[0].template == template
    assert router.find("GET", ("r", "filter", "x")) is None
    assert router.find("POST", ("r", "filter")) is None


@pytest.mark.parametrize(
    ("raw", "segments"),
    [
        ("/v3/groups.json/12/stats", ("v3", "groups", "12", "stats")),
        ("/v3/receivers/a%2Fb%40x.example", ("v3", "receivers", "a/b@x.example")),
        ("/v3/receivers/ann@shop.json", ("v3", "receivers", "ann@shop.json")),
        ("/v3/groups//receivers/", ("v3", "groups", "", "receivers")),
        ("/oauth/token.php", ("oauth", "token.php")),
    ],
)
def test_split_path(raw: str, segments: tuple[str, ...]) -> None:
    """The legacy ending goes, addresses and encoded slashes stay, empty ids stay visible."""
    assert split_path(raw) == segments


def test_no_operation_is_listed_twice() -> None:
    """Each method and template has one operation."""
    keys = [(route.method, route.template) for route in ROUTES]
    assert len(keys) == len(set(keys))
