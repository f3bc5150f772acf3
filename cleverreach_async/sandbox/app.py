"""The sandbox: a local CleverReach with one or more accounts."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

from .account import SandboxAccount
from .accounts import AccountState, SandboxAccounts
from .api import make_api, path_of
from .behaviour import Behaviour
from .faults import Faults
from .front import SandboxApplication
from .hook_calls import Deliver
from .injection import FaultInjection
from .limits import AccountLimits, Outage
from .recording import RecordedRequest, RequestLog
from .scenario import Scenario, read_scenario
from .store import Store

FIRST_NAME = "main"
"""The name of the first account."""


class Sandbox(SandboxAccount):
    """A local CleverReach. It is its first account, and has more if :meth:`add_account` adds them.

    It is a test double, not a security boundary: it accepts every login, stores tokens unencrypted
    and trusts every client that can connect.

    Args:
        path: The SQLite database: ``:memory:``, or a file that keeps the data. Each further account
            has a file of its own beside it.
        client_id: The id of the OAuth app.
        client_secret: Its secret.
        token_lifetime: The lifetime of access tokens in seconds.
        behaviour: How to act where the real API is undocumented.
        faults: The faults to inject, in requests of all accounts.
        now: Returns the time in unix seconds.
        deliver: Sends the requests of webhooks, as :func:`deliver_to_app` or
            :func:`deliver_over_http` return it. A server sets the latter by default. With
            ``None`` webhooks are registered without verification, and nothing is delivered.
        rate: The most requests per second of the account; above it 429.
        max_in_flight: The most requests of the account at once; above it 429.
        outages: When each request gets 503: pairs of seconds since the start, such as
            ``[(10, 30)]``.
        retry_after: Whether a 429 for the rate says how many seconds to wait.

    Attributes:
        app: The ASGI application, which serves all accounts and, at ``/``, a page about them.
        faults: The current faults.

    Raises:
        ValueError: A limit is not valid, or the database cannot be used.
    """

    def __init__(
        self,
        path: str = ":memory:",
        *,
        client_id: str = "sandbox",
        client_secret: str = "sandbox-secret",  # noqa: S107 - a sandbox has no secrets
        token_lifetime: int = 2_592_000,
        behaviour: Behaviour | None = None,
        faults: Faults | None = None,
        now: Callable[[], float] = time.time,
        deliver: Deliver | None = None,
        rate: float | None = None,
        max_in_flight: int | None = None,
        outages: Iterable[Outage] = (),
        retry_after: bool = False,
    ) -> None:
        self.faults: Faults = faults or Faults()
        limits = AccountLimits(
            now, rate=rate, max_in_flight=max_in_flight, outages=outages, retry_after=retry_after
        )
        first = (client_id, client_secret, behaviour or Behaviour(), deliver, limits)

        def make(
            account_id: int, name: str, accounts: SandboxAccounts, store: Store
        ) -> AccountState:
            """Make an account; those that are opened later start like the first one."""
            if name == FIRST_NAME:
                app_id, secret, current, send, limited = first
            else:
                app_id, secret, limited = name, f"{name}-secret", AccountLimits(now)
                current, send = self.behaviour, self.deliver
            account = AccountState(
                account_id, name, accounts, store, current, now, app_id, secret, token_lifetime,
                limited,
            )  # fmt: skip
            account.hooks.deliver = send
            return account

        self._accounts = SandboxAccounts(path, FIRST_NAME, make)
        super().__init__(self._accounts.first, RequestLog())
        parts = self._accounts, self._log, lambda: self.faults
        api = FaultInjection(make_api(self._accounts), path_of, *parts)
        self.app: SandboxApplication = SandboxApplication(api, *parts)

    @classmethod
    def from_toml(
        cls,
        path: str | Path,
        *,
        now: Callable[[], float] = time.time,
        deliver: Deliver | None = None,
    ) -> Self:
        """Make a sandbox, with its accounts, of a TOML file with the same names as the arguments.

        ``faults`` is a list of texts such as ``"429=5%"`` or of tables with the fields of
        :class:`Fault`, ``behaviour`` a table with the fields of :class:`Behaviour`, and
        ``accounts.NAME`` a table with the arguments of :meth:`add_account` and a ``behaviour``.
        ``path`` is relative to the file.

        Args:
            path: The file.
            now: Returns the time in unix seconds.
            deliver: Sends the requests of webhooks.

        Raises:
            ValueError: The file is not valid; the message names file and key.
            OSError: The file cannot be read.
        """
        scenario = read_scenario(path)
        try:
            return cls.from_scenario(scenario, now=now, deliver=deliver)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    @classmethod
    def from_scenario(
        cls,
        scenario: Scenario,
        *,
        now: Callable[[], float] = time.time,
        deliver: Deliver | None = None,
    ) -> Self:
        """Make a sandbox, with its accounts, of a scenario.

        Raises:
            ValueError: An argument is not valid.
        """
        sandbox = cls(
            scenario.path,
            client_id=scenario.client_id or "sandbox",
            client_secret=scenario.client_secret or "sandbox-secret",
            token_lifetime=scenario.token_lifetime,
            behaviour=scenario.behaviour,
            faults=Faults(scenario.faults, seed=scenario.seed),
            now=now,
            deliver=deliver,
            **scenario.limits,
        )
        try:
            for name, it in scenario.accounts.items():
                app = {"client_id": it.client_id, "client_secret": it.client_secret}
                account = sandbox.add_account(name, **app, **it.limits)
                account.behaviour = it.behaviour or sandbox.behaviour
            for fault in scenario.faults:
                sandbox.account.accounts.check_fault(fault)
        except BaseException:
            sandbox.close()
            raise
        return sandbox

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the databases."""
        self._accounts.close()

    # Accounts.

    def add_account(
        self,
        name: str,
        *,
        client_id: str | None = None,
        client_secret: str | None = None,
        rate: float | None = None,
        max_in_flight: int | None = None,
        outages: Iterable[Outage] = (),
        retry_after: bool = False,
    ) -> SandboxAccount:
        """Add an account with data, tokens, an OAuth app and limits of its own.

        It begins with the behaviour and the ``deliver`` of the sandbox, and an account that a file
        has already keeps its data. The name of an account selects it when a user consents to an
        OAuth app: ``/oauth/authorize.php?…&account=NAME``.

        Args:
            name: Its name: letters, digits, ``-`` and ``_``.
            client_id: The id of its OAuth app; its name by default.
            client_secret: The secret of the app; ``NAME-secret`` by default.
            rate: The most requests per second.
            max_in_flight: The most requests at once.
            outages: When each request gets 503, in seconds since the account was added.
            retry_after: Whether a 429 for the rate says how many seconds to wait.

        Raises:
            ValueError: The name or the id of the app is in use, or an argument is not valid.
        """
        limits = AccountLimits(
            self.account.clock,
            rate=rate,
            max_in_flight=max_in_flight,
            outages=outages,
            retry_after=retry_after,
        )
        app_id = name if client_id is None else client_id
        if self._accounts.with_app(app_id) is not None:
            raise ValueError(f"There is an OAuth app {app_id!r} already: use another client_id")
        account = self._accounts.add(name)
        account.client_id, account.limits = app_id, limits
        if client_secret is not None:
            account.client_secret = client_secret
        return SandboxAccount(account, self._log)

    @property
    def accounts(self) -> dict[str, SandboxAccount]:
        """The accounts by name, this one first. A customer's account of an agency is its id."""
        return {
            it.name: self if it is self.account else SandboxAccount(it, self._log)
            for it in self._accounts.opened
        }

    # Requests.

    @property
    def requests(self) -> list[RecordedRequest]:
        """The last 10,000 requests of all accounts, in the order in which they were completed."""
        return self._log.requests()

    def count(self, method: str | None = None, path_prefix: str | None = None) -> int:
        """Return how many requests all accounts sent, e.g. ``count("POST", "/v3/groups")``."""
        return self._log.count(method, path_prefix)

    @property
    def on_request(self) -> Callable[[RecordedRequest], None] | None:
        """Called with each request when it is completed; assign a function at any time."""
        return self._log.on_completed

    @on_request.setter
    def on_request(self, on_request: Callable[[RecordedRequest], None] | None) -> None:
        """Replace it."""
        self._log.on_completed = on_request
