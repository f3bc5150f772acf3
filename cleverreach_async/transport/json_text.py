"""Parse the text of a response as JSON, in bounded time."""

import codecs
from typing import Any, Final

import msgspec

__all__ = ["parse_json"]

_NOT_UTF_8: Final = "cleverreach_async.not_utf_8"

_ANY_SIZE_BELOW: Final = 1024 * 1024
_MOST_OBJECTS: Final = 300_000
_MOST_VALUES: Final = 1_000_000
_MOST_ODD_BYTES: Final = 100_000

_decode: Final = msgspec.json.Decoder().decode


def parse_json(content: bytes) -> Any:
    """Parse JSON. Bytes that are not UTF-8 are read as Windows-1252, so that none is lost.

    Raises:
        ValueError: It is not JSON, or it would keep the event loop busy for long: it is nested too
            deeply, has far more values than any response of the API, or is mostly not UTF-8.
    """
    if len(content) > _ANY_SIZE_BELOW:
        _check_number_of_values(content)
    try:
        return _decode(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError:
        text = _as_text(content)
        if text is None:
            raise
    return parse_json(text.encode())


def _check_number_of_values(content: bytes) -> None:
    objects = content.count(b"{") + content.count(b"[")
    if objects > _MOST_OBJECTS or content.count(b",") > _MOST_VALUES:
        raise ValueError("too many values; ask for fewer at a time")


def _as_text(content: bytes) -> str | None:
    """Decode bytes that are not UTF-8 throughout; ``None`` for those that are."""
    odd_bytes = len(content) - len(content.decode("utf-8", "ignore").encode())
    if not odd_bytes:
        return None
    if odd_bytes > _MOST_ODD_BYTES:
        raise ValueError("mostly not UTF-8")
    return content.decode("utf-8", _NOT_UTF_8)


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Decode the bytes at which UTF-8 fails; an error handler of ``bytes.decode``."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    odd = error.object[error.start : error.end]
    return odd.decode("windows-1252", "backslashreplace"), error.end


codecs.register_error(_NOT_UTF_8, _as_windows_1252)
