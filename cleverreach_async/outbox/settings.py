"""Options of sending from the outbox."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypedDict, Unpack, cast

import attrs

from cleverreach_async.errors import ConfigurationError
from cleverreach_async.outbox.entries import OutboxEntry
from cleverreach_async.outbox.parcels import check_account
from cleverreach_async.transport.arguments import check_plain_function
from cleverreach_async.transport.numbers import check_number, check_seconds

__all__ = ["SendingOptions", "SendingSettings"]

_DAY: Final = 86_400.0


class SendingOptions(TypedDict, total=False):
    """Options of :meth:`Outbox.sending` and :meth:`Outbox.send_due`. Times are in seconds.

    Attributes:
        accounts: The accounts to send for; all by default.
        concurrency: Most requests in flight, 4 by default.
        timeout: Time for one request, 30 by default.
        lease: Time after which an entry of a process that has died is taken by another one, 120 by
            default. It must be longer than ``timeout``, and enough for a renewal of the token.
        settle: Time after a lost answer, or a lease, before the orders are looked up, 60 by
            default: what is stored by then has to be readable.
        keep: Time after which the address and the data of an entry that is done are removed, 7
            days by default.
        give_up: Time from its first attempt after which an entry that always fails is dead, 7 days
            by default.
        poll: Time between two looks for entries that other processes put, 1 by default.
        drain: Time that the end of the block leaves to requests in flight, 10 by default.
        on_dead: Called with each entry that becomes dead. What it raises is logged.
    """

    accounts: Sequence[str]
    concurrency: int
    timeout: float
    lease: float
    settle: float
    keep: float
    give_up: float
    poll: float
    drain: float
    on_dead: Callable[[OutboxEntry], object]


def _checked_accounts(accounts: Any) -> tuple[str, ...] | None:
    if accounts is None:
        return None
    if isinstance(accounts, str) or not isinstance(accounts, Iterable):
        raise ConfigurationError("accounts is no list; pass a list of names: ['shop-42']")
    return tuple(map(check_account, cast("Iterable[object]", accounts)))


@attrs.frozen(kw_only=True)
class SendingSettings:
    """The options with their defaults, checked; see :class:`SendingOptions`."""

    accounts: Sequence[str] | None = attrs.field(default=None, converter=_checked_accounts)
    concurrency: int = 4
    timeout: float = 30.0
    lease: float = 120.0
    settle: float = 60.0
    keep: float = 7 * _DAY
    give_up: float = 7 * _DAY
    poll: float = 1.0
    drain: float = 10.0
    on_dead: Callable[[OutboxEntry], object] | None = None

    @classmethod
    def of(cls, **options: Unpack[SendingOptions]) -> "SendingSettings":
        """Return the settings of some options.

        Raises:
            ConfigurationError: An option is unknown or out of range.
        """
        known = [field.name for field in attrs.fields(cls)]
        for name in options:
            if name not in known:
                raise ConfigurationError(f"unknown option {name!r}; known are {', '.join(known)}")
        settings = cls(**options)
        settings.check()
        return settings

    def check(self) -> None:
        """Check the options.

        Raises:
            ConfigurationError: One is out of range.
        """
        if self.on_dead is not None:
            check_plain_function("on_dead", self.on_dead)
        check_number("concurrency", self.concurrency, least=1)
        for name in ("timeout", "lease", "settle", "keep", "give_up", "poll", "drain"):
            check_seconds(name, getattr(self, name))
        if not 0 < self.timeout < self.lease:
            raise ConfigurationError(
                f"lease ({self.lease:g} s) must be longer than timeout ({self.timeout:g} s), which"
                " must be above 0: no other process may take an entry whose request is in flight"
            )
