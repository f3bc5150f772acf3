"""The batch calls by which rows can travel, and what each means when an answer is lost."""

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
        name: Its name, which is the last part of the vendor's path too.
        method: HTTP method.
        repeatable: Whether a row may be sent twice and the result is as if it was sent once.
        takes_orders: Whether the call is known to store order lines.
        takes_activated: Whether rows may say that a receiver is active. An update must not, unless
            the caller asks for it: it could bring back somebody who has unsubscribed.
        only_address: Whether a row is nothing but its address.
        true_is_all: Whether a bare ``true`` answers for every row.
        done_before: Words of a refusal that show, after an attempt without an answer, that this
            attempt was executed.
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
    """Return the strategy of a name.

    Raises:
        ConfigurationError: There is none.
    """
    found = STRATEGIES.get(name)
    if found is None:
        raise ConfigurationError(f"strategy is {name!r}; it is one of {', '.join(STRATEGIES)}")
    return found
