"""A string that does not print."""

from typing import Final, final

__all__ = ["Secret"]

_MASK: Final = "Secret(…)"


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
