"""Keep secrets and e-mail addresses out of logs, errors and reports."""

import re
from collections.abc import Iterable
from typing import Final, TypeVar, final

from cleverreach_async.transport.hiding import errors_in, hide

__all__ = [
    "EXAMPLE_ADDRESS",
    "Masked",
    "MaskedBytes",
    "Secret",
    "drop_tracebacks",
    "excerpt",
    "mask_emails",
]

E = TypeVar("E", bound=BaseException)

EXAMPLE_ADDRESS: Final = "name@example.org"
"""The address in messages of this library that show what is expected; it is not masked."""


_MASK: Final = "Secret(…)"
_WORD: Final = re.compile(r"[^\s<>'\"(),;:]+")
_SIGN: Final = re.compile(r"(?:@|%40)(?=[^@])")
_READ_PER_SHOWN: Final = 4
_QUOTED_ADDRESS: Final = re.compile(
    r"(address\s+)(?:'[^']*(?:'|\Z)|\"[^\"]*(?:\"|\Z))", re.IGNORECASE
)


@final
class Secret:
    """Holds a credential; only :meth:`reveal` returns it.

    ``repr``, ``str`` and formatting mask it and pickling raises, so it cannot reach a log, a
    traceback or a journal by accident.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the credential itself."""
        return self._value

    def __repr__(self) -> str:
        return _MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be pickled; pass the credential itself where it is needed")


class Masked(str):
    """Text with a credential. It works like any other text, but its ``repr`` is masked.

    Pickling it raises.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"

    def __reduce__(self) -> str:
        raise TypeError("a credential cannot be pickled")


class MaskedBytes(bytes):
    """Bytes with a credential; see :class:`Masked`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'…'"

    def __reduce__(self) -> str:
        raise TypeError("a credential cannot be pickled")


def mask_emails(text: str) -> str:
    """Replace e-mail addresses, and whatever the vendor quotes as an address, by placeholders.

    The time that it takes grows with the length of the text, whatever is in it.
    """
    if "@" not in text and "%40" not in text and '"' not in text and "'" not in text:
        return text
    return _QUOTED_ADDRESS.sub(r"\1<hidden>", _WORD.sub(_masked_word, text))


def _masked_word(match: re.Match[str]) -> str:
    word = match[0]
    return "<e-mail>" if word != EXAMPLE_ADDRESS and _SIGN.search(word) else word


def excerpt(text: str, limit: int, *, lines: bool = False, secrets: Iterable[str] = ()) -> str:
    """Return the beginning of a text from outside, fit for an error or a log.

    E-mail addresses are masked. Characters that could manipulate a terminal, or forge a line of a
    log, are replaced. The time that it takes grows with ``limit``, not with the text.

    Args:
        text: The text.
        limit: Most characters.
        lines: Whether line breaks and tabs stay; otherwise they become blanks.
        secrets: Credentials that the text may quote, and that are hidden.
    """
    # Masking makes texts shorter, so more is read than is returned.
    part = text[: _READ_PER_SHOWN * limit]
    shown = mask_emails(hide(part, secrets))
    if len(part) < len(text) and len(shown) <= limit:
        shown = shown.rpartition(" ")[0]  # the last word may be the beginning of an address
    shown = shown[:limit]
    if shown.isprintable():
        return shown
    kept = "\n\t" if lines else ""
    return "".join(it if it in kept else _visible(it) for it in shown.replace("\r\n", "\n"))


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "\ufffd"


def drop_tracebacks(error: E, *, handled: BaseException | None = None) -> E:
    """Remove the tracebacks of an error and its causes, whose variables may hold secrets.

    Args:
        error: Any error.
        handled: What the caller handled before, which keeps its own.

    Returns:
        The same error.
    """
    for link in errors_in(error, handled=handled):
        link.__traceback__ = None
    return error
