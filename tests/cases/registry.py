"""The register of cases: what once went wrong, each with the right result."""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from support.accounts import Account, an_account

__all__ = ["CASES", "Case", "case", "result_of"]


@attrs.frozen
class Case:
    """Something that once went wrong.

    Attributes:
        name: The file, or the call.
        right: The right result, in words.
        expected: The right result.
        find: Does it, and returns the result.
    """

    name: str
    right: str
    expected: Any
    find: Callable[[Account], Awaitable[Any]]

    @property
    def kind(self) -> str:
        """The module that registered it."""
        return self.find.__module__


CASES: list[Case] = []


def case(name: str, right: str, expected: Any) -> Callable[..., None]:
    """Register a case."""

    def register(find: Callable[[Account], Awaitable[Any]]) -> None:
        CASES.append(Case(name, right, expected, find))

    return register


async def result_of(chosen: Case) -> Any:
    """Do what the case says in an empty account."""
    async with an_account() as account:
        return await chosen.find(account)
