"""The store of repeats in Redis."""

from typing import Any, Final

from cleverreach_async.auth.credentials import check_text
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.webhooks.repeats import Claim

__all__ = ["RedisRepeatStore"]

# KEYS: subject; ARGV: event, owner, milliseconds. The value is "state event owner".
_CLAIM: Final = """
local held = redis.call('get', KEYS[1])
if held then
  local state, event = string.match(held, '^(%S+) (%S+) ')
  if event == ARGV[1] then return {state, redis.call('pttl', KEYS[1])} end
end
redis.call('set', KEYS[1], 'busy ' .. ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return {'new', 0}
"""
# KEYS: subject; ARGV: event, owner, milliseconds.
_FINISH: Final = """
if redis.call('get', KEYS[1]) ~= 'busy ' .. ARGV[1] .. ' ' .. ARGV[2] then return 0 end
redis.call('set', KEYS[1], 'repeat ' .. ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return 1
"""
# KEYS: subject; ARGV: event, owner.
_RELEASE: Final = """
if redis.call('get', KEYS[1]) ~= 'busy ' .. ARGV[1] .. ' ' .. ARGV[2] then return 0 end
return redis.call('del', KEYS[1])
"""


class RedisRepeatStore:
    """Remembers the events in Redis, for processes on several machines. Runs on asyncio.

    Keys hold a keyed hash and values the name of an event: no personal data. Errors of the client
    pass; the endpoint answers 503 to a delivery that it cannot claim.

    Args:
        redis: Your ``redis.asyncio.Redis`` (extra ``redis``). It is not closed.
        prefix: The keys begin with it.

    Raises:
        ConfigurationError: The prefix is empty or no text, or the client is none or blocks.
    """

    def __init__(self, redis: Any, prefix: str = "cleverreach-webhook") -> None:
        check_text(prefix, "prefix")
        if not prefix:
            raise ConfigurationError(
                "prefix is empty; other keys in Redis could have the same name"
            )
        from cleverreach_async.auth.redis_store import check_client  # noqa: PLC0415 - loads much

        check_client(redis)
        self._redis = redis
        self._prefix = prefix

    async def claim(self, subject: str, event: str, owner: str, lease: float) -> Claim:
        """Claim a delivery."""
        state, left = await self._run(_CLAIM, subject, event, owner, _milliseconds(lease))
        kind: Any = state.decode() if isinstance(state, bytes) else state
        return Claim(kind, max(0, left) / 1000)

    async def finish(self, subject: str, event: str, owner: str, window: float) -> None:
        """Remember that it was handled."""
        await self._run(_FINISH, subject, event, owner, _milliseconds(window))

    async def release(self, subject: str, event: str, owner: str) -> None:
        """Forget a claim."""
        await self._run(_RELEASE, subject, event, owner)

    async def _run(self, script: str, subject: str, *words: str | int) -> Any:
        return await self._redis.eval(script, 1, f"{self._prefix}:{subject}", *words)


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))
