"""The journal of an import in Redis."""

from collections.abc import Sequence
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, Final

from cleverreach_async.bulk.journal.places import check_lease, check_name, run_abandoning
from cleverreach_async.bulk.journal.refusals import StoreRefusedError
from cleverreach_async.bulk.journal.store import JournalEntry
from cleverreach_async.errors import ConfigurationError
from cleverreach_async.transport.shared.redis_remedies import redis_remedy

__all__ = ["RedisJournal"]

_REJECTS: Final = "rejects:"
# KEYS: journal, a hash, so that everything has one slot of a cluster; ARGV: expected version or
# nothing, version, text, field of the rejects, rejects or nothing.
_SWAP: Final = """
if (redis.call('hget', KEYS[1], 'version') or '') ~= ARGV[1] then return 0 end
redis.call('hset', KEYS[1], 'version', ARGV[2], 'text', ARGV[3])
if ARGV[5] ~= '' then redis.call('hset', KEYS[1], ARGV[4], ARGV[5]) end
return 1
"""


class RedisJournal:
    """Keeps the journal of an import in Redis, so that another machine can go on with it.

    Pass it as ``journal=``. It contains row numbers, counts and reasons, and no addresses. Redis
    has to keep it for as long as an import may be resumed. With ``appendfsync always`` nothing is
    lost when Redis itself crashes; with the usual ``everysec``, orders of the last second could be
    sent twice then.

    Args:
        redis: Your ``redis.Redis``, or ``redis.asyncio.Redis``, which runs on asyncio (extra
            ``redis``). It is not closed.
        key: The key, one per import and partition, such as ``nightly-2026-11-28/3``.
        lease: Seconds without a sign of life after which another attempt takes the import over.

    Raises:
        ConfigurationError: The key is empty, no text, or has spaces around it, ``lease`` is not
            above 0, or ``redis`` is no client.
    """

    def __init__(self, redis: Any, key: str, *, lease: float = 30.0) -> None:
        self._redis = redis
        self._key = check_name(key)
        self.lease: float = check_lease(lease)
        self.name: str = f"Redis key {key}"
        if not hasattr(redis, "execute_command"):
            raise ConfigurationError(
                f"redis is of type {type(redis).__name__}; pass a client, such as"
                " redis.Redis.from_url(…)"
            )

    async def load(self) -> JournalEntry | None:
        """See :class:`JournalStore`."""
        version, text = await self._run("hmget", self._key, ["version", "text"])
        return None if version is None else JournalEntry(_text(version), _text(text))

    async def swap(self, expected: str | None, entry: JournalEntry, rejects: str) -> bool:
        """See :class:`JournalStore`."""
        words = (expected or "", entry.version, entry.text, f"{_REJECTS}{entry.version}", rejects)
        return bool(await self._run("eval", _SWAP, 1, self._key, *words))

    async def load_rejects(self) -> Sequence[str]:
        """See :class:`JournalStore`."""
        fields: dict[Any, Any] = await self._run("hgetall", self._key)
        return [_text(it) for name, it in fields.items() if _text(name).startswith(_REJECTS)]

    async def delete(self) -> None:
        """Delete the journal, so that the import can begin anew. No attempt may be running."""
        await self._run("delete", self._key)

    async def _run(self, command: str, *words: Any) -> Any:
        call = getattr(self._redis, command)
        try:
            # The methods of both clients look alike, but this one.
            if iscoroutinefunction(self._redis.execute_command):
                return await call(*words)
            return await run_abandoning(partial(call, *words))
        except Exception as error:
            remedy = redis_remedy(error, self._redis)
            if remedy is None:
                raise
            raise StoreRefusedError(self.name, error, remedy) from None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
