"""E-mail addresses as files contain them: invisible characters around them."""

from typing import Final

from cleverreach_async.sources.rows import Remark

__all__ = ["INVISIBLE", "address_remarks", "strip_address"]

INVISIBLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u200b\u200c\u200d\u200e\u200f"
    "\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufe0e\ufe0f\ufeff"
)
"""Characters that nobody sees, such as a zero width space, a soft hyphen, a byte order mark."""

_AROUND: Final = "".join(filter(str.isspace, map(chr, range(0x3001)))) + INVISIBLE


def strip_address(text: str) -> str:
    """Return an address without white space and invisible characters around it."""
    return text.strip() if text.isascii() else text.strip(_AROUND)


def address_remarks(raw: str, name: str) -> tuple[Remark, ...]:
    """Return a remark if an address had invisible characters around it.

    Args:
        raw: The address as it was read.
        name: What the remark calls its place, such as ``column 'E-Mail'``.
    """
    if raw.strip() == strip_address(raw):
        return ()
    return (Remark("changed", f"{name}: invisible characters around the address removed"),)
