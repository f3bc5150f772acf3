"""The register of cases: what once went wrong, each with the right result."""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

import anyio
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
        find: Does it, and returns the result. An async function gets an empty account; another one,
            such as for the command, gets nothing.
    """

    name: str
    right: str
    expected: Any
    find: Callable[..., Any]

    @property
    def kind(self) -> str:
        """The module that registered it."""
        return self.find.__module__


CASES: list[Case] = []


def case(name: str, right: str, expected: Any) -> Callable[..., None]:
    """Register a case."""

    def register(find: Callable[..., Any]) -> None:
        CASES.append(Case(name, right, expected, find))

    return register


def result_of(chosen: Case, *, backend: str = "asyncio") -> Any:
    """Do what the case says: in an empty account, or without an event loop if it needs none."""
    if iscoroutinefunction(chosen.find):
        return anyio.run(_in_an_account, chosen.find, backend=backend)
    return chosen.find()


async def _in_an_account(find: Callable[[Account], Awaitable[Any]]) -> Any:
    async with an_account() as account:
        return await find(account)
