"""Secrets and addresses that must not be shown."""

import re
from typing import Final, final

__all__ = ["Masked", "MaskedBytes", "Secret", "mask_emails"]

_MASK: Final = "Secret(…)"
_EMAIL: Final = re.compile(r"[^\s@<>'\"(),;:]*(?:@|%40)[^\s@<>'\"(),;:]+")
_QUOTED_ADDRESS: Final = re.compile(r"(address\s+)(?:'[^']*'|\"[^\"]*\")", re.IGNORECASE)


@final
class Secret:
    """Holds a credential; only :meth:`reveal` gives it out.

    ``repr``, ``str``, formatting and pickling all refuse or mask it, so it cannot reach a log, a
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
        raise TypeError("a Secret is not pickled; pass the credential itself where it is needed")


class Masked(str):
    """Text with a credential: it works as any other, but has no telling repr and no pickle."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"

    def __reduce__(self) -> str:
        raise TypeError("a credential is not pickled")


class MaskedBytes(bytes):
    """A body with a credential; see :class:`Masked`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'…'"

    def __reduce__(self) -> str:
        raise TypeError("a credential is not pickled")


def mask_emails(text: str) -> str:
    """Replace e-mail addresses, and whatever the vendor quotes as an address, by a mark."""
    return _QUOTED_ADDRESS.sub(r"\1<hidden>", _EMAIL.sub("<e-mail>", text))
