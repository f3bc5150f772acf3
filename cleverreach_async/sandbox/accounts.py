"""The accounts of a sandbox: the state of each, and which one a token or an OAuth app is of."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from .behaviour import Behaviour
from .faults import Fault
from .hook_events import watch
from .hook_queue import HookQueue, SentWebhook
from .limits import AccountLimits
from .store import Row, Store

FIRST_ID = 129_000
"""The id of the first account."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,49}")
_IDS_PER_ACCOUNT = 100_000_000


@dataclass(slots=True, repr=False)
class AccountState:
    """The state of one account.

    Attributes:
        id: Its id.
        name: Its name in the sandbox.
        accounts: All accounts.
        store: Its database.
        behaviour: The current behaviour.
        clock: Returns the time in unix seconds.
        client_id: The id of its OAuth app.
        client_secret: The secret of the app.
        token_lifetime: The lifetime of access tokens in seconds.
        limits: How much it may ask.
        random: Shuffles responses.
        sends: How many e-mails were requested per form and receiver.
        hooks: The deliveries of webhooks.
    """

    id: int
    name: str
    accounts: "SandboxAccounts"
    store: Store
    behaviour: Behaviour
    clock: Callable[[], float]
    client_id: str
    client_secret: str
    token_lifetime: int
    limits: AccountLimits
    random: Random = field(default_factory=lambda: Random(1))
    sends: Counter[tuple[int, int]] = field(default_factory=Counter[tuple[int, int]])
    hooks: HookQueue = field(default_factory=HookQueue)

    def now(self) -> int:
        """Return the time in unix seconds."""
        return int(self.clock())

    async def send_webhooks(self) -> list[SentWebhook]:
        """Send the deliveries of webhooks that are due."""
        return await self.hooks.send_due(self.store, self.behaviour, self.now, self.random)

    @property
    def tokens(self) -> Store:
        """The database of the tokens, which all accounts share."""
        return self.accounts.store


class SandboxAccounts:
    """All accounts. Each has a database of its own; the first one's has the tokens too.

    An account that was added before is in the database; it is opened when its name is added again
    or one of its tokens is used.

    Args:
        path: The database of the first account.
        name: The name of the first account.
        make: Makes the state of an account from its id, its name and its database.
    """

    def __init__(
        self,
        path: str,
        name: str,
        make: Callable[[int, str, "SandboxAccounts", Store], AccountState],
    ) -> None:
        self._path = path
        self._make = make
        self.store: Store = Store(path)
        self._by_id: dict[int, AccountState] = {}
        self.first: AccountState = self._open(FIRST_ID, name, self.store)

    def _open(self, account_id: int, name: str, store: Store | None = None) -> AccountState:
        """Open an account."""
        if store is None:
            step = (account_id - FIRST_ID) * _IDS_PER_ACCOUNT
            store = Store(self._path_of(name), first_ids_after=step)
        account = self._make(account_id, name, self, store)
        account.hooks.is_used = watch(store)
        self._by_id[account_id] = account
        return account

    def _path_of(self, name: str) -> str:
        """Return the path of the database of an account: beside that of the first one."""
        if self._path == ":memory:":
            return self._path
        path = Path(self._path)
        return str(path.with_name(f"{path.stem}.{name}{path.suffix}"))

    def close(self) -> None:
        """Close all databases."""
        for account in self._by_id.values():
            account.store.close()

    @property
    def is_stored(self) -> bool:
        """Whether files keep the data."""
        return self._path != ":memory:"

    @property
    def opened(self) -> list[AccountState]:
        """The accounts that are open, in the order in which they were opened."""
        return list(self._by_id.values())

    def add(self, name: str) -> AccountState:
        """Add an account, or open it if the database has it already.

        Raises:
            ValueError: The name is not valid, or in use.
        """
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"An account needs a name of letters, digits, - and _, not {name!r}")
        if any(account.name == name for account in self.opened):
            raise ValueError(f"There is an account {name!r} already: use another name")
        row = self.store.one("SELECT id FROM accounts WHERE name = ?", name)
        account_id = row["id"] if row else self.store.insert("accounts", name=name)
        return self._open(account_id, name)

    def add_customer(self, owner_id: int, data: str) -> AccountState:
        """Add the account of a customer of an agency; its name is its id."""
        with self.store.transaction():
            account_id = self.store.insert("accounts", name="", owner=owner_id, data=data)
            name = str(account_id)
            self.store.run("UPDATE accounts SET name = ? WHERE id = ?", name, account_id)
        return self._open(account_id, name)

    def row(self, account_id: int) -> Row | None:
        """Return what is known about an account that was added."""
        return self.store.one("SELECT * FROM accounts WHERE id = ?", account_id)

    def customers(self, owner_id: int) -> list[int]:
        """Return the ids of the accounts of an agency's customers."""
        sql = "SELECT id FROM accounts WHERE owner = ? ORDER BY id"
        return [account_id for (account_id,) in self.store.tuples(sql, owner_id)]

    def with_id(self, account_id: int) -> AccountState | None:
        """Return an account by its id."""
        account = self._by_id.get(account_id)
        if account is None and (row := self.row(account_id)):
            account = self._open(account_id, row["name"])
        return account

    def with_name(self, name: str) -> AccountState | None:
        """Return an open account by its name."""
        return next((it for it in self.opened if it.name == name), None)

    def check_fault(self, fault: Fault) -> None:
        """Refuse a fault of an account that does not exist, because it would never be injected.

        The names of customers' accounts are numbers; a fault may be there before they are.

        Raises:
            ValueError: There is no such account.
        """
        name = fault.account
        if name is None or name.isdecimal() or self.with_name(name):
            return
        if self.store.value("SELECT 1 FROM accounts WHERE name = ?", name) is None:
            known = ", ".join(it.name for it in self.opened)
            raise ValueError(f"There is no account {name!r} for a fault: use one of {known}")

    def with_app(self, client_id: str) -> AccountState | None:
        """Return the account whose OAuth app has an id."""
        return next((it for it in self.opened if it.client_id == client_id), None)

    def with_token(self, token: str) -> AccountState | None:
        """Return the account of an access token, expired or not."""
        if not token:
            return None
        sql = "SELECT account FROM access_tokens WHERE token = ?"
        account_id = self.store.value(sql, token)
        return None if account_id is None else self.with_id(account_id)
