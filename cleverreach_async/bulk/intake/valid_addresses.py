"""Which addresses are sent: only those that the server is sure to refuse are rejected here."""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from cleverreach_async.bulk.rows import email_key
from cleverreach_async.bulk.spellings import PUNYCODE
from cleverreach_async.sources.addresses import INVISIBLE

__all__ = ["is_address", "keys_of"]

_LABEL: Final = r"[^\s@.,:;<>()\[\]\\\"]"
# No possessive quantifiers: before Python 3.11.5 they match wrong addresses.
_EMAIL: Final = rf"[^\s@\"(),:;<>\[\]\\]+@(?:{_LABEL}+\.)+{_LABEL}{{2,}}"
_match_one: Final = re.compile(_EMAIL).fullmatch
# One match for a slice of rows takes a third of the time of a match for each.
_match_all: Final = re.compile(rf"(?:{_EMAIL}\n)*{_EMAIL}").fullmatch
_HIDDEN: Final = frozenset(INVISIBLE)
_USUAL: Final = b"abcdefghijklmnopqrstuvwxyz0123456789.-_+"
_is_usual_domain: Final = re.compile(r"(?:[a-z0-9_-]+\.)+[a-z0-9_-]{2,}").fullmatch
_MOST_DOMAINS: Final = 4096


def is_address(text: str) -> bool:
    """Whether a text looks like an e-mail address."""
    return _match_one(text) is not None and _is_visible(text)


def keys_of(texts: Sequence[str]) -> Sequence[str] | None:
    """Return the keys of e-mail addresses; ``None`` if any text does not look like one.

    Raises:
        TypeError: A value is not text.
    """
    joined = "\n".join(texts)
    if joined.isascii():
        lowered = joined.lower()
        if PUNYCODE not in lowered and _are_usual(lowered, len(texts)):
            return lowered.split("\n")
    has_one_each = joined.count("\n") == len(texts) - 1
    if has_one_each and _match_all(joined) is not None and _is_visible(joined):
        return list(map(email_key, texts))
    return None


def _are_usual(lines: str, count: int) -> bool:
    """Whether lines are addresses of letters and digits, which takes no match for most of them."""
    others = lines.encode().translate(None, _USUAL)
    if others != (b"@\n" * count)[:-1] or lines.startswith("@") or "\n@" in lines:
        return False
    return _usual_domains.contain({*lines.replace("@", "\n").split("\n")[1::2]})


class _UsualDomains:
    """Domains that were matched once, since most addresses have one of a few."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def contain(self, domains: AbstractSet[str]) -> bool:
        """Whether all are usual domains, whether or not they were matched before."""
        if self._known.issuperset(domains):
            return True
        new = domains - self._known
        if not all(map(_is_usual_domain, new)):
            return False
        if len(self._known) > _MOST_DOMAINS:
            self._known.clear()
        self._known |= new
        return True


_usual_domains: Final = _UsualDomains()


def _is_visible(text: str) -> bool:
    return text.isascii() or _HIDDEN.isdisjoint(text)
