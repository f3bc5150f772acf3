"""Parse the text of a response as JSON."""

import codecs
from typing import Any, Final

import msgspec

__all__ = ["parse_json"]

_NOT_UTF_8: Final = "cleverreach_async.not_utf_8"

_decode: Final = msgspec.json.Decoder().decode


def parse_json(content: bytes) -> Any:
    """Parse JSON. Bytes that are not UTF-8 are read as Windows-1252, so that none is lost.

    Raises:
        ValueError: It is not JSON.
    """
    try:
        return _decode(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError:
        text = content.decode("utf-8", _NOT_UTF_8)
        if text.encode() == content:
            raise
    return parse_json(text.encode())


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Decode the bytes at which UTF-8 fails; an error handler of ``bytes.decode``."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    odd = error.object[error.start : error.end]
    return odd.decode("windows-1252", "backslashreplace"), error.end


codecs.register_error(_NOT_UTF_8, _as_windows_1252)
