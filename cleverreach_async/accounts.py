"""The clients of many accounts in one process, one per account."""

from collections import OrderedDict
from collections.abc import Callable
from inspect import isawaitable
from itertools import islice
from typing import Final, Generic, TypeVar
from weakref import WeakValueDictionary

from cleverreach_async.auth.credentials import check_text
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.numbers import check_number
from cleverreach_async.transport.transport import Account

__all__ = ["Accounts", "check_auth"]

_EXAMINED: Final = 16
"""Accounts that are examined to find one without a pause, so that each look-up stays cheap."""


ClientT = TypeVar("ClientT")


class Accounts(Generic[ClientT]):
    """The clients of many accounts, by a key of yours; see :meth:`CleverReach.accounts`.

    ``tenants["shop-42"]`` makes the client when the key is first used. Later it has the same gate,
    retry budget and token cache, so that a pause or a renewed token counts for all calls of the
    account. The accounts that were used last are kept. One that is still in use elsewhere, by a
    call in flight or an import, is never made a second time, however long ago its key was used.

    Args:
        make: Returns a client and its account for a key. It is passed the account if that is
            still in use.
        keep: Most accounts that are kept.
    """

    def __init__(
        self,
        make: Callable[[str, Account | None], tuple[ClientT, Account]],
        keep: int,
    ) -> None:
        check_number("keep", keep, least=1)
        self._make = make
        self._keep = keep
        self._kept: OrderedDict[str, ClientT] = OrderedDict()
        self._alive: WeakValueDictionary[str, Account] = WeakValueDictionary()

    def __getitem__(self, key: str) -> ClientT:
        """Return the client of an account.

        Args:
            key: Names the account, such as the id of a tenant. Use one key per account.

        Raises:
            ConfigurationError: The key is empty or no text, or the function returned no way to
                authenticate. Its own errors pass; nothing is kept then.
        """
        _check_key(key)
        client = self._kept.get(key)
        if client is not None:
            self._kept.move_to_end(key)
            return client
        made, account = self._make(key, self._alive.get(key))
        # The function may itself have asked for the same key.
        client = self._kept.setdefault(key, made)
        if client is made:
            self._alive[key] = account
            self._shrink(key)
        return client

    def forget(self, key: str) -> None:
        """Make the client of a key anew when it is next used.

        For a tenant that has connected another account, or has left. Calls of the earlier client
        go on. Nothing happens if the key is unknown.

        Args:
            key: Names the account.
        """
        self._kept.pop(key, None)
        self._alive.pop(key, None)

    def __len__(self) -> int:
        """The number of accounts that are kept."""
        return len(self._kept)

    def __contains__(self, key: object) -> bool:
        """Whether an account is kept. This does not count as a use."""
        return key in self._kept

    def __repr__(self) -> str:
        # No keys: they may be addresses.
        return f"<Accounts: {len(self)} kept, at most {self._keep}>"

    def _shrink(self, newest: str) -> None:
        """Drop an account that was used long ago, rather one that is not paused.

        A pause that the server asked for would be forgotten with its account.
        """
        if len(self._kept) <= self._keep:
            return
        oldest = list(islice(self._kept, _EXAMINED))
        paused = [key for key in oldest if self._is_paused(key)]
        dropped = next((key for key in oldest if key not in paused and key != newest), oldest[0])
        for key in paused:
            if key != dropped:
                self._kept.move_to_end(key)  # not to be examined again soon
        self._kept.move_to_end(newest)
        del self._kept[dropped]

    def _is_paused(self, key: str) -> bool:
        account = self._alive.get(key)
        return account is not None and account.gate.closed


def check_auth(auth: object) -> None:
    """Check that a function of the user's has returned at once.

    Raises:
        ConfigurationError: It is asynchronous.
    """
    if isawaitable(auth):
        getattr(auth, "close", lambda: None)()  # otherwise Python warns that nobody awaits it
        raise ConfigurationError(
            "the function of accounts() is asynchronous; return the credentials at once, such as"
            " app.user(store=…): the store is read when a token is needed, and may await"
        )


def _check_key(key: object) -> None:
    check_text(key, "the key of an account")
    if not key:
        raise ConfigurationError("the key of an account is empty")
