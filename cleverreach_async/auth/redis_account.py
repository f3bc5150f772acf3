"""One account of CleverReach, shared by several processes through Redis."""

from typing import Any, Final

from cleverreach_async.auth.credentials import check_text
from cleverreach_async.auth.redis_store import RedisTokenStore, check_client
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.clock import Clock, Random
from cleverreach_async.transport.numbers import check_above_zero, check_number
from cleverreach_async.transport.passage import Gate
from cleverreach_async.transport.shared.script import AccountScript
from cleverreach_async.transport.shared.shared_gate import SharedGate

__all__ = ["RedisAccount"]

_LEASE: Final = 10.0


class RedisAccount:
    """What the processes of one account share: its token, its gate, and its limits.

    Pass the same key and the same limits in every process. Runs on asyncio. ::

        shared = RedisAccount(redis, "cr:shop-42", max_in_flight=4)
        cr = CleverReach(app.user(store=shared.tokens), shared=shared)

    While Redis cannot be reached, each process keeps to its share of the limits, with a gate of its
    own; one warning says so, and it goes back to Redis by itself.

    Args:
        redis: Your ``redis.asyncio.Redis`` or ``RedisCluster`` (extra ``redis``). It is not closed.
        key: Names the account, one key per account. It gets braces, unless it has some, so that a
            cluster keeps all of the account on one node.
        max_in_flight: Most requests of the account in flight, over all processes; ``None`` for no
            limit but that of each process.
        requests_per_second: Most requests per second, over all processes; ``None`` for no limit.

    Raises:
        ConfigurationError: The key is empty or no text, a limit is not positive, or ``redis`` is no
            asynchronous client.
    """

    def __init__(
        self,
        redis: Any,
        key: str,
        *,
        max_in_flight: int | None = 4,
        requests_per_second: float | None = None,
    ) -> None:
        check_text(key, "key")
        if not key:
            raise ConfigurationError("key is empty; use one key per account")
        check_client(redis)
        _check_limits(max_in_flight, requests_per_second)
        key = key if "{" in key else f"{{{key}}}"
        self._tokens = RedisTokenStore(redis, f"{key}:token")
        self._script = AccountScript(
            redis=redis,
            key=key,
            max_in_flight=max_in_flight,
            requests_per_second=requests_per_second,
            lease=_LEASE,
        )

    @property
    def tokens(self) -> RedisTokenStore:
        """The store of the account's token, for ``app.user(store=…)``."""
        return self._tokens

    def gate(self, clock: Clock, rng: Random) -> Gate:
        """Return the gate of a client; the client calls this.

        Args:
            clock: Source of time.
            rng: Source of jitter.
        """
        return SharedGate(self._script, clock, rng)

    def __repr__(self) -> str:
        script = self._script
        return (
            f"RedisAccount({script.key!r}, max_in_flight={script.max_in_flight},"
            f" requests_per_second={script.requests_per_second})"
        )


def _check_limits(max_in_flight: object, requests_per_second: object) -> None:
    if max_in_flight is not None:
        check_number("max_in_flight", max_in_flight, least=1)
    if requests_per_second is not None:
        check_above_zero("requests_per_second", requests_per_second)
