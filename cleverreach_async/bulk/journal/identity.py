"""The identity of an import, as stored in its journal, and the differences between two of them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.redaction import mask_emails

__all__ = ["differences", "encode_identity", "masked"]

_LABELS: Final[Mapping[str, str]] = {
    "source.path": "file",
    "source.name": "file name",
    "source.size": "file size",
    "source.sha256": "file content",
}
_HASH_KEY: Final = re.compile(r"[._](?:sha\d+|md5|hash|digest|fingerprint)$")
_HASH: Final = re.compile(r"[0-9a-fA-F]{32,}")
_MAX_VALUE_LENGTH: Final = 80


def encode_identity(identity: Mapping[str, Any]) -> str:
    """Return an identity as JSON, with e-mail addresses masked.

    Args:
        identity: What must be the same for two imports to be the same, nested to any depth:
            strings, numbers, booleans, ``None``, lists and mappings.

    Raises:
        ConfigurationError: It contains something else.
    """
    try:
        return json.dumps(masked(identity), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the identity of an import is not JSON: {error}") from None


def differences(was: str, now: str) -> list[str]:
    """Return each difference between two encoded identities, such as ``group_id was 7, is 9``.

    A missing value and ``None`` are the same, so that a later version of the library may add
    values.

    Args:
        was: The identity in the journal.
        now: The identity of the import that is to resume.

    Raises:
        ValueError: One of them is not JSON.
    """
    old, new = _flattened(was), _flattened(now)
    return [
        _difference(key, old.get(key), new.get(key))
        for key in {**new, **old}
        if old.get(key) != new.get(key)
    ]


def _flattened(text: str) -> dict[str, Any]:
    """Return the values of an identity by key, such as ``source.size``."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("the identity is not an object")  # noqa: TRY004 - the text is wrong
    return dict(_leaves("", value))


def _leaves(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            yield from _leaves(f"{prefix}.{key}" if prefix else key, inner)
    elif value is not None:
        yield prefix, value


def _difference(key: str, was: Any, now: Any) -> str:
    if _HASH_KEY.search(f".{key}") or _HASH.fullmatch(f"{was}") or _HASH.fullmatch(f"{now}"):
        return f"{_label(key) or 'content'} differs"
    return f"{_label(key)} was {_shown(key, was)}, is {_shown(key, now)}"


def _label(key: str) -> str:
    """Return the name of a value; a top-level value is an argument and keeps its name."""
    if key in _LABELS:
        return _LABELS[key]
    key = _HASH_KEY.sub("", f".{key}").removeprefix(".")
    return key.replace(".", " ").replace("_", " ") if "." in key else key


def _shown(key: str, value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, int) and f".{key}".endswith((".size", "_size", ".bytes", "_bytes")):
        return f"{value:,} bytes"
    text = mask_emails(repr(value))
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[:_MAX_VALUE_LENGTH]}…"


def masked(value: Any) -> Any:
    """Return a value of JSON with the e-mail addresses in its texts masked."""
    if isinstance(value, str):
        return mask_emails(value)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, Any]", value).items()
        return {mask_emails(str(key)): masked(inner) for key, inner in pairs}
    if isinstance(value, list | tuple):
        return [masked(inner) for inner in cast("Sequence[Any]", value)]
    return value
