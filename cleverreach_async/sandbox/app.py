"""The sandbox itself: one account of a CleverReach that runs here."""

import time
from collections.abc import Callable
from typing import Self

from . import forms, mailings, tokens
from .api import make_api
from .behaviour import Behaviour
from .call import AccountState
from .faults import Faults
from .injection import FaultInjection
from .recording import RecordedRequest, RequestLog
from .store import Store
from .values import Json, dump_text


class Sandbox:
    """A local CleverReach with one account and one OAuth app.

    It is a test double and no security boundary: it consents to every login, keeps tokens in the
    clear and trusts whoever can reach it.

    Args:
        path: The SQLite database: ``:memory:``, or a file that survives restarts.
        client_id: The id of the OAuth app.
        client_secret: Its secret.
        token_lifetime: The life of an access token in seconds.
        behaviour: Switches for what is unknown about the real API.
        faults: What goes wrong on purpose.
        now: The wall clock, in unix seconds.
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
    ) -> None:
        self.store = Store(path)
        self.faults = faults or Faults()
        self._log = RequestLog()
        self.account = AccountState(
            self.store, behaviour or Behaviour(), now, client_id, client_secret, token_lifetime
        )
        self.app = FaultInjection(
            make_api(self.account), self.account, self._log, lambda: self.faults
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    @property
    def behaviour(self) -> Behaviour:
        """The switches in force; another set may be assigned at any time."""
        return self.account.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        """Put another set of switches in force."""
        self.account.behaviour = behaviour

    # Requests.

    @property
    def requests(self) -> list[RecordedRequest]:
        """The last 10 000 requests, in the order in which they were answered."""
        return self._log.requests

    def count(self, method: str | None = None, path_prefix: str | None = None) -> int:
        """How many requests were received, e.g. ``count("POST", "/v3/groups")``."""
        return self._log.count(method, path_prefix)

    # Tokens.

    def add_token(self, token: str | None = None, *, lifetime: int | None = None) -> str:
        """Make an access token valid without OAuth.

        Args:
            token: The token; without one it is made up.
            lifetime: Its life in seconds; without one that of all tokens.

        Returns:
            The token.
        """
        now = self.account.now()
        expires_at = now + (self.account.token_lifetime if lifetime is None else lifetime)
        token = token or tokens.make_jwt(self.account.id, now, expires_at)
        tokens.add_access_token(self.account, token, expires_at)
        return token

    def expire_tokens(self) -> None:
        """Let every access token be too old; refresh tokens still work."""
        self.store.run("UPDATE access_tokens SET expires_at = 0")

    def revoke_tokens(self) -> None:
        """Forget every access and refresh token."""
        with self.store.transaction():
            self.store.run("DELETE FROM access_tokens")
            self.store.run("DELETE FROM refresh_tokens")

    # What the API itself cannot make.

    def add_form(self, group_id: int, name: str) -> int:
        """Add a form to a group and return its id."""
        return forms.add_form(self.account, group_id, name)

    def add_mailing(self, *, name: str, state: str = "draft", **fields: Json) -> int:
        """Add a mailing of any state and return its id.

        Args:
            name: Its name.
            state: draft, waiting, running, finished or automation.
            **fields: Any other field as it is to be read back.
        """
        return mailings.store_mailing(self.account, state, {"name": name, **fields})

    def add_report(self, mailing_id: int, **fields: Json) -> int:
        """Add the report of a mailing and return its id, which is the mailing's.

        Args:
            mailing_id: The mailing.
            **fields: Any field as it is to be read back, e.g. ``stats={"basic": {}}``.
        """
        mailings.store_report(self.account, mailing_id, fields)
        return mailing_id

    def add_bounce(self, email: str, *, category: str = "hardbounce", **fields: Json) -> None:
        """Let an address bounce: it is listed under /bounces and inactive in its groups.

        Args:
            email: The address.
            category: The kind of bounce.
            **fields: Any other field as it is to be read back.
        """
        now = self.account.now()
        bounce = {"email": email, "category": category, "occurences": 1, "last_update": now}
        with self.store.transaction():
            self.store.insert("bounces", email=email, data=dump_text(bounce | fields))
            self.store.run(
                "UPDATE members SET bounced = ? WHERE receiver_id ="
                " (SELECT id FROM receivers WHERE email_key = ?)",
                now,
                email.lower(),
            )

    @property
    def mails(self) -> list[forms.SentMail]:
        """The mails that forms sent, oldest first."""
        return forms.sent_mails(self.account)

    def follow_link(self, mail: forms.SentMail) -> None:
        """Do what the receiver does who follows the link in a mail: confirm, or unsubscribe."""
        forms.follow_link(self.account, mail)
