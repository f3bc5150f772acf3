"""A store of the user's own, whose mistakes are told apart from an outage."""

from collections.abc import Sequence
from inspect import isawaitable
from typing import Any, cast

from cleverreach_async.bulk.journal.store import JournalEntry, JournalStore
from cleverreach_async.errors import ConfigurationError

__all__ = ["CheckedStore"]


class CheckedStore:
    """A :class:`JournalStore` that checks what another one answers.

    Args:
        store: The other one.
    """

    def __init__(self, store: JournalStore) -> None:
        self._store = store

    @property
    def name(self) -> str:
        """See :class:`JournalStore`."""
        return self._store.name

    @property
    def lease(self) -> float:
        """See :class:`JournalStore`."""
        return self._store.lease

    async def load(self) -> JournalEntry | None:
        """See :class:`JournalStore`.

        Raises:
            ConfigurationError: The answer is neither an entry nor ``None``.
        """
        found = await self._call("load")
        if found is None or _is_entry(found):
            return cast("JournalEntry | None", found)
        raise self._wrong("load", found, "a JournalEntry of two texts, or None")

    async def swap(self, expected: str | None, entry: JournalEntry, rejects: str) -> bool:
        """See :class:`JournalStore`.

        Raises:
            ConfigurationError: The answer is neither true nor false.
        """
        done = await self._call("swap", expected, entry, rejects)
        if not isinstance(done, bool):
            raise self._wrong("swap", done, "whether the entry was replaced: True or False")
        return done

    async def load_rejects(self) -> Sequence[str]:
        """See :class:`JournalStore`.

        Raises:
            ConfigurationError: The answer is no list of texts.
        """
        found: Any = await self._call("load_rejects")
        if isinstance(found, list | tuple):
            texts = cast("Sequence[str]", found)
            if _are_texts(*texts):
                return texts
        raise self._wrong(
            "load_rejects", cast("object", found), "a list of the texts that were added"
        )

    async def delete(self) -> None:
        """See :class:`JournalStore`."""
        await self._call("delete")

    async def _call(self, method: str, *arguments: Any) -> Any:
        answer = getattr(self._store, method)(*arguments)
        if not isawaitable(answer):
            raise ConfigurationError(
                f"{method}() of {self.name} is not asynchronous; write it with async def"
            )
        return await answer

    def _wrong(self, method: str, answer: object, wanted: str) -> ConfigurationError:
        return ConfigurationError(
            f"{method}() of {self.name} returned a {type(answer).__name__}; return {wanted}"
        )


def _is_entry(value: object) -> bool:
    return isinstance(value, JournalEntry) and _are_texts(value.version, value.text)


def _are_texts(*values: object) -> bool:
    return all(isinstance(it, str) for it in values)
