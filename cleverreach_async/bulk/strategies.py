"""The vendor's batch calls, and what each guarantees when a response is lost."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import attrs

from cleverreach_async.errors import ConfigurationError

__all__ = ["STRATEGIES", "UPSERT", "UPSERTPLUS", "Strategy", "StrategyName", "find_strategy"]

StrategyName = Literal["upsertplus", "upsert", "insert", "update", "delete"]


@attrs.frozen(kw_only=True)
class Strategy:
    """A batch call.

    Attributes:
        name: Its name, also the last part of the vendor's path.
        method: HTTP method.
        repeatable: Whether sending a row twice has the same effect as sending it once.
        takes_orders: Whether the call is known to store order lines.
        takes_activated: Whether rows may set a receiver active. An update must not, unless the
            caller asks for it: it could reactivate somebody who has unsubscribed.
        only_address: Whether a row is only its address.
        true_is_all: Whether a bare ``true`` means that every row is accepted.
        done_before: Part of a refusal message which shows, after a request without a response,
            that this request was executed.
    """

    name: StrategyName
    method: Literal["POST", "PUT"] = "POST"
    repeatable: bool = True
    takes_orders: bool = False
    takes_activated: bool = True
    only_address: bool = False
    true_is_all: bool = False
    done_before: str = ""

    @property
    def path(self) -> str:
        """Template of the call's path."""
        return f"/groups/{{group_id}}/receivers/{self.name}"

    def shows_earlier_execution(self, message: str) -> bool:
        """Return whether a refusal shows that an earlier request was executed."""
        return bool(self.done_before) and self.done_before in message.lower()


UPSERTPLUS: Final = Strategy(name="upsertplus", takes_orders=True)
UPSERT: Final = Strategy(name="upsert")

STRATEGIES: Final[Mapping[str, Strategy]] = MappingProxyType(
    {
        strategy.name: strategy
        for strategy in (
            UPSERTPLUS,
            UPSERT,
            Strategy(name="insert", repeatable=False, done_before="duplicate"),
            Strategy(name="update", method="PUT", takes_activated=False),
            Strategy(
                name="delete", only_address=True, true_is_all=True, done_before="invalid receiver"
            ),
        )
    }
)


def find_strategy(name: str) -> Strategy:
    """Return the strategy with this name.

    Raises:
        ConfigurationError: The name is unknown.
    """
    found = STRATEGIES.get(name)
    if found is None:
        raise ConfigurationError(f"Unknown strategy {name!r}; use one of {', '.join(STRATEGIES)}")
    return found
