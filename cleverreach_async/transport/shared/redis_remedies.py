"""Errors of Redis that do not pass by waiting, and what to do about them."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

__all__ = ["redis_remedy"]

_REMEDIES: Final[Mapping[str, str]] = {
    # Names of classes are known to redis-py only, and it drops the code of such errors.
    "AuthenticationError|AuthenticationWrongNumberOfArgsError|NOAUTH|WRONGPASS": (
        "pass a client with the right user name and password"
    ),
    "NoPermissionError|NOPERM|The user executing the script": (
        "allow its user the commands and the keys, with ACL SETUSER"
    ),
    "WRONGTYPE": "something else is stored there; use a key that nothing else uses",
    "DB index is out of range|invalid DB index": "pass a client of a database that it has",
    "unknown command": "use a Redis that has this command, and does not rename it",
    "MovedError|MOVED": "it is a cluster; pass a RedisCluster",
}


def redis_remedy(error: BaseException, client: object) -> str | None:
    """Return what to do about an error that stays; ``None`` for one that may pass by itself.

    Errors while Redis loads its data, fails over or is full pass by themselves.

    Args:
        error: The error of a client.
        client: The client.
    """
    texts = list(_texts(error))
    for pattern, remedy in _REMEDIES.items():
        if pattern.startswith("Moved") and _is_cluster(client):
            continue  # it finds the node that has the key now
        if any(re.search(rf"\b(?:{pattern})\b", text) for text in texts):
            return remedy
    return None


def _texts(error: BaseException) -> Iterator[str]:
    """Return names and beginnings of an error and of its cause, which a cluster wraps."""
    for it in (error, error.__cause__):
        if it is not None:
            yield from (kind.__name__ for kind in type(it).__mro__)
            # The end of the text may quote what was sent.
            yield re.split("['`]", str(it))[0]


def _is_cluster(client: object) -> bool:
    return any(kind.__name__ == "RedisCluster" for kind in type(client).__mro__)
