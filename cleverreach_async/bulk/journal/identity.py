"""What an import is, as its journal remembers it, and how two of them differ in words."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.redaction import mask_emails

__all__ = ["differences", "encode_identity"]

_WORDS: Final[Mapping[str, str]] = {
    "source.path": "file",
    "source.name": "file name",
    "source.size": "file size",
    "source.sha256": "file content",
}
_HASH: Final = re.compile(r"[._](?:sha\d+|md5|hash|digest|fingerprint)$")
_HEX: Final = re.compile(r"[0-9a-fA-F]{32,}")
_LONGEST: Final = 80


def encode_identity(identity: Mapping[str, Any]) -> str:
    """Return an identity as JSON, with e-mail addresses masked.

    Args:
        identity: What makes two imports the same, nested at will: strings, numbers, booleans,
            ``None``, lists and mappings.

    Raises:
        ConfigurationError: It holds something else.
    """
    try:
        return json.dumps(_masked(identity), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the identity of an import is not JSON: {error}") from None


def differences(was: str, now: str) -> list[str]:
    """Return each difference of two encoded identities as words, such as ``group_id was 7, is 9``.

    A value that is missing and one that is ``None`` are the same, so a later version of the library
    may add some.

    Args:
        was: The identity in the journal.
        now: The identity of the import that wants to resume.

    Raises:
        ValueError: One of them is not JSON.
    """
    old, new = _flat(was), _flat(now)
    return [
        _difference(key, old.get(key), new.get(key))
        for key in [*new, *(key for key in old if key not in new)]
        if old.get(key) != new.get(key)
    ]


def _flat(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("the identity is no object")  # noqa: TRY004 - the text is wrong
    return dict(_leaves("", value))


def _leaves(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            yield from _leaves(f"{prefix}.{key}" if prefix else key, inner)
    elif value is not None:
        yield prefix, value


def _difference(key: str, was: Any, now: Any) -> str:
    if _HASH.search(f".{key}") or _is_hash(was) or _is_hash(now):
        return f"{_words(key) or 'content'} differs"
    return f"{_words(key)} was {_shown(key, was)}, is {_shown(key, now)}"


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _words(key: str) -> str:
    """Name a value; one without a parent is an argument, named as the caller typed it."""
    if key in _WORDS:
        return _WORDS[key]
    key = _HASH.sub("", f".{key}").removeprefix(".")
    return key.replace(".", " ").replace("_", " ") if "." in key else key


def _shown(key: str, value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, int) and re.search(r"[._](?:size|bytes)$", f".{key}"):
        return f"{value:,} bytes"
    text = mask_emails(repr(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask_emails(value)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, Any]", value).items()
        return {mask_emails(str(key)): _masked(inner) for key, inner in pairs}
    if isinstance(value, list | tuple):
        return [_masked(inner) for inner in cast("Sequence[Any]", value)]
    return value
