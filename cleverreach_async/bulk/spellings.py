"""One mailbox in several spellings: pure functions on addresses.

A server may store and show an address in a form of its own: in lower case, with the domain in
Punycode, in another Unicode normal form, or without what a mail provider ignores.
"""

import unicodedata
from typing import Final

__all__ = ["PUNYCODE", "mailbox_of", "spellings_of", "unified"]

PUNYCODE: Final = "xn--"
_IGNORES_DOTS: Final = frozenset({"gmail.com", "googlemail.com"})


def unified(key: str) -> str:
    """Return the form that all spellings of a key in lower case have.

    It has a domain without Punycode, and composed letters.
    """
    name, at, domain = key.rpartition("@")
    labels = [_decode_label(label) for label in domain.split(".")]
    return unicodedata.normalize("NFC", f"{name}{at}{'.'.join(labels)}").lower()


def mailbox_of(key: str) -> str:
    """Return what all spellings that a server may use instead of a key have in common.

    Two keys of one mailbox may be different receivers, so it decides only where nothing else does.
    """
    text = key if key.isascii() else unicodedata.normalize("NFKC", key).casefold()
    name, _, domain = text.rpartition("@")
    name = name.partition("+")[0] or name
    if domain in _IGNORES_DOTS:
        return f"{name.replace('.', '')}@gmail.com"
    return f"{name}@{domain}"


def spellings_of(key: str) -> list[str]:
    """Return the spellings under which a server may find a key, which comes first."""
    name, _, domain = key.rpartition("@")
    punycode = ".".join(map(_encode_label, domain.split(".")))
    found = [key, f"{name}@{punycode}", mailbox_of(key)]
    if not key.isascii():
        found.append(unicodedata.normalize("NFD", key))
    return list(dict.fromkeys(found))


def _decode_label(label: str) -> str:
    if not label.startswith(PUNYCODE):
        return label
    try:
        decoded = label.removeprefix(PUNYCODE).encode("ascii").decode("punycode")
    except ValueError:
        return label
    # Text that is no label is not what the domain means.
    return label if decoded.isascii() or _has_separator(decoded) else decoded


def _has_separator(text: str) -> bool:
    return any(letter in ".@" or letter.isspace() for letter in text)


def _encode_label(label: str) -> str:
    if label.isascii():
        return label
    composed = unicodedata.normalize("NFC", label)
    return PUNYCODE + composed.encode("punycode").decode("ascii")
