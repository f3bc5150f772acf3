"""Imports that are killed while they renew their token."""

import json
from pathlib import Path
from typing import Any

import pytest
from kill.conftest import Prepare
from kill.test_kill_points import assert_same_as_reference
from support.kill_imports import Import, Server

pytestmark = pytest.mark.socket

POINTS = ("token refreshed", "token written")

USES = 18
"""Requests after which a token is refused, so that it is renewed during the import."""


def put_token(store: Path, refresh_token: str) -> None:
    """Write an expired token and its refresh token to the store of the import."""
    token = {"access_token": "over", "refresh_token": refresh_token, "expires_at": 1.0}
    store.write_text(json.dumps(token))


def whole_token(store: Path) -> dict[str, Any] | None:
    """Return the token in a store's file, which must be complete."""
    if not store.exists():
        return None
    token: dict[str, Any] = json.loads(store.read_text())
    assert {"access_token", "refresh_token", "expires_at"} <= set(token)
    return token


@pytest.mark.parametrize("point", POINTS)
def test_a6_killed_while_it_fetches_a_token_for_the_app(
    prepare: Prepare, reference: Import, server: Server, tmp_path: Path, point: str
) -> None:
    """The next run fetches another; the file contains the old or the new token, never a part."""
    store = tmp_path / "token.json"
    server.control("tokens", strict=True, uses=USES)
    killed = prepare(store=str(store))
    assert killed.run(point, 1)
    assert whole_token(store) is None
    assert killed.run(point, 2)
    first = whole_token(store)
    assert first is not None
    # The next run uses that token, and is killed when it has renewed it.
    assert killed.run(point, 1)
    assert first == whole_token(store)
    killed.finish()

    assert_same_as_reference(killed, reference)
    assert server.control("issued") > 5


@pytest.mark.parametrize("point", POINTS)
def test_a6_killed_while_it_renews_the_token_of_a_user(
    prepare: Prepare, reference: Import, server: Server, tmp_path: Path, point: str
) -> None:
    """If a used refresh token works until the new one is used, the import continues."""
    store = tmp_path / "token.json"
    server.control("tokens", strict=True, uses=USES, first="refresh-0")
    put_token(store, "refresh-0")
    killed = prepare(store=str(store), is_user=True)
    for occurrence in (1, 2, 2):
        before = whole_token(store)
        assert killed.run(point, occurrence)
        assert (before == whole_token(store)) == (occurrence == 1)
    killed.finish()

    assert_same_as_reference(killed, reference)


@pytest.mark.parametrize("point", POINTS)
def test_a_lost_refresh_token_stops_the_import_but_loses_no_row(
    prepare: Prepare, reference: Import, server: Server, tmp_path: Path, point: str
) -> None:
    """If it works only once, the user has to authorise again; then the import continues."""
    store = tmp_path / "token.json"
    server.control("tokens", strict=True, uses=USES, first="refresh-0", grace=False)
    put_token(store, "refresh-0")
    killed = prepare(store=str(store), is_user=True)
    assert killed.run(point, 2)
    assert not killed.run()
    assert "authorise again" in killed.error
    assert whole_token(store) is not None

    server.control("tokens", strict=True, first="refresh-again")
    put_token(store, "refresh-again")
    killed.finish()

    assert_same_as_reference(killed, reference)
