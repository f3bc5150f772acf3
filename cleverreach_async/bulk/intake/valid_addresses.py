"""Which addresses are sent: only those that the server is sure to refuse are rejected here."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from cleverreach_async.sources.addresses import INVISIBLE

__all__ = ["are_addresses", "is_address"]

_LABEL: Final = r"[^\s@.,:;<>()\[\]\\\"]"
# No possessive quantifiers: before Python 3.11.5 they match wrong addresses.
_EMAIL: Final = rf"[^\s@\"(),:;<>\[\]\\]+@(?:{_LABEL}+\.)+{_LABEL}{{2,}}"
_match_one: Final = re.compile(_EMAIL).fullmatch
# One match for a slice of rows takes a third of the time of a match for each.
_match_all: Final = re.compile(rf"(?:{_EMAIL}\n)*{_EMAIL}").fullmatch
_HIDDEN: Final = frozenset(INVISIBLE)
_USUAL: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_+"
_is_usual_domain: Final = lru_cache(maxsize=4096)(
    re.compile(r"(?:[a-zA-Z0-9_-]+\.)+[a-zA-Z0-9_-]{2,}").fullmatch
)


def is_address(text: str) -> bool:
    """Whether a text looks like an e-mail address."""
    return _match_one(text) is not None and _is_visible(text)


def are_addresses(texts: Sequence[str]) -> bool:
    """Whether all texts look like e-mail addresses.

    Raises:
        TypeError: A value is not text.
    """
    joined = "\n".join(texts)
    if _are_usual(joined, len(texts)):
        return True
    has_one_each = joined.count("\n") == len(texts) - 1
    return has_one_each and _match_all(joined) is not None and _is_visible(joined)


def _are_usual(joined: str, count: int) -> bool:
    """Whether lines are addresses of letters and digits, which takes no match for most of them."""
    if not joined.isascii():
        return False
    others = joined.encode().translate(None, _USUAL)
    if others != (b"@\n" * count)[:-1]:
        return False
    parts = joined.replace("@", "\n").split("\n")
    return "" not in parts[::2] and all(map(_is_usual_domain, {*parts[1::2]}))


def _is_visible(text: str) -> bool:
    return text.isascii() or _HIDDEN.isdisjoint(text)
