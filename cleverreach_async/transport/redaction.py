"""Keep secrets and e-mail addresses out of logs, errors and reports."""

import re
from typing import Final, TypeVar, final

__all__ = ["Masked", "MaskedBytes", "Secret", "drop_tracebacks", "mask_emails"]

E = TypeVar("E", bound=BaseException)

_MASK: Final = "Secret(…)"
_EMAIL: Final = re.compile(r"[^\s@<>'\"(),;:]*(?:@|%40)[^\s@<>'\"(),;:]+")
_QUOTED_ADDRESS: Final = re.compile(r"(address\s+)(?:'[^']*'|\"[^\"]*\")", re.IGNORECASE)


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
    """Replace e-mail addresses, and whatever the vendor quotes as an address, by placeholders."""
    return _QUOTED_ADDRESS.sub(r"\1<hidden>", _EMAIL.sub("<e-mail>", text))


def drop_tracebacks(error: E) -> E:
    """Remove the tracebacks of an error and its causes, whose variables may hold secrets.

    Args:
        error: Any error.

    Returns:
        The same error.
    """
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
