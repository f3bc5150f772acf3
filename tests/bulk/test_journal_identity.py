"""The identity of an import, and the differences between two of them."""

from typing import Any

import pytest

from cleverreach_async import ConfigurationError
from cleverreach_async.bulk.journal.identity import differences, encode_identity

SHA = "0f" * 32


def between(was: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The differences of two identities."""
    return differences(encode_identity(was), encode_identity(now))


@pytest.mark.parametrize(
    ("was", "now", "text"),
    [
        ({"group_id": 7}, {"group_id": 9}, "group_id was 7, is 9"),
        ({"mode": "insert"}, {"mode": "upsert"}, "mode was 'insert', is 'upsert'"),
        ({}, {"delimiter": "\t"}, r"delimiter was not set, is '\t'"),
        ({"trim": True}, {}, "trim was True, is not set"),
        (
            {"source": {"size": 1204}},
            {"source": {"size": 2000}},
            "file size was 1,204 bytes, is 2,000 bytes",
        ),
        (
            {"source": {"path": "a.csv"}},
            {"source": {"path": "b.csv"}},
            "file was 'a.csv', is 'b.csv'",
        ),
        (
            {"source": {"columns": ["a"]}},
            {"source": {"columns": ["a", "b"]}},
            "source columns was ['a'], is ['a', 'b']",
        ),
        (
            {"source": {"field_map": {"E-Mail": "email"}}},
            {"source": {"field_map": {"E-Mail": "name"}}},
            "source field map E-Mail was 'email', is 'name'",
        ),
        ({"source": {"sha256": SHA}}, {"source": {"sha256": "1"}}, "file content differs"),
        ({"sha256": SHA}, {}, "content differs"),
        ({"config_hash": "aa"}, {"config_hash": "bb"}, "config differs"),
        ({"source": {"head": SHA}}, {"source": {"head": "0" + SHA}}, "source head differs"),
    ],
)
def test_a_difference_is_described(was: dict[str, Any], now: dict[str, Any], text: str) -> None:
    """With both values, unless they are hashes, which say nothing to a reader."""
    assert [text] == between(was, now)


def test_every_difference_is_named() -> None:
    """Not only the first, so that a user can correct all of them at once."""
    was = {"group_id": 7, "mode": "insert", "key": 1}
    now = {"group_id": 9, "mode": "upsert", "key": 1}
    assert ["group_id was 7, is 9", "mode was 'insert', is 'upsert'"] == between(was, now)


def test_values_that_are_the_same_in_json_are_equal() -> None:
    """Tuples and lists, missing and ``None``, and keys in any order."""
    was = {"columns": ("a", "b"), "mode": "upsert", "later": None}
    now = {"mode": "upsert", "columns": ["a", "b"], "source": {"size": None}}
    assert [] == between(was, now)


def test_long_values_are_truncated() -> None:
    """So the message remains readable."""
    [text] = between({"columns": ["x"] * 500}, {"columns": []})
    assert len(text) < 150
    assert "…" in text


def test_addresses_are_masked() -> None:
    """In names and values, at any depth, in the encoded identity and in the differences."""
    identity = {
        "source": {"path": "/home/bruce@wayne.example/list.csv"},
        "map": {"selina@kyle.example": ["alfred@wayne.example"]},
    }
    assert "@" not in encode_identity(identity)
    assert "example" not in "".join(between(identity, {"map": {}}))


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, float("nan"), object()])
def test_only_json_makes_an_identity(value: object) -> None:
    """Anything else would be read back as something else."""
    with pytest.raises(ConfigurationError, match="not JSON"):
        encode_identity({"value": value})


@pytest.mark.parametrize("text", ["", "[1]", "7", "{"])
def test_a_damaged_identity_is_a_value_error(text: str) -> None:
    """The journal translates it."""
    with pytest.raises(ValueError, match=r"object|Expecting"):
        differences(text, "{}")
